package bwe

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSmallPacketsOfAQueue: they arrive less than a millisecond apart at a slow link, though they were sent
// 20 ms apart. The link is as fast for them as for others, so they tell of its queue. Nothing that was
// concluded from it is taken back.
func TestSmallPacketsOfAQueue(t *testing.T) {
	for name, x := range map[string]struct {
		rate, capacity float64
		step           int64 // in which feedback tells times
	}{
		"800 kbit/s":           {800e3, 760e3, 1},
		"800 kbit/s, in steps": {800e3, 760e3, 250e3},
		"1.5 Mbit/s, in steps": {1.5e6, 1.4e6, 250e3},
		"not known yet":        {800e3, 12e6, 250e3},
	} {
		var q queue
		free := int64(100e9 + 200e6) // until then the link is busy with what came before
		for i := range int64(10) {
			sent := 100e9 + i*20*msec
			free = max(free, sent) + int64(71*8e9/x.rate)
			q.packet(sent, free/x.step*x.step, 71, x.capacity)
		}
		if q.end(100.4e9); q.fall > jitterMost/2 || q.jitter > 5e6 {
			t.Errorf("%s: fell by %.0f ms, a jitter of %.0f ms", name, q.fall/1e6, q.jitter/1e6)
		}
	}
}

// TestPacketsThatWereHeldUp: packets that were held up arrive at once, as no link has spaced them.
func TestPacketsThatWereHeldUp(t *testing.T) {
	for name, x := range map[string]struct {
		size     int
		capacity float64
		apart    int64 // as they arrive
	}{
		"pictures":                      {1200, 2e6, 100e3},
		"pictures, a fast link":         {1200, 20e6, 250e3},
		"sound, a slow link":            {110, 400e3, 200e3},
		"sound with redundancy":         {300, 2e6, 100e3},
		"sound, all at the same moment": {110, 2e6, 0},
	} {
		var q queue
		for i := range int64(10) {
			q.packet(100e9+i*20*msec, 100.2e9+i*x.apart, x.size, x.capacity)
		}
		if q.end(100.4e9); math.Abs(q.fall-180e6) > 5e6 {
			t.Errorf("%s: fell by %.0f of 180 ms", name, q.fall/1e6)
		}
	}
}

// reports gives the queue 100 reports of 20 packets, 100 ms apart.
func reports(q *queue, from int64, wait func(i int64) int64) {
	for i := range int64(2000) {
		sent := from + i*5*msec
		q.packet(sent, 1e15+sent+wait(i), 1200, 1e6)
		if i%20 == 19 {
			q.end(sent)
		}
	}
}

func TestQueue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for name, x := range map[string]struct {
		wait  func(i int64) int64
		want  int64 // in ms
		noisy bool
	}{
		"none":            {func(int64) int64 { return 0 }, 0, false},
		"stands":          {func(i int64) int64 { return min(i/100, 1) * 80 * msec }, 80, false},
		"grows":           {func(i int64) int64 { return max(i-1900, 0) * 2 * msec }, 160, false},
		"jitter of 10 ms": {func(int64) int64 { return rnd.Int64N(10 * msec) }, 0, false},
		"jitter of 1 s":   {func(int64) int64 { return rnd.Int64N(1000 * msec) }, 0, true},
	} {
		var q queue
		reports(&q, 100e9, x.wait)
		if got := q.length / msec; abs(got-x.want) > 3 || q.noisy() != x.noisy {
			t.Errorf("%s: %d, not %d ms, noisy %v", name, got, x.want, q.noisy())
		}
	}
}

// TestFewPacketsOfJitter: a few packets of jitter are no queue, though even the earliest of them comes late.
func TestFewPacketsOfJitter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var q queue
	seen := 0
	for i := range int64(2000) {
		sent := 100e9 + i*20*msec
		q.packet(sent, 1e15+sent+rnd.Int64N(50*msec), 1200, 1e6)
		if i%5 == 4 {
			if q.end(sent); i > 100 && q.length > standing {
				seen++
			}
		}
	}
	if seen > 20 || q.noisy() {
		t.Errorf("%d reports of 400 with a queue", seen)
	}
}

// TestQueueOfOthers: a wait that was conceded to others is no queue until it has gone.
func TestQueueOfOthers(t *testing.T) {
	var q queue
	wait := int64(0)
	steady := func(int64) int64 { return wait }
	reports(&q, 100e9, steady)
	wait = 80 * msec
	for i := range int64(20) {
		q.packet(110e9+i*msec, 1e15+110e9+i*msec+wait, 1200, 1e6)
	}
	q.end(110.1e9)
	if q.concede(); q.length != 0 {
		t.Fatal(q.length)
	}
	for i := range int64(20) {
		q.packet(110.2e9+i*msec, 1e15+110.2e9+i*msec+wait+30*msec, 1200, 1e6)
	}
	if q.end(110.3e9); abs(q.length-30*msec) > msec {
		t.Errorf("ours is %d ms", q.length/msec)
	}
}
