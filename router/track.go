package router

import (
	"slices"
	"time"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/nack"
	"parlor/router/pace"
	"parlor/router/reception"
	"parlor/router/ring"
	"parlor/router/seqmap"
	"parlor/router/speech"
)

// track is one publishing section of a peer.
type track struct {
	key     TrackKey
	peer    *peer
	section packet.Section
	layers  []*stream // in the order of the offer, which says nothing of their size
	order   []int     // indices of layers, from the lowest to the highest as far as known
	keyAt   int64     // when keyframes were asked for last, 0: never
	formats []format
	byPT    [128]uint8 // payload type → index into formats, plus 1
	repairs [128]uint8 // payload type of retransmissions → of what is retransmitted
	present bool       // the newest of its key and not switched off: forwarded
	voice   speech.Voice
	demand  demand
}

// format is one payload type of a publisher.
type format struct {
	codec.Format
	codec packet.Codec
}

// stream is one layer of a track: one SSRC of a publisher at a time.
type stream struct {
	track  *track
	rid    string
	format *format // of the latest packet; nil before the first
	presence

	size    LayerSize
	ids     identity
	reading reading
	seq     seqmap.Unwrapper
	high    uint64 // highest taken in
	ring    *ring.Ring
	loss    nack.List
	pace    pace.Queue // of what is held to be forwarded later
	pacing  bool       // on core.pacing
	shed    shedding

	sinks   []*sink // fed by the stream
	waiting []*sink // for a keyframe of it
	unfit   []*sink // cannot take its format, and wait for another one
	key     keyRequests
	in      intake
}

// identity is under which SSRCs a stream comes.
type identity struct {
	ssrc, repair     uint32 // 0: not known yet
	ssrcAt, repairAt int64  // when they became known
}

// reading is what is to be known of the packets before to read the next one.
type reading struct {
	pid    uint16    // latest picture id, 15 bits
	sps    bool      // H.264, H.265: parameter sets come in band
	layers *layering // VP9, AV1: nil until a packet says something of them
}

// intake is what was received of a stream and what its publisher reported of it.
type intake struct {
	stats    reception.Stats
	packets  uint64
	bytes    uint64
	reported uint64     // packets at the time of the last report
	line     clock.Line // from the last sender report
	srNTP    uint32     // middle bits of its NTP time, 0: none yet
	srAt     int64      // its arrival
	highAt   int64      // that of the highest packet
	level    uint8      // audio level of the latest packet (RFC 6464), 0x7f: silence or not said
	inLossy  bool       // on core.lost.streams
	tallied  tallied
	rated    rated
	mends    mending
}

// Slots of a ring at first and at most. More hold more of a fast stream's Options.History.
const (
	audioSlots, maxAudioSlots = 64, 256
	videoSlots, maxVideoSlots = 256, 2048
)

// audioHistory is for how long audio can be sent again, in ns, if Options.History is not shorter: later no
// receiver plays it.
const audioHistory = 400 * time.Millisecond

// history is for how long packets of a track can be sent again, and are asked for.
func (c *core) history(t *track) time.Duration {
	if t.key.Source.Kind() == packet.Audio {
		return min(c.o.History, audioHistory)
	}
	return c.o.History
}

// updateTrack makes the section a track, keeps it one, or ends it.
func (c *core) updateTrack(p *peer, s *packet.Section, src Source, on bool) {
	t := p.tracks[s.MID]
	if t != nil && (!on || t.key.Source != src || len(layerNames(s)) != len(t.layers) || !slices.Equal(s.RIDs, t.section.RIDs)) {
		c.removeTrack(t)
		t = nil
	}
	if !on {
		return
	}
	var before packet.Section // what was known of it
	fresh := t == nil
	if !fresh {
		before = t.section
	} else {
		t = &track{key: TrackKey{p.member, src}, peer: p}
		for i, rid := range layerNames(s) {
			t.order = append(t.order, i)
			st := &stream{track: t, rid: rid, in: intake{level: 0x7f}}
			c.gateFresh(st)
			t.layers = append(t.layers, st)
		}
		p.tracks[s.MID] = t
	}
	c.negotiated(t, s)
	c.bindDeclared(t, &before)
	if fresh {
		c.tracks[t.key] = append(c.tracks[t.key], t)
		c.elect(t.key)
		c.beginDemand(t.key)
	}
}

