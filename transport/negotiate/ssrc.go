package negotiate

import (
	"fmt"
	"strconv"
	"strings"
)

// ssrcs are the synchronisation sources that a client declares for a section.
type ssrcs struct {
	primary []uint32
	rtxOf   map[uint32]uint32 // repair SSRC → primary one
}

// allSSRCs lists the declared SSRCs, repair ones included.
func (s *section) allSSRCs() []uint32 {
	all := append([]uint32(nil), s.ssrcs.primary...)
	for repair := range s.ssrcs.rtxOf {
		all = append(all, repair)
	}
	return all
}

// parseSSRCs reads a=ssrc and a=ssrc-group.
func (s *section) parseSSRCs(a attributes) *Error {
	repair, e := s.parseGroups(a.all("ssrc-group"))
	if e != nil {
		return e
	}
	seen := map[uint32]bool{}
	for _, l := range a.all("ssrc") {
		num, _, _ := strings.Cut(l, " ")
		n, e := s.ssrc(num)
		if e != nil {
			return e
		}
		if !seen[n] && !repair[n] {
			s.ssrcs.primary = append(s.ssrcs.primary, n)
		}
		seen[n] = true
	}
	if len(s.ssrcs.primary) > maxSSRCs || len(repair) > 2*maxSSRCs {
		return s.fault("ssrc", fmt.Sprintf("more than %d declared", maxSSRCs))
	}
	return nil
}

// parseGroups returns the SSRCs that repair others. Groups other than FID tell nothing that the node uses.
// But the second SSRC of FEC-FR and FEC is a repair stream, which the node does not take.
func (s *section) parseGroups(values []string) (repair map[uint32]bool, e *Error) {
	repair = map[uint32]bool{}
	for _, g := range values {
		f := strings.Fields(g)
		if len(f) != 3 || f[0] != "FID" && f[0] != "FEC-FR" && f[0] != "FEC" {
			continue
		}
		first, e := s.ssrc(f[1])
		if e != nil {
			return nil, e
		}
		second, e := s.ssrc(f[2])
		if e != nil {
			return nil, e
		}
		if first == second {
			return nil, s.fault("ssrc-group", "an SSRC repairs itself")
		}
		repair[second] = true
		if f[0] == "FID" {
			if s.ssrcs.rtxOf == nil {
				s.ssrcs.rtxOf = map[uint32]uint32{}
			}
			s.ssrcs.rtxOf[second] = first
		}
	}
	return repair, nil
}

func (s *section) ssrc(v string) (uint32, *Error) {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0, s.fault("ssrc", fmt.Sprintf("%.20q is no 32-bit number", v))
	}
	return uint32(n), nil
}
