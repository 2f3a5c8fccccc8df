package router

import (
	"encoding/binary"
	"math/bits"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/red"
	"parlor/router/sent"
	"parlor/router/seqmap"
)

// Sound survives loss in three ways. What is lost is sent again when it is asked for. If more is lost,
// packets carry what went before as well (RED), and receivers that do not take that get packets twice. All of
// it is sent under the number that the packet has: nobody takes RTX of sound. Two different packets under one
// number would give away the key. So what of a packet does not follow from the publisher's is remembered. A
// packet that cannot be made again as it was is not sent again.

// exact is what is remembered of a packet.
type exact struct {
	out       uint32 // the low bits of its number
	transport uint16 // its transport-wide number
	// blocks says of sound which packets before it the packet carries: bit i for the one i+1 before. Of
	// pictures it is blank or 0.
	blocks uint16
}

// blank marks a packet of a picture that went out without its payload.
const blank = 1

// recentSound and recentPictures are for how many packets of a sink that is remembered, powers of two, 8
// bytes each. Lower refuses requests that come late.
const (
	recentSound    = 64
	recentPictures = 2048
)

// Limits on sending sound again: how often a packet is, and how long after the last time, in ns. That time is
// a round trip if that is longer. Browsers ask for everything that is missing with every packet that comes.
const (
	maxSoundResends   = 3
	minSoundResendGap = 20e6
)

// Limits on redundancy: bytes of a payload that has any, and of a frame that is worth it. Shorter ones are
// silence.
const (
	maxRedundant = 1150
	leastFrame   = 3
)

// followsFor is for how long loss is not answered by redundancy after it was found to follow the rate, in ns:
// loss is told of late. Longer leaves sound alone if something is lost all the same.
const followsFor = 2e9

// mostTardy bounds the share of packets that come late which counts as lost. Higher has sound come sooner
// over networks whose delays jump about, and costs bytes.
const mostTardy = 0.6

// guard is what is done for a receiver's sound, by what it loses.
type guard struct {
	red.Guard
	told    delivery // what was known when it was looked at
	pattern uint16   // which packets before it a packet carries, as in exact
	follows int64    // since when loss is known to follow the rate of sending; 0: it is not
	copies  uint16   // which are sent again with it instead, to receivers that take no RED
}

// watchLoss has the sound guarded by what feedback has told, at the end of a report.
func (d *downlink) watchLoss(now int64) {
	if d.guard == nil {
		d.guard = new(guard)
	}
	g, e := d.guard, d.net.est.Estimate()
	if !d.net.listed {
		e.Capacity = startRate // what is not followed does not grow
	}
	// lost may be below 0: some are taken back.
	arrived, lost := d.told.arrived-g.told.arrived, int64(d.told.lost-g.told.lost)
	g.told = d.told
	_, tardy := d.net.order.Late()
	g.Tardy(min(tardy, mostTardy)) // what goes with others comes with the first of them
	// What was lost was too much: it says nothing of what will be lost of less.
	if e.Depends && g.follows == 0 {
		g.Guard, g.follows = red.Guard{}, now
	} else if !e.Depends {
		g.follows = 0
	}
	if g.follows != 0 && now-g.follows < followsFor {
		lost = 0
	}
	g.Report(now, arrived, lost, e.Capacity, e.Queue)
	g.pattern, g.copies = g.Pattern(), g.Copies()
}

// lostSound notes a packet that was lost, if it was of sound.
func (d *downlink) lostSound(p sent.Packet) {
	if d.guard != nil && p.Kind == sent.Audio {
		d.guard.Lost(p.At)
	}
}

// depth is how many frames there are beside each, nil: none.
func (g *guard) depth() int {
	if g == nil {
		return 0
	}
	return max(bits.OnesCount16(g.pattern), bits.OnesCount16(g.copies))
}

// copied says whether packets of a segment are sent again unasked.
func (g *guard) copied(rw *rewrite) bool { return g != nil && g.copies != 0 && rw.red == 0 }

