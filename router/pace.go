package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/pace"
)

// The pacing of bursts. All sinks of a stream get the same packets, so it is the stream that is paced. What a
// burst has beyond what passes at once stays in the ring, its numbers in the stream's queue. All streams of
// the room let go of some in the same steps.

// paced forwards a packet, now or in one of the next steps. It reports whether a run keeps m.
func (c *core) paced(st *stream, m *media) (kept bool) {
	if st.key.cache.bursts > 0 {
		c.passed(st, m)
	}
	if c.o.NoPacing || st.track.key.Source.Kind() == packet.Audio {
		return c.forward(st, m)
	}
	size := int64(m.HeaderLen) + int64(len(m.Payload))
	st.pace.Measure(c.now, size)
	switch {
	case !st.watched():
		st.pace.Clear()
	case len(st.sinks) == 0 && st.pace.Len() == 0, st.pace.Pass(c.now, size):
		return c.forward(st, m)
	default:
		st.pace.Hold(m.ext, c.now, size)
		c.totals.Paced++
		if !st.pacing {
			st.pacing = true
			c.pacing = append(c.pacing, st)
		}
		c.at(duePace, c.now+pace.Step)
	}
	return false
}

// step has held packets of all streams leave as far as they may.
func (c *core) step() {
	c.pacing = slices.DeleteFunc(c.pacing, func(st *stream) bool {
		c.release(st)
		st.pacing = st.pace.Len() > 0
		return !st.pacing
	})
	if more := c.stepBursts(); more || len(c.pacing) > 0 {
		c.at(duePace, c.now+pace.Step)
	}
}

// releaseAll has all that is held of a stream leave: what comes next goes another way, or would push it out
// of the ring.
func (c *core) releaseAll(st *stream) {
	if st.pace.Len() > 0 {
		st.pace.All(c.now)
		c.release(st)
	}
}

// release forwards what is held of a stream and may leave. It is sent when this returns: nobody but the ring
// keeps it.
func (c *core) release(st *stream) {
	for ext, ok := st.pace.Next(c.now); ok; ext, ok = st.pace.Next(c.now) {
		m := c.slot()
		if !c.recall(st, ext, m) {
			c.drop(DropTooOld)
			c.free(m)
			continue
		}
		st.pace.Left(int64(m.HeaderLen) + int64(len(m.Payload)))
		if !c.forward(st, m) {
			c.free(m)
		}
	}
	c.sendRuns()
}

// finish gives a sink what is held of the stream that feeds it. The sink leaves that for another layer in the
// midst of a frame.
func (c *core) finish(s *sink) {
	st := s.cur
	if st == nil || st.pace.Len() == 0 {
		return
	}
	m := c.slot()
	defer c.free(m)
	for i := range st.pace.Len() {
		if c.recall(st, st.pace.At(i), m) {
			c.send(s, m)
		}
	}
}

// unhold drops what is held of a stream.
func (c *core) unhold(st *stream) {
	c.totals.Dropped[DropOff] += uint64(st.pace.Len())
	st.pace.Clear()
}
