package router

import (
	"encoding/binary"
	"math/bits"

	"parlor/router/header"
	"parlor/router/sent"
)

// repairs is what a sink sends again.
type repairs struct {
	seq    uint16   // next sequence number of the SSRC of retransmissions
	earned uint64   // bytes sent for which the peer has got credit
	recent []resent // made with the first request
	exact  []exact  // made with the first packet that may be sent again as it was

	// Of pictures: how many copies leave unasked, and how long a receiver is to wait with them.
	unasked unasked
	playout header.Playout
}

// resent says when a packet was sent again.
type resent struct {
	out   uint64
	at    int64
	times int
}

// Limits on sending again. Higher ones repair more under heavy loss, and let a receiver that asks too much
// use up bandwidth.
const (
	recentResends  = 64   // packets for which the limits are remembered, a power of two
	lossyRecent    = 256  // the same, if copies help
	maxResends     = 8    // of one packet, at each request
	lossyResends   = 10   // the same, if copies help: as often as browsers ask
	maxPerCompound = 256  // packets asked for in one compound RTCP packet
	minResendGap   = 15e6 // ns between two resends of a packet; more if the round trip is longer

	// resendShare is for how many bytes that a peer was sent one byte may be sent again. If more is lost it
	// is for fewer, see credits. maxCredit bounds the bytes that are sent again in one go.
	resendShare = 2
	maxCredit   = 128 << 10
)

// onNACK answers a receiver's request for lost packets: pairs of a number and a bit mask of the 16 after it
// (RFC 4585 section 6.2.1). asked counts the numbers of the compound.
func (c *core) onNACK(p *peer, ssrc uint32, fci []byte, asked *int) {
	s := p.down.sinkOf[ssrc]
	if s == nil {
		return
	}
	p.earn(s)
	for ; len(fci) >= 4; fci = fci[4:] {
		seq, mask := binary.BigEndian.Uint16(fci), uint32(binary.BigEndian.Uint16(fci[2:]))<<1|1
		c.totals.NACKsIn += uint64(bits.OnesCount32(mask))
		for ; mask != 0; mask, seq = mask>>1, seq+1 {
			if mask&1 == 0 {
				continue
			}
			if *asked++; *asked > maxPerCompound || p.down.credit <= 0 || !c.resend(s, seq) {
				c.drop(DropResend)
			}
		}
	}
}

// earn gives the peer credit for what the sink has sent since the last time.
func (p *peer) earn(s *sink) {
	p.down.credit = min(p.down.credit+int64(float64(s.count.bytes-s.repair.earned)*p.down.credits()), maxCredit)
	s.repair.earned = s.count.bytes
}

// resend sends again a packet that was asked for. It sends it as RTX (RFC 4588). If the receiver does not
// know that, it sends the very same bytes under the same number.
func (c *core) resend(s *sink, seq uint16) bool {
	m := c.slot() // before the segment is looked up: others may be sent for it, whereby segments move
	defer c.free(m)
	in, seg := s.seq.In(seq)
	if seg == nil {
		return false
	}
	rw := &seg.State
	if rw.rtx == 0 && rw.flags&rewriteExact == 0 || rw.src.ring == nil {
		return false
	}
	if c.outdated(s, rw) {
		return false
	}
	out := seg.Out + (in - seg.In)
	if rw.flags&(rewriteExact|rewriteSound) != 0 && s.exactly(rw) {
		return c.resendExact(s, m, seg, out)
	}
	if c.underway(s.peer, rw.src, in) {
		return false
	}
	if s.repair.unasked.base > 0 {
		c.noteAsked(s, rw.src, in)
	}
	copies, rounds := s.peer.down.copies()
	if copies > 1 {
		s.repair.widen()
	}
	if s.peer.down.crammed() {
		c.noteRefused(s, rw, in, out, m)
		return false
	}
	if !s.repair.allow(out, c.now, s.peer.resendGap(), rounds) || !c.recallAs(rw, in, m) {
		return false
	}
	if s.left(out, m) {
		m.empty() // it has come too late, and gone out so
	}
	n := c.again(s, m, rw, seq, sent.Resend, 0)
	s.peer.down.credit -= int64(n)
	s.count.resent++
	c.totals.Resent++
	if rw.rtx != 0 {
		c.repeatLater(s, seq, copies-1, copyGap, sent.Resend)
	}
	return true
}