// exactly says whether packets of a segment may be sent again as they were. Those of sound then keep their
// transport-wide number.
func (s *sink) exactly(rw *rewrite) bool {
	return rw.flags&rewriteExact != 0 || s.peer.down.guard.copied(rw)
}

// unwrapped returns which of its formats a sink gets instead of RED, which fits. That is Opus, as what goes
// with it is for the sink's own losses to say. RED is left as it is if it comes otherwise than agreed, as
// encrypted frames do, or if no losses are told.
func (s *sink) unwrapped(st *stream, m *media, fits int) int {
	if s.formats[fits].ID != codec.RED || s.section.Ext.TransportCC == 0 || !wellFormed(m.Payload, st.format.Inner) {
		return fits
	}
	if i := codec.Fit(codec.Format{ID: codec.Opus, Clock: st.format.Clock}, s.formats); i >= 0 {
		return i
	}
	return fits
}

// wellFormed says whether a payload is RED around blocks of one payload type.
func wellFormed(payload []byte, inner uint8) bool {
	var room [red.MaxBlocks]red.Block
	blocks, ok := red.Parse(payload, room[:0])
	for i := range blocks {
		ok = ok && blocks[i].PT == inner
	}
	return ok
}

// wraps returns the payload type of RED around one of the sink's formats, 0 if there is none.
func (s *sink) wraps(i int) uint8 {
	if s.formats[i].ID != codec.Opus {
		return 0
	}
	for j := range s.formats {
		if s.formats[j].ID == codec.RED && s.formats[j].Inner == s.section.Codecs[i].PT {
			return s.section.Codecs[j].PT
		}
	}
	return 0
}

// composeExact is compose for packets that may be sent again as they are. All that it fills in follows from
// the packet, but for the transport-wide number.
func (s *sink) composeExact(m *media, f *header.Fields) *header.Template {
	f.MID, f.AbsSend, f.Playout = true, clock.AbsSend(m.at), 0
	if s.tmpl.TransportCC() {
		f.TransportCC = s.peer.down.sent.Next()
	}
	return &s.tmpl
}

// keepWhole has a packet carry what its receiver may miss, and remembers how it went out.
func (c *core) keepWhole(s *sink, m *media, seg *seqmap.Segment[rewrite], out uint64, payload []byte) []byte {
	f, g, blocks := &c.out.fields, s.peer.down.guard, uint16(0)
	if g != nil && g.pattern != 0 && seg.State.red != 0 {
		plain := len(payload)
		if payload, blocks = c.redundant(m, seg, g.pattern, payload); blocks != 0 {
			f.PT = seg.State.red
			g.Spent(len(payload) - plain)
			c.totals.RedBlocks += uint64(bits.OnesCount16(blocks))
		}
	}
	n := recentPictures
	if s.section.Kind == packet.Audio {
		n = recentSound
	} else if len(payload) == 0 {
		blocks = blank // the ring has it otherwise
	}
	s.repair.note(exact{out: uint32(out), transport: f.TransportCC, blocks: blocks}, n)
	return payload
}

// redundancy is a payload with redundancy that lies in the scratch of its packet. Sinks of one pattern share
// it.
type redundancy struct {
	asked, blocks uint16 // the pattern; what of it was there
	pt            uint8
	size          uint16
}

// redundant returns a payload with those of the packets before it that are in the pattern, and which of them
// it has. It is RED if there is any. Packets from before the segment belong to somebody else.
func (c *core) redundant(m *media, seg *seqmap.Segment[rewrite], pattern uint16, payload []byte) ([]byte, uint16) {
	if since := m.ext - seg.In; since < red.MaxDepth {
		pattern &= 1<<since - 1
	}
	if pattern == 0 || len(payload) == 0 {
		return payload, 0
	}
	pt, scratch := seg.State.pt, c.out.scratch(m.copy)
	if m.red.asked != pattern || m.red.pt != pt {
		var room [red.MaxDepth + 1]red.Block
		room[red.MaxDepth] = red.Block{Data: payload, PT: pt}
		blocks, had := c.gather(&room, m, seg.State.src, pattern)
		m.red = redundancy{asked: pattern, blocks: had, pt: pt, size: uint16(red.Compose(scratch[:], blocks))}
	}
	if m.red.blocks == 0 {
		return payload, 0
	}
	return scratch[:m.red.size], m.red.blocks
}

