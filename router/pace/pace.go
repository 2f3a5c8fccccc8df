// Package pace spreads the bursts of a stream over time. What its rate carries in a moment passes at once.
// The rest is held, in the order in which it came, and leaves at that rate. It leaves faster if something
// would else be held longer than Bound.
//
// It is a token bucket in the form of the leaky bucket as a meter (ITU-T I.371 annex A, GCRA): the only level
// is the time up to which what has left is paid for.
package pace

import "math"

// What turning these costs is said of each.
const (
	// Burst is for how long a time's worth of the rate passes at once, in ns, and MinBurst what passes at
	// least, in bytes. They let through what libwebrtc's pacer sends in one go: 40 ms at two and a half times
	// the bitrate, also of a stream of 2.5 Mbit/s that has just begun. Lower ones delay browsers. Higher ones
	// let larger bursts meet the queues on the way to the receivers.
	Burst    = 40e6
	MinBurst = 32e3
	// Bound is for how long a packet is held at most, in ns, if Next is called every Step. Raising it spreads
	// keyframes wider, at the cost of so much more delay with each. Below some steps nothing is spread.
	Bound = 25e6
	// Step is how often Next should be called while something is held, in ns. Lower makes smaller bursts, and
	// more wake-ups and system calls for them.
	Step = 5e6
	// Share is how many times the stream's bitrate the rate is. MinRate is its least value, in bytes per
	// second. Lower ones spread bursts wider, and hold what browsers have paced already. Higher ones spread
	// nothing.
	Share   = 4
	MinRate = 10e6 / 8
	// Slots is how many packets are held at most, a power of two. More take 8 bytes each of a stream with
	// bursts.
	Slots = 256
)

// measuring is over how long a stream's bitrate is measured, in ns. Longer rides out keyframes and pauses,
// shorter follows sooner.
const measuring = 1e9

// Queue holds packets of one stream by their numbers. The zero value is ready. Times are in ns.
type Queue struct {
	since    int64 // since when the bitrate is measured anew; 0: not yet
	measured int64 // bytes since then
	byteTime int64 // for how long a byte pays
	burst    int64 // how far paid may lie back

	paid  int64 // up to when what has left is paid for
	gap   int64 // for how long a byte of what is held pays: byteTime or less
	held  *[Slots]uint64
	head  int
	n     int
	low   uint64 // no held number is lower
	bytes int64  // held
}

// Measure counts a packet of the stream, whether it is to be sent or not.
func (q *Queue) Measure(now, size int64) {
	if d := now - q.since; d >= measuring {
		carried := 0.0 // by the stream's rate, if that is known
		if q.since != 0 {
			carried = Share * float64(q.measured) / float64(d)
		}
		q.byteTime = int64(1 / max(carried, MinRate/1e9))
		q.burst = int64(max(carried*Burst, MinBurst)) * q.byteTime
		q.since, q.measured = now, 0
	}
	q.measured += size
}

// Pass says whether a packet, which has been measured, may leave now, and if so counts it.
func (q *Queue) Pass(now, size int64) bool {
	if q.n > 0 || q.paid > now {
		return false
	}
	q.paid = max(q.paid, now-q.burst) + size*q.byteTime
	return true
}

// Fits says whether the packet can be held beside the others: there is a place, and all lie within Slots
// numbers.
func (q *Queue) Fits(seq uint64) bool { return q.n < Slots && seq < q.low+Slots || q.n == 0 }

// Hold takes a packet that fits and did not pass.
func (q *Queue) Hold(seq uint64, now, size int64) {
	if q.held == nil {
		q.held = new([Slots]uint64)
	}
	if q.n == 0 {
		q.gap, q.low, q.bytes = q.byteTime, math.MaxUint64, 0
	}
	q.held[(q.head+q.n)&(Slots-1)] = seq
	q.n++
	q.bytes += size
	q.low = min(q.low, seq)
	// The last call of Next within Bound may come a step before its end.
	q.gap = min(q.gap, max(now+Bound-Step-q.paid, 0)/q.bytes)
}

// Len returns how many packets are held.
func (q *Queue) Len() int { return q.n }

// Holds says whether a number is held. It looks at each.
func (q *Queue) Holds(seq uint64) bool {
	for i := range q.n {
		if q.At(i) == seq {
			return true
		}
	}
	return false
}

// At returns the packet that is held behind i others.
func (q *Queue) At(i int) uint64 { return q.held[(q.head+i)&(Slots-1)] }

// Next returns the oldest packet if it may leave by now. Left says how large it was.
func (q *Queue) Next(now int64) (uint64, bool) {
	if q.n == 0 || q.paid > now {
		return 0, false
	}
	return q.pop(), true
}

// Left counts a packet that Next has returned.
func (q *Queue) Left(size int64) {
	q.paid += size * q.gap
	q.bytes -= size
}

// All has everything leave by now: the following calls of Next return it.
func (q *Queue) All(now int64) { q.paid, q.gap = min(q.paid, now), 0 }

// Clear drops what is held.
func (q *Queue) Clear() { q.n = 0 }

func (q *Queue) pop() uint64 {
	seq := q.held[q.head]
	q.head = (q.head + 1) & (Slots - 1)
	q.n--
	return seq
}
