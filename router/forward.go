package router

import (
	"parlor/packet"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/sent"
)

// forward gives a packet to the sinks of its stream: at once if a sink may begin with it, otherwise with the
// next sendRuns. It reports whether a run keeps m.
func (c *core) forward(st *stream, m *media) (kept bool) {
	if len(st.waiting) > 0 && st.begins(m) {
		c.sendRuns()
		c.forwardNow(st, m)
		return false
	}
	if len(st.sinks) == 0 {
		return false
	}
	r := c.runFor(st)
	r.packets = append(r.packets, m)
	return true
}

// begins says whether a sink can begin with a packet of the stream.
func (st *stream) begins(m *media) bool {
	return len(m.Payload) > 0 && (m.info.Keyframe || st.track.key.Source.Kind() == packet.Audio)
}

// forwardNow gives a packet to the sinks, those that can begin with it included.
func (c *core) forwardNow(st *stream, m *media) {
	begun := c.beginWaiting(st, m)
	for _, s := range st.sinks {
		c.send(s, m)
	}
	if begun > 0 && m.ext < st.high {
		c.catchUp(st, m.ext, st.sinks[len(st.sinks)-begun:])
	}
}

// beginWaiting starts with a packet the sinks that wait for it, except those that cannot take the codec, and
// returns how many. They are then the last of the stream's sinks.
func (c *core) beginWaiting(st *stream, m *media) int {
	begun := 0
	for i := len(st.waiting) - 1; i >= 0; i-- {
		s := st.waiting[i]
		if s.cur == st { // its filter goes over to another layer with the same packet
			s.unwait()
			c.totals.Switches++
			continue
		}
		if c.begin(s, st, m) {
			begun++
			continue
		}
		s.unwait()
		c.setAside(s, st)
		if st.track.mixed() {
			c.retarget(s) // another layer may do
		}
	}
	return begun
}

// catchUp gives sinks what overtook the packet with which they began. What is held comes to them in its turn.
func (c *core) catchUp(st *stream, began uint64, sinks []*sink) {
	m := c.slot()
	defer c.free(m)
	for ext := began + 1; ext <= st.high; ext++ {
		if st.ring.Meta(ext)&metaOmitted != 0 {
			for _, s := range sinks {
				s.seq.Drop(ext)
			}
		}
		if !c.recall(st, ext, m) || st.pace.Holds(ext) {
			continue
		}
		for _, s := range sinks {
			c.send(s, m)
		}
	}
}

// send forwards a packet to one sink.
func (c *core) send(s *sink, m *media) {
	if s.filter != nil {
		if m = c.filtered(s, m); m == nil {
			return
		}
	} else if s.thin != nil {
		if m = c.thinned(s, m); m == nil {
			return
		}
	}
	if len(m.Payload) == 0 && s.seq.Drop(m.ext) {
		c.drop(DropPadding)
		return
	}
	out, seg := s.seq.Out(m.ext)
	if seg == nil {
		c.drop(DropLate)
		return
	}
	rw := &seg.State
	f := &c.out.fields
	f.SSRC, f.PT, f.Seq = s.ssrc, rw.pt, uint16(out)
	tmpl, exactly := c.compose(s, m, rw)
	payload := c.payload(m, rw)
	if exactly {
		payload = c.keepWhole(s, m, seg, out, payload)
	}
	n := tmpl.Write(&c.out.hdr, f, &m.Packet)
	c.noteSent(s, tmpl, n+len(payload), kindOf(s.section.Kind), 0)
	if s.filter != nil && s.chases(m) && tmpl.TransportCC() {
		s.peer.down.chasing.sent(s.ssrc, uint16(out), f.TransportCC)
	}
	s.out.SendRTP(c.out.hdr[:n], payload)
	s.count.packets++
	s.count.bytes += uint64(len(payload))
	c.totals.PacketsOut++
	c.totals.BytesOut += uint64(n + len(payload))
	if !s.last.any || out > s.last.seq {
		s.remember(out, m, f, rw)
		if s.repair.unasked.base > 0 && rw.rtx != 0 {
			c.repeatLater(s, uint16(out), s.repair.unasked.of(m), unaskedGap, sent.Copy)
		}
		if rw.flags&rewriteSound != 0 && s.peer.down.guard.copied(rw) {
			c.repeat(s, m, seg, out)
		}
	}
	if s.peer.reports.at == 0 {
		c.armReport(s.peer)
	}
}

