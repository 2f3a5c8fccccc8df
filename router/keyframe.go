package router

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pion/rtcp"

	"parlor/packet"
	"parlor/router/gop"
)

// keyRequests is what a stream knows of the keyframes asked of it.
type keyRequests struct {
	at      int64 // when it was asked last, 0: never
	tries   int   // since the last keyframe
	pending bool  // somebody asked since
	here    bool  // the packet in hand begins one
	queued  bool  // on core.keys.asking
	fir     uint8 // sequence number of full intra requests
	came    int64 // when the last keyframe came; 0: none did
	since   int64 // when the first request since then was sent; 0: none was
	waits   gop.Waits
	cache   cached
}

// keyframes is what may have to ask for a keyframe.
type keyframes struct {
	asking    []*stream // streams that may have to ask their publisher
	postponed []*sink   // whose receivers have asked for more than their quota
	bursts    []*sink   // that get what the cache has
	cached    int       // bytes of buffers that caches keep
}

// arrived notes a keyframe: what was asked for is there.
func (k *keyRequests) arrived(now int64) {
	if k.since != 0 {
		k.waits.Add(time.Duration(now - k.since))
	}
	k.pending, k.tries, k.came, k.since = false, 0, now, 0
}

// A receiver's quota of keyframes, for each of its sections. A keyframe costs the publisher a burst, and all
// that watch the same. Lower keeps a receiver with a bad network frozen for longer, higher lets it make the
// picture of all others worse.
const (
	keyQuota       = 3
	keyQuotaWindow = 10e9 // ns
	keyQuotaPace   = 1e9  // ns between two of them
)

// pictureLoss is what a sink's receiver has asked for of late. What is beyond the quota is asked for when
// there is room again, if no keyframe has come by then. So nobody stays frozen.
type pictureLoss struct {
	free    bool            // the next request costs no quota: the sink has taken up a stream since the last
	at      [keyQuota]int64 // the last requests that counted, oldest first; 0: none
	waits   bool            // on core.keys.postponed
	waitAt  int64           // when the request came that waits
	served  int64           // when the cache has answered one last; 0: never
	refused refused
}

// next returns when a request is within the quota.
func (l *pictureLoss) next() (at int64) {
	if last := l.at[keyQuota-1]; last != 0 {
		at = last + keyQuotaPace
	}
	if first := l.at[0]; first != 0 {
		at = max(at, first+keyQuotaWindow)
	}
	return at
}

// take uses the quota up, if there is any.
func (l *pictureLoss) take(now int64) bool {
	if l.free {
		l.free = false
		return true
	}
	if now < l.next() {
		return false
	}
	copy(l.at[:], l.at[1:])
	l.at[keyQuota-1] = now
	return true
}

// onPictureLoss passes a receiver's request for a keyframe on to the stream that feeds it, within the
// receiver's quota.
func (c *core) onPictureLoss(p *peer, ssrc uint32) {
	s := p.down.sinkOf[ssrc]
	if s == nil || s.feeder() == nil {
		return
	}
	l := &s.loss
	if l.take(c.now) {
		c.askKeyframe(s.feeder())
		return
	}
	if c.serveAgain(s) {
		return
	}
	c.drop(DropKeyframeQuota)
	l.waitAt = c.now
	if !l.waits {
		l.waits = true
		c.keys.postponed = append(c.keys.postponed, s)
	}
	c.at(dueKeyframe, l.next())
}

// feeder returns the stream that the sink is fed by, or else the one that it waits for.
func (s *sink) feeder() *stream {
	if s.cur != nil {
		return s.cur
	}
	return s.next
}

// askPostponed asks for the keyframes that were beyond a quota.
func (c *core) askPostponed() {
	c.keys.postponed = slices.DeleteFunc(c.keys.postponed, func(s *sink) bool {
		l, st := &s.loss, s.feeder()
		if st != nil && st.key.came < l.waitAt {
			if !l.take(c.now) {
				c.at(dueKeyframe, l.next())
				return false
			}
			c.askKeyframe(st)
		}
		l.waits = false
		return true
	})
}

// retryKeyframe is how long a sink waits for a keyframe before it is asked for again, in ns. After more than
// manyKeyframes vain requests it is slowKeyframe. Lower recovers sooner from a lost request, higher spares a
// publisher that has nothing to send.
const (
	retryKeyframe = 500e6
	slowKeyframe  = 2e9
	manyKeyframes = 8
)

// askKeyframe asks the publisher for a keyframe of the stream. It does so now, or when
// Options.KeyframeInterval has passed since the last request for a layer of the track.
func (c *core) askKeyframe(st *stream) {
	if st.track.key.Source.Kind() != packet.Video || st.shed.muted {
		return
	}
	c.totals.KeyframesAsked++
	st.key.pending = true
	c.expectAsk(st)
}

// askIfWaited asks for a keyframe if a sink waits for one, or as soon as one may have it asked.
func (c *core) askIfWaited(st *stream) {
	switch at, waited := st.wanted(); {
	case !waited || st.key.here:
	case at > c.now:
		c.expectAsk(st)
	default:
		c.askKeyframe(st)
	}
}

// expectAsk has the stream ask when that is due, maybe now.
func (c *core) expectAsk(st *stream) {
	if !st.key.queued {
		st.key.queued = true
		c.keys.asking = append(c.keys.asking, st)
	}
	c.askOrWait(st)
}

// askOrWait sends the request that is due, and notes when the next one is.
func (c *core) askOrWait(st *stream) {
	next := c.nextAsk(st)
	if next == 0 {
		return
	}
	if c.now >= next {
		if !c.requestKeyframes(st.track) || st.key.pending {
			return // asked again when it can be
		}
		if next = c.nextAsk(st); next == 0 {
			return
		}
	}
	c.at(dueKeyframe, next)
}

