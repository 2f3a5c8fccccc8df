package router

import (
	"slices"
	"time"

	"parlor/packet"
	"parlor/router/gop"
	"parlor/router/pace"
)

// The keyframe cache. A stream's ring keeps all from the newest keyframe on, for some seconds. A sink that
// begins with the stream gets that as a burst, faster than it came, until there is nothing more in the ring.
// From there on it is fed like all others. Nobody waits for a keyframe, and the publisher has to make none. A
// receiver never gets a part of the chain: if a packet is missing, the cache serves nobody.

// Bounds of the cache. Beyond one of them it serves nobody any more until the next keyframe. Higher ones
// spare more keyframes, and take memory.
const (
	maxCacheAge    = 3e9 // ns
	maxCacheFrames = 90
	maxCacheStream = 512 << 10 // bytes of buffers
	maxCacheRoom   = 16 << 20
	// A stream that nobody gets is kept for cacheUnwatched after somebody did, in ns. In rooms with
	// cacheReceivers receivers it is kept in any case.
	cacheUnwatched = 30e9
	cacheReceivers = 5
	// maxCacheReordered is how many packets may have overtaken a keyframe.
	maxCacheReordered = 256
	// gapAge is for how long a packet that is asked for again may be missing, in ns: all others wait for it
	// as well.
	gapAge = 100e6
	// cacheLinger is for how long what a burst has brought can be sent again, in ns.
	cacheLinger = 500e6
)

// cached is what a stream's ring holds from its newest keyframe on.
type cached struct {
	key     uint64 // number of the first packet of the newest keyframe
	ts      uint32 // its timestamp
	at      int64  // its arrival
	on      bool   // all from key on is kept
	closed  bool   // nobody may begin with it any more
	whole   uint64 // all packets from key to this are there
	size    int    // bytes to be sent
	keySize int    // those of the keyframe
	buffers int    // bytes of memory
	frames  int
	frameTS uint32 // of the last one
	bursts  int    // under way
	until   int64  // what bursts have brought may be asked for again
	watched int64  // when somebody was to get the stream last; 0: never
}

// burst is what a sink that waits for a stream gets out of the cache.
type burst struct {
	next  uint64 // packet; 0: it has not begun
	until uint64 // from here on it is not from the cache, but has come meanwhile
	since int64
	paid  int64 // up to when what has left is paid for
	gap   int64 // ns that a byte pays for
	by    cause // what has the sink begin with the stream
	again bool  // the receiver had the stream before, and has lost its picture
}

// openCache has the stream keep all from a keyframe on, whose packet m is not in the ring yet.
func (c *core) openCache(st *stream, m *media) {
	k := &st.key.cache
	if k.key != 0 && m.Timestamp == k.ts {
		if m.ext < k.key { // another packet of the same frame
			gone := st.gone(m.ext, k.key)
			k.key, k.whole = m.ext, m.ext-1
			c.hold(st)
			if gone {
				c.closeCache(st)
			}
		}
		return
	}
	if m.ext < k.key {
		return
	}
	c.closeCache(st)
	k.key, k.ts, k.at, k.whole = m.ext, m.Timestamp, m.at, m.ext-1
	if c.o.NoCache || st.track.key.Source.Kind() != packet.Video || !c.worthCaching(st) || st.gone(m.ext, st.high) {
		return
	}
	k.on, k.closed, k.size, k.keySize, k.buffers, k.frames, k.frameTS = true, false, 0, 0, 0, 0, m.Timestamp-1
	c.hold(st)
}

// gone says whether a packet between two has come that is not kept, as nobody was to get it then. It never
// comes again.
func (st *stream) gone(after, to uint64) bool {
	if to > after+maxCacheReordered {
		return true
	}
	for ext := after + 1; ext <= to; ext++ {
		if st.ring.Known(ext) && st.ring.Get(ext) == nil {
			return true
		}
	}
	return false
}

func (c *core) hold(st *stream) {
	if st.key.cache.on {
		st.ring.Hold(st.key.cache.key)
	}
}

// worthCaching says whether somebody is likely to begin with the stream soon.
func (c *core) worthCaching(st *stream) bool {
	if w := st.key.cache.watched; st.watched() || w != 0 && c.now-w < cacheUnwatched {
		return true
	}
	n := 0
	for _, p := range c.peers {
		if len(p.down.sinks) > 0 {
			n++
		}
		if n == cacheReceivers {
			return true
		}
	}
	return false
}

// closeCache lets go of what is kept for bursts alone.
func (c *core) closeCache(st *stream) {
	k := &st.key.cache
	if !k.on {
		return
	}
	k.on = false
	c.keys.cached -= k.buffers
	st.ring.Hold(0)
}