// kindOf returns what a packet of media counts as.
func kindOf(k packet.Kind) sent.Kind {
	if k == packet.Audio {
		return sent.Audio
	}
	return sent.Video
}

// noteSent notes a packet of size bytes of RTP that goes to a sink's peer. Feedback is expected of it if its
// header has a transport-wide number. It counts as load if the estimate is also of what the sink is sent.
// cluster is the probe to which the packet belongs; 0: none.
func (c *core) noteSent(s *sink, tmpl *header.Template, size int, kind sent.Kind, cluster uint8) {
	if tmpl.TransportCC() {
		s.peer.down.sent.Add(c.now, size+wireOverhead, kind, cluster)
	}
	if s.measured() {
		c.noteLoad(s.peer, size+wireOverhead, kind)
	}
}

// compose fills the fields that do not depend on whether the packet goes out for the first time. It returns
// the template to write the packet with, and whether the packet may be sent again as it is.
func (c *core) compose(s *sink, m *media, rw *rewrite) (tmpl *header.Template, exactly bool) {
	f := &c.out.fields
	rw.stamp(f, m)
	if rw.flags&(rewriteExact|rewriteSound) != 0 && s.exactly(rw) {
		return s.composeExact(m, f), true
	}
	f.MID, f.AbsSend, f.Playout = !s.acked, c.absSend, s.repair.playout
	if s.tmpl.TransportCC() {
		f.TransportCC = s.peer.down.sent.Next()
	}
	return &s.tmpl, false
}

// stamp fills the fields that follow from the packet alone.
func (rw *rewrite) stamp(f *header.Fields, m *media) {
	f.Timestamp = rw.timestamp(m)
	f.Marker = m.Marker || m.ext == rw.first && rw.flags&rewriteMark != 0 || m.ends(rw.top)
	if m.Has&header.DependencyDescriptor != 0 {
		f.Frame = codec.FrameNumber(m.DD) + rw.frame
	}
}

// payload returns the payload of a packet as the segment has it. What must change is changed in a copy, as
// the ring's packet is everybody's. The copy is made once for all sinks.
func (c *core) payload(m *media, rw *rewrite) []byte {
	if rw.flags&(rewritePIDs|rewriteRED) == 0 {
		return m.Payload
	}
	if rw.flags&rewriteRED != 0 {
		if block, _, ok := codec.Primary(m.Payload); ok {
			return block
		}
		return nil
	}
	if m.info.Desc == 0 {
		return m.Payload
	}
	scratch := c.out.scratch(m.copy)
	if !m.copied {
		m.copied = true
		copy(scratch[headroom:], m.Payload[m.info.Desc:])
	}
	ids := codec.PIDs{PID: (m.pid + rw.pid) & 0x7fff, TL0: m.info.TL0 + rw.tl0, KeyIdx: m.info.KeyIdx + rw.key}
	desc := codec.Rewrite(scratch[:headroom], m.format.ID, &m.info, m.Payload, ids)
	return scratch[headroom-len(desc) : headroom+len(m.Payload)-int(m.info.Desc)]
}

// remember notes what the newest packet carried.
func (s *sink) remember(out uint64, m *media, f *header.Fields, rw *rewrite) {
	l := &s.last
	l.seq, l.at, l.ts, l.any = out, m.at, f.Timestamp, true
	if m.info.HasPID {
		l.pid = (m.pid + rw.pid) & 0x7fff
		l.has |= carriedPID
	}
	if m.info.HasTL0 {
		l.tl0 = m.info.TL0 + rw.tl0
		l.has |= carriedTL0
	}
	if m.info.HasKeyIdx {
		l.key = m.info.KeyIdx + rw.key
		l.has |= carriedKey
	}
	if m.Has&header.DependencyDescriptor != 0 {
		l.frame = f.Frame
		l.has |= carriedFrame
	}
}
