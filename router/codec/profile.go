package codec

import "strconv"

// h264Decoder is the profile that a receiver says it decodes (ITU-T H.264 annex A.2, RFC 6184 table 5). The
// values are ordered by how much of what is in use such a decoder can be trusted to decode, the least first.
type h264Decoder uint8

// The H.264 decoders.
const (
	h264Unknown h264Decoder = iota
	h264CAVLC444
	h264High10Intra
	h264High422Intra
	h264High444Intra
	h264ConstrainedBaseline
	h264Baseline
	h264Extended
	h264Main
	h264ConstrainedHigh
	h264ProgressiveHigh
	h264High
	h264High10
	h264High422
	h264High444
)

var h264Names = [...]string{
	"unknown", "CAVLC 4:4:4 intra", "high 10 intra", "high 4:2:2 intra", "high 4:4:4 intra", "constrained baseline", "baseline", "extended", "main",
	"constrained high", "progressive high", "high", "high 10", "high 4:2:2", "high 4:4:4",
}

// The values of profile_idc (ITU-T H.264 annex A.2).
const (
	idcCAVLC444 = 44
	idcBaseline = 66
	idcMain     = 77
	idcExtended = 88
	idcHigh     = 100
	idcHigh10   = 110
	idcHigh422  = 122
	idcHigh444  = 244
)

// readH264 reads profile-level-id and packetization-mode (RFC 6184 section 8.1). Without the first it is
// Baseline at level 1, without the second mode 0.
func (f *Format) readH264(fmtp string) {
	f.mode = number(fmtp, "packetization-mode", 0)
	id := param(fmtp, "profile-level-id", "42000a")
	v, err := strconv.ParseUint(id, 16, 24)
	if err != nil || len(id) != 6 {
		f.profile = unknownProfile
		return
	}
	f.profile, f.flags, f.level = uint8(v>>16), uint8(v>>8), uint8(v)
	if f.level == 11 && f.set(3) && f.profile <= idcExtended && f.profile >= idcBaseline {
		f.level = 10 // level 1b lies between 1 and 1.1
	}
}

// set says whether constraint_set<n>_flag is 1.
func (f Format) set(n uint) bool { return f.flags&(0x80>>n) != 0 }

// The constraints that an H.264 stream obeys. Those of flags 0 to 2 are stated by the older profiles only.
func (f Format) old() bool {
	return f.profile == idcBaseline || f.profile == idcMain || f.profile == idcExtended
}

func (f Format) obeysBaseline() bool { return f.profile == idcBaseline || f.old() && f.set(0) }
func (f Format) obeysMain() bool     { return f.profile == idcMain || f.old() && f.set(1) }
func (f Format) obeysExtended() bool {
	return f.profile == idcExtended || f.old() && f.set(2) || f.obeysBaseline()
}

// decoder returns which profile the format is, as what a receiver decodes.
func (f Format) decoder() h264Decoder {
	switch f.profile {
	case idcBaseline, idcMain, idcExtended:
		switch {
		case f.obeysBaseline() && f.obeysMain():
			return h264ConstrainedBaseline
		case f.obeysBaseline():
			return h264Baseline
		case f.obeysMain():
			return h264Main
		}
		return h264Extended
	case idcHigh:
		switch {
		case f.set(4) && f.set(5):
			return h264ConstrainedHigh
		case f.set(4):
			return h264ProgressiveHigh
		}
		return h264High
	case idcHigh10:
		return intra(f, h264High10Intra, h264High10)
	case idcHigh422:
		return intra(f, h264High422Intra, h264High422)
	case idcHigh444:
		return intra(f, h264High444Intra, h264High444)
	case idcCAVLC444:
		return h264CAVLC444
	}
	return h264Unknown
}

func intra(f Format, if3, otherwise h264Decoder) h264Decoder {
	if f.set(3) {
		return if3
	}
	return otherwise
}

