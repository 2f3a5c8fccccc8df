package svc

// Filter decides which frames of a stream one receiver gets. They are those of the highest decode target, up
// to what the receiver wants, with which its decoder can go on. The zero value has passed nothing: it begins
// with a keyframe.
//
// A decoder can go on with a target from a frame that the structure calls a switch for it, if it can decode
// that frame. It cannot any more once a frame was left out to which others of the target refer.
type Filter struct {
	want    Layer
	in      *Structure // of the latest frame
	active  targets    // likewise
	allowed targets    // within want
	synced  targets    // with which the decoder can go on
	target  int8       // in use, none: nothing passes
	began   bool
	at      uint32 // timestamp of the picture in progress
	gone    window
}

// WantSpatial says up to which spatial layer frames are to pass, from the next picture on.
func (f *Filter) WantSpatial(most uint8) { f.aim(Layer{most, f.want.Temporal}) }

// WantTemporal says the same of temporal layers.
func (f *Filter) WantTemporal(most uint8) { f.aim(Layer{f.want.Spatial, most}) }

func (f *Filter) aim(l Layer) {
	if f.want != l {
		f.want = l
		if f.in != nil {
			f.allowed = f.in.within(l)
		}
	}
}

// Waits says whether the receiver needs a keyframe to be shown the spatial layer that it wants, as far as
// layers are being sent.
func (f *Filter) Waits() bool {
	if f.in == nil {
		return false
	}
	wanted, ready := f.in.best(f.active&f.allowed), f.in.best(f.active&f.allowed&f.synced)
	return wanted != none && (ready == none || f.in.layers[ready].Spatial != f.in.layers[wanted].Spatial)
}

// Lowers says whether the receiver is shown a higher spatial layer than it is to be shown.
func (f *Filter) Lowers() bool {
	top, ok := f.Top()
	return ok && top > f.want.Spatial
}

// Top returns the spatial layer with which pictures end; false if nothing passes.
func (f *Filter) Top() (spatial uint8, ok bool) {
	if f.in == nil || f.target == none {
		return 0, false
	}
	return f.in.layers[f.target].Spatial, true
}

// Verdict is what becomes of a packet.
type Verdict struct {
	Passes bool
	First  bool // the first one of its frame that has come
}

// Decide says what becomes of a packet. It decides with the first packet of each frame that comes.
func (f *Filter) Decide(p *Frame, timestamp uint32) Verdict {
	if what := f.gone.of(p.Number); what != unseen {
		return Verdict{Passes: what == passed}
	}
	if f.gone.late(p.Number) {
		return Verdict{f.decideLate(p), true}
	}
	if p.In != f.in {
		f.take(p.In)
	}
	f.active = p.active
	f.synced &^= f.broken(p)
	decodable := f.decodable(p)
	if !f.began || f.at != timestamp {
		f.began, f.at = true, timestamp
		f.choose(p, decodable)
	}
	passes := decodable && f.target != none && p.present>>f.target&1 != 0
	f.note(p, passes)
	return Verdict{passes, true}
}

// Omit has a frame left out, whatever would have been decided on it.
func (f *Filter) Omit(p *Frame) {
	if !f.gone.late(p.Number) {
		f.note(p, false)
	}
}

// Left says whether a packet is of a frame that was left out not long ago.
func (f *Filter) Left(p *Frame) bool { return f.gone.of(p.Number) == omitted }

// take goes over to another structure: what its decode targets mean is another matter.
func (f *Filter) take(s *Structure) {
	f.in, f.allowed, f.synced, f.target = s, s.within(f.want), 0, none
	f.began = false
}

// choose chooses the target of the picture that begins. If the decoder cannot go on with what is wanted, it
// goes on with the spatial layer that it has.
func (f *Filter) choose(p *Frame, decodable bool) {
	ready := f.synced & p.active
	if decodable {
		ready |= p.switches & p.active
	}
	best := f.in.best(ready & f.allowed)
	if best == none && f.target != none {
		had := f.in.layers[f.target].Spatial
		best = f.in.best(ready & f.in.within(Layer{had, f.want.Temporal}))
	}
	f.target = best
}

// decodable says whether nothing was left out to which a frame refers. What has not come yet may still come.
func (f *Filter) decodable(p *Frame) bool {
	for _, back := range p.refs.back[:p.refs.n] {
		if !f.gone.any || f.gone.of(p.Number-back) == omitted {
			return false
		}
	}
	return true
}

// note notes what becomes of a frame, and with which targets the decoder can go on then.
func (f *Filter) note(p *Frame, passes bool) {
	if passes {
		f.synced |= p.switches
		f.gone.note(p.Number, passed)
		return
	}
	f.synced &^= p.needed
	f.gone.note(p.Number, omitted)
}

// broken returns the targets whose chain of frames has lost one that was left out.
func (f *Filter) broken(p *Frame) (set targets) {
	for c, back := range p.chains[:p.In.chains] {
		if back != 0 && f.gone.of(p.Number-uint16(back)) == omitted {
			set |= p.In.protected[c]
		}
	}
	return set
}

// decideLate decides on a frame whose first packet comes after those of later frames. What was decided on
// them stays.
func (f *Filter) decideLate(p *Frame) bool {
	passes := p.In == f.in && f.target != none && p.present>>f.target&1 != 0 && f.decodable(p)
	if passes {
		f.gone.note(p.Number, passed)
	} else {
		f.gone.note(p.Number, omitted)
	}
	return passes
}