// layerNames returns the RIDs of a section's layers; empty ones if it has none.
func layerNames(s *packet.Section) []string {
	if len(s.RIDs) > 0 {
		return s.RIDs
	}
	return make([]string, max(len(s.SSRCs), 1))
}

// negotiated takes over payload types. A payload type may mean something else from now on, or nothing any
// more. Its streams then go on with the next packet that a decoder can begin with.
func (c *core) negotiated(t *track, s *packet.Section) {
	if t.formats != nil && slices.Equal(s.Codecs, t.section.Codecs) {
		t.section = *s
		return
	}
	t.section = *s
	t.byPT, t.repairs = [128]uint8{}, [128]uint8{}
	t.formats = make([]format, len(s.Codecs))
	for i, k := range s.Codecs {
		t.formats[i] = format{codec.FormatOf(k), k}
		if t.formats[i].ID == codec.Unknown || k.PT > 127 || k.RTX > 127 {
			continue
		}
		t.byPT[k.PT] = uint8(i + 1)
		if k.RTX != 0 {
			t.repairs[k.RTX] = k.PT
		}
	}
	for _, st := range t.layers {
		old := st.format
		if old == nil {
			continue
		}
		if st.format = t.formatOf(old.codec.PT); st.format == nil || st.format.Format != old.Format {
			st.format = nil
			c.stall(st)
		}
	}
}

// formatOf returns the format of a payload type, nil if it has none.
func (t *track) formatOf(pt uint8) *format {
	if i := t.byPT[pt&0x7f]; i != 0 {
		return &t.formats[i-1]
	}
	return nil
}

// elect decides which track of the key is forwarded, and has the sinks that want it take it up.
func (c *core) elect(key TrackKey) {
	all := c.tracks[key]
	for i, t := range all {
		if t.present = i == len(all)-1 && !c.off[key]; !t.present {
			c.silence(t)
		}
	}
	for _, s := range c.wants[key] {
		c.retarget(s)
	}
}

// present returns the track of the key that is forwarded, nil if there is none.
func (c *core) present(key TrackKey) *track {
	if all := c.tracks[key]; len(all) > 0 && all[len(all)-1].present {
		return all[len(all)-1]
	}
	return nil
}

// silence ends all forwarding of a track and forgets its packets.
func (c *core) silence(t *track) {
	c.quiet(t)
	c.leavePlaces(t)
	for _, st := range t.layers {
		for len(st.sinks) > 0 {
			c.leave(st.sinks[0])
		}
		for len(st.waiting) > 0 {
			c.leave(st.waiting[0])
		}
		for len(st.unfit) > 0 {
			c.leave(st.unfit[0])
		}
		c.unhold(st)
		c.clear(st)
	}
}

func (c *core) removeTrack(t *track) {
	t.present = false
	c.silence(t)
	c.keys.asking = slices.DeleteFunc(c.keys.asking, func(st *stream) bool { return st.track == t })
	c.lost.streams = slices.DeleteFunc(c.lost.streams, func(st *stream) bool { return st.track == t })
	c.demanded = slices.DeleteFunc(c.demanded, func(x *track) bool { return x == t })
	for ssrc, b := range t.peer.bySSRC {
		if b.stream.track == t {
			delete(t.peer.bySSRC, ssrc)
			t.peer.remember(ssrc, b)
		}
	}
	delete(t.peer.tracks, t.section.MID)
	if all := slices.DeleteFunc(c.tracks[t.key], func(x *track) bool { return x == t }); len(all) > 0 {
		c.tracks[t.key] = all
	} else {
		delete(c.tracks, t.key)
	}
	c.elect(t.key)
}

func (c *core) setPublishing(key TrackKey, on bool, now int64) error {
	c.setNow(now)
	if on == !c.off[key] {
		return nil
	}
	if on {
		delete(c.off, key)
	} else {
		c.off[key] = true
	}
	c.elect(key)
	return nil
}

// clear releases the packets of a stream and forgets what it misses.
func (c *core) clear(st *stream) {
	c.closeCache(st)
	st.key.cache.key = 0
	st.loss.Clear()
	if st.ring != nil {
		st.ring.Clear()
	}
}

// layer returns the index of a stream in its track.
func (st *stream) layer() int { return slices.Index(st.track.layers, st) }
