package negotiate

import (
	"fmt"
	"strconv"
	"strings"
)

// layer is one RID that the node takes: a stream of a simulcast, or the only stream of the section.
type layer struct {
	rid          string
	paused       bool
	restrictions string // of the answer's a=rid line, with a leading space; empty: none
}

// simulcast says which streams of a section the node takes.
type simulcast struct {
	layers []layer
	listed bool // a=simulcast names what the client sends
}

// parseSimulcast reads a=rid and a=simulcast. Of a stream's alternatives the first that is not paused is
// taken, and a paused one if there is no other. The answer has to repeat the tilde, since a browser takes a
// layer named without it as asked for, and one not named as refused.
func (s *section) parseSimulcast(a attributes) *Error {
	rids, order, e := s.parseRIDs(a.all("rid"))
	if e != nil || len(order) == 0 {
		return e
	}
	list, e := s.sendList(a.all("simulcast"))
	if e != nil {
		return e
	}
	if list == "" {
		if r := rids[order[0]]; len(order) == 1 && !r.refused {
			s.layers = []layer{{rid: order[0], restrictions: r.restrictions}}
		}
		return nil
	}
	s.listed = true
	taken := map[string]bool{}
	for stream := range strings.SplitSeq(list, ";") {
		l, e := s.pickAlternative(stream, rids)
		if e != nil {
			return e
		}
		if l.rid == "" {
			continue // no alternative has a payload type that is taken
		}
		if taken[l.rid] {
			return s.fault("simulcast", fmt.Sprintf("names the RID %s twice", l.rid))
		}
		taken[l.rid] = true
		s.layers = append(s.layers, l)
	}
	return nil
}

// ridLine is an a=rid line of the sending direction.
type ridLine struct {
	restrictions string // of the answer, with a leading space; empty: none
	refused      bool   // none of its payload types is taken
}

// parseRIDs reads the a=rid lines of the sending direction by RID, and their order.
func (s *section) parseRIDs(values []string) (rids map[string]ridLine, order []string, e *Error) {
	rids = map[string]ridLine{}
	for _, l := range values {
		f := strings.Fields(l)
		if len(f) < 2 || !validRID(f[0]) || f[1] != "send" && f[1] != "recv" {
			return nil, nil, s.fault("rid", "must be <letters and digits> send|recv")
		}
		if f[1] != "send" {
			continue
		}
		if _, dup := rids[f[0]]; dup {
			return nil, nil, s.fault("rid", f[0]+" is declared twice")
		}
		if len(order) == maxRIDs {
			return nil, nil, s.fault("rid", fmt.Sprintf("more than %d streams", maxRIDs))
		}
		rids[f[0]] = s.ridRestrictions(strings.Join(f[2:], " "))
		order = append(order, f[0])
	}
	return rids, order, nil
}

// validRID allows what RFC 8852 does, and _ and - as browsers do. The length is that of a one-byte header
// extension.
func validRID(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 16
}

// ridRestrictions repeats the restrictions of RFC 8851 and narrows pt= to the payload types taken.
func (s *section) ridRestrictions(v string) ridLine {
	var out []string
	for r := range strings.SplitSeq(v, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(r), "=")
		switch key {
		case "pt":
			pts := s.takenPTs(value)
			if pts == "" {
				return ridLine{refused: true}
			}
			out = append(out, "pt="+pts)
		case "max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp":
			out = append(out, key+"="+value)
		}
	}
	if len(out) == 0 {
		return ridLine{}
	}
	return ridLine{restrictions: " " + strings.Join(out, ";")}
}

// takenPTs returns those of a list of payload types that are taken, each once.
func (s *section) takenPTs(list string) string {
	left := map[string]bool{}
	for _, c := range s.codecs {
		left[strconv.Itoa(int(c.PT))] = true
	}
	var out []string
	for pt := range strings.SplitSeq(list, ",") {
		if left[pt] {
			out = append(out, pt)
			delete(left, pt)
		}
	}
	return strings.Join(out, ",")
}

// sendList returns the part of a=simulcast that says what the client sends.
func (s *section) sendList(values []string) (string, *Error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", s.fault("simulcast", "given twice")
	}
	f := strings.Fields(values[0])
	if len(f) != 2 && len(f) != 4 {
		return "", s.fault("simulcast", "must be send|recv <RIDs>")
	}
	for i := 0; i < len(f); i += 2 {
		switch f[i] {
		case "send":
			return f[i+1], nil
		case "recv":
		default:
			return "", s.fault("simulcast", "must be send|recv <RIDs>")
		}
	}
	return "", nil
}

func (s *section) pickAlternative(stream string, rids map[string]ridLine) (layer, *Error) {
	alternatives := strings.Split(stream, ",")
	if len(alternatives) > maxAltRIDs {
		return layer{}, s.fault("simulcast", fmt.Sprintf("more than %d alternatives of a stream", maxAltRIDs))
	}
	var pick layer
	for _, alt := range alternatives {
		rid, paused := strings.CutPrefix(alt, "~")
		r, ok := rids[rid]
		if !ok {
			return layer{}, s.fault("simulcast", fmt.Sprintf("names the RID %.20q, which no a=rid line declares for sending", rid))
		}
		if r.refused {
			continue
		}
		if pick.rid == "" || pick.paused && !paused {
			pick = layer{rid: rid, paused: paused, restrictions: r.restrictions}
		}
	}
	return pick, nil
}
