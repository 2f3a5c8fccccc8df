package pace

import (
	"math/rand/v2"
	"testing"
)

const (
	ms    = int64(1e6)
	start = 1_700_000_000e9
)

// take has a packet pass or be held, and says whether it passed.
func take(q *Queue, seq uint64, now, size int64) bool {
	q.Measure(now, size)
	if q.Pass(now, size) {
		return true
	}
	q.Hold(seq, now, size)
	return false
}

// A burst leaves in its order, in parts, each packet within the bound. This holds whatever comes on top of it
// and whenever the steps are.
func TestBurstsLeaveInPartsWithinTheBound(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var q Queue
		now, seq, next := int64(start), uint64(1000), uint64(1000)
		came := map[uint64]int64{}
		size := 200 + rng.Int64N(1200)
		stepAt := int64(0)
		for range 400 {
			now += rng.Int64N(4) * ms
			for stepAt != 0 && stepAt <= now {
				if n := q.Len(); n > 0 {
					left := 0
					for s, ok := q.Next(stepAt); ok; s, ok = q.Next(stepAt) {
						if s != next || stepAt-came[s] > Bound {
							t.Fatalf("seed %d: %d left as %d after %d ms", seed, s, next, (stepAt-came[s])/ms)
						}
						q.Left(size)
						next++
						left++
					}
					if n > 100 && left == n {
						t.Fatalf("seed %d: %d packets left in one go", seed, n)
					}
				}
				if stepAt += Step; q.Len() == 0 {
					stepAt = 0
				}
			}
			if rng.IntN(40) > 0 {
				continue
			}
			for range rng.IntN(150) {
				if !q.Fits(seq) {
					break
				}
				came[seq] = now
				if take(&q, seq, now, size) {
					if seq != next {
						t.Fatalf("seed %d: %d overtakes %d", seed, seq, next)
					}
					next++
				} else if stepAt == 0 {
					stepAt = now + rng.Int64N(Step+1) // that of another stream
				}
				seq++
			}
		}
	}
}

func TestLonePacketsPass(t *testing.T) {
	var q Queue
	for i := range int64(1000) {
		if !take(&q, uint64(i+1), start+i*ms*2, 1500) {
			t.Fatalf("packet %d of 6 Mbit/s is held", i)
		}
	}
}

// libwebrtc sends two and a half times the bitrate, in bursts of 40 ms, and waits before it sends more than
// that. No packet is held then. Without that pacing, keyframes of half a second's bitrate are held.
func TestPacedByTheSender(t *testing.T) {
	for _, bitrate := range []int64{300e3, 1e6, 2.5e6, 6e6, 12e6} {
		for _, paced := range []bool{true, false} {
			var q Queue
			held, backlog := 0, int64(0)
			for i := range int64(1000) { // ticks of 40 ms
				now, bitrate := start+i*40*ms, bitrate
				if i < 30 {
					// A sender knows no more of the bandwidth than that when it begins.
					bitrate = min(bitrate, 2.5e6)
				}
				backlog += bitrate / 8 / 25 * 4 / 5
				if i%50 == 0 {
					backlog += bitrate / 8 / 3
				}
				for budget := bitrate / 8 / 25 * 5 / 2; backlog > 0 && (budget > 0 || !paced); {
					size := min(backlog, 1200)
					if !take(&q, uint64(i+1), now, size) {
						held++
						q.Clear()
						q.All(now)
					}
					backlog -= size
					budget -= size
				}
			}
			if paced && held > 0 || !paced && held == 0 && bitrate >= 2.5e6 {
				t.Errorf("%d bit/s, paced %v: %d packets held", bitrate, paced, held)
			}
		}
	}
}

func TestHoldsWhatFits(t *testing.T) {
	var q Queue
	if !q.Fits(5) {
		t.Error("an empty queue does not take a packet")
	}
	q.Measure(start, 1500)
	fill := func() {
		for q.Pass(start, 1500) {
		}
	}
	fill()
	q.Hold(1000, start, 1500)
	if q.Fits(1000+Slots) || !q.Fits(1000+Slots-1) || !q.Fits(900) || !q.Holds(1000) || q.Holds(1001) {
		t.Error("fits by another rule than that all lie within the slots")
	}
	q.Hold(998, start, 1500)
	if q.Fits(998 + Slots) {
		t.Error("fits beyond the slots of a late packet")
	}
	q.Clear()
	fill()
	for i := range uint64(Slots) {
		q.Hold(1000-i, start, 1500)
	}
	if q.Fits(990) {
		t.Error("fits though all slots are taken")
	}
	q.All(start)
	for i := range uint64(Slots) {
		if seq, ok := q.Next(start); !ok || seq != 1000-i {
			t.Fatalf("%d, %v, want %d", seq, ok, 1000-i)
		}
		q.Left(1500)
	}
	if !q.Pass(start+ms, 1500) {
		t.Error("what left before its time is not paid for afterwards")
	}
}

func BenchmarkPass(b *testing.B) {
	var q Queue
	now := int64(start)
	b.ReportAllocs()
	for b.Loop() {
		now += 2 * ms
		take(&q, 1, now, 1200)
	}
}
