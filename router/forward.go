package router

import (
	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
)

// forward gives the packet in hand to the sinks of its stream: at once where a sink may begin with it, otherwise with the next
// settle.
func (c *core) forward(st *stream) {
	if len(st.waiting) > 0 && c.begins(st) {
		c.settle()
		c.forwardNow(st)
		return
	}
	if len(st.sinks) == 0 {
		return
	}
	r := c.runFor(st)
	r.packets = append(r.packets, c.m)
	c.m = c.slot()
}

// slot returns a place for a packet.
func (c *core) slot() *media {
	if len(c.free) == 0 {
		c.sendOldest()
	}
	last := len(c.free) - 1
	m := c.free[last]
	c.free = c.free[:last]
	return m
}

// begins says whether a sink can begin with the packet in hand.
func (c *core) begins(st *stream) bool {
	return len(c.m.Payload) > 0 && (c.m.info.Keyframe || st.track.key.Source.Kind() == packet.Audio)
}

// runFor returns a run of the stream with a place for another packet.
func (c *core) runFor(st *stream) *run {
	for i := range c.runs[:c.open] {
		if r := &c.runs[i]; r.of == st {
			if len(r.packets) == maxRun {
				c.sendRun(r)
			}
			return r
		}
	}
	if c.open == maxRuns {
		c.sendOldest()
	}
	r := &c.runs[c.open]
	r.of = st
	c.open++
	return r
}

// sendOldest sends the run that was begun first.
func (c *core) sendOldest() {
	r := c.runs[0]
	c.sendRun(&r)
	copy(c.runs[:c.open], c.runs[1:c.open])
	c.open--
	c.runs[c.open] = run{packets: r.packets}
}

// settle sends what forward has put off. Whatever changes the sinks of a stream calls it first.
func (c *core) settle() {
	for i := range c.runs[:c.open] {
		c.sendRun(&c.runs[i])
		c.runs[i].of = nil
	}
	c.open = 0
}

// sendRun sends the packets of a run, to one sink after the other, and empties it.
func (c *core) sendRun(r *run) {
	inHand := c.m
	for i, m := range r.packets {
		m.copy = uint8(i)
	}
	for _, s := range r.of.sinks {
		for _, c.m = range r.packets {
			c.send(s)
		}
	}
	c.m = inHand
	c.free = append(c.free, r.packets...)
	r.packets = r.packets[:0]
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

// beginWaiting starts the sinks that wait, except those that cannot take the codec. They are then the last of the stream's
// sinks.
func (c *core) beginWaiting(st *stream) int {
	begun := 0
	for i := len(st.waiting) - 1; i >= 0; i-- {
		s := st.waiting[i]
		if c.begin(s, st) {
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
func (c *core) catchUp(st *stream, sinks []*sink) {
	for ext := c.m.ext + 1; ext <= st.high; ext++ {
		if st.ring.Meta(ext)&metaOmitted != 0 {
			for _, s := range sinks {
				s.seq.Drop(ext)
			}
		}
		if !c.recall(st, ext) || st.pace.Holds(ext) {
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
	scratch := c.place(m.copy)
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