// gather puts the frames of a pattern that are there and fit before the primary block, which is the last of
// room. It returns all of them, the oldest first, and which they are.
func (c *core) gather(room *[red.MaxDepth + 1]red.Block, m *media, st *stream, pattern uint16) (blocks []red.Block, had uint16) {
	first := red.MaxDepth
	size := red.Size(room[first:])
	for i := 0; pattern>>i != 0; i++ {
		if pattern>>i&1 == 0 {
			continue
		}
		b := red.Block{PT: room[red.MaxDepth].PT}
		var at uint32
		if b.Data, at = c.frame(st, m.ext-uint64(i)-1); len(b.Data) < leastFrame || len(b.Data) > red.MaxData {
			continue
		}
		if b.Offset = m.Timestamp - at; b.Offset == 0 || b.Offset > red.MaxOffset {
			continue
		}
		if size += b.Len(); size > maxRedundant {
			break
		}
		first--
		room[first] = b
		had |= 1 << i
	}
	return room[first:], had
}

// frame returns the frame of Opus in a packet of the ring, and its timestamp; nothing if there is none.
func (c *core) frame(st *stream, ext uint64) (data []byte, at uint32) {
	p := &c.out.before
	s := st.ring.Get(ext)
	if s == nil || header.Parse(p, s.Buf.B, &st.track.peer.ids) != nil {
		return nil, 0
	}
	switch f := st.track.formatOf(p.PT); {
	case f == nil:
	case f.ID == codec.Opus:
		return p.Payload, p.Timestamp
	case f.ID == codec.RED:
		if block, pt, ok := codec.Primary(p.Payload); ok && pt == f.Inner {
			return block, p.Timestamp
		}
	}
	return nil, 0
}

// note remembers how a packet was sent for the first time. n is of how many packets that is remembered.
func (r *repairs) note(e exact, n int) {
	if r.exact == nil {
		r.exact = make([]exact, n)
	}
	r.exact[e.out&uint32(len(r.exact)-1)] = e
}

// noted returns what is remembered of a packet, nil if nothing is.
func (r *repairs) noted(out uint64) *exact {
	if r.exact == nil {
		return nil
	}
	if e := &r.exact[out&uint64(len(r.exact)-1)]; e.out == uint32(out) {
		return e
	}
	return nil
}

// resendExact sends a packet again as it was, as a receiver has asked for it.
func (c *core) resendExact(s *sink, m *media, seg *seqmap.Segment[rewrite], out uint64) bool {
	gap, times := max(minSoundResendGap, s.peer.rtt), maxSoundResends
	if s.section.Kind != packet.Audio {
		if gap, times = s.peer.resendGap(), maxResends; s.peer.down.crammed() || c.underway(s.peer, seg.State.src, seg.In+(out-seg.Out)) {
			return false
		}
	}
	e := s.repair.noted(out)
	if e == nil || !s.repair.allow(out, c.now, gap, times) {
		return false
	}
	n := c.sendExactAgain(s, m, seg, out, e)
	if s.peer.down.credit -= int64(n); n > 0 && s.section.Kind == packet.Video {
		copies, _ := s.peer.down.copies()
		c.repeatLater(s, uint16(out), copies-1, copyGap, sent.Resend)
	}
	return n > 0
}

// repeat sends again what the pattern of copies says with a packet that is the newest of its sink.
func (c *core) repeat(s *sink, m *media, seg *seqmap.Segment[rewrite], out uint64) {
	g := s.peer.down.guard
	for i := 0; g.copies>>i != 0; i++ {
		back := uint64(i) + 1
		if g.copies>>i&1 == 0 || m.ext-seg.In < back {
			continue
		}
		e := s.repair.noted(out - back)
		if e == nil {
			continue
		}
		if n := c.sendExactAgain(s, &c.out.again, seg, out-back, e); n > 0 {
			g.Copied(n)
			c.totals.Copies++
		}
	}
}

