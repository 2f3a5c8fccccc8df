package negotiate

import (
	"slices"
	"strings"

	"parlor/packet"
)

// prefer puts the payload types of a section that the client sends on into the order of the answer. A sender
// takes the first one (RFC 3264 section 6.1). The order stays the client's, but for what fewer receivers
// would be able to play. G.711 and G.722 come behind Opus, and of the payload types of one video codec the
// rare profiles come last.
func (s *section) prefer() {
	if s.kind == packet.Audio {
		slices.SortStableFunc(s.codecs, func(a, b codec) int { return rank(narrow(a)) - rank(narrow(b)) })
		return
	}
	byName := map[string][]codec{}
	for _, c := range s.codecs {
		byName[c.Name] = append(byName[c.Name], c)
	}
	for _, l := range byName {
		slices.SortStableFunc(l, func(a, b codec) int { return rank(rare(a)) - rank(rare(b)) })
	}
	for i, c := range s.codecs {
		s.codecs[i], byName[c.Name] = byName[c.Name][0], byName[c.Name][1:]
	}
}

// rank makes what is false come first.
func rank(later bool) int {
	if later {
		return 1
	}
	return 0
}

// narrow says whether an audio codec is one of the telephone's.
func narrow(c codec) bool { return c.Name != "OPUS" && c.Name != "RED" }

// rare says whether a payload type is of a profile that many receivers do not decode. These have more than 8
// bits, other chroma than 4:2:0, or interleaved H.264.
func rare(c codec) bool {
	is := false
	fmtpParams(c.Fmtp, func(key, value, _ string) {
		value = strings.ToLower(value)
		switch {
		case c.Name == "VP9" && key == "profile-id", c.Name == "AV1" && key == "profile":
			is = is || value != "0"
		case c.Name == "H265" && key == "profile-id":
			is = is || value != "1"
		case c.Name == "H264" && key == "packetization-mode":
			is = is || value == "2"
		case c.Name == "H264" && key == "profile-level-id":
			is = is || !slices.Contains([]string{"42", "4d", "58", "64"}, value[:min(2, len(value))])
		}
	})
	return is
}
