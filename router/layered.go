package router

import (
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/svc"
)

// A stream may have spatial and temporal layers inside, under one SSRC (SVC). Package svc knows which frames
// a receiver needs for which of them. Here each sink gets those of the layer that it is to show. Its numbers
// close up, so that it misses nothing.

// layering is what is known of the layers inside a stream.
type layering struct {
	svc.Reader
	// brought is of each decode target since the last measurement: bytes, as the network has to carry them.
	brought [svc.MaxTargets]uint64
	rates   [svc.MaxTargets]struct{ last, before uint32 }
}

// layering returns what is known of the layers inside the only stream of a track; nil: there are none, or
// several streams.
func (t *track) layering() *layering {
	if len(t.layers) != 1 {
		return nil
	}
	return t.layers[0].layering()
}

// layering returns what is known of the spatial layers inside a stream; nil: there is but one.
func (st *stream) layering() *layering {
	if l := st.reading.layers; l != nil && l.Structure() != nil && l.Structure().Spatial() > 1 {
		return l
	}
	return nil
}

// look finds out of which layer of the stream a packet is, as far as it says. It reports whether other layers
// are being sent than before.
func (st *stream) look(m *media) (changed bool) {
	m.frame.In = nil
	described := m.Has&header.DependencyDescriptor != 0
	if m.format.ID != codec.VP9 && (m.format.ID != codec.AV1 || !described) {
		return false
	}
	l := st.reading.layers
	if l == nil {
		l = new(layering)
		st.reading.layers = l
	}
	structure, active := l.Structure(), l.Active()
	if described {
		if l.Read(&m.frame, m.DD) && m.format.ID == codec.AV1 { // of which the payload says nothing
			m.info.SID, m.info.TID = m.frame.Spatial, m.frame.Temporal
			m.info.Discardable, m.info.SwitchUp = m.frame.Discardable(), m.frame.SwitchUp()
		}
	} else {
		l.ReadVP9(&m.frame, m.Payload, m.pid)
	}
	return l.Structure() != structure || l.Active() != active
}

// height returns how many layers a track has to choose from: streams, or those inside its only one.
func (t *track) height() int {
	if l := t.layering(); l != nil {
		return l.Structure().Spatial()
	}
	return len(t.layers)
}

// describe appends what a choice among the layers inside goes by.
func (l *layering) describe(layers []Layer, live bool) []Layer {
	for i := range l.Structure().Spatial() {
		layers = append(layers, Layer{Live: live && l.Sends(i), Area: l.Structure().Area(i)})
	}
	return layers
}

// layerOf returns which layer of its track a sink is shown, from the lowest on.
func (s *sink) layerOf() int {
	if s.filter != nil {
		top, _ := s.filter.Top()
		return int(top)
	}
	return s.cur.track.rank(s.cur)
}

// load is what a receiver's network has to carry of what feeds a sink, up to a temporal layer.
func (s *sink) load(temporal uint8) uint32 {
	if l := s.cur.layering(); l != nil && s.filter != nil {
		return l.load(layerInside(s.layerOf(), temporal), true)
	}
	return s.cur.load(true, temporal)
}

// layerInside is a layer inside a stream up to a temporal layer.
func layerInside(spatial int, temporal uint8) svc.Layer {
	if temporal >= whole {
		temporal = svc.AllTemporal
	}
	return svc.Layer{Spatial: uint8(spatial), Temporal: temporal}
}

// rung returns what a network has to carry of a layer inside up to a temporal layer. none says that temporal
// is below whole, and that all temporal layers come to the same decode target.
func (l *layering) rung(spatial int, temporal uint8, shown bool) (rate uint32, none bool) {
	s, of := l.Structure(), layerInside(spatial, temporal)
	return l.load(of, shown), temporal < whole && s.Target(of) == s.Target(layerInside(spatial, whole))
}

// note counts a packet for the decode targets of which it is.
func (l *layering) note(m *media) {
	if l == nil || m.frame.In == nil || m.frame.In != l.Structure() {
		return
	}
	size := uint64(m.HeaderLen) + uint64(len(m.Payload)) + wireOverhead
	for i := range m.frame.In.Targets() {
		if m.frame.Of(i) {
			l.brought[i] += size
		}
	}
}

// measure takes the rates over some ns.
func (l *layering) measure(span int64) {
	if l == nil {
		return
	}
	for i := range l.rates {
		r := &l.rates[i]
		r.before, r.last = r.last, perSecond(8*l.brought[i], span)
		l.brought[i] = 0
	}
}

// load is that of a stream up to a layer inside.
func (l *layering) load(of svc.Layer, shown bool) uint32 {
	i := l.Structure().Target(of)
	if i < 0 {
		return 0
	}
	r := &l.rates[i]
	if shown && r.before != 0 {
		return min(r.last, r.before)
	}
	return max(r.last, r.before)
}

