package negotiate

import (
	"fmt"
	"net/netip"
)

// Candidate is one host candidate of the node (RFC 8839, RFC 6544 for TCP).
type Candidate struct {
	Addr netip.AddrPort
	TCP  bool // passive: the client connects
}

// attribute formats the candidate. n is its position among the node's candidates, which decides the
// foundation and, within its protocol, the priority.
func (c Candidate) attribute(n int) string {
	local := uint32(65535 - n)
	proto, suffix := "udp", ""
	typePreference := uint32(126)
	if c.TCP {
		// The priority is below every UDP candidate's, for clients that only compare priorities (RFC 6544
		// §4.2).
		proto, suffix, typePreference = "tcp", " tcptype passive", 90
		local = 4<<13 | uint32(8191-n) // direction preference 4: passive, for a host candidate
	}
	return fmt.Sprintf("%d 1 %s %d %s %d typ host%s", n+1, proto, typePreference<<24|local<<8|255,
		c.Addr.Addr().Unmap().WithZone(""), c.Addr.Port(), suffix)
}

// CandidateValues returns the values of the a=candidate lines, UDP first: some clients try the first one
// only.
func CandidateValues(list []Candidate) []string {
	var out []string
	for _, tcp := range []bool{false, true} {
		for _, c := range list {
			if c.TCP == tcp {
				out = append(out, c.attribute(len(out)))
			}
		}
	}
	return out
}
