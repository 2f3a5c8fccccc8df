package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader holds t=<Unix seconds>,v1=<hex of the HMAC-SHA256 over the time, a dot and the body>.
const SignatureHeader = "Parlor-Signature"

// Sign returns the signature of a body that is sent at a time.
func Sign(key []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(key, t, body))
}

func mac(key []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// The errors of Verify.
var (
	ErrSignature = errors.New("the signature is not that of the body")
	ErrTooOld    = errors.New("the time of the signature is too far from now")
)

// Verify is what a receiver written in Go does with a request. It checks that the signature was made by any
// of keys, and no longer ago, or later, than window. So somebody that has seen a request cannot use it
// afterwards. Within the window, repeats are known by their id. Parts of the header that it does not know are
// ignored.
func Verify(header string, body []byte, now time.Time, window time.Duration, keys ...[]byte) error {
	var t string
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			t = value
		case "v1":
			if s, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, s)
			}
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s has no time", ErrSignature, SignatureHeader)
	}
	valid := false
	for _, key := range keys {
		want := mac(key, t, body)
		for _, s := range signatures {
			valid = valid || hmac.Equal(s, want)
		}
	}
	if !valid {
		return ErrSignature
	}
	age := now.Sub(time.Unix(seconds, 0)) //nolint:forbidigo // a time of day of another machine has no monotonic reading to lose
	if age > window || age < -window {
		return ErrTooOld
	}
	return nil
}
