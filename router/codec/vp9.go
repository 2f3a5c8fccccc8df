package codec

import "encoding/binary"

// vp9 reads the payload descriptor of RFC 9628 section 4.2 as far as the numbers to be rewritten go. It also
// reads the picture size of the scalability structure.
func (i *Info) vp9(b []byte) bool {
	const (
		hasPID, inter, hasLayers, flexible, begin, hasSS = 0x80, 0x40, 0x20, 0x10, 0x08, 0x02
	)
	n := 1
	if b[0]&hasPID != 0 {
		var ok bool
		if n, ok = i.pid(b, n); !ok {
			return false
		}
	}
	if b[0]&hasLayers != 0 {
		if n >= len(b) {
			return false
		}
		i.TID, i.SID, i.SwitchUp = b[n]>>5, b[n]>>1&0x07, b[n]&0x10 != 0
		n++
		if b[0]&flexible == 0 {
			if n >= len(b) {
				return false
			}
			i.TL0, i.HasTL0 = b[n], true
			n++
		}
	}
	i.Desc = uint8(n)
	i.Start = b[0]&begin != 0 && i.SID == 0
	i.Keyframe = i.Start && b[0]&inter == 0
	if i.Keyframe && b[0]&hasSS != 0 {
		i.vp9Size(b[n:])
	}
	return true
}

// vp9Size takes the size of the largest spatial layer from the scalability structure. The reference indices
// that may stand in front of it belong to inter-predicted pictures only.
func (i *Info) vp9Size(b []byte) {
	if len(b) < 1 || b[0]&0x10 == 0 {
		return
	}
	layers := int(b[0]>>5) + 1
	if at := 1 + 4*(layers-1); len(b) >= at+4 {
		i.Width, i.Height = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	}
}

func rewriteVP9(dst []byte, i *Info, desc []byte, p PIDs) []byte {
	var w [MaxDesc]byte
	w[0] = desc[0]
	n, from := 1, 1
	if i.HasPID {
		binary.BigEndian.PutUint16(w[n:], p.PID|0x8000)
		n, from = n+2, from+2
		if i.ShortPID {
			from--
		}
	}
	n += copy(w[n:], desc[from:])
	if i.HasTL0 {
		w[n-1] = p.TL0
	}
	return tail(dst, w[:n])
}
