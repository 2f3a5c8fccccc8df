package codec

import "encoding/binary"

// vp8 reads the payload descriptor of RFC 7741 section 4.2. In the first packet it also reads the frame
// header of section 4.3.
func (i *Info) vp8(b []byte) bool {
	n := 1
	if b[0]&0x80 != 0 {
		if n = i.vp8Extended(b); n == 0 {
			return false
		}
	}
	if n >= len(b) {
		return false
	}
	i.Desc = uint8(n)
	i.Discardable = b[0]&0x20 != 0
	i.Start = b[0]&0x10 != 0 && b[0]&0x07 == 0
	i.Keyframe = i.Start && b[n]&0x01 == 0
	if f := b[n:]; i.Keyframe && len(f) >= 10 && f[3] == 0x9d && f[4] == 0x01 && f[5] == 0x2a {
		i.Width = binary.LittleEndian.Uint16(f[6:]) & 0x3fff
		i.Height = binary.LittleEndian.Uint16(f[8:]) & 0x3fff
	}
	return true
}

// vp8Extended reads the optional bytes and returns the length of the descriptor, 0 if it is cut short.
func (i *Info) vp8Extended(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	x, n := b[1], 2
	if x&0x80 != 0 {
		var ok bool
		if n, ok = i.pid(b, n); !ok {
			return 0
		}
	}
	if x&0x40 != 0 {
		if n >= len(b) {
			return 0
		}
		i.TL0, i.HasTL0 = b[n], true
		n++
	}
	if x&0x30 != 0 {
		if n >= len(b) {
			return 0
		}
		if x&0x20 != 0 {
			i.TID, i.Sync = b[n]>>6, b[n]&0x20 != 0
		}
		if x&0x10 != 0 {
			i.KeyIdx, i.HasKeyIdx = b[n]&0x1f, true
		}
		n++
	}
	return n
}

// pid reads a picture id of 7 or 15 bits at b[n] and returns where it ends; VP8 and VP9 write it alike.
func (i *Info) pid(b []byte, n int) (int, bool) {
	if n >= len(b) {
		return 0, false
	}
	i.HasPID = true
	if b[n]&0x80 == 0 {
		i.PID, i.ShortPID = uint16(b[n]), true
		return n + 1, true
	}
	if n+1 >= len(b) {
		return 0, false
	}
	i.PID = binary.BigEndian.Uint16(b[n:]) & 0x7fff
	return n + 2, true
}

func rewriteVP8(dst []byte, i *Info, desc []byte, p PIDs) []byte {
	var w [MaxDesc]byte
	n := copy(w[:], desc[:min(2, len(desc))])
	if i.HasPID {
		binary.BigEndian.PutUint16(w[n:], p.PID|0x8000)
		n += 2
	}
	if i.HasTL0 {
		w[n] = p.TL0
		n++
	}
	if len(desc) > 1 && desc[1]&0x30 != 0 {
		w[n] = desc[len(desc)-1]
		if i.HasKeyIdx {
			w[n] = w[n]&0xe0 | p.KeyIdx&0x1f
		}
		n++
	}
	return tail(dst, w[:n])
}

// tail copies b to the end of dst.
func tail(dst, b []byte) []byte {
	dst = dst[len(dst)-len(b):]
	copy(dst, b)
	return dst
}