// aim has a sink get the layer that it is to show. It reports whether that takes a keyframe.
func (c *core) aim(s *sink, spatial uint8) (waits bool) {
	if s.filter == nil {
		return false
	}
	s.filter.WantSpatial(spatial)
	return s.filter.Waits()
}

// aimAnew has a sink get the layer that it is to show by now.
func (c *core) aimAnew(s *sink) {
	if s.filter != nil {
		_, spatial := c.choose(s, s.cur.track)
		c.aim(s, spatial)
	}
}

// left says whether a packet of a stream that was recalled is of a frame that a sink did not get.
func (s *sink) left(out uint64, m *media) bool {
	if s.filter != nil {
		return m.frame.In != nil && s.filter.Left(&m.frame)
	}
	return s.thin.left(out, m)
}

// filterAnew has a sink, which begins with a packet of another stream, get what it may of that.
func (c *core) filterAnew(s *sink, st *stream, m *media) {
	s.filter, s.loss.refused = nil, refused{}
	if m.frame.In == nil || m.frame.In.Targets() < 2 || s.seq.Current().State.flags&rewriteExact != 0 {
		return
	}
	s.filter = new(svc.Filter)
	if s.peer.down.chasing == nil && m.frame.In.Spatial() > 1 {
		s.peer.down.chasing = new(chasing)
	}
	s.thin = nil
	_, spatial := c.choose(s, st.track)
	c.aim(s, spatial)
}

// filtered returns what a sink gets of a packet of a stream with layers inside: the packet or nothing. If its
// number is promised, that is the packet without payload.
func (c *core) filtered(s *sink, m *media) *media {
	if m.frame.In == nil || len(m.Payload) == 0 {
		return m
	}
	v := s.filter.Decide(&m.frame, m.Timestamp)
	if s.cur != nil && s.filter.Waits() != (s.next == s.cur) {
		c.awaitLayer(s)
	}
	if v.Passes {
		s.endPictures(m.ext)
		return m
	}
	if top := s.allowed.temporals; top > 0 && m.frame.Temporal >= top {
		c.drop(DropNetworkLayer)
	}
	// What is missing before a later packet is of the same frame.
	if v.First && s.seq.Drop(m.ext) || !v.First && s.seq.Skip(m.ext) {
		return nil
	}
	return c.blank(m)
}

// refused is what a receiver has not got again, and cannot go on without.
type refused struct {
	at      int64 // when it asked for it; 0: nothing
	spatial uint8
}

// noteRefused notes that a packet is not sent again. Browsers then show nothing of its picture, not even the
// layers that they have, and so none that refers to it. They ask once, and no longer if later pictures' lower
// layers are there (libwebrtc's frame_buffer.cc, nack_requester.cc).
func (c *core) noteRefused(s *sink, rw *rewrite, in, out uint64, m *media) {
	if s.filter == nil || s.cur == nil || s.cur != rw.src || s.cur.layering() == nil || !c.recallAs(rw, in, m) {
		return
	}
	if m.frame.In != nil && m.frame.Temporal == 0 && !s.left(out, m) {
		s.loss.refused = refused{c.now, m.frame.Spatial}
	}
}

// askForRefused asks for keyframes in place of what receivers did not get again, once there is room for them
// or they are of lower layers. Receivers themselves would ask after three seconds.
func (c *core) askForRefused(p *peer) {
	for _, s := range p.down.sinks {
		x := &s.loss.refused
		if x.at == 0 {
			continue
		}
		if s.filter == nil || s.cur == nil || s.cur.key.came >= x.at {
			*x = refused{}
			continue
		}
		if top, ok := s.filter.Top(); ok && (top < x.spatial || !p.down.crammed()) {
			*x = refused{}
			c.onPictureLoss(p, s.ssrc)
		}
	}
}

// endPictures has pictures end, from a packet on, with the spatial layer that is the highest to be sent.
func (s *sink) endPictures(ext uint64) {
	spatial, ok := s.filter.Top()
	if cur := s.seq.Current(); ok && cur != nil && cur.State.top != spatial+1 {
		if seg := s.seq.Split(ext); seg != nil {
			seg.State.top = spatial + 1
		}
	}
}

// ends says whether a packet is the last one of a picture of which only spatial layers below top are sent; 0:
// all of them.
func (m *media) ends(top uint8) bool {
	return top != 0 && m.frame.In != nil && m.frame.Ends && m.frame.Spatial+1 == top
}

// awaitLayer has a sink wait for a keyframe of the stream that feeds it, or wait no longer. With the keyframe
// it can go over to another layer of that stream.
func (c *core) awaitLayer(s *sink) {
	if s.next == s.cur {
		s.unwait()
		return
	}
	if s.next == nil {
		s.await(s.cur)
		c.askIfWaited(s.cur)
	}
}
