package shed

// Frame is what the first packet of a frame says of it, where its codec does.
type Frame struct {
	Keyframe    bool
	Discardable bool  // nothing refers to it
	Sync        bool  // of its temporal layer, it refers to the base layer alone
	SwitchUp    bool  // what comes after it refers to no higher temporal layer from before it
	Layer       uint8 // temporal
}

// all is more temporal layers than there are.
const all = 7

// Gate lets whole frames of one stream through. What refers to a frame left out is left out as well, until a keyframe or a frame from
// which its layer can go on. The zero value lets everything through.
type Gate struct {
	began bool               // timestamp is known
	drops bool               // the frame in progress is left out
	cut   uint8              // temporal layers that cannot be decoded any more: so many below all
	top   uint8              // highest temporal layer seen
	kept  uint8              // frames that gone has got; from remembered on the oldest goes
	at    uint32             // timestamp of the frame in progress
	gone  [remembered]uint32 // timestamps of frames left out, the last one included
}

// remembered is how many frames left out a gate remembers, to know what is late of them. More recognise what is later, for 4 bytes each
// of every stream.
const remembered = 16

// Begins says whether a packet with this timestamp begins another frame. The first one is taken for the middle of a frame that passes.
func (g *Gate) Begins(timestamp uint32) bool {
	if g.began && g.at != timestamp {
		g.at = timestamp
		return true
	}
	if !g.began {
		g.began, g.at, g.drops = true, timestamp, false
	}
	return false
}

// Open says that everything passes again: nothing is missing of what may come.
func (g *Gate) Open() bool { return g.cut == 0 && !g.drops }

// Cut says that temporal layers are missing.
func (g *Gate) Cut() bool { return g.cut > 0 }

// Drops says whether the frame in progress is left out.
func (g *Gate) Drops() bool { return g.drops }

// Dropped says whether a packet that is late belongs to a frame that was left out.
func (g *Gate) Dropped(timestamp uint32) bool {
	for i := range g.gone[:min(g.kept, remembered)] {
		if g.gone[i] == timestamp {
			return true
		}
	}
	return false
}

// Drop leaves out the frame in progress.
func (g *Gate) Drop() {
	g.drops = true
	g.gone[g.kept%remembered] = g.at
	if g.kept++; g.kept == 2*remembered {
		g.kept = remembered
	}
}

// Decide says whether the frame that begins passes at a level.
func (g *Gate) Decide(l Level, f Frame) bool {
	if g.drops = !g.passes(l, f); g.drops {
		g.Drop()
	}
	return !g.drops
}

func (g *Gate) passes(l Level, f Frame) bool {
	if f.Keyframe {
		g.cut = 0
		return true
	}
	g.top = max(g.top, f.Layer)
	whole := all - g.cut // the highest layer that can be decoded
	switch {
	case f.Layer > g.limit(l):
		g.cut = max(g.cut, all+1-f.Layer)
		return false
	case f.Layer > whole && (f.Layer != whole+1 || !f.Sync):
		return false
	case f.Discardable && l > Nothing:
		return false
	case f.SwitchUp:
		g.cut = 0
	case f.Layer > whole:
		g.cut = all - f.Layer
		if f.Layer == g.top {
			g.cut = 0
		}
	}
	return true
}

// limit is the highest temporal layer that passes at a level.
func (g *Gate) limit(l Level) uint8 {
	switch {
	case l == Nothing:
		return all
	case l == TopLayer && g.top > 0:
		return g.top - 1
	}
	return 0
}
