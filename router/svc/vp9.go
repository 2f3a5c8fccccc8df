package svc

import "encoding/binary"

// Decode targets of VP9 without a dependency descriptor: one for every layer that can be.
const (
	vp9Spatial  = 4
	vp9Temporal = 8
)

// ReadVP9 reads the payload descriptor of a packet (RFC 9628 section 4.2) into f, whatever f held before. pid
// is its picture id, extended to 15 bits. ReadVP9 reports false, with f.In nil, if the packet says nothing of
// layers, or comes before one that says how many there are. It also does so once dependency descriptors have
// come. Nothing is allocated unless the number or the sizes of the layers change.
func (r *Reader) ReadVP9(f *Frame, payload []byte, pid uint16) bool {
	const hasPID, inter, hasLayers, flexible, begin, end, hasSS, apart = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01
	f.In = nil
	if r.described || len(payload) < 3 || payload[0]&(hasPID|hasLayers) != hasPID|hasLayers {
		return false
	}
	head, b := payload[0], payload[2:]
	if payload[1]&0x80 != 0 {
		b = b[1:]
	}
	if len(b) < 2 {
		return false
	}
	l := b[0]
	*f = Frame{Layer: Layer{l >> 1 & 7, l >> 5}, Begins: head&begin != 0, Ends: head&end != 0}
	f.Number = pid<<3 | uint16(f.Spatial)
	if l&1 != 0 { // refers to the layer below
		f.refs.add(1)
	}
	b = b[1:]
	ok := true
	switch {
	case head&flexible == 0:
		b = b[1:] // TL0PICIDX
	case head&inter != 0:
		b, ok = f.vp9Refs(b)
	}
	if ok && head&hasSS != 0 {
		r.vp9Structure(b)
	}
	if !ok || r.now == nil || f.Spatial >= r.now.spatial {
		return false
	}
	r.active = r.now.all()
	f.In, f.active = r.now, r.active
	f.vp9Targets(head&inter == 0, head&apart != 0, l&0x10 != 0)
	return true
}

// vp9Refs reads the distances to the pictures to which a picture refers.
func (f *Frame) vp9Refs(b []byte) ([]byte, bool) {
	for range 3 {
		if len(b) == 0 {
			return nil, false
		}
		v := b[0]
		b = b[1:]
		f.refs.add(uint16(v>>1) << 3)
		if v&1 == 0 {
			break
		}
	}
	return b, true
}

// vp9Targets finds out to which targets a frame belongs: to those of its spatial layer and, unless apart, to
// those of the layers above. key says that the frame refers to no other picture, up that higher temporal
// layers can go on from it.
func (f *Frame) vp9Targets(key, apart, up bool) {
	const row = targets(1<<vp9Temporal - 1)
	times := row >> f.Temporal << f.Temporal
	own := times << (vp9Temporal * f.Spatial)
	f.present = own
	for s := f.Spatial + 1; s < vp9Spatial && !apart; s++ {
		f.present |= times << (vp9Temporal * s)
	}
	f.present &= f.In.all()
	f.needed = f.present
	switch {
	case key:
		f.switches = f.present
	case up:
		f.switches = own & f.present
	}
}

// vp9Structure reads how many spatial layers a scalability structure tells of, and how large they are.
func (r *Reader) vp9Structure(b []byte) {
	if len(b) == 0 {
		return
	}
	layers := b[0]>>5 + 1
	if layers > vp9Spatial {
		return
	}
	var areas [4]uint32
	if b[0]&0x10 != 0 && len(b) >= 1+4*int(layers) {
		for i := range layers {
			at := b[1+4*i:]
			areas[i] = uint32(binary.BigEndian.Uint16(at)) * uint32(binary.BigEndian.Uint16(at[2:]))
		}
	}
	if r.now != nil && r.now.spatial == layers && r.now.areas == areas {
		return
	}
	r.before, r.now = r.now, vp9Structure(layers, areas)
}

func vp9Structure(layers uint8, areas [4]uint32) *Structure {
	s := &Structure{targets: layers * vp9Temporal, spatial: layers, areas: areas}
	for i := range s.Targets() {
		s.layers[i] = Layer{uint8(i / vp9Temporal), uint8(i % vp9Temporal)}
	}
	return s
}
