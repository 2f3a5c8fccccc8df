package link

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Shape is how one direction of a link behaves. The zero value is perfect: no bound, no delay, no loss.
type Shape struct {
	// Rate is what passes in bits per second; 0: as much as comes. What is more waits in the queue.
	Rate int64
	// QueueTime bounds how long a packet may have to wait, and QueueBytes how much may wait. 0: no such
	// bound; a rate needs one. What does not fit is dropped. Large bounds make bufferbloat.
	QueueTime  time.Duration
	QueueBytes int
	// PoliceRate, in bits per second, is what a token bucket of PoliceBurst bytes lets pass. The rest is
	// dropped, and nothing waits.
	PoliceRate  int64
	PoliceBurst int
	// Loss is the share of packets that is lost, each by itself.
	Loss   float64
	Bursts Bursts
	Runs   Runs
	// Delay is the time on the way, beside that in the queue.
	Delay time.Duration
	// JitterMin and JitterMax bound what is added to the delay: for each packet another time between them.
	JitterMin, JitterMax time.Duration
	// Wander makes the jitter move from one random value to the next in that time, rather than jump with each
	// packet.
	Wander time.Duration
	// Overtake lets packets with less jitter come before earlier ones. Without it the order is kept.
	Overtake bool
	Late     Late
	// Duplicate is the share of packets that come twice.
	Duplicate float64
}

// Bursts is the model of Gilbert and Elliott: a good state that loses nothing and a bad one that loses much.
// The zero value is the good one for ever.
type Bursts struct {
	Share float64 // of all packets that is lost in the long run
	Mean  float64 // packets that the bad state lasts, on average; at least 1
	Lost  float64 // share of packets that the bad state loses; 0: all
}

// lost is Lost with its default.
func (b Bursts) lost() float64 {
	if b.Lost == 0 {
		return 1
	}
	return b.Lost
}

// Runs are losses of so many packets in a row. The zero value is none.
type Runs struct {
	Share  float64 // of all packets that is lost in the long run
	Length int     // packets of a run
}

// Late makes a share of the packets come later than the others, which overtake them.
type Late struct {
	Share float64
	By    time.Duration
}

// Step is a shape that holds from a time on, counted from the link's beginning.
type Step struct {
	At time.Duration
	Shape
}

// Profile is the steps of a link in ascending order, the first at 0. The empty one is a perfect link.
type Profile []Step

// Always is the profile of one shape that never changes.
func Always(s Shape) Profile { return Profile{{Shape: s}} }

// Bounds. They keep the arithmetic of whole nanoseconds exact, and mistakes of a unit from passing.
const (
	minRate  = 100
	maxRate  = 1_000_000_000
	maxTime  = time.Minute
	maxBytes = 1 << 30
)

// Validate returns errors that name the fields as Parse has them.
func (s Shape) Validate() error {
	var errs []error
	check := func(ok bool, field, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s", field, want))
		}
	}
	rate := func(r int64) bool { return r == 0 || r >= minRate && r <= maxRate }
	lasting := func(d time.Duration) bool { return d >= 0 && d <= maxTime }
	share := func(x float64) bool { return x >= 0 && x <= 1 } // false for NaN
	check(rate(s.Rate), "rate", "from 100 to 1G bits a second")
	check(lasting(s.QueueTime), "queue", "a time from 0 to 1m")
	check(s.QueueBytes >= 0 && s.QueueBytes <= maxBytes, "queue", "from 0 to 1 GB")
	check(s.Rate == 0 || s.QueueTime > 0 || s.QueueBytes > 0, "queue", "a rate needs a bound, such as 300ms or 64kB")
	check(rate(s.PoliceRate), "police", "a rate from 100 to 1G bits a second")
	check(s.PoliceBurst >= 0 && s.PoliceBurst <= maxBytes, "police", "a bucket from 0 to 1 GB")
	check((s.PoliceRate == 0) == (s.PoliceBurst == 0), "police", "a rate and a bucket, such as 1M/15kB")
	check(share(s.Loss), "loss", "from 0% to 100%")
	check(s.Bursts.valid(), "bursts", "a share below 100%, the mean length in packets, at least 1, and the share lost meanwhile, above the first")
	check(s.Runs == Runs{} || s.Runs.Share > 0 && s.Runs.Share < 1 && s.Runs.Length >= 1 && s.Runs.Length <= maxBytes,
		"runs", "a share below 100% and a length in packets, at least 1")
	check(lasting(s.Delay), "delay", "from 0 to 1m")
	check(lasting(s.JitterMin) && lasting(s.JitterMax) && s.JitterMin <= s.JitterMax, "jitter", "from 0 to 1m, the lower first")
	check(lasting(s.Wander), "wander", "from 0 to 1m")
	check(share(s.Late.Share) && lasting(s.Late.By) && (s.Late.Share == 0) == (s.Late.By == 0), "late", "a share and a time, such as 2%/30ms")
	check(share(s.Duplicate), "duplicate", "from 0% to 100%")
	return errors.Join(errs...)
}

func (b Bursts) valid() bool {
	if b == (Bursts{}) {
		return true
	}
	lost := b.lost()
	return b.Share > 0 && b.Share < lost && lost <= 1 && b.Mean >= 1 && !math.IsInf(b.Mean, 0)
}

// Validate checks the order of the steps and each of them.
func (p Profile) Validate() error {
	var errs []error
	for i, s := range p {
		switch {
		case i == 0 && s.At != 0:
			errs = append(errs, errors.New("the first step: must be at 0"))
		case i > 0 && s.At <= p[i-1].At:
			errs = append(errs, fmt.Errorf("step @%s: must come after that @%s", s.At, p[i-1].At))
		}
		switch err := s.Validate(); {
		case err != nil && s.At == 0:
			errs = append(errs, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("step @%s: %w", s.At, err))
		}
	}
	return errors.Join(errs...)
}
