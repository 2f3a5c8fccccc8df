package codec

import (
	"strconv"
	"strings"

	"parlor/packet"
)

// Format is what decides whether a receiver can decode a source: codec, clock and the format parameters that matter.
type Format struct {
	ID      ID
	Clock   uint32
	profile string // "" is the codec's default
	mode    string // H.264 packetization-mode
	Inner   uint8  // RED: payload type of its blocks, 0 if not said
}

// FormatOf reads the format parameters of a codec.
func FormatOf(c packet.Codec) Format {
	f := Format{ID: ByName(c.Name), Clock: c.ClockRate}
	switch f.ID {
	case VP9:
		f.profile = param(c.Fmtp, "profile-id", "0")
	case AV1:
		f.profile = param(c.Fmtp, "profile", "0")
	case H265:
		f.profile = param(c.Fmtp, "profile-id", "1")
	case H264:
		f.profile = h264Profile(param(c.Fmtp, "profile-level-id", "42e01f"))
		f.mode = param(c.Fmtp, "packetization-mode", "0")
	case RED:
		first, _, _ := strings.Cut(c.Fmtp, "/")
		if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 7); err == nil {
			f.Inner = uint8(n)
		}
	}
	return f
}

// param returns the value of a parameter of "a=1;b=2".
func param(fmtp, name, otherwise string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(k, name) && v != "" {
			return strings.ToLower(strings.TrimSpace(v))
		}
	}
	return otherwise
}

// The H.264 profiles that WebRTC names, weakest first (RFC 6184 table 5).
const (
	constrainedBaseline = "constrained-baseline"
	baseline            = "baseline"
	mainProfile         = "main"
	constrainedHigh     = "constrained-high"
	high                = "high"
)

// h264Profile reads the first two bytes of a profile-level-id; the level does not matter, as both sides may differ in it.
func h264Profile(plid string) string {
	v, err := strconv.ParseUint(plid, 16, 24)
	if err != nil || len(plid) != 6 {
		return plid
	}
	idc, iop := v>>16, v>>8&0xff
	switch {
	case idc == 0x42 && iop&0x4f == 0x40, idc == 0x4d && iop&0x8f == 0x80:
		return constrainedBaseline
	case idc == 0x42:
		return baseline
	case idc == 0x4d:
		return mainProfile
	case idc == 0x64 && iop == 0x0c:
		return constrainedHigh
	case idc == 0x64:
		return high
	}
	return plid[:4]
}

// grade says how well a receiver's format takes a source: 0 not at all, higher is better.
func grade(src, dst Format) int {
	if src.ID != dst.ID || src.ID == Unknown || src.Clock != dst.Clock {
		return 0
	}
	switch {
	case src.ID == RED && src.Inner != dst.Inner:
		return 0 // its blocks name payload types of the sender
	case src.ID != H264 && src.profile != dst.profile:
		return 0
	case src.ID != H264:
		return 3
	case src.mode == "1" && dst.mode != "1" || src.mode == "2" || dst.mode == "2":
		return 0
	case src.profile == dst.profile && src.mode == dst.mode:
		return 3
	case src.profile == dst.profile:
		return 2
	case h264Takes(dst.profile, src.profile):
		return 1
	}
	return 0
}

// h264Takes says whether a decoder of profile dst decodes src. What browsers call baseline is the constrained one in
// truth, so the two are taken as one.
func h264Takes(dst, src string) bool {
	rank := map[string]int{constrainedBaseline: 1, baseline: 1, mainProfile: 2, constrainedHigh: 3, high: 4}
	s, d := rank[src], rank[dst]
	return s != 0 && d >= s
}

// Fit returns the index of the receiver's format that takes the source best, the first of equals, or -1. A RED source
// that no RED format takes fits an Opus one: its primary block is sent then (see Primary).
func Fit(src Format, dst []Format) int {
	best, at := 0, -1
	for i, d := range dst {
		if g := grade(src, d); g > best {
			best, at = g, i
		}
	}
	if at < 0 && src.ID == RED {
		return Fit(Format{ID: Opus, Clock: src.Clock}, dst)
	}
	return at
}
