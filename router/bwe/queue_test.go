package bwe

import (
	"math"
	"testing"
)

// TestSmallPacketsOfAQueue arrive less than a millisecond apart at a slow link, though they were sent 20 ms apart: the link is as fast for them as
// for others, so they tell of its queue, and nothing that was concluded from it is taken back.
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

// TestPacketsThatWereHeldUp arrive at once: no link has spaced them.
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
