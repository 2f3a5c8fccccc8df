package negotiate

import (
	"fmt"
	"strconv"
	"strings"
)

// Fragment is a parsed application/trickle-ice-sdpfrag body (RFC 8840), as WHIP and WHEP clients send it by
// PATCH. It holds candidates that were found late, or new credentials for an ICE restart.
type Fragment struct {
	UFrag, Pwd      string   // empty: not stated
	Candidates      []string // values of a=candidate (RFC 8839); an ICE-lite agent needs none of them
	EndOfCandidates bool
}

// ParseFragment parses and validates a fragment. Media descriptions (RFC 9725 asks clients for a pseudo m=
// line) are passed over, apart from what they say of ICE. Credentials stated twice have to agree. The error
// is always an *Error.
func ParseFragment(text string) (*Fragment, error) {
	if len(text) > MaxFragmentSize {
		return nil, &Error{Text: fmt.Sprintf("larger than %d bytes", MaxFragmentSize)}
	}
	f := new(Fragment)
	for n, line := range lines(text) {
		if e := checkLine(n, line); e != nil {
			return nil, e
		}
		if e := f.addLine(line); e != nil {
			e.Line = n
			return nil, e
		}
	}
	if f.UFrag == "" && f.Pwd == "" {
		if len(f.Candidates) == 0 && !f.EndOfCandidates {
			return nil, &Error{Text: "holds neither ICE credentials nor candidates"}
		}
		return f, nil
	}
	if e := checkICE(f.UFrag, f.Pwd); e != nil {
		return nil, e
	}
	return f, nil
}

func (f *Fragment) addLine(line string) *Error {
	line, ok := strings.CutPrefix(line, "a=")
	if !ok {
		return nil
	}
	key, value, _ := strings.Cut(line, ":")
	switch key {
	case "ice-ufrag":
		return setOnce(&f.UFrag, key, value)
	case "ice-pwd":
		return setOnce(&f.Pwd, key, value)
	case "end-of-candidates":
		f.EndOfCandidates = true
	case "candidate":
		if !validCandidate(value) {
			return &Error{Field: key, Text: "must be <foundation> <component> <transport> <priority> <address> <port> typ <type>"}
		}
		f.Candidates = append(f.Candidates, value)
	}
	return nil
}

func setOnce(to *string, key, value string) *Error {
	if value == "" || *to != "" && *to != value {
		return &Error{Field: key, Text: "is empty or stated twice with different values"}
	}
	*to = value
	return nil
}

// validCandidate checks the grammar of RFC 8839 §5.1. Addresses may be names (mDNS) and are not looked at.
func validCandidate(v string) bool {
	f := strings.Fields(v)
	if len(f) < 8 || f[6] != "typ" {
		return false
	}
	for _, n := range []struct {
		text string
		bits int
	}{{f[1], 16}, {f[3], 32}, {f[5], 16}} {
		if _, err := strconv.ParseUint(n.text, 10, n.bits); err != nil {
			return false
		}
	}
	return true
}

// NodeFragment is the node's side of an ICE restart (RFC 9725 §4.3.3). The fields that
// Offer.NodeFragment fills in are as in the answer.
type NodeFragment struct {
	ICEOptions     string // of the answer; empty: none
	Bundle         string // mids of the answer's BUNDLE group; empty: none
	MediaLine, MID string // the m= line and the mid of the section whose transport the bundle uses

	UFrag, Pwd string // the node's new credentials
	Candidates []Candidate
}

// Marshal writes the fragment. Its lines end with CRLF.
func (f *NodeFragment) Marshal() string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			b.WriteString("a=" + key + ":" + value + "\r\n")
		}
	}
	b.WriteString("a=ice-lite\r\n")
	line("ice-options", f.ICEOptions)
	if f.Bundle != "" {
		line("group", "BUNDLE "+f.Bundle)
	}
	line("ice-ufrag", f.UFrag)
	line("ice-pwd", f.Pwd)
	b.WriteString("m=" + f.MediaLine + "\r\n")
	line("mid", f.MID)
	for _, c := range CandidateValues(f.Candidates) {
		line("candidate", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}
