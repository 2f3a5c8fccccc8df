package codec

import (
	"strconv"
	"strings"

	"parlor/packet"
)

// Format is what decides whether a receiver can decode a source: codec, clock, channels and the format
// parameters that matter. For a source they say what its stream is, for a receiver what it decodes.
type Format struct {
	ID       ID
	Clock    uint32 // Hz
	Channels uint16 // G.711 and G.722: at least 1; others: 0, as it does not matter

	// profile is profile_idc for H.264, profile-id for H.265, and the profile for VP9 and AV1. It is
	// unknownProfile if the parameter cannot be read.
	profile uint8
	flags   uint8 // H.264: the constraint flags, constraint_set0_flag highest
	compat  uint32
	level   uint8 // as the codec writes it; 0: none stated
	tier    uint8 // H.265, AV1
	mode    uint8 // H.264: packetization-mode
	Inner   uint8 // RED: payload type of its blocks, 0 if not said
}

// unknownProfile stands for a parameter that is no number of the codec's. Nothing is known of such a format.
const unknownProfile = 255

// FormatOf reads the format parameters of a codec. A missing parameter has the value that the payload
// format's RFC infers.
func FormatOf(c packet.Codec) Format {
	f := Format{ID: ByName(c.Name), Clock: c.ClockRate}
	switch f.ID {
	case PCMU, PCMA, G722:
		f.Channels = max(c.Channels, 1)
	case VP9: // RFC 9628 section 6
		f.profile = number(c.Fmtp, "profile-id", 0)
	case AV1: // RTP payload format for AV1, section 7.2
		f.profile = number(c.Fmtp, "profile", 0)
		f.level, f.tier = number(c.Fmtp, "level-idx", 5), number(c.Fmtp, "tier", 0)
	case H265:
		f.readH265(c.Fmtp)
	case H264:
		f.readH264(c.Fmtp)
	case RED:
		first, _, _ := strings.Cut(c.Fmtp, "/")
		if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 7); err == nil {
			f.Inner = uint8(n)
		}
	}
	return f
}

// param returns the value of a parameter of "a=1;b=2", in lower case.
func param(fmtp, name, otherwise string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		k, v, _ := strings.Cut(part, "=")
		if v = strings.TrimSpace(v); v != "" && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.ToLower(v)
		}
	}
	return otherwise
}

// number returns a parameter that is a small number; unknownProfile if it is none.
func number(fmtp, name string, otherwise uint8) uint8 {
	v := param(fmtp, name, "")
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 8)
	if err != nil {
		return unknownProfile
	}
	return uint8(n)
}

// The grades of a fit. Each leaves room below the next for what decides among formats of one grade.
const (
	unfit      = 0
	lastResort = 100 // not by the standard, but real decoders take it
	tooSmall   = 400 // by the standard, but for the level or tier
	fits       = 500 // by the standard
	same       = 50  // added: the very profile
)

// grade says how well a receiver's format takes a source: unfit, or the higher the better.
func grade(src, dst Format) int {
	if src.ID != dst.ID || src.ID == Unknown || src.Clock != dst.Clock || src.Channels != dst.Channels {
		return unfit
	}
	switch src.ID {
	case RED:
		if src.Inner != dst.Inner {
			return unfit // its blocks name payload types of the sender
		}
	case H264:
		return gradeH264(src, dst)
	case H265:
		return gradeProfile(src, dst, takesH265(dst, src))
	case AV1:
		return gradeProfile(src, dst, takesAV1(dst, src))
	case VP9:
		return gradeVP9(src, dst)
	}
	return fits
}

// gradeProfile grades formats of which the decoder takes the profile by the standard, or does not.
func gradeProfile(src, dst Format, takes bool) int {
	if !takes {
		return unfit
	}
	g := fits
	if dst.level < src.level || dst.tier < src.tier { // what is stated is seldom the limit of a decoder
		g = tooSmall
	}
	if dst.profile == src.profile {
		g += same
	}
	return g
}

// takesAV1 says whether a decoder of one profile decodes another (AV1 bitstream specification, annex A.2).
// High decodes Main, and Professional decodes both.
func takesAV1(dst, src Format) bool {
	return src.profile == dst.profile || dst.profile <= 2 && src.profile < dst.profile
}

// gradeVP9 takes each profile for itself (RFC 9628 section 6). As a last resort, a decoder of a profile with
// more bits or more chroma gets a stream with less: all decoders in use, libvpx first, decode both.
func gradeVP9(src, dst Format) int {
	switch {
	case src.profile == dst.profile:
		return fits + same
	// Bit 0 of a profile is chroma other than 4:2:0, bit 1 more than 8 bits.
	case src.profile < 4 && dst.profile < 4 && src.profile&^dst.profile == 0:
		return lastResort
	}
	return unfit
}

// Fit returns the index of the receiver's format that takes the source best, the first of equals, or -1. A
// RED source that no RED format takes fits an Opus one: its primary block is sent then (see Primary).
func Fit(src Format, dst []Format) int {
	best, at := unfit, -1
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