// sendExactAgain sends a packet of a segment again as it is noted, read into m. It returns how many bytes
// that took: 0 if the packet is no longer there, or cannot be made as it was.
func (c *core) sendExactAgain(s *sink, m *media, seg *seqmap.Segment[rewrite], out uint64, e *exact) int {
	rw := &seg.State
	if !c.recall(rw.src, seg.In+(out-seg.Out), m) || m.format.ID != rw.format.ID {
		return 0
	}
	kind := sent.Audio
	if s.section.Kind != packet.Audio {
		if kind = sent.Resend; e.blocks == blank {
			m.empty()
		}
	}
	f := &c.out.fields
	f.SSRC, f.PT, f.Seq = s.ssrc, rw.pt, uint16(out)
	rw.stamp(f, m)
	tmpl := s.composeExact(m, f)
	f.TransportCC = e.transport
	payload := c.payload(m, rw)
	if e.blocks != 0 && kind == sent.Audio {
		var had uint16
		if payload, had = c.redundant(m, seg, e.blocks, payload); had != e.blocks {
			return 0
		}
		f.PT = rw.red
	}
	n := tmpl.Write(&c.out.hdr, f, &m.Packet)
	if tmpl.TransportCC() {
		s.peer.down.sent.Again(e.transport, c.now)
	}
	if s.measured() {
		c.noteLoad(s.peer, n+len(payload)+wireOverhead, kind)
	}
	s.out.SendRTP(c.out.hdr[:n], payload)
	s.count.resent++
	c.totals.Resent++
	return n + len(payload)
}

// maxMended is how many blocks beside its own a packet of a publisher may have for what is missing to be
// taken out of it. Browsers send nine at most (libwebrtc's audio_encoder_copy_red.cc). Higher repairs longer
// gaps, and has one packet make more work for a room.
const maxMended = 9

// mend takes what is missing before m, which a publisher has sent as RED, out of it. Its blocks are the
// packets before it if they are of successive frames of one length.
func (c *core) mend(st *stream, m *media, buf *packet.Buffer) {
	var room [red.MaxBlocks]red.Block
	blocks, ok := red.Parse(m.Payload, room[:0])
	if !ok || len(blocks) == 1 || len(blocks) > maxMended+1 {
		return
	}
	blocks = blocks[:len(blocks)-1]
	frame := blocks[len(blocks)-1].Offset
	for i := range blocks {
		b, back := &blocks[i], uint64(len(blocks)-i)
		if m.ext-back > st.high && b.PT == m.format.Inner && len(b.Data) > 0 && b.Offset != 0 && uint64(b.Offset) == back*uint64(frame) {
			c.restore(st, m, buf, b, uint16(back))
		}
	}
}

// restore has a stream take in the packet so many before m, a block of which it is, as if it had come.
func (c *core) restore(st *stream, m *media, from *packet.Buffer, b *red.Block, back uint16) {
	buf, x := packet.Get(), c.slot()
	defer buf.Release()
	n := copy(buf.B, from.B[:m.HeaderLen])
	buf.B[0] &^= 0x20 // padding
	buf.B[1] = m.PT   // and no marker
	binary.BigEndian.PutUint16(buf.B[2:], m.Seq-back)
	binary.BigEndian.PutUint32(buf.B[4:], m.Timestamp-b.Offset)
	buf.B[n] = b.PT
	buf.B = buf.B[:n+1+copy(buf.B[n+1:], b.Data)]
	x.at, x.copied, x.copy, x.red = m.at, false, alone, redundancy{}
	x.ext, x.format = m.ext-uint64(back), m.format
	if header.Parse(&x.Packet, buf.B, &st.track.peer.ids) != nil || !c.taken(st, x, buf) {
		c.free(x)
	}
}

// taken takes in a packet that was restored. It reports whether a run keeps it.
func (c *core) taken(st *stream, x *media, buf *packet.Buffer) bool {
	st.describe(x)
	if !c.keep(st, x, buf) {
		return false
	}
	c.totals.Repaired++
	c.missed(st, x)
	return c.paced(st, x)
}
