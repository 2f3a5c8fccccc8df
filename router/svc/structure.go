package svc

import (
	"math/bits"
	"slices"
)

// Structure is a template dependency structure (appendix A.8.2): what most frames have in common. It does not
// change once it is read.
type Structure struct {
	offset    uint8 // id of the first template
	targets   uint8
	chains    uint8
	spatial   uint8 // spatial layers
	layers    [MaxTargets]Layer
	protected [MaxTargets]targets // by chain: those that it protects
	areas     [4]uint32           // of the pictures of each spatial layer, 0: not said
	templates []template
}

// template is what frames of a kind say.
type template struct {
	layer                     Layer
	present, needed, switches targets
	refs                      refs
	chains                    [MaxTargets]uint8
}

// Targets returns how many decode targets there are.
func (s *Structure) Targets() int { return int(s.targets) }

// Target returns the highest decode target that is part of a layer, -1 if there is none.
func (s *Structure) Target(l Layer) int { return int(s.best(s.within(l))) }

// Spatial returns how many spatial layers there are.
func (s *Structure) Spatial() int { return int(s.spatial) }

// Area returns width times height of the pictures of a spatial layer, 0 if that is not said.
func (s *Structure) Area(spatial int) uint32 { return s.areas[spatial&3] }

// all is the set of all its decode targets.
func (s *Structure) all() targets { return targets(1<<s.targets - 1) }

// within returns the decode targets that are part of a layer.
func (s *Structure) within(l Layer) (set targets) {
	for i := range s.targets {
		if s.layers[i].within(l) {
			set |= 1 << i
		}
	}
	return set
}

// best returns the highest decode target of a set, none if it is empty.
func (s *Structure) best(set targets) int8 {
	best := none
	for ; set != 0; set &= set - 1 {
		if i := int8(bits.TrailingZeros32(uint32(set))); best == none || s.layers[i].above(s.layers[best]) {
			best = i
		}
	}
	return best
}

// none is no decode target.
const none = int8(-1)

// same says whether two structures say the same.
func (s *Structure) same(o *Structure) bool {
	return s.offset == o.offset && s.targets == o.targets && s.chains == o.chains && s.areas == o.areas &&
		s.protected == o.protected && slices.Equal(s.templates, o.templates)
}

// template returns that of an id.
func (s *Structure) template(id uint8) *template {
	if i := int(id-s.offset) & (maxTemplates - 1); i < len(s.templates) {
		return &s.templates[i]
	}
	return nil
}

// read reads template_dependency_structure() in place of what s held. It reports whether that is one.
func (s *Structure) read(r *bits8) bool {
	*s = Structure{templates: s.templates[:0]}
	s.offset = uint8(r.take(6))
	s.targets = uint8(r.take(5)) + 1
	if !s.readLayers(r) {
		return false
	}
	for i := range s.templates {
		t := &s.templates[i]
		t.present, t.needed, t.switches = readIndications(r, s.targets)
	}
	for i := range s.templates {
		for r.take(1) == 1 {
			if !s.templates[i].refs.add(uint16(r.take(4)) + 1) {
				return false
			}
		}
	}
	s.readChains(r)
	s.decodeTargetLayers()
	if r.take(1) == 1 {
		s.readAreas(r)
	}
	return !r.short
}

// readLayers reads template_layers().
func (s *Structure) readLayers(r *bits8) bool {
	const sameLayer, nextTemporal, nextSpatial, end = 0, 1, 2, 3
	var l Layer
	for {
		if len(s.templates) == maxTemplates || r.short || l.Spatial > 3 || l.Temporal > 7 {
			return false
		}
		s.templates = append(s.templates, template{layer: l})
		s.spatial = max(s.spatial, l.Spatial+1)
		switch r.take(2) {
		case nextTemporal:
			l.Temporal++
		case nextSpatial:
			l = Layer{Spatial: l.Spatial + 1}
		case end:
			return true
		}
	}
}

// readIndications reads the decode target indications of a template or a frame.
func readIndications(r *bits8, n uint8) (present, needed, switches targets) {
	const absent, discardable, switching, required = 0, 1, 2, 3
	for i := range n {
		bit := targets(1) << i
		switch r.take(2) {
		case discardable:
			present |= bit
		case switching:
			present, needed, switches = present|bit, needed|bit, switches|bit
		case required:
			present, needed = present|bit, needed|bit
		}
	}
	return present, needed, switches
}

// readChains reads template_chains().
func (s *Structure) readChains(r *bits8) {
	s.chains = uint8(r.nonSymmetric(uint32(s.targets) + 1))
	if s.chains == 0 {
		return
	}
	for i := range s.targets {
		s.protected[r.nonSymmetric(uint32(s.chains))] |= 1 << i
	}
	for i := range s.templates {
		for c := range s.chains {
			s.templates[i].chains[c] = uint8(r.take(4))
		}
	}
}

// decodeTargetLayers finds out up to which layers each decode target goes, decode_target_layers().
func (s *Structure) decodeTargetLayers() {
	for i := range s.templates {
		t := &s.templates[i]
		for set := t.present; set != 0; set &= set - 1 {
			l := &s.layers[bits.TrailingZeros32(uint32(set))]
			*l = Layer{max(l.Spatial, t.layer.Spatial), max(l.Temporal, t.layer.Temporal)}
		}
	}
}

// readAreas reads render_resolutions().
func (s *Structure) readAreas(r *bits8) {
	for i := range s.spatial {
		w, h := r.take(16)+1, r.take(16)+1
		s.areas[i] = uint32(min(uint64(w)*uint64(h), 1<<32-1))
	}
}

// bits8 reads bits from the most significant one on.
type bits8 struct {
	b     []byte
	at    int  // bits taken
	short bool // more was taken than there is, which reads as zeros
}

// take takes up to 16 bits.
func (r *bits8) take(n int) (v uint32) {
	if r.at+n > 8*len(r.b) {
		r.short = true
		return 0
	}
	for range n {
		v = v<<1 | uint32(r.b[r.at>>3]>>(7-r.at&7)&1)
		r.at++
	}
	return v
}

// take32 takes up to 32 bits.
func (r *bits8) take32(n int) uint32 {
	high := max(n-16, 0)
	return r.take(high)<<16 | r.take(n-high)
}

// nonSymmetric takes a value below n: ns(n) of the AV1 specification, section 4.10.7. For n of 1 it takes no
// bits.
func (r *bits8) nonSymmetric(n uint32) uint32 {
	w := bits.Len32(n)
	few := uint32(1)<<w - n
	v := r.take(w - 1)
	if v < few {
		return v
	}
	return v<<1 - few + r.take(1)
}