// caches says whether a packet of the stream is kept in any case.
func (st *stream) caches(ext uint64) bool { return st.key.cache.on && ext >= st.key.cache.key }

// noteCached notes a packet that has been put into the ring.
func (c *core) noteCached(st *stream, m *media) {
	k := &st.key.cache
	if st.watched() {
		k.watched = c.now
	}
	if !st.caches(m.ext) {
		return
	}
	n := int(m.HeaderLen) + len(m.Payload)
	k.size += n
	if m.Timestamp == k.ts {
		k.keySize += n
	}
	if m.Timestamp != k.frameTS {
		k.frameTS = m.Timestamp
		k.frames++
	}
	k.buffers += packet.Size
	c.keys.cached += packet.Size
	if m.ext == k.whole+1 {
		for k.whole = m.ext; st.ring.Get(k.whole+1) != nil; {
			k.whole++
		}
	}
	c.boundCache(st)
}

// boundCache ends the cache of a stream that has become too large or too old, once nobody needs it any more.
func (c *core) boundCache(st *stream) {
	k := &st.key.cache
	if !k.on {
		return
	}
	if k.buffers > maxCacheStream || c.keys.cached > maxCacheRoom || k.frames > maxCacheFrames || c.now-k.at > maxCacheAge {
		k.closed = true
	}
	if k.closed && (k.bursts == 0 && c.now >= k.until || k.buffers > 2*maxCacheStream || c.keys.cached > 2*maxCacheRoom) {
		c.closeCache(st)
	}
}

// serve has a sink that waits for a stream get what the cache has, if that is sooner than a new keyframe. It
// reports whether it does.
func (c *core) serve(s *sink, by cause) bool {
	if s.cur != nil && c.now-s.next.key.cache.at > ns(gop.Fresh) || !c.chooses(s, s.next) {
		return false // it has a picture meanwhile, or soon
	}
	c.promise(s, burst{since: c.now, by: by})
	return true
}

// promise has a sink that waits for a stream get a burst, after all that is in hand has been sent.
func (c *core) promise(s *sink, b burst) {
	s.burst = &b
	s.next.key.cache.bursts++
	c.keys.bursts = append(c.keys.bursts, s)
	c.at(duePace, c.now)
}

// chooses says whether the sink should begin with the stream's newest keyframe.
func (c *core) chooses(s *sink, st *stream) bool {
	k := &st.key.cache
	c.boundCache(st)
	if !k.on || k.closed || k.whole < k.key || st.ring.Get(k.key) == nil || st.shed.muted || st.format == nil || !st.live && len(st.track.layers) > 1 {
		return false
	}
	if k.whole < st.high {
		if last := st.ring.Get(k.whole); last == nil || c.now-last.At > gapAge {
			return false
		}
	}
	return gop.Choose(gop.Stream{
		Age: time.Duration(c.now - k.at), Size: k.size, Key: k.keySize, Rate: 8 * float64(st.size.Rate), Wait: c.keyframeIn(s, st),
	}, gop.Rate(s.peer.down.estimate()))
}

// estimate returns what the network to the peer is estimated to carry, in bit/s.
func (d *downlink) estimate() float64 {
	switch {
	case d.net == nil:
		return d.expected()
	case d.net.bound != nil:
		return min(d.net.bound.Rate(), d.expected())
	}
	return d.net.est.Estimate().Capacity
}

// keyframeIn returns in which time a sink that waits for a stream may expect a keyframe.
func (c *core) keyframeIn(s *sink, st *stream) time.Duration {
	k := &st.key
	usual := ns(k.waits.Median())
	if k.since != 0 {
		if waits := c.now - k.since; waits > usual {
			return time.Duration(waits) // the longer it has taken, the longer it will
		}
		return time.Duration(k.since + usual - c.now)
	}
	asked := c.now
	if st.track.keyAt != 0 {
		asked = max(asked, st.track.keyAt+c.keyInterval(st))
	}
	return time.Duration(asked + usual - c.now)
}

// serveAgain has a sink that is fed by a stream begin anew with what the cache has. Its receiver has lost the
// picture and is beyond its quota.
func (c *core) serveAgain(s *sink) bool {
	st, l := s.cur, &s.loss
	if st == nil || s.next != nil || l.served != 0 && c.now-l.served < keyQuotaPace || !c.chooses(s, st) {
		return false
	}
	c.sendRuns()
	c.finish(s)
	s.uncur()
	free := l.free
	s.await(st)
	l.free, l.served = free, c.now
	c.promise(s, burst{since: c.now, again: true})
	return true
}

