package router

import (
	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
)

// forward gives the packet in hand to the sinks of its stream: at once where a sink begins with it, otherwise with the next
// settle.
func (c *core) forward(st *stream) {
	if len(st.waiting) > 0 {
		c.settle()
		c.forwardNow(st)
		return
	}
	if c.runOf != st {
		c.settle()
		c.runOf = st
	}
	c.run = append(c.run, c.m)
	c.slot = (c.slot + 1) % len(c.slots)
	if len(c.run) == maxRun {
		c.settle()
	}
}

// settle sends what forward has put off. Whatever changes the sinks of a stream or sends to them calls it first.
func (c *core) settle() {
	if len(c.run) == 0 {
		return
	}
	inHand := c.m
	for _, s := range c.runOf.sinks {
		for _, c.m = range c.run {
			c.send(s)
		}
	}
	c.m, c.run, c.runOf = inHand, c.run[:0], nil
}

// forwardNow gives the packet in hand to the sinks, those that can begin with it included.
func (c *core) forwardNow(st *stream) {
	begun := c.beginWaiting(st)
	for _, s := range st.sinks {
		c.send(s)
	}
	if begun > 0 && c.m.ext < st.high {
		c.catchUp(st, st.sinks[len(st.sinks)-begun:])
	}
}

// beginWaiting starts the sinks that can begin with the packet in hand. They are then the last of the stream's sinks.
func (c *core) beginWaiting(st *stream) int {
	m := c.m
	if len(m.Payload) == 0 || !m.info.Keyframe && st.track.key.Source.Kind() == packet.Video {
		return 0
	}
	begun := 0
	for i := len(st.waiting) - 1; i >= 0; i-- {
		s := st.waiting[i]
		if c.begin(s, st) {
			begun++
		} else {
			s.count.unfit++
			c.drop(DropCodec)
		}
	}
	return begun
}

// catchUp gives sinks what overtook the packet with which they began.
func (c *core) catchUp(st *stream, sinks []*sink) {
	for ext := c.m.ext + 1; ext <= st.high; ext++ {
		if !c.recall(st, ext) {
			continue
		}
		for _, s := range sinks {
			c.send(s)
		}
	}
}

// send forwards the packet in hand to one sink.
func (c *core) send(s *sink) {
	m := c.m
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
	f := &c.fields
	f.SSRC, f.PT, f.Seq = s.ssrc, rw.pt, uint16(out)
	tmpl := c.compose(s, rw)
	payload := c.payload(rw)
	n := tmpl.Write(&c.hdr, f, &m.Packet)
	s.out.SendRTP(c.hdr[:n], payload)
	s.count.packets++
	s.count.bytes += uint64(len(payload))
	c.totals.PacketsOut++
	c.totals.BytesOut += uint64(n + len(payload))
	if !s.last.any || out > s.last.seq {
		s.remember(out, m, f, rw)
	}
	if s.peer.reportAt == 0 {
		c.armReport(s.peer)
	}
}

// compose fills the fields that do not depend on whether the packet goes out for the first time, and returns the template to
// write it with.
func (c *core) compose(s *sink, rw *rewrite) *header.Template {
	m, f := c.m, &c.fields
	f.Timestamp = m.Timestamp + rw.ts
	f.Marker = m.Marker || m.ext == rw.first && rw.flags&rewriteMark != 0
	if m.Has&header.DependencyDescriptor != 0 {
		f.Frame = codec.FrameNumber(m.DD) + rw.frame
	}
	if rw.flags&rewriteExact != 0 {
		f.MID, f.AbsSend = true, clock.AbsSend(m.at)
		return &s.bare
	}
	f.MID, f.AbsSend = !s.acked, c.absSend
	if s.tmpl.TransportCC() {
		f.TransportCC = s.peer.transport
		s.peer.transport++
	}
	return &s.tmpl
}

// payload returns the payload of the packet in hand as the segment has it. What must change is changed in a copy, as the
// ring's packet is everybody's; the copy is made once for all sinks.
func (c *core) payload(rw *rewrite) []byte {
	m := c.m
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
	if !m.copied {
		m.copied = true
		copy(m.scratch[headroom:], m.Payload[m.info.Desc:])
	}
	ids := codec.PIDs{PID: (m.pid + rw.pid) & 0x7fff, TL0: m.info.TL0 + rw.tl0, KeyIdx: m.info.KeyIdx + rw.key}
	desc := codec.Rewrite(m.scratch[:headroom], m.format.ID, &m.info, m.Payload, ids)
	return m.scratch[headroom-len(desc) : headroom+len(m.Payload)-int(m.info.Desc)]
}

// remember notes what the newest packet carried.
func (s *sink) remember(out uint64, m *media, f *header.Fields, rw *rewrite) {
	l := &s.last
	l.seq, l.at, l.ts, l.any = out, m.at, f.Timestamp, true
	if m.info.HasPID {
		l.pid = (m.pid + rw.pid) & 0x7fff
		l.has |= sentPID
	}
	if m.info.HasTL0 {
		l.tl0 = m.info.TL0 + rw.tl0
		l.has |= sentTL0
	}
	if m.info.HasKeyIdx {
		l.key = m.info.KeyIdx + rw.key
		l.has |= sentKey
	}
	if m.Has&header.DependencyDescriptor != 0 {
		l.frame = f.Frame
		l.has |= sentFrame
	}
}
