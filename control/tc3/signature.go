package tc3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"parlor/session/terms"
)

// The signature is described as "Signature method v3" in the documentation of that API. The canonical URI is always
// "/", and a POST has no query.
const (
	algorithm  = "TC3-HMAC-SHA256"
	service    = "trtc"
	terminator = "tc3_request"
	// window is how far the time of a request may be from now.
	window = 5 * time.Minute
	// maxSigned is how many headers a signature may be over.
	maxSigned = 32
)

// authorization is what the header of that name holds.
type authorization struct {
	secretID, date string
	signed         []string // names of headers, in lower case and in order
	signature      []byte
}

// parseAuthorization reads
//
//	TC3-HMAC-SHA256 Credential=<id>/<date>/trtc/tc3_request, SignedHeaders=<a>;<b>, Signature=<hex>
func parseAuthorization(text string) (a authorization, f *failure) {
	parts, ok := strings.CutPrefix(text, algorithm+" ")
	if !ok {
		return a, deny(terms.CodeTokenInvalid, "AuthFailure.InvalidAuthorization", "Authorization is not of %s: the older signatures are not taken", algorithm)
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(parts, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := values[name]; twice {
			return a, malformed("%.32s is given twice", name)
		}
		values[name] = value
		if len(values) > 3 {
			return a, malformed("it has more than Credential, SignedHeaders and Signature")
		}
	}
	scope := strings.Split(values["Credential"], "/")
	if len(scope) != 4 || scope[2] != service || scope[3] != terminator || scope[0] == "" {
		return a, malformed("Credential is not <SecretId>/<date>/%s/%s", service, terminator)
	}
	a.secretID, a.date = scope[0], scope[1]
	a.signed = strings.Split(values["SignedHeaders"], ";")
	if len(a.signed) > maxSigned || !slices.IsSorted(a.signed) || !slices.Contains(a.signed, "content-type") || !slices.Contains(a.signed, "host") {
		return a, malformed("SignedHeaders has content-type and host, in alphabetic order, and at most %d", maxSigned)
	}
	signature, err := hex.DecodeString(values["Signature"])
	if err != nil || len(signature) != sha256.Size {
		return a, malformed("Signature is no HMAC-SHA256 in hex")
	}
	a.signature = signature
	return a, nil
}

func malformed(format string, args ...any) *failure {
	return deny(terms.CodeTokenInvalid, "AuthFailure.InvalidAuthorization", "Authorization: "+format, args...)
}

// admit checks who has made a request, and when.
func (h *handler) admit(r *http.Request, body []byte) *failure {
	if r.Header.Get("Authorization") == "" {
		return deny(terms.CodeTokenInvalid, "MissingParameter", "the header Authorization is missing")
	}
	a, f := parseAuthorization(r.Header.Get("Authorization"))
	if f != nil {
		return f
	}
	stamp := r.Header.Get("X-TC-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return deny(terms.CodeTokenInvalid, "InvalidParameter", "X-TC-Timestamp is no time in seconds")
	}
	now := h.o.Now()
	if away := seconds - now.Unix(); away > int64(window/time.Second) || away < -int64(window/time.Second) {
		return deny(terms.CodeTokenExpired, "AuthFailure.SignatureExpire", "X-TC-Timestamp is more than %s from the time here, %s", window, now.UTC().Format(time.RFC3339))
	}
	if a.date != time.Unix(seconds, 0).UTC().Format(time.DateOnly) { //nolint:forbidigo // the date of a time of day that another machine has told
		return malformed("the date of Credential is not that of X-TC-Timestamp, in UTC")
	}
	key, ok := h.o.Keys[a.secretID]
	if !ok {
		return deny(terms.CodeTokenInvalid, "AuthFailure.SecretIdNotFound", "no key has this SecretId")
	}
	if !hmac.Equal(a.signature, sign(key, a.date, service, stamp, canonical(r, a.signed, body))) {
		return deny(terms.CodeTokenInvalid, "AuthFailure.SignatureFailure", "the signature is not that of the request by this SecretId; Host is %.64q here", r.Host)
	}
	return nil
}

// canonical is a request as it is signed.
func canonical(r *http.Request, signed []string, body []byte) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n/\n" + r.URL.RawQuery + "\n")
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		b.WriteString(name + ":" + strings.ToLower(strings.TrimSpace(value)) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hash(body))
	return b.String()
}

// sign returns the signature of a canonical request to a service, by a secret, on a date, at a time in seconds.
func sign(secret []byte, date, service, stamp, canonical string) []byte {
	key := mac(append([]byte("TC3"), secret...), date)
	key = mac(mac(key, service), terminator)
	scope := date + "/" + service + "/" + terminator
	return mac(key, algorithm+"\n"+stamp+"\n"+scope+"\n"+hash([]byte(canonical)))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
