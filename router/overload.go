package router

import (
	"cmp"
	"slices"
	"sync/atomic"

	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/shed"
)

// What a room leaves out if it does not keep up. Package shed says how much, by how long packets have waited
// in the inbox. That is decided once for each frame of a stream, for all of its sinks. Numbers and picture
// ids close up, so that a receiver misses nothing.

// overload is the room's side of shedding load.
type overload struct {
	shed    shed.Controller
	crowded bool  // much waits behind the batch in hand
	at      int64 // when the level changed last
	weighed int64 // when streams were weighed last

	// For Room.Shedding, which any goroutine may call: the level, and above Nothing when media came last.
	level atomic.Uint32
	heard atomic.Int64
}

// shedFresh is how long after the last media a room that left some of it out still counts as one that does,
// in ns.
const shedFresh = 1e9

// Shedding returns the name of what the room leaves out at the moment, as it does not keep up. It is
// top_layer, layers, mid_quality, low_quality, half, most or video. "": nothing.
func (r *Room) Shedding() string {
	o := &r.core.over
	level := shed.Level(o.level.Load())
	if level == shed.Nothing || r.now()-o.heard.Load() > shedFresh {
		return ""
	}
	return level.String()
}

// shedding is how load is shed of one stream.
type shedding struct {
	gate    shed.Gate // of frames
	gated   bool      // packets pass the gate
	muted   bool      // nothing passes
	omitted int64     // when a packet was left out last
	weight  uint64    // bytes brought while the streams were weighed
	weighed uint64    // in.bytes at that time
}

// syncWait is how long after an overload a temporal layer waits for a frame from which it can go on, in ns.
// Then a keyframe is asked for. Lower brings the full frame rate back sooner, higher spares keyframes if
// encoders make such frames by themselves.
const syncWait = 1e9

// observe learns from a batch how long media has waited. Reports may wait for long (inbox.put) and say
// nothing.
func (c *core) observe(b *packet.Batch, wait int64) {
	for i := range b.Items {
		if !b.Items[i].RTCP {
			if c.over.shed.Observe(c.now, wait, c.over.crowded) {
				c.changeLevel()
			}
			if c.overloaded() {
				c.over.heard.Store(c.now)
			}
			return
		}
	}
}

// overloaded says whether the room leaves something out, as it does not keep up.
func (c *core) overloaded() bool { return c.over.shed.Level() > shed.Nothing }

// changeLevel has the streams follow the level of shedding.
func (c *core) changeLevel() {
	c.sendRuns()
	c.over.at = c.now
	level := c.over.shed.Level()
	c.tellLevel(shed.Level(c.over.level.Swap(uint32(level))), level)
	streams := c.weigh()
	muted := muteCostliest(streams, level)
	for i, st := range streams {
		st.shed.gated = st.shed.gated || level > shed.Nothing
		was := st.shed.muted
		if st.shed.muted = i < muted; was && !st.shed.muted {
			c.askIfWaited(st)
		}
	}
	for _, all := range c.tracks {
		for _, t := range all {
			if t.height() > 1 {
				c.chooseLayers(t)
			}
		}
	}
}

// tellLevel logs that a room begins or ceases to leave media out, or leaves out more or less.
func (c *core) tellLevel(before, level shed.Level) {
	switch {
	case before == shed.Nothing:
		c.o.Log.Warn().Stringer("level", level).Msg("the room does not keep up, and leaves out the media that matters least")
	case level == shed.Nothing:
		c.o.Log.Info().Msg("the room keeps up again, and leaves nothing out")
	default:
		c.o.Log.Info().Stringer("level", level).Msg("the room leaves out what it cannot keep up with")
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
					st.shed.weight, st.shed.weighed = st.in.bytes-st.shed.weighed, st.in.bytes
				}
				streams = append(streams, st)
			}
		}
	}
	return streams
}

// cost is what forwarding a stream takes, sinks that wait for it included.
func (st *stream) cost() uint64 { return st.shed.weight * uint64(len(st.sinks)+len(st.waiting)) }

// muteCostliest sorts streams, those that cost most first, and returns how many of them are muted at a level.
func muteCostliest(streams []*stream, level shed.Level) int {
	slices.SortFunc(streams, func(a, b *stream) int {
		return cmp.Or(cmp.Compare(b.cost(), a.cost()), cmp.Compare(a.ids.ssrc, b.ids.ssrc))
	})
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
		st.shed.gated, st.shed.muted = true, level == shed.Video
	}
}

// admit says whether a packet passes the gate of its stream, and leaves it out if not. kept then says whether
// a run keeps m.
func (c *core) admit(st *stream, m *media) (passes, kept bool) {
	g := &st.shed.gate
	late := m.ext <= st.high
	switch {
	case late:
		if g.Late(m.Timestamp, m.info.TID) {
			return true, false
		}
		if c.keep(st, m, nil) {
			c.missed(st, m)
			kept = c.fill(st, m)
		}
		return false, kept
	case len(m.Payload) == 0:
		return true, false
	}
	first := g.Begins(m.Timestamp)
	// What nobody gets need not be taken for the rest of a frame.
	if first || st.shed.muted && len(st.sinks) == 0 && !g.Drops() {
		c.decide(st, m)
	}
	if !g.Drops() {
		return true, false
	}
	if c.keep(st, m, nil) {
		c.omit(st, m, first)
	}
	return false, false
}

// decide decides on the frame that begins with m.
func (c *core) decide(st *stream, m *media) {
	g, level := &st.shed.gate, c.over.shed.Level()
	if st.shed.muted {
		if len(st.sinks) > 0 {
			c.stall(st)
		}
		st.loss.Clear()
		g.Drop()
		return
	}
	passes := g.Decide(level, frameOf(m))
	switch {
	case level > shed.Nothing:
	case !passes && len(st.sinks) > 0 && c.now-max(c.over.at, st.key.at) >= syncWait:
		c.askKeyframe(st)
	case g.Open() && c.now-st.shed.omitted >= syncWait:
		st.shed.gated, st.shed.gate = false, shed.Gate{}
	}
}

// omit leaves out a packet, the first one of a frame or another.
func (c *core) omit(st *stream, m *media, first bool) {
	st.shed.omitted = c.now
	if st.watched() {
		why := DropOverloadLayer
		if st.shed.muted {
			why = DropOverloadFrame
		}
		c.drop(why)
	}
	if m.frame.In != nil {
		for _, s := range st.sinks {
			if s.filter != nil {
				s.filter.Omit(&m.frame)
			}
		}
	}
	if !first || len(st.sinks) == 0 {
		for _, s := range st.sinks {
			s.seq.Skip(m.ext) // what is missing before it is of the same frame
		}
		st.high = m.ext
		return
	}
	c.releaseAll(st)
	c.sendRuns()
	for _, s := range st.sinks {
		if s.seq.Drop(m.ext) {
			s.seq.Current().State.omit(m)
		}
	}
	c.missed(st, m)
}

// omit closes the gap that the frame of m leaves. Numbers by which frames refer to each other stay as they
// are.
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

// fill sends a late packet of a frame that is left out, without its payload, if a number is kept for it.
func (c *core) fill(st *stream, m *media) (kept bool) {
	m.empty()
	return c.forward(st, m)
}
