// Package link is a network link that one can draw: rate, queue, loss, delay and all that, as functions of
// time and of a seed. It is a leaf without goroutines, sockets or clocks. Time is an argument, counted from
// the link's beginning, so that the same link stands in simulations and between real programs.
//
//	link.go   Link: what becomes of each packet
//	wire.go   the rate: when a packet has passed, exactly
//	loss.go   which packets are lost, and how long the others take
//	shape.go  Shape, Profile: how a link behaves, and their validation
//	text.go   Parse, String: shapes as text
//	pipe.go   Pipe: a link with the packets that are under way
//
// A packet meets the policer first, then the queue and its bound, then losses, delay, jitter, and
// duplication. What is lost on the way has taken its time of the rate, as on a radio link. Burst losses are
// the model of E. N. Gilbert (Capacity of a burst-noise channel, 1960) and E. O. Elliott (1963). The policer
// is ITU-T I.371's generic cell rate algorithm.
package link

import "time"

// Drop is why a packet does not arrive.
type Drop uint8

// The reasons.
const (
	Passed  Drop = iota // it arrives
	Policed             // above the rate of the policer
	Full                // the queue has no room
	Lost                // by itself, at random
	Burst               // with others, in a burst or a run
	drops
)

var dropNames = [drops]string{"passed", "policed", "full", "lost", "burst"}

// String is the name under which the reason is told.
func (d Drop) String() string { return dropNames[d] }

// Fate is what becomes of a packet.
type Fate struct {
	Drop    Drop
	Copies  int              // that arrive: 0, 1 or 2
	At      [2]time.Duration // when each of them arrives
	Waiting time.Duration    // in the queue until its first bit leaves; also of packets lost afterwards
}

// Counters tell what has happened to packets.
type Counters struct {
	Sent       uint64
	SentBytes  uint64
	Bytes      uint64 // of those that arrive, each once
	Duplicated uint64
	Overtaking uint64 // arrive before one that was sent earlier
	Dropped    [drops]uint64
}

// Link is one direction. Its methods are for one goroutine at a time.
type Link struct {
	profile Profile
	step    int // the one that holds at the latest Send
	now     time.Duration
	wire    wire
	losing  losing
	latest  time.Duration // arrival of all packets so far but those that Late holds back
	last    time.Duration // arrival of all
	policed time.Duration // when the policer's bucket will be full
	counts  Counters
}

// New returns a link. The profile must be valid. With the same seed and the same packets, the same happens.
func New(p Profile, seed uint64) (*Link, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if len(p) == 0 {
		p = Always(Shape{})
	}
	return &Link{profile: p, wire: wire{profile: p}, losing: newLosing(seed)}, nil
}

// Counters returns what has been counted so far.
func (l *Link) Counters() Counters { return l.counts }

// Queueing is how long a packet would wait that came now.
func (l *Link) Queueing(now time.Duration) time.Duration { return max(0, l.wire.free()-now) }

// Backlog is how many bytes wait or are on their way out.
func (l *Link) Backlog(now time.Duration) int { return l.wire.backlog(now) }

// Send hands over a packet of so many bytes and returns what becomes of it. Time must not run backwards; if
// it does, the latest time counts.
func (l *Link) Send(now time.Duration, size int) Fate {
	l.now = max(l.now, now)
	for l.step+1 < len(l.profile) && l.profile[l.step+1].At <= l.now {
		l.step++
	}
	f := l.pass(&l.profile[l.step].Shape, size)
	l.counts.Sent++
	l.counts.SentBytes += uint64(size)
	l.counts.Dropped[f.Drop]++
	if f.Copies > 0 {
		l.counts.Bytes += uint64(size)
	}
	if f.Copies > 1 {
		l.counts.Duplicated++
	}
	return f
}

func (l *Link) pass(s *Shape, size int) (f Fate) {
	if s.PoliceRate > 0 && !l.conforms(s, size) {
		return Fate{Drop: Policed}
	}
	wait := l.Queueing(l.now)
	if s.Rate > 0 && (s.QueueTime > 0 && wait > s.QueueTime || s.QueueBytes > 0 && l.wire.backlog(l.now)+size > s.QueueBytes) {
		return Fate{Drop: Full}
	}
	sent := l.wire.send(l.now, size)
	f = Fate{Drop: l.losing.loses(s), Waiting: wait}
	if f.Drop != Passed {
		return f
	}
	f.Copies = 1
	if l.losing.duplicates(s) {
		f.Copies = 2
	}
	for i := range f.Copies {
		f.At[i] = l.arrival(s, sent)
	}
	return f
}

// arrival is when a packet arrives that has left the queue.
func (l *Link) arrival(s *Shape, sent time.Duration) time.Duration {
	at, late := sent+s.Delay+l.losing.jitter(s, sent), l.losing.late(s)
	if !s.Overtake {
		at = max(at, l.latest)
	}
	l.latest = max(l.latest, at)
	at += late // and nobody waits for it
	if at < l.last {
		l.counts.Overtaking++
	}
	l.last = max(l.last, at)
	return at
}

// conforms takes the packet out of the policer's bucket if it is in there.
func (l *Link) conforms(s *Shape, size int) bool {
	full := max(l.policed, l.now) + transmission(int64(size)*8, s.PoliceRate)
	if full-l.now > transmission(int64(s.PoliceBurst)*8, s.PoliceRate) {
		return false
	}
	l.policed = full
	return true
}
