package router

import (
	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
)

// rewrite is what makes the packets of one source go on from those of the source before.
type rewrite struct {
	src    *stream
	format *format
	first  uint64 // the packet that it begins with
	ts     uint32 // added to timestamps
	pid    uint16 // added to picture ids, and so on
	frame  uint16 // added to frame numbers of the dependency descriptor
	tl0    uint8
	key    uint8
	pt     uint8
	rtx    uint8 // payload type of retransmissions, 0: none
	red    uint8 // payload type of redundant audio around pt, 0: none
	top    uint8 // spatial layers that are sent, if not all
	flags  rewriteFlags
	// squashed packets from the first on have timestamps close to live, the source's one at that time; see
	// squash.
	squashed uint16
	live     uint32
}

type rewriteFlags uint8

const (
	rewriteMark  rewriteFlags = 1 << iota // the first packet gets the marker: a talkspurt begins
	rewritePIDs                           // picture ids change
	rewriteFrame                          // there is no frame number yet to go on from
	rewriteRED                            // RED to Opus
	rewriteExact                          // packets may have to be sent again as they are
	rewriteSound                          // sound, which is sent again as it was
)

// carried is what the latest packet of a sink carried, for the next source to go on from.
type carried struct {
	seq      uint64
	at       int64 // arrival of the packet
	ts       uint32
	pid      uint16
	frame    uint16
	tl0, key uint8
	any      bool
	has      carriedSet
}

type carriedSet uint8

const (
	carriedPID carriedSet = 1 << iota
	carriedTL0
	carriedKey
	carriedFrame
)

// begin has a waiting sink go on with a packet. It reports false if the receiver cannot take the codec.
func (c *core) begin(s *sink, st *stream, m *media) bool {
	rw, ok := c.goesOn(s, st, m)
	if !ok {
		return false
	}
	rw.ts = c.timestamps(s, st, m)
	c.beginSegment(s, rw)
	s.feedAnew()
	s.unwait()
	s.feedBy(st)
	c.filterAnew(s, st, m)
	s.thinAnew(m.ext)
	return true
}

// goesOn returns how a sink goes on with a packet of a stream, but for timestamps; false if the receiver
// cannot take the codec.
func (c *core) goesOn(s *sink, st *stream, m *media) (rw rewrite, ok bool) {
	i := codec.Fit(st.format.Format, s.formats)
	if i < 0 {
		return rw, false
	}
	c.finish(s)
	i = s.unwrapped(st, m, i)
	k := &s.section.Codecs[i]
	rw = rewrite{src: st, format: st.format, first: m.ext, pt: k.PT}
	if k.RTX != 0 && s.section.RTXSSRC != 0 {
		rw.rtx = k.RTX
	} else if k.NACK {
		rw.flags |= rewriteExact
	}
	if st.track.key.Source.Kind() == packet.Audio {
		rw.flags |= rewriteMark | rewriteSound
		rw.red = s.wraps(i)
	}
	if st.format.ID == codec.RED && s.formats[i].ID == codec.Opus {
		rw.flags |= rewriteRED
	}
	rw.continueIDs(m, &s.last)
	return rw, true
}

// beginSegment ends what feeds the sink, and begins a segment of its numbers.
func (c *core) beginSegment(s *sink, rw rewrite) {
	if old := s.seq.Current(); s.last.any && (old == nil || old.State.src.track != rw.src.track) {
		c.reportSoon(s.peer)
	}
	if s.cur != nil {
		c.demandChanged(rw.src.track.key)
	}
	s.uncur()
	s.seq.Start(rw.first, rw)
	c.totals.Switches++
}

// feedBy has a stream feed the sink.
func (s *sink) feedBy(st *stream) {
	s.cur, s.curAt = st, len(st.sinks)
	st.sinks = append(st.sinks, s)
}

// continueIDs has picture ids and frame numbers go on from what was sent last.
func (rw *rewrite) continueIDs(m *media, last *carried) {
	if m.info.HasPID && last.has&carriedPID != 0 {
		rw.pid = last.pid + 1 - m.pid
	}
	if m.info.HasTL0 && last.has&carriedTL0 != 0 {
		rw.tl0 = last.tl0 + 1 - m.info.TL0
	}
	if m.info.HasKeyIdx && last.has&carriedKey != 0 {
		rw.key = last.key + 1 - m.info.KeyIdx
	}
	if rw.pid != 0 || rw.tl0 != 0 || rw.key != 0 || m.info.ShortPID {
		rw.flags |= rewritePIDs
	}
	if m.Has&header.DependencyDescriptor != 0 && last.has&carriedFrame != 0 {
		rw.frame = last.frame + 1 - codec.FrameNumber(m.DD)
	}
}

// maxSkew is how far timestamps aligned by sender reports may lie from what arrival times say, in seconds.
// Beyond, a publisher's reports are wrong.
const maxSkew = 2

// timestamps returns what to add to the timestamps of the stream so that those of the sink go on. They go on
// by the sender's clock between layers of one track, else by the time that has passed.
func (c *core) timestamps(s *sink, st *stream, m *media) uint32 {
	rate := st.format.Clock
	if !s.last.any {
		return 0
	}
	expected := s.last.ts + uint32(max(clock.Ticks(m.at-s.last.at, rate), 0))
	ts := expected
	if old := s.seq.Current(); old != nil && old.State.src.track == st.track && old.State.src != st {
		from, to := st.in.line, old.State.src.in.line
		if from.Known() && to.Known() {
			ts = to.RTP(from.Time(m.Timestamp)) + old.State.ts
		}
	}
	if d := int32(ts - expected); d > maxSkew*int32(rate) || d < -maxSkew*int32(rate) {
		ts = expected
	}
	if least := s.last.ts + rate/1000; int32(ts-least) < 0 {
		ts = least
	}
	return ts - m.Timestamp
}
