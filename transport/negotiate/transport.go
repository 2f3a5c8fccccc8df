package negotiate

import "strings"

// transport is the part of a section, or of the session level, that says how to reach and recognise the
// client.
type transport struct {
	ufrag, pwd   string
	setup        Setup
	fingerprints []Fingerprint
}

// add takes one attribute if it belongs to the transport.
func (t *transport) add(a attribute) {
	switch a.key {
	case "ice-ufrag":
		t.ufrag = a.value
	case "ice-pwd":
		t.pwd = a.value
	case "setup":
		t.setup = Setup(a.value)
	case "fingerprint":
		if f, ok := parseFingerprint(a.value); ok {
			t.fingerprints = append(t.fingerprints, f)
		}
	}
}

// inherit fills what is missing from the session level. ICE credentials belong together.
func (t transport) inherit(session transport) transport {
	if t.ufrag == "" && t.pwd == "" {
		t.ufrag, t.pwd = session.ufrag, session.pwd
	}
	if t.setup == "" {
		t.setup = session.setup
	}
	if len(t.fingerprints) == 0 {
		t.fingerprints = session.fingerprints
	}
	return t
}

// complete tells whether the section brings credentials, of its own or by inheritance. A bundle-only
// section need not.
func (t transport) complete() bool { return t.ufrag != "" && len(t.fingerprints) > 0 }

// check validates what the bundle will run on, and takes a missing a=setup for active (RFC 4145).
func (t *transport) check() *Error {
	if e := checkICE(t.ufrag, t.pwd); e != nil {
		return e
	}
	if len(t.fingerprints) == 0 {
		return &Error{Field: "fingerprint", Text: "missing, or no sha-256, sha-384 or sha-512 among them"}
	}
	switch t.setup {
	case ActPass, Active, Passive:
	case "":
		t.setup = Active
	default:
		return &Error{Field: "setup", Text: "must be actpass, active or passive"}
	}
	return nil
}

// checkICE validates credentials by RFC 8839 §5.4.
func checkICE(ufrag, pwd string) *Error {
	if len(ufrag) < 4 || len(ufrag) > 256 || !iceChars(ufrag) {
		return &Error{Field: "ice-ufrag", Text: "must be 4 to 256 of A–Z a–z 0–9 + /"}
	}
	if len(pwd) < 22 || len(pwd) > 256 || !iceChars(pwd) {
		return &Error{Field: "ice-pwd", Text: "must be 22 to 256 of A–Z a–z 0–9 + /"}
	}
	return nil
}

func iceChars(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// fingerprintBytes holds the hash functions that may vouch for a certificate.
var fingerprintBytes = map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}

// parseFingerprint reads "sha-256 AA:BB:…". An unknown or weak hash and a malformed value are passed over,
// because an offer may name several.
func parseFingerprint(v string) (Fingerprint, bool) {
	algo, value, _ := strings.Cut(strings.TrimSpace(v), " ")
	algo, value = strings.ToLower(algo), strings.ToUpper(strings.TrimSpace(value))
	n := fingerprintBytes[algo]
	if n == 0 || len(value) != 3*n-1 {
		return Fingerprint{}, false
	}
	for i := range len(value) {
		c := value[i]
		if i%3 == 2 {
			if c != ':' {
				return Fingerprint{}, false
			}
		} else if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return Fingerprint{}, false
		}
	}
	return Fingerprint{Algo: algo, Value: value}, true
}
