// Package stats counts what one subscriber receives: losses exactly, by the sequence numbers in the payloads,
// and delays in a histogram. It is a leaf without goroutines, sockets or clocks.
//
//	stats.go     Tally and Delays
//	summary.go   Percentiles, for times of which there are few
package stats

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Tally remembers which packets of one stream have come, a bit for each. The zero value is empty. It is for
// one goroutine at a time.
type Tally struct {
	bits       []uint64
	next       uint64 // one above the highest seq that has come
	received   uint64 // with duplicates
	duplicates uint64
	reordered  uint64 // came after a higher one, duplicates left out
}

// maxSeq bounds the memory that a wrong sequence number can take: 2 MB.
const maxSeq = 1 << 24

// Add counts a packet. A seq that cannot be (2^24 or more: two days of a megabit) is an error and not
// counted.
func (t *Tally) Add(seq uint64) error {
	if seq >= maxSeq {
		return fmt.Errorf("sequence number %d: above %d", seq, uint64(maxSeq))
	}
	t.received++
	word, bit := seq/64, uint64(1)<<(seq%64)
	for uint64(len(t.bits)) <= word {
		t.bits = append(t.bits, 0)
	}
	switch {
	case t.bits[word]&bit != 0:
		t.duplicates++
		return nil
	case seq < t.next:
		t.reordered++
	default:
		t.next = seq + 1
	}
	t.bits[word] |= bit
	return nil
}

// Sampled counts the packets with from ≤ seq < to of a stream of which only every k-th packet is passed on. It
// is counted by numbers that may shift against seq, if a sender closes gaps. What has come tells how many lie
// between two of them, to the nearest. expected is how many of those that are passed on lie in the range.
// received is how many of them have come.
func (t *Tally) Sampled(from, to, k uint64) (expected, received uint64) {
	last := from
	for seq := from; seq < to; seq++ {
		if word := seq / 64; word >= uint64(len(t.bits)) || t.bits[word]&(1<<(seq%64)) == 0 {
			continue
		}
		if received == 0 {
			expected += (seq - last) / k
		} else {
			expected += max((seq-last+k/2)/k, 1) - 1
		}
		expected++
		received++
		last = seq
	}
	if received == 0 {
		return (to - from) / k, 0
	}
	return expected + (to-1-last)/k, received
}

// Received returns how many packets have come, duplicates included.
func (t *Tally) Received() uint64 { return t.received }

// Duplicates returns how many packets came again.
func (t *Tally) Duplicates() uint64 { return t.duplicates }

// Reordered returns how many packets came after one that was sent later.
func (t *Tally) Reordered() uint64 { return t.reordered }

// Delays is a histogram of delays from 1 µs to 60 s, to three digits.
type Delays struct {
	h *hdrhistogram.Histogram
}

const (
	lowest  = int64(1)                                   // µs
	highest = int64(60 * time.Second / time.Microsecond) // µs
	digits  = 3
)

// NewDelays returns an empty histogram.
func NewDelays() *Delays { return &Delays{h: hdrhistogram.New(lowest, highest, digits)} }

// Add records a delay; one out of range counts as the nearest that is in range.
func (d *Delays) Add(x time.Duration) {
	us := min(max(int64(x/time.Microsecond), lowest), highest)
	_ = d.h.RecordValue(us) // in range
}

// Merge adds all of another histogram.
func (d *Delays) Merge(o *Delays) { d.h.Merge(o.h) }

// Summary returns the percentiles.
func (d *Delays) Summary() Summary {
	if d.h.TotalCount() == 0 {
		return Summary{}
	}
	ms := func(q float64) float64 { return float64(d.h.ValueAtQuantile(q)) / 1e3 }
	return Summary{Count: d.h.TotalCount(), P50: ms(50), P90: ms(90), P99: ms(99), Max: float64(d.h.Max()) / 1e3}
}
