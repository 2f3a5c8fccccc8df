package link

import (
	"math/rand/v2"
	"time"
)

// losing decides by chance. Each kind of decision has numbers of its own, so that drawing one trouble more
// leaves the others as they were.
type losing struct {
	seed                       uint64
	alone, grouped, twice, way *rand.Rand

	bad  bool // state of Gilbert and Elliott
	left int  // packets of the present run that are still to be lost

	knot     int64 // of wandering jitter: which interval from and to belong to
	from, to float64
}

func newLosing(seed uint64) losing {
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	return losing{seed: seed, alone: source(1), grouped: source(2), twice: source(3), way: source(4), knot: -1}
}

// loses decides over one packet.
func (x *losing) loses(s *Shape) Drop {
	burst, run := x.inBurst(s.Bursts), x.inRun(s.Runs)
	switch {
	case burst || run:
		return Burst
	case s.Loss > 0 && x.alone.Float64() < s.Loss:
		return Lost
	}
	return Passed
}

func (x *losing) inBurst(b Bursts) bool {
	if b == (Bursts{}) {
		x.bad = false
		return false
	}
	leave, bad := 1/b.Mean, b.Share/b.lost() // bad: share of packets that meet the bad state
	enter := 1.0
	if bad < 1 {
		enter = min(1, leave*bad/(1-bad))
	}
	if x.bad {
		x.bad = x.grouped.Float64() >= leave
	} else {
		x.bad = x.grouped.Float64() < enter
	}
	return x.bad && x.grouped.Float64() < b.lost()
}

func (x *losing) inRun(r Runs) bool {
	if r == (Runs{}) {
		x.left = 0
		return false
	}
	if x.left == 0 {
		// between is how many packets pass until the next run, on average.
		between := float64(r.Length) * (1 - r.Share) / r.Share
		if x.grouped.Float64() >= 1/(1+between) {
			return false
		}
		x.left = r.Length
	}
	x.left--
	return true
}

func (x *losing) duplicates(s *Shape) bool { return s.Duplicate > 0 && x.twice.Float64() < s.Duplicate }

// jitter is what is added to the delay of a packet that leaves the queue at that time.
func (x *losing) jitter(s *Shape, sent time.Duration) time.Duration {
	if s.JitterMax == 0 {
		return 0
	}
	share := 0.0
	if s.Wander > 0 {
		share = x.wander(sent, s.Wander)
	} else {
		share = x.way.Float64()
	}
	return s.JitterMin + time.Duration(share*float64(s.JitterMax-s.JitterMin))
}

// wander is a line from a random value to the next one, each a function of the seed and the time alone.
func (x *losing) wander(at, every time.Duration) float64 {
	if n := int64(at / every); n != x.knot {
		value := func(n int64) float64 { return rand.New(rand.NewPCG(x.seed+5, uint64(n))).Float64() }
		x.knot, x.from, x.to = n, value(n), value(n+1)
	}
	part := float64(at%every) / float64(every)
	return x.from + part*(x.to-x.from)
}

// late is how much later than it would a packet comes that others overtake.
func (x *losing) late(s *Shape) time.Duration {
	if s.Late.Share == 0 || x.way.Float64() >= s.Late.Share {
		return 0
	}
	return s.Late.By
}