// takesH264 says whether a decoder decodes a stream, its level aside (ITU-T H.264 annex A.2.1 to A.2.11).
func takesH264(d h264Decoder, s Format) bool {
	idc := s.profile
	progressive := s.set(4) && (idc == idcHigh || idc == idcMain)
	constrained := s.obeysBaseline() && s.obeysMain()
	allIntra := s.set(3) && (idc == idcHigh || idc == idcHigh10 || idc == idcHigh422 || idc == idcHigh444)
	switch d {
	case h264ConstrainedBaseline:
		return constrained
	case h264Baseline:
		return s.obeysBaseline()
	case h264Extended:
		return s.obeysExtended()
	case h264Main:
		return s.obeysMain()
	case h264ConstrainedHigh:
		return constrained || progressive && s.set(5)
	case h264ProgressiveHigh:
		return constrained || progressive
	case h264High:
		return s.obeysMain() || idc == idcHigh
	case h264High10:
		return s.obeysMain() || idc == idcHigh || idc == idcHigh10
	case h264High422:
		return s.obeysMain() || idc == idcHigh || idc == idcHigh10 || idc == idcHigh422
	case h264High444:
		return s.obeysMain() || idc == idcHigh || idc == idcHigh10 || idc == idcHigh422 || idc == idcHigh444 || idc == idcCAVLC444
	case h264High10Intra:
		return allIntra && idc <= idcHigh10
	case h264High422Intra:
		return allIntra && idc <= idcHigh422
	case h264High444Intra:
		return allIntra || idc == idcCAVLC444
	case h264CAVLC444:
		return idc == idcCAVLC444
	}
	return false
}

// gradeH264 grades any two formats of H.264. What does not fit by the standard is a last resort: every
// decoder in use takes more than its label says, and reads fragments and aggregates whatever the
// packetization mode. Interleaved packets (mode 2, RFC 6184 section 6.4) are the exception: only a receiver
// that says so reads them.
//
// Among last resorts a decoder of the stream's profile comes first, whatever its mode, then the one that
// decodes the most. For decoders are made for a profile, and unpackers for all modes.
func gradeH264(src, dst Format) int {
	if src.mode >= 2 && src.mode != dst.mode {
		return unfit
	}
	d := dst.decoder()
	takes := takesH264(d, src)
	mode := dst.mode == src.mode || src.mode == 0 && dst.mode == 1
	g := 0
	switch profile := takes || practicalBaseline(d, src); {
	case profile && mode && dst.level >= src.level:
		g = fits
	case profile && mode:
		g = tooSmall
	case profile:
		g = 2 * lastResort
	default:
		g = lastResort + int(d)*ableMore
	}
	switch {
	case d == src.decoder() && d != h264Unknown:
		g += same
	case takes:
		g += same / 2
	}
	if mode {
		g += 2
	}
	if dst.mode == src.mode {
		g++
	}
	return g
}

// ableMore is how much better a decoder of the next profile is as a last resort. It is more than what the
// packetization mode adds.
const ableMore = 4

// practicalBaseline says whether a stream is Baseline by its label and a decoder decodes Constrained
// Baseline. Nobody encodes what lies between the two, flexible macroblock order and redundant slices. So
// every decoder of Constrained Baseline takes such a stream.
func practicalBaseline(d h264Decoder, s Format) bool {
	return s.decoder() == h264Baseline && d >= h264ConstrainedBaseline
}

// readH265 reads the profile, tier and level (RFC 7798 section 7.1).
func (f *Format) readH265(fmtp string) {
	f.profile = number(fmtp, "profile-id", 1)
	f.tier, f.level = number(fmtp, "tier-flag", 0), number(fmtp, "level-id", 93)
	if v, err := strconv.ParseUint(param(fmtp, "profile-compatibility-indicator", ""), 16, 32); err == nil {
		f.compat = uint32(v)
	}
}

// takesH265 says whether a decoder of one profile decodes a stream (ITU-T H.265 annex A.3). It decodes a
// stream of its own profile, and one that says that it obeys that profile
// (general_profile_compatibility_flag). Main, Main 10 and the range extensions decode Main Still Picture too,
// and the latter two Main. The range extensions also decode Main 10.
func takesH265(dst, src Format) bool {
	const still, rext = 3, 4
	if src.profile == dst.profile {
		return true
	}
	if dst.profile < 32 && src.compat&(1<<(31-dst.profile)) != 0 {
		return true
	}
	switch dst.profile {
	case 1:
		return src.profile == still
	case 2:
		return src.profile == 1 || src.profile == still
	case rext:
		return src.profile >= 1 && src.profile <= still
	}
	return false
}
