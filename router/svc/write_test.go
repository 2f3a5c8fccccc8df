package svc

import (
	"encoding/binary"
	"math/bits"
)

// writer writes descriptors, as a publisher does.
type writer struct {
	b  []byte
	at int
}

func (w *writer) put(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.at%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.at/8] |= byte(v>>i&1) << (7 - w.at%8)
		w.at++
	}
}

func (w *writer) nonSymmetric(v, n uint32) {
	wide := bits.Len32(n)
	if few := uint32(1)<<wide - n; v < few {
		w.put(v, wide-1)
	} else {
		w.put((v+few)>>1, wide-1)
		w.put((v+few)&1, 1)
	}
}

func (w *writer) indications(n uint8, present, needed, switches targets) {
	for i := range n {
		bit := targets(1) << i
		switch {
		case switches&bit != 0:
			w.put(2, 2)
		case needed&bit != 0:
			w.put(3, 2)
		case present&bit != 0:
			w.put(1, 2)
		default:
			w.put(0, 2)
		}
	}
}

func (w *writer) structure(s *Structure) {
	w.put(uint32(s.offset), 6)
	w.put(uint32(s.targets-1), 5)
	for i, t := range s.templates {
		if i > 0 {
			switch before := s.templates[i-1].layer; {
			case t.layer == before:
				w.put(0, 2)
			case t.layer.Spatial == before.Spatial:
				w.put(1, 2)
			default:
				w.put(2, 2)
			}
		}
	}
	w.put(3, 2)
	for _, t := range s.templates {
		w.indications(s.targets, t.present, t.needed, t.switches)
	}
	for _, t := range s.templates {
		for _, back := range t.refs.back[:t.refs.n] {
			w.put(1, 1)
			w.put(uint32(back-1), 4)
		}
		w.put(0, 1)
	}
	w.chains(s)
	if s.areas == ([4]uint32{}) {
		w.put(0, 1)
		return
	}
	w.put(1, 1)
	for _, area := range s.areas[:s.spatial] {
		w.put(area-1, 16)
		w.put(0, 16)
	}
}

func (w *writer) chains(s *Structure) {
	w.nonSymmetric(uint32(s.chains), uint32(s.targets)+1)
	if s.chains == 0 {
		return
	}
	for i := range s.targets {
		for c := range s.chains {
			if s.protected[c]>>i&1 != 0 {
				w.nonSymmetric(uint32(c), uint32(s.chains))
			}
		}
	}
	for _, t := range s.templates {
		for c := range s.chains {
			w.put(uint32(t.chains[c]), 4)
		}
	}
}

// descriptor returns that of a frame of template number i. If custom, it says itself what the template would
// say.
func descriptor(f *Frame, i int, structure, active, custom bool) []byte {
	s := f.In
	head := []byte{(s.offset + byte(i)) & 0x3f, 0, 0}
	if f.Begins {
		head[0] |= 0x80
	}
	if f.Ends {
		head[0] |= 0x40
	}
	binary.BigEndian.PutUint16(head[1:], f.Number)
	if !structure && !active && !custom {
		return head
	}
	var w writer
	for _, is := range [...]bool{structure, active, custom, custom, custom} {
		if is {
			w.put(1, 1)
		} else {
			w.put(0, 1)
		}
	}
	if structure {
		w.structure(s)
	}
	if active {
		w.put(uint32(f.active)>>16, max(int(s.targets)-16, 0))
		w.put(uint32(f.active), min(int(s.targets), 16))
	}
	if custom {
		w.indications(s.targets, f.present, f.needed, f.switches)
		for _, back := range f.refs.back[:f.refs.n] {
			wide := (bits.Len16(back-1) + 3) / 4
			w.put(uint32(max(wide, 1)), 2)
			w.put(uint32(back-1), 4*max(wide, 1))
		}
		w.put(0, 2)
		for c := range s.chains {
			w.put(uint32(f.chains[c]), 8)
		}
	}
	return append(head, w.b...)
}
