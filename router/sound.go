package router

import (
	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/header"
	"parlor/router/seqmap"
)

// Sound that is lost is sent again as it was, under its number, for nobody takes RTX of it. What a packet carried that does not follow
// from the publisher's packet is remembered for that. Two different packets under one number would give away the key.

// exact is what must be remembered of a packet to send it again.
type exact struct {
	out       uint32 // the low bits of its number
	transport uint16 // its transport-wide number
}

// recentSound is for how many packets of a sink that is, a power of two, 8 bytes each. Lower refuses requests that come late.
const recentSound = 64

// Limits on sending sound again: how often a packet, and how long after the last time in ns, or a round trip where that is longer.
// Browsers ask for everything that is missing with every packet that comes.
const (
	maxSoundResends   = 3
	minSoundResendGap = 20e6
)

// exactly says whether the sink's packets of a segment are sent again as they were, transport-wide number included.
func (s *sink) exactly(rw *rewrite) bool {
	return rw.flags&rewriteExact != 0 && s.section.Kind == packet.Audio
}

// composeExact is compose for packets that may be sent again as they are: all that it fills in follows from the packet, but
// for the transport-wide number.
func (s *sink) composeExact(m *media, f *header.Fields) *header.Template {
	f.MID, f.AbsSend = true, clock.AbsSend(m.at)
	if s.section.Kind != packet.Audio {
		return &s.bare
	}
	f.TransportCC = s.peer.down.sent.Next()
	return &s.tmpl
}

// note remembers a packet that is sent for the first time, as it was composed.
func (r *repairs) note(out uint64, f *header.Fields) {
	if r.exact == nil {
		r.exact = make([]exact, recentSound)
	}
	r.exact[out&(recentSound-1)] = exact{out: uint32(out), transport: f.TransportCC}
}

// noted returns what is remembered of a packet, nil if nothing is.
func (r *repairs) noted(out uint64) *exact {
	if r.exact == nil {
		return nil
	}
	if e := &r.exact[out&(recentSound-1)]; e.out == uint32(out) {
		return e
	}
	return nil
}

// resendSound sends a packet of sound again as it was.
func (c *core) resendSound(s *sink, m *media, seg *seqmap.Segment[rewrite], out, in uint64) bool {
	e, rw := s.repair.noted(out), &seg.State
	if e == nil || !c.recall(rw.src, in, m) || m.format.ID != rw.format.ID {
		return false
	}
	if !s.repair.allow(out, c.now, max(minSoundResendGap, s.peer.rtt), maxSoundResends) {
		return false
	}
	f := &c.out.fields
	f.SSRC, f.PT, f.Seq = s.ssrc, rw.pt, uint16(out)
	tmpl := c.compose(s, m, rw)
	f.TransportCC = e.transport
	payload := c.payload(m, rw)
	n := tmpl.Write(&c.out.hdr, f, &m.Packet)
	if tmpl.TransportCC() {
		s.peer.down.sent.Again(e.transport, c.now)
		c.noteLoad(s.peer, n+len(payload)+wireOverhead)
	}
	c.sendAgain(s, n, payload)
	return true
}