// nextAsk returns when the stream is to be asked next, 0 if there is no need.
func (c *core) nextAsk(st *stream) int64 {
	k := &st.key
	next := c.now
	if !k.pending {
		at, waited := st.wanted()
		if !waited {
			return 0
		}
		next = max(next, at)
	}
	switch {
	case k.at == 0 || k.pending:
	case k.tries > manyKeyframes && st.lastAt < k.at:
		return 0 // it has stopped; asked again when packets come
	case k.tries > manyKeyframes:
		next = max(next, k.at+slowKeyframe)
	default:
		next = max(next, k.at+retryKeyframe)
	}
	if at := st.track.keyAt; at != 0 {
		next = max(next, at+c.keyInterval(st))
	}
	return next
}

// crowd is how many viewers of a track are a crowd. There the keyframes that some of them have lost come once
// in crowdInterval, in ns. Lower ends the freeze of one sooner, and makes the picture of all others worse as
// often.
const (
	crowd         = 20
	crowdInterval = 1e9
	// stuck is the time after which a packet that is still missing counts as lost by the publisher, in ns:
	// all freeze then.
	stuck = 200e6
)

// keyInterval returns how long after a request for keyframes of its track the stream may be asked for one.
func (c *core) keyInterval(st *stream) int64 {
	least := ns(c.o.KeyframeInterval)
	if st.key.came < st.key.at || !st.track.crowded() || st.loss.Stuck(c.now, stuck, st.key.came) {
		return least
	}
	if at, waited := st.wanted(); waited && at <= c.now {
		return least // somebody has no picture at all, or another one than is right
	}
	return max(least, crowdInterval)
}

// crowded says whether so many watch the track that what one of them wants must not cost all others.
func (t *track) crowded() bool {
	n := 0
	for _, st := range t.layers {
		n += len(st.sinks) + len(st.waiting)
	}
	return n >= crowd
}

// wanted returns from when on a sink that waits for the stream may have it asked. waited says whether there
// is one.
func (st *stream) wanted() (at int64, waited bool) {
	if st.shed.muted {
		return 0, false
	}
	at = math.MaxInt64
	for _, s := range st.waiting {
		if s.burst == nil {
			at, waited = min(at, s.hushed), true
		}
	}
	return at, waited
}

// How often a receiver may have a track asked for a keyframe by taking it up, as all its sections together.
// It may takeUps times at once, as when a seat changes its mind, then once in takeUpPace, in ns. Lower lets a
// receiver that flaps make the picture of all others worse.
const (
	takeUps    = 3
	takeUpPace = 1e9
	// maxTakeUps bounds the tracks of which that is remembered. A receiver that takes up more within seconds
	// waits.
	maxTakeUps = 256
)

// takesUp counts that a section takes a track of video up. It returns until when that must not ask for a
// keyframe; now or earlier if it may.
func (d *downlink) takesUp(key TrackKey, now int64) int64 {
	paid := max(d.taken[key], now) + takeUpPace // as a leaky bucket, ITU-T I.371
	if over := paid - takeUps*takeUpPace; over > now {
		return over
	}
	if d.taken == nil {
		d.taken = map[TrackKey]int64{}
	}
	if _, known := d.taken[key]; !known && len(d.taken) >= maxTakeUps {
		maps.DeleteFunc(d.taken, func(_ TrackKey, paid int64) bool { return paid <= now })
		if len(d.taken) >= maxTakeUps {
			return now + takeUpPace
		}
	}
	d.taken[key] = paid
	return now
}

// askKeyframes sends the requests that are due.
func (c *core) askKeyframes() {
	c.askPostponed()
	c.keys.asking = slices.DeleteFunc(c.keys.asking, func(st *stream) bool {
		c.askOrWait(st)
		st.key.queued = c.nextAsk(st) != 0
		return !st.key.queued
	})
}

// requestKeyframes asks for keyframes of all layers of a track of which they are due, in one compound packet.
// It reports false if the publisher cannot be told yet: SSRC or transport are missing.
func (c *core) requestKeyframes(t *track) bool {
	var packets []rtcp.Packet
	for _, st := range t.layers {
		if next := c.nextAsk(st); next == 0 || c.now < next || st.ids.ssrc == 0 || !t.peer.ready {
			continue
		}
		packets = append(packets, c.keyframeRequest(st))
		st.key.at, st.key.pending = c.now, false
		st.key.tries++
		if st.key.since == 0 {
			st.key.since = c.now
		}
		c.totals.KeyframeRequests++
	}
	if len(packets) == 0 {
		return false
	}
	t.keyAt = c.now
	c.sendRTCP(t.peer, packets...)
	return true
}

// keyframeRequest returns a PLI, or a FIR if that is what was negotiated (RFC 4585 section 6.3.1, RFC 5104
// section 4.3.1).
func (c *core) keyframeRequest(st *stream) rtcp.Packet {
	f := st.format
	if f == nil && len(st.track.formats) > 0 {
		f = &st.track.formats[0]
	}
	if f == nil || f.codec.PLI || !f.codec.FIR {
		return &rtcp.PictureLossIndication{SenderSSRC: c.ssrc, MediaSSRC: st.ids.ssrc}
	}
	st.key.fir++
	return &rtcp.FullIntraRequest{SenderSSRC: c.ssrc, MediaSSRC: st.ids.ssrc, FIR: []rtcp.FIREntry{{SSRC: st.ids.ssrc, SequenceNumber: st.key.fir}}}
}
