// Package codec reads what a forwarding node must know of a payload. That is whether a decoder can start with
// it, and the picture numbers that must go on without a break when the source changes. It reads descriptors
// only, never pictures.
//
//	codec.go   ID, Info, Parse: one entry for all codecs
//	vp8.go     VP8 (RFC 7741): keyframe, picture ids, Rewrite
//	vp9.go     VP9 (RFC 9628): keyframe, picture ids, Rewrite
//	h264.go    H.264 (RFC 6184) and H.265 (RFC 7798): keyframe
//	av1.go     AV1 RTP specification: aggregation header, dependency descriptor
//	red.go     RED (RFC 2198): the primary block
//	fit.go     Fit: which payload type of a receiver can take a source
//	profile.go which decoders of H.264, H.265 decode which profiles
//	label.go   formats in few words, for people and metrics
package codec

// ID is a codec that a node can forward.
type ID uint8

// The codecs.
const (
	Unknown ID = iota
	Opus
	RED
	VP8
	VP9
	H264
	H265
	AV1
	PCMU
	PCMA
	G722
)

var names = [...]string{"unknown", "OPUS", "RED", "VP8", "VP9", "H264", "H265", "AV1", "PCMU", "PCMA", "G722"}

// String returns the encoding name as in SDP, in upper case.
func (c ID) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return names[Unknown]
}

// ByName returns the codec of an upper case encoding name, Unknown if there is none.
func ByName(name string) ID {
	for i, n := range names {
		if n == name {
			return ID(i)
		}
	}
	return Unknown
}

// Info is what a payload says of itself.
type Info struct {
	Keyframe bool // the first packet of a picture with which a decoder can start
	// Intra is the like for H.264 and H.265, but without parameter sets. A decoder can start if it got those
	// elsewhere.
	Intra     bool
	Start     bool // the first packet of a picture, if the codec says so
	HasPID    bool
	ShortPID  bool // the picture id has 7 bits on the wire
	HasTL0    bool
	HasKeyIdx bool

	Discardable bool // of a picture to which no other refers, if the codec says so
	Sync        bool // VP8: of a picture that refers to the base temporal layer alone
	SwitchUp    bool // VP9: what follows does not refer to higher temporal layers from before this picture

	Desc   uint8 // bytes of the descriptor that Rewrite replaces
	TID    uint8 // temporal layer
	SID    uint8 // spatial layer
	TL0    uint8
	KeyIdx uint8  // VP8, 5 bits
	PID    uint16 // picture id

	Width, Height uint16 // of a keyframe, if it says so
}

// Parse reads the payload of one packet into i, whatever i held before. dd is the dependency descriptor, if
// one came. A payload that cannot be read yields the zero Info: it is forwarded, and never taken for a
// keyframe.
func Parse(i *Info, c ID, payload, dd []byte) {
	*i = Info{}
	if len(payload) == 0 {
		return
	}
	ok := true
	switch c {
	case VP8:
		ok = i.vp8(payload)
	case VP9:
		ok = i.vp9(payload)
	case H264:
		i.h264(payload)
	case H265:
		i.h265(payload)
	case AV1:
		i.av1(payload, dd)
	}
	if !ok {
		*i = Info{}
	}
}

// PIDs holds picture ids to be written in place of those that came.
type PIDs struct {
	PID    uint16 // 15 bits
	TL0    uint8
	KeyIdx uint8
}

// Rewrite writes the descriptor of a VP8 or VP9 packet with other picture ids to the end of dst, and returns
// what it wrote. dst needs MaxDesc bytes. What is returned takes the place of the first i.Desc bytes of
// payload. Picture ids are always written with 15 bits, so the length can differ.
func Rewrite(dst []byte, c ID, i *Info, payload []byte, p PIDs) []byte {
	if c == VP8 {
		return rewriteVP8(dst, i, payload[:i.Desc], p)
	}
	return rewriteVP9(dst, i, payload[:i.Desc], p)
}

// MaxDesc is the longest descriptor that Rewrite writes.
const MaxDesc = 8
