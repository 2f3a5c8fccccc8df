package router

import (
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/shed"
)

// A receiver whose network is short gets fewer frames of a picture before it gets a smaller one, or none. It
// gets those of the temporal layers up to one. Numbers and picture ids close up, so that it misses nothing.

// thinning is which frames of its stream a sink gets.
type thinning struct {
	gate    shed.Gate
	since   uint64 // the first number out of what feeds the sink now
	before  left   // what was left out before that
	top     uint8  // the highest temporal layer that passes; shed.All: everything, once it can be decoded
	high    uint64 // the highest packet that was given to the sink, whether it passed or not
	raised  int64  // when more was let through last
	omitted int64  // when a packet was left out last
}

// left is what a sink did not get of what fed it, from a number out on.
type left struct {
	gate  shed.Gate
	since uint64
}

// riseWait is how long, in ns, a sink waits after more may pass for a frame from which a temporal layer can
// go on. Then a keyframe is asked for. thinnedLong is for how long, in ns, a sink that gets everything again
// knows what was left out.
const (
	riseWait    = 2e9
	thinnedLong = 1e9
)

// thinTo has a sink get the frames of a stream up to a temporal layer; whole: all of them.
func (s *sink) thinTo(top uint8) {
	if top >= whole {
		top = shed.All
	}
	if s.filter != nil {
		s.filter.WantTemporal(top)
		return
	}
	if s.thin == nil {
		if top == shed.All || !s.thinnable() {
			return
		}
		s.thin = s.thinning()
	}
	if top > s.thin.top {
		s.thin.raised = s.last.at
	}
	s.thin.top = top
}

// thinnable says whether frames of what feeds the sink can be left out.
func (s *sink) thinnable() bool {
	return s.cur != nil && s.cur.top() > 0 && s.seq.Current() != nil
}

// repeatsAsOther says whether what is sent again has numbers of its own. If not, layers inside a stream are
// not left out: what then changes of their packets is not remembered.
func (s *sink) repeatsAsOther() bool {
	if seg := s.seq.Current(); seg != nil {
		return seg.State.rtx != 0
	}
	return s.section.RTXSSRC != 0 && s.retransmits() != 0
}

// thinning returns one that has let through what was sent, and does so with the rest of the frame in
// progress.
func (s *sink) thinning() *thinning {
	t := &thinning{}
	t.high, _ = s.seq.In(uint16(s.seq.Next() - 1))
	t.gate.Resume(s.last.ts - s.seq.Current().State.ts)
	return t
}

// feedAnew notes that what feeds a sink begins anew with the present number. The same frames may come once
// more, from the cache, and frames of another layer with the same timestamps. Of them others are left out.
func (s *sink) feedAnew() {
	if t := s.thin; t != nil {
		t.before = left{t.gate, t.since}
		t.gate.Forget()
		t.since = s.seq.Current().Out
	}
}

// thinAnew has a sink, which begins with packet ext of another stream, get of that what it may.
func (s *sink) thinAnew(ext uint64) {
	if top := s.allowed.temporals; top > 0 {
		s.thinTo(top - 1)
	} else {
		s.thinTo(whole)
	}
	if s.thin != nil {
		s.thin.high = ext - 1
	}
}

// thinned returns what a sink that does not get all frames gets of a packet: the packet or nothing. If its
// number is promised, that is the packet without payload.
func (c *core) thinned(s *sink, m *media) *media {
	t := s.thin
	switch {
	case len(m.Payload) == 0:
		return m
	case m.ext <= t.high:
		if t.gate.Late(m.Timestamp, m.info.TID) {
			return m
		}
		return c.blank(m)
	}
	t.high = m.ext
	first := t.gate.Begins(m.Timestamp)
	if first {
		t.gate.UpTo(t.top, frameOf(m))
	}
	switch {
	case t.gate.Drops():
		c.leaveOut(s, m, first)
		return nil
	case t.top == shed.All && t.gate.Open() && c.now-t.omitted > thinnedLong:
		s.thin = nil
	}
	return m
}

// leaveOut closes the gap that a packet leaves that a sink does not get, the first one of a frame or another.
func (c *core) leaveOut(s *sink, m *media, first bool) {
	t := s.thin
	t.omitted = c.now
	c.drop(DropNetworkLayer)
	if !first {
		s.seq.Skip(m.ext) // what is missing before it is of the same frame
		return
	}
	if s.seq.Drop(m.ext) {
		s.seq.Current().State.omit(m)
	}
	if m.info.TID <= t.top && c.now-max(t.raised, s.feeder().key.at) >= riseWait && s.loss.take(c.now) {
		c.askKeyframe(s.feeder())
	}
}

// frameOf returns what the first packet of a frame says of it.
func frameOf(m *media) shed.Frame {
	return shed.Frame{Keyframe: m.info.Keyframe, Discardable: m.info.Discardable, Sync: m.info.Sync, SwitchUp: m.info.SwitchUp, Layer: m.info.TID}
}

// blank returns a packet without its payload, until the next one.
func (c *core) blank(m *media) *media {
	b := &c.out.blank
	*b = *m
	b.empty()
	return b
}

// empty leaves of a packet nothing but its number.
func (m *media) empty() {
	m.Payload, m.info, m.frame.In = nil, codec.Info{}, nil
	m.Has &^= header.DependencyDescriptor
}

// left says whether a packet that was recalled, and went out under a number, is of a frame that a sink did
// not get.
func (t *thinning) left(out uint64, m *media) bool {
	switch {
	case t == nil || m.info.TID == 0:
		return false
	case out >= t.since:
		return t.gate.Dropped(m.Timestamp)
	}
	return out >= t.before.since && t.before.gate.Dropped(m.Timestamp)
}
