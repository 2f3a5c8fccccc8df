package router

import (
	"encoding/binary"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/pace"
	"parlor/router/reception"
	"parlor/router/ring"
	"parlor/router/seqmap"
	"parlor/router/shed"
)

// onRTP takes in an RTP packet of a peer.
func (c *core) onRTP(p *peer, buf *packet.Buffer, at int64) {
	m := c.slot()
	if !c.takeIn(m, p, buf, at) {
		c.free(m)
	}
}

// takeIn reads a packet into m. It reports whether a run keeps m.
func (c *core) takeIn(m *media, p *peer, buf *packet.Buffer, at int64) (kept bool) {
	c.totals.PacketsIn++
	c.totals.BytesIn += uint64(len(buf.B))
	if header.Parse(&m.Packet, buf.B, &p.ids) != nil {
		c.drop(DropMalformed)
		return false
	}
	if m.Has&header.TransportCC != 0 {
		c.record(p, m, at)
	}
	b, ok := p.bySSRC[m.SSRC]
	if !ok {
		if b, ok = c.bind(p, &m.Packet); !ok {
			return false
		}
	}
	if b.repair && !c.unwrap(b.stream, m, buf) {
		return false
	}
	m.at, m.copied, m.copy, m.red = at, false, alone, redundancy{}
	return c.receive(b.stream, m, buf, b.repair)
}

// unwrap turns m, a retransmission (RFC 4588 section 4), into the packet that it repeats. It does so in
// place: nobody else has the buffer yet.
func (c *core) unwrap(st *stream, m *media, buf *packet.Buffer) bool {
	if len(m.Payload) == 0 { // a probe
		c.drop(DropPadding)
		return false
	}
	pt := st.track.repairs[m.PT]
	if st.track.byPT[pt] == 0 || len(m.Payload) < 2 || st.ids.ssrc == 0 {
		c.drop(DropRepair)
		return false
	}
	seq := binary.BigEndian.Uint16(m.Payload)
	copy(buf.B[2:], buf.B[:m.HeaderLen])
	buf.B = buf.B[2:]
	buf.B[1] = buf.B[1]&0x80 | pt
	binary.BigEndian.PutUint16(buf.B[2:], seq)
	binary.BigEndian.PutUint32(buf.B[8:], st.ids.ssrc)
	if header.Parse(&m.Packet, buf.B, &st.track.peer.ids) != nil {
		c.drop(DropMalformed)
		return false
	}
	return true
}

// receive takes in a packet of a stream. It reports whether a run keeps m.
func (c *core) receive(st *stream, m *media, buf *packet.Buffer, repaired bool) (kept bool) {
	t := st.track
	if m.format = t.formatOf(m.PT); m.format == nil {
		c.drop(DropPayloadType)
		return false
	}
	if !c.number(st, m, repaired) {
		return false
	}
	began := c.alive(st, m, buf, repaired)
	if !t.present {
		st.high = max(st.high, m.ext)
		c.drop(DropOff)
		return false
	}
	if m.format != st.format {
		if m.ext < st.high {
			c.drop(DropPayloadType)
			return false
		}
		c.changeFormat(st, m.format)
	}
	st.describe(m)
	changed := st.look(m)
	if !repaired {
		st.in.rated.note(m)
		st.reading.layers.note(m)
	}
	if began {
		c.comes(st, m)
	}
	if changed {
		c.chooseLayers(t)
	}
	if st.shed.gated {
		if passes, kept := c.admit(st, m); !passes {
			return kept
		}
	}
	if !st.pace.Fits(m.ext) {
		c.releaseAll(st)
	}
	if !c.keep(st, m, buf) {
		return false
	}
	if repaired {
		c.totals.Repaired++
		st.in.rated.note(m)
	}
	if t.key.Source.Kind() == packet.Audio {
		c.hear(t, m)
		if m.format.ID == codec.RED && st.high != 0 && m.ext > st.high+1 {
			c.mend(st, m, buf)
		}
	}
	c.missed(st, m)
	return c.paced(st, m)
}

// number finds where in the stream a packet belongs.
func (c *core) number(st *stream, m *media, repaired bool) bool {
	if repaired {
		ext, ok := st.seq.Find(m.Seq)
		if !ok {
			c.drop(DropRepair)
			return false
		}
		m.ext = ext
		return true
	}
	ext, verdict := st.seq.Next(m.Seq)
	switch verdict {
	case seqmap.Strange:
		c.drop(DropSequence)
		return false
	case seqmap.Restart:
		c.restart(st)
	}
	m.ext = ext
	if st.format != nil && st.format.Clock != m.format.Clock && ext >= st.high {
		st.in.stats.NewClock()
	}
	st.in.stats.Packet(ext, m.Timestamp, m.at, m.format.Clock)
	return true
}

// restart begins the stream anew: its sender has changed SSRC or sequence numbers. Its sinks go on from the
// next packet with which they can.
func (c *core) restart(st *stream) {
	c.sendRuns()
	c.releaseAll(st)
	st.in.stats = reception.Stats{}
	c.clear(st)
	st.high, st.format, st.shed.gate, st.reading.layers = 0, nil, shed.Gate{}, nil
	c.stall(st)
}

// alive notes that the stream brings packets, and reports whether it did not before. What is sent again tells
// of no more to come.
func (c *core) alive(st *stream, m *media, buf *packet.Buffer, repaired bool) (began bool) {
	if m.Has&header.AudioLevel != 0 {
		st.in.level = m.AudioLevel
	}
	st.in.packets++
	st.in.bytes += uint64(len(buf.B))
	c.armReport(st.track.peer)
	if len(st.waiting) > 0 && !st.key.queued {
		c.askIfWaited(st)
	}
	if repaired {
		return false
	}
	if st.lastAt = m.at; st.live {
		return false
	}
	st.live = true
	if st.track.key.Source.Kind() == packet.Video {
		c.at(dueLayers, c.now+ns(c.o.LayerTimeout)/4)
	}
	return true
}

