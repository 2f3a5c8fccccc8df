package router

import (
	"cmp"
	"slices"

	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/shed"
)

// What a room leaves out when it does not keep up: how much says package shed, by how long packets have waited in the inbox. It is
// decided once for each frame of a stream, for all of its sinks; numbers and picture ids close up, so that a receiver misses nothing.

// overload is the room's side of shedding load.
type overload struct {
	shed    shed.Controller
	crowded bool  // much waits behind the batch in hand
	at      int64 // when the level changed last
	weighed int64 // when streams were weighed last
}

// syncWait is how long after an overload a temporal layer may wait for a frame from which it can go on before a keyframe is asked for,
// in ns. Lower brings the full frame rate back sooner, higher spares keyframes where encoders make such frames by themselves.
const syncWait = 1e9

// observe learns from a batch how long media has waited. Reports may wait for long (inbox.put) and say nothing.
func (c *core) observe(b *packet.Batch, wait int64) {
	for i := range b.Items {
		if !b.Items[i].RTCP {
			if c.over.shed.Observe(c.now, wait, c.over.crowded) {
				c.changeLevel()
			}
			return
		}
	}
}

// changeLevel has the streams follow the level of shedding.
func (c *core) changeLevel() {
	c.settle()
	c.over.at = c.now
	level := c.over.shed.Level()
	c.o.Log.Info().Stringer("level", level).Msg("the room leaves out what it cannot keep up with")
	streams := c.weigh()
	muted := muteCostliest(streams, level)
	for i, st := range streams {
		st.gated = st.gated || level > shed.Nothing
		was := st.muted
		if st.muted = i < muted; was && !st.muted {
			c.askIfWaited(st)
		}
	}
	for _, all := range c.tracks {
		for _, t := range all {
			if len(t.layers) > 1 {
				c.chooseLayers(t)
			}
		}
	}
}

// weighing is over how long streams are weighed at least, in ns. Shorter sees but a frame or two of each.
const weighing = 100e6

// weigh returns the streams of video and notes what each has brought since the last time.
func (c *core) weigh() []*stream {
	anew := c.now-c.over.weighed >= weighing
	if anew {
		c.over.weighed = c.now
	}
	var streams []*stream
	for _, all := range c.tracks {
		for _, t := range all {
			if t.key.Source.Kind() != packet.Video {
				continue
			}
			for _, st := range t.layers {
				if anew {
					st.weight, st.weighed = st.in.bytes-st.weighed, st.in.bytes
				}
				streams = append(streams, st)
			}
		}
	}
	return streams
}

// cost is what forwarding a stream takes, sinks that wait for it included.
func (st *stream) cost() uint64 { return st.weight * uint64(len(st.sinks)+len(st.waiting)) }

// muteCostliest sorts streams, those that cost most first, and returns how many of them are muted at a level.
func muteCostliest(streams []*stream, level shed.Level) int {
	slices.SortFunc(streams, func(a, b *stream) int { return cmp.Or(cmp.Compare(b.cost(), a.cost()), cmp.Compare(a.ssrc, b.ssrc)) })
	var total, muted uint64
	for _, st := range streams {
		total += st.cost()
	}
	var quarters uint64
	switch level {
	case shed.Half:
		quarters = 2
	case shed.Most:
		quarters = 3
	case shed.Video:
		return len(streams)
	}
	for i, st := range streams {
		if 4*muted >= quarters*total {
			return i
		}
		muted += st.cost()
	}
	return len(streams)
}

// quality bounds the quality that a receiver asked for by the level of shedding.
func (c *core) quality(q Quality) Quality {
	switch level := c.over.shed.Level(); {
	case level >= shed.LowQuality:
		return Low
	case level == shed.MidQuality:
		return min(q, Mid)
	}
	return q
}

// gateFresh has a stream that comes while load is shed be shed as well.
func (c *core) gateFresh(st *stream) {
	if level := c.over.shed.Level(); level > shed.Nothing && st.track.key.Source.Kind() == packet.Video {
		st.gated, st.muted = true, level == shed.Video
	}
}

// admit says whether the packet in hand passes the gate of its stream, and leaves it out if not.
func (c *core) admit(st *stream) bool {
	m, g := c.m, &st.gate
	late := m.ext <= st.high
	switch {
	case late:
		if !g.Dropped(m.Timestamp) {
			return true
		}
		if c.keep(st, nil) {
			c.losses(st)
			c.fill(st)
		}
		return false
	case len(m.Payload) == 0:
		return true
	}
	first := g.Begins(m.Timestamp)
	if first || st.muted && len(st.sinks) == 0 && !g.Drops() { // what nobody gets need not be taken for the rest of a frame
		c.decide(st)
	}
	if !g.Drops() {
		return true
	}
	if c.keep(st, nil) {
		c.omit(st, first)
	}
	return false
}

// decide decides on the frame that begins with the packet in hand.
func (c *core) decide(st *stream) {
	m, g, level := c.m, &st.gate, c.over.shed.Level()
	if st.muted {
		if len(st.sinks) > 0 {
			c.stall(st)
		}
		st.loss.Clear()
		g.Drop()
		return
	}
	f := shed.Frame{Keyframe: m.info.Keyframe, Discardable: m.info.Discardable, Sync: m.info.Sync, SwitchUp: m.info.SwitchUp, Layer: m.info.TID}
	passes := g.Decide(level, f)
	switch {
	case level > shed.Nothing:
	case !passes && len(st.sinks) > 0 && c.now-max(c.over.at, st.key.at) >= syncWait:
		c.askKeyframe(st)
	case g.Open() && c.now-st.omitted >= syncWait:
		st.gated, st.gate = false, shed.Gate{}
	}
}

// omit leaves out the packet in hand, the first one of a frame or another.
func (c *core) omit(st *stream, first bool) {
	m := c.m
	st.omitted = c.now
	if st.watched() {
		why := DropOverloadLayer
		if st.muted {
			why = DropOverloadFrame
		}
		c.drop(why)
	}
	if !first || len(st.sinks) == 0 {
		for _, s := range st.sinks {
			s.seq.Skip(m.ext) // what is missing before it is of the same frame
		}
		st.high = m.ext
		return
	}
	c.releaseAll(st)
	c.settle()
	for _, s := range st.sinks {
		if s.seq.Drop(m.ext) {
			s.seq.Current().State.omit(m)
		}
	}
	c.losses(st)
}

// omit closes the gap that the frame of m leaves. Numbers by which frames refer to each other stay as they are.
func (rw *rewrite) omit(m *media) {
	if m.format.ID != codec.VP8 || !m.info.HasPID {
		return
	}
	rw.pid--
	if m.info.HasTL0 && m.info.TID == 0 {
		rw.tl0--
	}
	rw.flags |= rewritePIDs
}

// fill sends a late packet of a frame that is left out without its payload where a number is kept for it.
func (c *core) fill(st *stream) {
	c.m.Payload, c.m.info = nil, codec.Info{}
	c.m.Has &^= header.DependencyDescriptor
	c.forward(st)
}
