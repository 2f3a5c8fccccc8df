package bwe

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestOrder: it is known which packets may still come if they overtake each other. A queue shows nothing of
// that, nor does one packet that lost its way.
func TestOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, x := range map[string]struct {
		delay       func(i int64) int64 // in ns
		least, most int64
		tardy       float64
	}{
		"steady":             {func(int64) int64 { return 0 }, 0, 0, 0},
		"a queue":            {func(i int64) int64 { return i * 2 * msec }, 0, 0, 0},
		"up to 200 ms":       {func(int64) int64 { return rng.Int64N(200 * msec) }, 190 * msec, 200 * msec, 0.4},
		"up to 1 s":          {func(int64) int64 { return rng.Int64N(1000 * msec) }, 960 * msec, 1000 * msec, 0.88},
		"up to an hour":      {func(int64) int64 { return rng.Int64N(3600e9) }, 0, latestMost, 0},
		"one in 100":         {func(i int64) int64 { return i % 100 / 99 * 300 * msec }, 0, 300 * msec, 0.01},
		"one alone, 900 ms":  {func(i int64) int64 { return rng.Int64N(80*msec) + i%1000/999*900*msec }, 70 * msec, 80 * msec, 0},
		"jitter within 1 ms": {func(int64) int64 { return rng.Int64N(msec) }, 0, 0, 0},
	} {
		var o Order
		for i := range int64(1000) {
			sent := 1_700_000_000e9 + i*7*msec
			if i%20 == 0 {
				o.Turn(sent)
			}
			d := x.delay(i)
			o.Packet(sent, sent+d-1e15, d)
		}
		late, tardy := o.Late()
		if late < x.least || late > x.most || math.Abs(tardy-x.tardy) > 0.1 {
			t.Errorf("%s: %d ms, %.2f", name, late/msec, tardy)
		}
	}
}

// TestSuddenlyLate: the share of packets that come late is known soon, as sound cannot wait for it. More
// packets are needed to tell how late they are.
func TestSuddenlyLate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var o Order
	for i := range int64(550) {
		sent, d := 1_700_000_000e9+i*7*msec, int64(0)
		if i >= 500 {
			d = rng.Int64N(1000 * msec)
		}
		o.Packet(sent, sent+d, d)
	}
	if _, tardy := o.Late(); tardy < 0.5 {
		t.Errorf("%.2f after 50 packets", tardy)
	}
}

// TestOrderIsForgotten: a long delay is forgotten some seconds after delays were as long for the last time.
// None is told if packets keep their order.
func TestOrderIsForgotten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var o Order
	now := int64(1_700_000_000e9)
	pass := func(n int, most int64) int64 {
		for range n {
			now += 10 * msec
			d := rng.Int64N(most)
			o.Packet(now, now+d, d)
			o.Turn(now)
		}
		late, _ := o.Late()
		return late
	}
	if late := pass(500, 800*msec); late < 750*msec {
		t.Errorf("%d ms at first", late/msec)
	}
	if late := pass(lateParts*100+100, 100*msec); late > 100*msec {
		t.Errorf("%d ms later", late/msec)
	}
	if late := pass(2000, 5*msec); late != 0 {
		t.Errorf("%d ms in the end", late/msec)
	}
	o.Turn(-1) // a clock that goes back
	o.Turn(math.MaxInt64)
	if late, _ := o.Late(); late != 0 {
		t.Errorf("%d ms after leaps of time", late/msec)
	}
}
