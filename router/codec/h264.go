package codec

import "encoding/binary"

// H.264 NAL unit types (ITU-T H.264 table 7-1) and packet types (RFC 6184 table 1).
const (
	h264Slice = 1
	h264IDR   = 5
	h264SPS   = 7
	h264STAP  = 24
	h264FUA   = 28
)

func (i *Info) h264(b []byte) {
	switch t := b[0] & 0x1f; t {
	case h264STAP:
		for b = b[1:]; len(b) > 2; {
			n := int(binary.BigEndian.Uint16(b))
			if n == 0 || 2+n > len(b) {
				return
			}
			i.h264Unit(b[2] & 0x1f)
			i.h264Reference(b[2], b[2]&0x1f)
			b = b[2+n:]
		}
	case h264FUA:
		if len(b) > 1 {
			i.h264Reference(b[0], b[1]&0x1f)
		}
		if len(b) > 1 && b[1]&0x80 != 0 {
			i.h264Unit(b[1] & 0x1f)
		}
	default:
		i.h264Unit(t)
		i.h264Reference(b[0], t)
	}
}

// h264Reference reads nal_ref_idc (ITU-T H.264 section 7.4.1) of a slice. It is 0 in all slices of a picture
// or in none.
func (i *Info) h264Reference(first, t byte) {
	if t == h264Slice {
		i.Discardable = first&0x60 == 0
	}
}

func (i *Info) h264Unit(t byte) {
	switch t {
	case h264SPS:
		i.Keyframe, i.Start = true, true
	case h264IDR:
		i.Intra = true
	}
}

// H.265 NAL unit types (ITU-T H.265 table 7-1) and packet types (RFC 7798 section 4.4).
const (
	h265FirstIRAP = 16
	h265LastIRAP  = 21
	h265VPS       = 32
	h265SPS       = 33
	h265AP        = 48
	h265FU        = 49
)

func (i *Info) h265(b []byte) {
	if len(b) < 3 {
		return
	}
	switch t := b[0] >> 1 & 0x3f; t {
	case h265AP:
		for b = b[2:]; len(b) > 2; {
			n := int(binary.BigEndian.Uint16(b))
			if n == 0 || 2+n > len(b) {
				return
			}
			i.h265Unit(b[2] >> 1 & 0x3f)
			b = b[2+n:]
		}
	case h265FU:
		if b[2]&0x80 != 0 {
			i.h265Unit(b[2] & 0x3f)
		}
	default:
		i.h265Unit(t)
	}
}

func (i *Info) h265Unit(t byte) {
	switch {
	case t == h265VPS || t == h265SPS:
		i.Keyframe, i.Start = true, true
	case t >= h265FirstIRAP && t <= h265LastIRAP:
		i.Intra = true
	}
}
