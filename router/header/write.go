package header

import (
	"encoding/binary"

	"parlor/packet"
)

// MaxLen is the room that Write needs, in bytes: the fixed header, the longest MID and dependency descriptor,
// and the rest.
const MaxLen = 640

// Template holds what does not change in the headers for one receiver: the extension ids that it negotiated
// and the MID of the section.
type Template struct {
	ids  packet.Extensions
	mid  string
	wide bool // an id or the MID does not fit the one-byte form
}

// NewTemplate returns the template for a section with the given ids. A MID longer than 32 bytes is not sent.
func NewTemplate(ids packet.Extensions, mid string) Template {
	if len(mid) == 0 || len(mid) > 32 {
		ids.MID = 0
	}
	t := Template{ids: ids, mid: mid}
	for _, id := range [...]uint8{ids.MID, ids.AbsSendTime, ids.TransportCC, ids.AudioLevel, ids.VideoOrientation,
		ids.PlayoutDelay, ids.DependencyDescriptor} {
		t.wide = t.wide || id > 14
	}
	return t
}

// TransportCC says whether headers carry a transport-wide sequence number.
func (t *Template) TransportCC() bool { return t.ids.TransportCC != 0 }

// Fields is what changes from packet to packet.
type Fields struct {
	Timestamp   uint32
	SSRC        uint32
	AbsSend     uint32 // 24 bits, 6.18 fixed point seconds
	Seq         uint16
	TransportCC uint16
	Frame       uint16 // frame number of the dependency descriptor
	PT          uint8
	Marker      bool
	MID         bool // write the MID, if negotiated
	Playout     Playout
}

// Playout is what a receiver is asked to wait for at least before it shows a picture. It takes the place of
// what came with the packet. 0: nothing.
type Playout uint32

const (
	playoutSet  = 1 << 24
	playoutMost = 1000 // 10 s, which is libwebrtc's own bound, in units of 10 ms
)

// PlayoutOf returns that of a time in units of 10 ms, up to 10 s (the header extension playout-delay of
// libwebrtc).
func PlayoutOf(least int) Playout {
	return playoutSet | Playout(min(max(least, 0), playoutMost))<<12 | playoutMost
}

// Write writes a header into dst and returns its length. The extensions of p that the receiver negotiated are
// carried over under the receiver's ids.
func (t *Template) Write(dst *[MaxLen]byte, f *Fields, p *Packet) int {
	dst[0] = 0x80
	dst[1] = f.PT
	if f.Marker {
		dst[1] |= 0x80
	}
	binary.BigEndian.PutUint16(dst[2:], f.Seq)
	binary.BigEndian.PutUint32(dst[4:], f.Timestamp)
	binary.BigEndian.PutUint32(dst[8:], f.SSRC)
	w := block{b: dst, n: 16, wide: t.wide}
	w.wide = w.wide || f.MID && t.ids.MID != 0 && len(t.mid) > 16 || t.ids.DependencyDescriptor != 0 && len(p.DD) > 16
	t.elements(&w, f, p)
	if w.n == 16 {
		return 12
	}
	for w.n&3 != 0 {
		dst[w.n] = 0
		w.n++
	}
	dst[0] |= 0x10
	if w.wide {
		binary.BigEndian.PutUint16(dst[12:], 0x1000)
	} else {
		binary.BigEndian.PutUint16(dst[12:], 0xBEDE)
	}
	binary.BigEndian.PutUint16(dst[14:], uint16((w.n-16)/4))
	return w.n
}

func (t *Template) elements(w *block, f *Fields, p *Packet) {
	if id := t.ids.AbsSendTime; id != 0 {
		w.open(id, 3)
		w.put3(byte(f.AbsSend>>16), byte(f.AbsSend>>8), byte(f.AbsSend))
	}
	if id := t.ids.TransportCC; id != 0 {
		w.open(id, 2)
		binary.BigEndian.PutUint16(w.b[w.n:], f.TransportCC)
		w.n += 2
	}
	if id := t.ids.MID; id != 0 && f.MID {
		w.open(id, len(t.mid))
		w.n += copy(w.b[w.n:], t.mid)
	}
	if p.Has&(AudioLevel|VideoOrientation|PlayoutDelay|DependencyDescriptor) == 0 && f.Playout == 0 {
		return
	}
	t.carried(w, f, p)
}

// carried writes the elements that came with the packet.
func (t *Template) carried(w *block, f *Fields, p *Packet) {
	if id := t.ids.AudioLevel; id != 0 && p.Has&AudioLevel != 0 {
		w.open(id, 1)
		w.b[w.n] = p.AudioLevel
		w.n++
	}
	if id := t.ids.VideoOrientation; id != 0 && p.Has&VideoOrientation != 0 {
		w.open(id, 1)
		w.b[w.n] = p.VideoOrientation
		w.n++
	}
	switch id := t.ids.PlayoutDelay; {
	case id == 0:
	case f.Playout != 0:
		w.open(id, 3)
		w.put3(byte(f.Playout>>16), byte(f.Playout>>8), byte(f.Playout))
	case p.Has&PlayoutDelay != 0:
		w.open(id, 3)
		w.put3(p.PlayoutDelay[0], p.PlayoutDelay[1], p.PlayoutDelay[2])
	}
	if id := t.ids.DependencyDescriptor; id != 0 && p.Has&DependencyDescriptor != 0 {
		w.open(id, len(p.DD))
		copy(w.b[w.n:], p.DD)
		// frame_number follows the first byte of mandatory_descriptor_fields.
		binary.BigEndian.PutUint16(w.b[w.n+1:], f.Frame)
		w.n += len(p.DD)
	}
}

// block writes extension elements behind the fixed header.
type block struct {
	b    *[MaxLen]byte
	n    int
	wide bool
}

func (w *block) open(id uint8, size int) {
	if w.wide {
		w.b[w.n], w.b[w.n+1] = id, byte(size)
		w.n += 2
		return
	}
	w.b[w.n] = id<<4 | byte(size-1)
	w.n++
}

func (w *block) put3(a, b, c byte) {
	w.b[w.n], w.b[w.n+1], w.b[w.n+2] = a, b, c
	w.n += 3
}
