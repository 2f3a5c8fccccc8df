package shed

// Frame is what the first packet of a frame says of it, if its codec does.
type Frame struct {
	Keyframe    bool
	Discardable bool  // nothing refers to it
	Sync        bool  // of its temporal layer, it refers to the base layer alone
	SwitchUp    bool  // what comes after it refers to no higher temporal layer from before it
	Layer       uint8 // temporal
}

// All is more temporal layers than there are.
const All = 7

// Gate lets whole frames of one stream through. What refers to a frame left out is left out as well, until a
// keyframe or a frame from which its layer can go on. The zero value lets everything through.
type Gate struct {
	began   bool               // timestamp is known
	drops   bool               // the frame in progress is left out
	cut     uint8              // temporal layers that cannot be decoded any more: so many below All
	lost    uint8              // the most of cut, before and since it changed last
	changed uint32             // timestamp of the frame with which it did
	top     uint8              // highest temporal layer seen
	kept    uint8              // frames that gone has got; from remembered on the oldest goes
	at      uint32             // timestamp of the frame in progress
	gone    [remembered]uint32 // timestamps of frames left out, the last one included
}

// remembered is how many frames left out a gate remembers, to know their late packets. More recognise what
// comes later, for 4 bytes each of every stream.
const remembered = 32

// Begins says whether a packet with this timestamp begins another frame. The first one is taken for the
// middle of a frame that passes.
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

// Forget forgets which frames were left out: what comes is of another stream, whose timestamps may be the
// same.
func (g *Gate) Forget() { g.kept = 0 }

// Resume goes on in the midst of a frame that passes.
func (g *Gate) Resume(timestamp uint32) { g.began, g.at, g.drops = true, timestamp, false }

// Late says whether a late packet of a temporal layer passes. It does not if its frame was left out, or if it
// never came while others of its layer were left out.
func (g *Gate) Late(timestamp uint32, layer uint8) bool {
	switch {
	case g.Dropped(timestamp):
		return false
	case layer <= All-g.lost:
		return true
	case layer > All-g.cut:
		return int32(timestamp-g.changed) < 0
	}
	return int32(timestamp-g.changed) >= 0
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
	g.top = max(g.top, f.Layer)
	return g.decide(g.limit(l), l > Nothing, f)
}

// UpTo says whether the frame that begins passes if temporal layers above limit do not.
func (g *Gate) UpTo(limit uint8, f Frame) bool {
	g.top = max(g.top, f.Layer)
	return g.decide(limit, false, f)
}

func (g *Gate) decide(limit uint8, discards bool, f Frame) bool {
	cut := g.cut
	if g.drops = !g.passes(limit, discards, f); g.drops {
		g.Drop()
	}
	if g.cut != cut {
		g.lost, g.changed = max(cut, g.cut), g.at
	}
	return !g.drops
}

func (g *Gate) passes(limit uint8, discards bool, f Frame) bool {
	if f.Keyframe {
		g.cut = 0
		return true
	}
	whole := All - g.cut // the highest layer that can be decoded
	switch {
	case f.Layer > limit:
		g.cut = max(g.cut, All+1-f.Layer)
		return false
	case f.Layer > whole && (f.Layer != whole+1 || !f.Sync):
		return false
	case f.Discardable && discards:
		return false
	case f.SwitchUp:
		g.cut = 0
	case f.Layer > whole:
		g.cut = All - f.Layer
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
		return All
	case l == TopLayer && g.top > 0:
		return g.top - 1
	}
	return 0
}
