package session

import (
	"net/netip"
	"strings"
	"unicode"
)

// Client is from where a user has entered, and with what.
type Client struct {
	Addr  netip.Addr // of the request or the signalling connection; not valid: not known
	Agent string     // its header User-Agent, as AgentOf returns it
}

// maxAgent is how many bytes of a header User-Agent are kept. Browsers send some 120.
const maxAgent = 256

// AgentOf returns a header User-Agent as a line of printable text of at most 256 bytes. The client has chosen
// it, and whoever shows it escapes it.
func AgentOf(header string) string {
	if len(header) > maxAgent {
		header = header[:maxAgent]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, header)
}

// From says from where the session's client comes now, after a resume.
func (s *Session) From(c Client) { s.p.client.Store(&c) }
