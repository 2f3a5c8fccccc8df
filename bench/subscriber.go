package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"parlor/bench/stats"
	"parlor/client"
	"parlor/lab/traffic"
)

// door is how a subscriber holds on to its client, whichever way it came in.
type door interface {
	Drops() (uint32, error)
	Silence(on bool)
	Leave(ctx context.Context) error
}

type wsDoor struct{ *client.Client }

// Leave implements door.
func (d wsDoor) Leave(ctx context.Context) error { return d.Exit(ctx) }

type whepDoor struct{ *client.Resource }

// Leave implements door.
func (d whepDoor) Leave(ctx context.Context) error { return d.Delete(ctx) }

// window is the time that is measured, as Unix nanoseconds of sending: from ≤ sent < to.
type window struct {
	from, to atomic.Int64
	troubled atomic.Int64 // since when strangers make trouble; 0: not yet
}

func (w *window) holds(sent int64) bool {
	from := w.from.Load()
	return from != 0 && sent >= from && sent < w.to.Load()
}

// subscriber is one receiving client and what it has counted.
type subscriber struct {
	window *window
	door   door
	began  time.Time     // of joining
	joined time.Duration // until media was connected

	split    bool             // delays are kept apart, see receiver.calm
	dead     bool             // its network dies when the measurement begins
	sample   int              // the kernel passes one packet in as many
	arrivals *client.Arrivals // nil: not noted

	firstPacket, firstKeyframe atomic.Int64 // ns after began; 0: not yet

	mu        sync.Mutex
	receivers []*receiver
}

// receiver counts what arrives on one section of a seat. Its section's goroutine writes, under a lock that
// nobody else wants until the end.
type receiver struct {
	mu      sync.Mutex
	tallies map[uint32]*stats.Tally // by stream
	delays  *stats.Delays           // of the packets in the window, until they were read
	wire    *stats.Delays           // the same, until they came to the socket
	// The same as delays, before and while strangers made trouble; nil: they do not.
	calm, troubled *stats.Delays
	alien          uint64 // packets without a stamp: probes, padding
}

// accept is the client's OnRTP.
func (s *subscriber) accept(section client.Section) func([]byte) {
	r := &receiver{tallies: map[uint32]*stats.Tally{}, delays: stats.NewDelays(), wire: stats.NewDelays()}
	if s.split {
		r.calm, r.troubled = stats.NewDelays(), stats.NewDelays()
	}
	s.mu.Lock()
	s.receivers = append(s.receivers, r)
	s.mu.Unlock()
	packets, keyframe := 0, section.Audio // no keyframe to wait for
	return func(packet []byte) {
		now := time.Now()
		if packets == 0 {
			s.firstPacket.CompareAndSwap(0, int64(now.Sub(s.began)))
		}
		if !keyframe && traffic.IsKeyframe(packet) {
			keyframe = true
			s.firstKeyframe.CompareAndSwap(0, int64(now.Sub(s.began)))
		}
		packets++
		r.take(packet, now.UnixNano(), s)
	}
}

func (r *receiver) take(packet []byte, now int64, s *subscriber) {
	stamp, ok := traffic.Read(packet)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.alien++
		return
	}
	t := r.tallies[stamp.Stream]
	if t == nil {
		t = &stats.Tally{}
		r.tallies[stamp.Stream] = t
	}
	if t.Add(stamp.Seq) != nil {
		r.alien++
		return
	}
	if !s.window.holds(stamp.Sent) {
		return
	}
	r.delays.Add(time.Duration(now - stamp.Sent))
	switch since := s.window.troubled.Load(); {
	case r.calm == nil:
	case since == 0 || stamp.Sent < since:
		r.calm.Add(time.Duration(now - stamp.Sent))
	default:
		r.troubled.Add(time.Duration(now - stamp.Sent))
	}
	if s.arrivals == nil {
		return
	}
	if at, ok := s.arrivals.Of(packet); ok {
		r.wire.Add(time.Duration(at - stamp.Sent))
	}
}

// counts are the sums of a subscriber's tallies.
type counts struct{ received, duplicates, reordered, alien uint64 }

func (c counts) minus(o counts) counts {
	return counts{c.received - o.received, c.duplicates - o.duplicates, c.reordered - o.reordered, c.alien - o.alien}
}

func (c *counts) add(o counts) {
	c.received += o.received
	c.duplicates += o.duplicates
	c.reordered += o.reordered
	c.alien += o.alien
}

// each visits the receivers, each under its lock.
func (s *subscriber) each(f func(*receiver)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.receivers {
		r.mu.Lock()
		f(r)
		r.mu.Unlock()
	}
}

// count returns what has come so far.
func (s *subscriber) count() (c counts) {
	s.each(func(r *receiver) {
		c.alien += r.alien
		for _, t := range r.tallies {
			c.add(counts{received: t.Received(), duplicates: t.Duplicates(), reordered: t.Reordered()})
		}
	})
	return c
}

// between returns how many packets of a stream should have come, of those with from ≤ seq < to, and how many
// different ones have. A stream comes in one section at a time.
func (s *subscriber) between(stream uint32, from, to uint64) (expected, received uint64) {
	expected = (to - from) / uint64(s.sample)
	s.each(func(r *receiver) {
		if t := r.tallies[stream]; t != nil {
			expected, received = t.Sampled(from, to, uint64(s.sample))
		}
	})
	return expected, received
}