// stepBursts sends the next part of each burst, and returns whether there will be more.
func (c *core) stepBursts() bool {
	c.keys.bursts = slices.DeleteFunc(c.keys.bursts, func(s *sink) bool {
		if s.burst != nil {
			c.stepBurst(s)
		}
		return s.burst == nil
	})
	return len(c.keys.bursts) > 0
}

func (c *core) stepBurst(s *sink) {
	b, st := s.burst, s.next
	if b.next == 0 && !c.beginBurst(s) {
		c.abandon(s)
		return
	}
	for b.next <= st.high && b.paid <= c.now {
		if !c.sendBurst(s) {
			c.abandon(s)
			return
		}
	}
	switch {
	case b.next > st.high && st.pace.Len() == 0:
		st.key.cache.until = c.now + cacheLinger
		s.unwait()
		s.feedBy(st)
		s.thinAnew(b.next)
		c.aimAnew(s)
		c.totals.CacheHits++
	case c.now-b.since >= ns(gop.Limit):
		c.abandon(s)
	}
}

// beginBurst has a sink go on with the keyframe in the cache.
func (c *core) beginBurst(s *sink) bool {
	b, st := s.burst, s.next
	k := &st.key.cache
	first, last := c.slot(), c.slot()
	defer c.free(first)
	defer c.free(last)
	if !k.on || !c.recall(st, k.key, first) || !c.recall(st, k.whole, last) || first.format != st.format || last.format != st.format {
		return false
	}
	rw, ok := c.goesOn(s, st, first)
	if !ok {
		return false
	}
	rw.ts = c.timestamps(s, st, last)
	rw.squash(first, last)
	if least := s.last.ts + st.format.Clock/1000; s.last.any && int32(rw.timestamp(first)-least) < 0 {
		rw.ts += least - rw.timestamp(first)
	}
	c.beginSegment(s, rw)
	s.feedAnew()
	c.filterAnew(s, st, first)
	s.thinAnew(k.key)
	b.next, b.until = k.key, k.whole
	b.gap = int64(8e9 / gop.Rate(s.peer.down.estimate()))
	b.paid = c.now
	return true
}

// sendBurst sends the next packet of a burst; false if it is not there and cannot be done without.
func (c *core) sendBurst(s *sink) bool {
	b, st := s.burst, s.next
	m := c.slot()
	defer c.free(m)
	if !c.recall(st, b.next, m) {
		if b.next <= b.until || st.ring.Known(b.next) {
			return false
		}
		b.next++ // it follows if it comes, see passed
		return true
	}
	b.paid = max(b.paid, c.now-pace.Step) + (int64(m.HeaderLen)+int64(len(m.Payload)))*b.gap
	b.next++
	c.send(s, m)
	s.last.at = c.now // what another source brings goes on from when the receiver got this
	return true
}

// passed gives a packet that has just come to those whose bursts have gone on without it.
func (c *core) passed(st *stream, m *media) {
	for _, s := range st.waiting {
		if b := s.burst; b != nil && m.ext < b.next {
			c.send(s, m)
			m.copied = false // a run gives it other scratch
		}
	}
}

// abandon ends a burst. The sink waits for a keyframe as if there had been none.
func (c *core) abandon(s *sink) {
	c.totals.CacheAbandoned++
	by, again := s.burst.by, s.burst.again
	s.endBurst()
	switch {
	case again:
		s.hushed = s.loss.next()
	case by != byOthers:
		c.hush(s, s.next, by)
	}
	c.askIfWaited(s.next)
}

// endBurst ends what a sink gets out of the cache.
func (s *sink) endBurst() {
	if s.burst == nil {
		return
	}
	s.burst = nil
	s.next.key.cache.bursts--
}

// squash has the packets from first to last, which come late, get timestamps that are close to that of last.
// A receiver shows pictures as far apart as their timestamps are, so it would be late for good. What follows
// from a packet alone, a retransmission has as well.
func (rw *rewrite) squash(first, last *media) {
	rw.squashed, rw.live = uint16(min(last.ext-first.ext, 1<<16-1)), last.Timestamp
}

// squashShift is how much closer the timestamps of a burst are, as a power of two. They are still apart: at
// 60 frames a second by 5 ticks.
const squashShift = 8

// timestamp returns that of a packet of the segment.
func (rw *rewrite) timestamp(m *media) uint32 {
	if m.ext-rw.first < uint64(rw.squashed) {
		if d := int32(rw.live - m.Timestamp); d > 0 {
			return rw.live - uint32(d>>squashShift) + rw.ts
		}
	}
	return m.Timestamp + rw.ts
}