// comes has sinks choose anew as a layer comes, with this packet. If the packet begins a picture, nobody has
// to ask for one.
func (c *core) comes(st *stream, m *media) {
	if len(st.track.layers) == 1 {
		return
	}
	c.expect(st.track, st)
	st.key.here = st.begins(m)
	c.chooseLayers(st.track)
	st.key.here = false
}

// changeFormat gives the stream another format. A decoder of another codec needs a new beginning.
func (c *core) changeFormat(st *stream, f *format) {
	old := st.format
	if old != nil {
		c.stall(st)
	}
	st.reconsider()
	st.format, st.reading.sps, st.reading.layers = f, false, nil
	// The last sender report counts in ticks of another length.
	if old != nil && old.Clock != st.format.Clock {
		st.in.line, st.in.srNTP = clock.Line{}, 0
	}
	if len(st.track.layers) > 1 {
		c.chooseLayers(st.track) // for sinks that could not take the format of this layer, or of another one
	}
}

// describe reads the payload of m as a packet of the stream.
func (st *stream) describe(m *media) {
	codec.Parse(&m.info, m.format.ID, m.Payload, m.DD)
	switch {
	case m.info.Keyframe && (m.format.ID == codec.H264 || m.format.ID == codec.H265):
		st.reading.sps = true
	case m.info.Intra && !st.reading.sps:
		m.info.Keyframe = true
	}
	m.pid = m.info.PID
	if m.info.ShortPID {
		m.pid = extendPID(st.reading.pid, m.info.PID)
	}
	if m.info.HasPID {
		st.reading.pid = m.pid
	}
}

// extendPID returns the number of 15 bits nearest to last whose low 7 bits are pid.
func extendPID(last, pid uint16) uint16 {
	d := int8(uint8(pid-last)<<1) >> 1
	return (last + uint16(int16(d))) & 0x7fff
}

// The Meta of a ring's slot: what cannot be read from the packet again.
const (
	metaPID      = 0x7fff
	metaKeyframe = 1 << 15
	metaOmitted  = 1 << 16 // left out, as the room does not keep up
)

// keep puts a packet into the ring. If buf is nil, only its number is put in, as that of a packet left out.
// keep returns false if the packet was there before or is too old.
func (c *core) keep(st *stream, m *media, buf *packet.Buffer) bool {
	if st.ring == nil {
		size, limit, history := videoSlots, maxVideoSlots, c.history(st.track)
		if st.track.key.Source.Kind() == packet.Audio {
			size, limit = audioSlots, maxAudioSlots
		}
		if !c.o.NoPacing {
			history = max(history, 2*pace.Bound) // what is held lies there
		}
		st.ring = ring.New(size, limit, ns(history))
	}
	meta := uint32(m.pid)
	if m.info.Keyframe {
		meta |= metaKeyframe
		c.openCache(st, m)
	}
	if buf == nil {
		meta |= metaOmitted
	}
	if !st.watched() && !c.keepsUnwatched(st.track) && !st.caches(m.ext) {
		buf = nil // nobody can ask for it
	}
	switch st.ring.Put(m.ext, buf, m.at, meta) {
	case ring.Duplicate:
		c.drop(DropDuplicate)
		return false
	case ring.TooOld:
		c.drop(DropTooOld)
		return false
	}
	c.noteCached(st, m)
	if m.info.Keyframe {
		c.totals.Keyframes++
		st.key.arrived(c.now)
		c.sized(st, uint32(m.info.Width)*uint32(m.info.Height))
	}
	return true
}

// recall reads a packet of the ring into m; false if it is no longer there.
func (c *core) recall(st *stream, ext uint64, m *media) bool {
	s := st.ring.Get(ext)
	if s == nil || header.Parse(&m.Packet, s.Buf.B, &st.track.peer.ids) != nil {
		return false
	}
	if m.format = st.track.formatOf(m.PT); m.format == nil {
		return false
	}
	codec.Parse(&m.info, m.format.ID, m.Payload, m.DD)
	m.info.Keyframe = s.Meta&metaKeyframe != 0
	m.pid, m.ext, m.at = uint16(s.Meta&metaPID), ext, s.At
	st.look(m)
	m.copied, m.copy, m.red = false, alone, redundancy{}
	return true
}

// watched says whether anybody is to get the stream.
func (st *stream) watched() bool { return len(st.sinks)+len(st.waiting) > 0 }

// missed notes what a packet shows to be missing, or no longer missing.
func (c *core) missed(st *stream, m *media) {
	switch {
	case st.high != 0 && m.ext > st.high+1 && m.format.codec.NACK && (st.watched() || st.caches(m.ext)):
		st.loss.Missing(st.high+1, m.ext, st.in.highAt, c.now)
		if !st.in.inLossy {
			st.in.inLossy = true
			c.lost.streams = append(c.lost.streams, st)
		}
		c.at(dueLoss, st.loss.Next())
	case m.ext <= st.high && st.loss.Len() > 0:
		st.loss.Received(m.ext)
	}
	if m.ext > st.high {
		st.high, st.in.highAt = m.ext, m.at
	}
	if m.info.Keyframe && m.ext == st.high {
		st.loss.Before(m.ext) // nobody needs what came before a keyframe
	}
}
