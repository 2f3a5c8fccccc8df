package svc

import (
	"encoding/binary"
	"math/bits"
)

// Reader reads the descriptors of one stream, which refer to a structure that came with an earlier one. The
// zero value has no structure.
type Reader struct {
	now, before *Structure // the latest one, and the one that it replaced, of which late packets may be
	active      targets
	latest      uint16    // frame
	learned     uint16    // the frame that brought now, or one as long ago as is counted
	activated   uint16    // likewise the one that brought active
	described   bool      // there were dependency descriptors, so nothing else counts
	scratch     Structure // to read the next one into
}

// Structure returns the latest structure, nil if there is none.
func (r *Reader) Structure() *Structure { return r.now }

// Sends says whether any frames of a spatial layer are being sent.
func (r *Reader) Sends(spatial int) bool {
	for set := r.active & r.now.all(); set != 0; set &= set - 1 {
		if r.now.layers[bits.TrailingZeros32(uint32(set))].Spatial == uint8(spatial) {
			return true
		}
	}
	return false
}

// Active identifies which decode targets are being sent.
func (r *Reader) Active() uint32 { return uint32(r.active) }

// Read reads the dependency descriptor of a packet into f, whatever f held before. It reports false, with
// f.In nil, if the descriptor cannot be read, or refers to a structure that has not come. Nothing is
// allocated unless the structure changes.
func (r *Reader) Read(f *Frame, dd []byte) bool {
	f.In = nil
	if len(dd) < 3 {
		return false
	}
	number := binary.BigEndian.Uint16(dd[1:])
	r.turn(number)
	x := extended{bits: bits8{b: dd[3:]}}
	if len(dd) > 3 {
		x.structure, x.active = x.bits.take(1) == 1, x.bits.take(1) == 1
		x.indications, x.refs, x.chains = x.bits.take(1) == 1, x.bits.take(1) == 1, x.bits.take(1) == 1
	}
	if x.structure && !r.learn(&x.bits, number) {
		return false
	}
	s, t := r.find(dd[0] & 0x3f)
	if t == nil {
		return false
	}
	f.of(t)
	f.In, f.Number, f.Begins, f.Ends = s, number, dd[0]&0x80 != 0, dd[0]&0x40 != 0
	if x.active {
		r.activate(targets(x.bits.take32(int(s.targets))), number)
	}
	f.active = r.active & s.all()
	if !f.custom(&x, s) || x.bits.short {
		f.In = nil
	}
	return f.In != nil
}

// extended is which of the optional fields follow.
type extended struct {
	bits                                         bits8
	structure, active, indications, refs, chains bool
}

// reordered is by how many frames one may come late. What is further behind is taken for a new beginning.
const reordered = 4096

// late says whether a frame comes after one with a higher number.
func late(number, newest uint16) bool {
	behind := newest - number
	return behind > 0 && behind < reordered
}

// turn notes that a frame has come.
func (r *Reader) turn(number uint16) {
	switch {
	case r.now == nil:
		r.latest, r.learned, r.activated = number, number, number
	case late(number, r.latest):
		return
	}
	r.latest = number
	for _, at := range [...]*uint16{&r.learned, &r.activated} {
		if number-*at > reordered {
			*at = number - reordered
		}
	}
}

// learn reads a structure that a packet of a frame brings. It reports false if it is none, or one of long
// ago.
func (r *Reader) learn(b *bits8, number uint16) bool {
	s, old := &r.scratch, late(number, r.learned)
	switch {
	case !s.read(b):
		return false
	case r.now != nil && r.now.same(s): // sent once more, with a keyframe
	case r.before != nil && r.before.same(s):
		if old {
			return true
		}
		r.before, r.now = r.now, r.before
	case old:
		return false
	default:
		fresh := *s
		r.before, r.now, s.templates = r.now, &fresh, nil
	}
	r.described = true
	if !old {
		r.learned = number
	}
	r.activate(r.now.all(), number)
	return true
}

// activate notes which decode targets are being sent, as a frame says.
func (r *Reader) activate(set targets, number uint16) {
	if !late(number, r.activated) {
		r.active, r.activated = set, number
	}
}

// find returns the template of an id, and whose it is. Successive structures have ids of their own.
func (r *Reader) find(id uint8) (*Structure, *template) {
	for _, s := range [...]*Structure{r.now, r.before} {
		if s == nil {
			continue
		}
		if t := s.template(id); t != nil {
			return s, t
		}
	}
	return nil, nil
}

// of has a frame be what its template says.
func (f *Frame) of(t *template) {
	f.Layer, f.present, f.needed, f.switches = t.layer, t.present, t.needed, t.switches
	f.refs, f.chains = t.refs, t.chains
}

// custom reads what a frame says of itself instead, frame_dependency_definition().
func (f *Frame) custom(x *extended, s *Structure) bool {
	if x.indications {
		f.present, f.needed, f.switches = readIndications(&x.bits, s.targets)
	}
	if x.refs {
		f.refs = refs{}
		for n := x.bits.take(2); n != 0; n = x.bits.take(2) {
			if !f.refs.add(uint16(x.bits.take(4*int(n))) + 1) {
				return false
			}
		}
	}
	if x.chains {
		for c := range s.chains {
			f.chains[c] = uint8(x.bits.take(8))
		}
	}
	return true
}