// outdated says whether what went out is of another layer than the present one, and in the way of the present
// one's keyframe. That keyframe shows all anew. It is in the way if packets have waited of late.
func (c *core) outdated(s *sink, rw *rewrite) bool {
	n, now := s.peer.down.net, s.seq.Current()
	return n != nil && now != nil && now.State.src != rw.src && rw.flags&rewriteSound == 0 && n.losses.crowded(c.now)
}

// crammedQueue is for how long packets must wait, in ns, for nothing to be sent again of pictures. Higher
// fills queues that are full of what is sent already. Lower has frames miss something for longer.
const crammedQueue = 80e6

// crammed says whether so much waits on the way to a peer that pictures are not sent again. What is missing
// is behind that, and more would make it longer. A receiver that misses something after all asks again.
func (d *downlink) crammed() bool { return d.net != nil && d.net.est.Estimate().Queue > crammedQueue }

// underway says whether a packet that is asked for may be on its way still, if packets overtake each other. A
// receiver that misses it then asks again.
func (c *core) underway(p *peer, st *stream, in uint64) bool {
	if p.down.net == nil || p.down.net.guarded.late == 0 {
		return false
	}
	x, slot := &p.down.net.guarded, st.ring.Get(in)
	comes := p.rtt + int64(float64(x.late)*max(1-heldLost*x.lost, 0))
	return slot != nil && c.now-slot.At < min(comes, heldMost)
}

// resendGap is how long after the last time a packet of a picture may be sent again, in ns.
func (p *peer) resendGap() int64 { return max(minResendGap, p.rtt-p.rtt/4) }

// resendUnasked sends a packet again for which nobody has asked, as RTX, as part of a probe. It returns its
// bytes, 0 if it cannot be sent.
func (c *core) resendUnasked(s *sink, seq uint16, cluster uint8) int {
	m := c.slot()
	defer c.free(m)
	in, seg := s.seq.In(seq)
	if seg == nil || seg.State.rtx == 0 || !c.recallAs(&seg.State, in, m) || s.left(seg.Out+(in-seg.In), m) {
		return 0
	}
	return c.again(s, m, &seg.State, seq, sent.Copy, cluster)
}

// recallAs reads a packet of a segment's source into m. It returns false if the packet is no longer there, or
// means something else now.
func (c *core) recallAs(rw *rewrite, in uint64, m *media) bool {
	return rw.src.ring != nil && c.recall(rw.src, in, m) && m.format.ID == rw.format.ID
}

// again sends m once more, which went out under a number, and returns its bytes.
func (c *core) again(s *sink, m *media, rw *rewrite, seq uint16, kind sent.Kind, cluster uint8) int {
	f := &c.out.fields
	f.SSRC, f.PT, f.Seq = s.ssrc, rw.pt, seq
	tmpl, _ := c.compose(s, m, rw)
	if s.filter != nil && s.chases(m) && tmpl.TransportCC() {
		s.peer.down.chasing.sent(s.ssrc, seq, f.TransportCC)
	}
	payload := c.payload(m, rw)
	if rw.rtx != 0 {
		f.SSRC, f.PT, f.Seq, f.MID = s.section.RTXSSRC, rw.rtx, s.repair.seq, true
		s.repair.seq++
		payload = c.withOSN(seq, payload)
	}
	n := tmpl.Write(&c.out.hdr, f, &m.Packet)
	c.noteSent(s, tmpl, n+len(payload), kind, cluster)
	s.out.SendRTP(c.out.hdr[:n], payload)
	return n + len(payload)
}

// withOSN puts the original sequence number in front of a payload, in a copy.
func (c *core) withOSN(seq uint16, payload []byte) []byte {
	b := c.out.scratch(alone)
	n := copy(b[2:], payload) // the payload may lie in there itself; copy takes care of that
	binary.BigEndian.PutUint16(b[:], seq)
	return b[:2+n]
}

// widen has the limits remembered for as many packets as receivers miss at a time if much is lost.
func (r *repairs) widen() {
	if len(r.recent) >= lossyRecent {
		return
	}
	before := r.recent
	r.recent = make([]resent, lossyRecent)
	for _, e := range before {
		r.recent[e.out&(lossyRecent-1)] = e
	}
}

// allow says whether a packet may be sent again now: gap ns after the last time, and no more than so many
// times. It notes that it is.
func (r *repairs) allow(out uint64, now, gap int64, times int) bool {
	if r.recent == nil {
		r.recent = make([]resent, recentResends)
	}
	e := &r.recent[out&uint64(len(r.recent)-1)]
	if e.out != out {
		*e = resent{out: out}
	}
	if e.times >= times || e.times > 0 && now-e.at < gap {
		return false
	}
	e.at = now
	e.times++
	return true
}
