package bwe

import (
	"math"
	"testing"
	"time"
)

// TestRateSteps: with demand above the link, the estimate is within a tenth of it 3 s after it has changed,
// down and up.
func TestRateSteps(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{profile: "rate=2M queue=2s delay=25ms @15s rate=300k @30s rate=2M", seed: seed}
		all := s.run(t, 45*time.Second)
		for _, x := range []struct {
			from time.Duration
			rate float64
		}{{0, 2e6}, {15e9, 300e3}, {30e9, 2e6}} {
			for _, p := range []float64{0.05, 0.5, 0.95} {
				got := percentile(between(all, x.from+3e9, x.from+15e9), p, capacityOf)
				if math.Abs(got/x.rate-1) > 0.1 {
					t.Errorf("from %v on %.0f of %.0f kbit/s at percentile %v", x.from, got/1e3, x.rate/1e3, p)
				}
			}
			if q := percentile(between(all, x.from+3.5e9, x.from+15e9), 0.95, queueOf); q > 100e6 {
				t.Errorf("from %v on a queue of %v", x.from, time.Duration(q))
			}
			if got := capacityOf(between(all, x.from+3e9, x.from+15e9)[0]); math.Abs(got/x.rate-1) > 0.1 {
				t.Errorf("3 s after %v %.0f of %.0f kbit/s", x.from, got/1e3, x.rate/1e3)
			}
		}
	})
}

// TestQueueStaysShort: the queue stays short at a slow link with a queue of 2 s.
func TestQueueStaysShort(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{profile: "rate=700k queue=2s delay=25ms", seed: seed}
		all := between(s.run(t, 60*time.Second), 3e9, 60e9)
		if q := percentile(all, 0.95, queueOf); q > 100e6 {
			t.Errorf("a queue of %v", time.Duration(q))
		}
		if c := percentile(all, 0.5, capacityOf); math.Abs(c/700e3-1) > 0.1 {
			t.Errorf("%.0f kbit/s", c/1e3)
		}
	})
}

// TestNarrowingIsSeenSoon: it is seen by delays that were steady before, although pictures are too few
// packets for a trend.
func TestNarrowingIsSeenSoon(t *testing.T) {
	var sum, runs time.Duration
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{
			profile: "rate=20M queue=1s delay=25ms @10s rate=800k", seed: seed, start: 10e6,
			offered: func(time.Duration) float64 { return 1.3e6 }, frames: 40 * time.Millisecond,
		}
		for _, m := range between(s.run(t, 12*time.Second), 10e9, 12e9) {
			if m.estimate.Capacity < 2e6 {
				sum, runs = sum+m.at-10*time.Second, runs+1
				return
			}
		}
		t.Error("not at all")
	})
	if runs == 0 || sum/runs > 295*time.Millisecond {
		t.Errorf("after %v on average", sum/max(runs, 1))
	}
}

// TestBusyReceiver: a link that got narrow does not look wide again if a receiver reads nothing for some
// moments.
func TestBusyReceiver(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{
			profile: "rate=20M queue=300ms delay=40ms @10s rate=800k", seed: seed, start: 10e6,
			offered: func(time.Duration) float64 { return 1.3e6 },
			busy:    func(at time.Duration) bool { return at%(300*time.Millisecond) < 36*time.Millisecond },
		}
		all := between(s.run(t, 30*time.Second), 11e9, 30e9)
		if c := percentile(all, 0.95, capacityOf); c > 940e3 {
			t.Errorf("%.0f kbit/s", c/1e3)
		}
		if c := percentile(all, 0.5, capacityOf); c < 650e3 {
			t.Errorf("%.0f kbit/s", c/1e3)
		}
	})
}

// TestRandomLoss: random loss of 30 % does not make a link of 5 Mbit/s slow.
func TestRandomLoss(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{profile: "rate=5M queue=300ms delay=25ms loss=30%", seed: seed}
		all := between(s.run(t, 60*time.Second), 15e9, 60e9)
		if c := percentile(all, 0.1, capacityOf); c < 3e6 {
			t.Errorf("%.0f kbit/s", c/1e3)
		}
		if q := percentile(all, 0.95, queueOf); q > 100e6 {
			t.Errorf("a queue of %v", time.Duration(q))
		}
	})
}

// TestPolicer: loss by a policer is not random.
func TestPolicer(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{profile: "police=1M/15kB delay=25ms", seed: seed}
		all := between(s.run(t, 60*time.Second), 5e9, 60e9)
		first, last := all[0], all[len(all)-1]
		if p := float64(last.lost-first.lost) / float64(last.packets-first.packets); p > 0.05 {
			t.Errorf("%.1f %% lost", 100*p)
		}
		if c := percentile(all, 0.5, capacityOf); c < 0.75e6 || c > 1.1e6 {
			t.Errorf("%.0f kbit/s", c/1e3)
		}
	})
}

// TestJitter: jitter of up to a second does not look like a queue. It does look like one for a while, and in
// some runs for long, if packets keep their order or the delay wanders.
func TestJitter(t *testing.T) {
	for jitter, allowed := range map[string]int{
		"jitter=1s overtake": 0, "jitter=1s": 1, "jitter=1s wander=500ms": 6, "jitter=1s wander=500ms overtake": 9,
	} {
		low := 0
		for seed := range uint64(20) {
			s := sim{profile: "rate=2M queue=500ms delay=25ms " + jitter, seed: seed}
			if c := percentile(between(s.run(t, 60*time.Second), 10e9, 60e9), 0.5, capacityOf); c < 1e6 {
				low++
				t.Logf("%s, seed %d: %.0f kbit/s", jitter, seed, c/1e3)
			}
		}
		if low > allowed {
			t.Errorf("%s: %d runs of 20 below half of the link", jitter, low)
		}
	}
}

// TestOvertakingIsNoQueue: the estimate does not fall if delays begin to jump about. A queue keeps the order
// of packets.
func TestOvertakingIsNoQueue(t *testing.T) {
	for _, jitter := range []string{"120ms", "200ms", "400ms"} {
		low, all := 0, 0
		for seed := range uint64(20) {
			s := sim{
				profile: "delay=40ms @5s delay=40ms jitter=" + jitter + " overtake", seed: seed,
				offered: func(time.Duration) float64 { return 1.4e6 },
			}
			for _, m := range between(s.run(t, 25*time.Second), 5e9, 25e9) {
				if all++; m.estimate.Capacity < 3e6 {
					low++
				}
			}
		}
		if low*500 > all {
			t.Errorf("%s: the estimate fell for %d of %d moments", jitter, low, all)
		}
	}
}

// TestLinks: links of other kinds have bounds for the median of the estimate, and for the queue in most
// moments.
func TestLinks(t *testing.T) {
	for _, x := range []struct {
		profile     string
		least, most float64       // bit/s
		queue       time.Duration // at percentile 95
	}{
		{"rate=1M queue=300ms delay=25ms", 0.9e6, 1.1e6, 50e6},
		{"rate=1M queue=300ms delay=25ms jitter=20ms", 0.75e6, 1.1e6, 100e6},
		{"rate=3M queue=300ms delay=100ms jitter=30ms overtake", 2e6, 3.3e6, 110e6},
		{"rate=1M queue=100ms delay=25ms loss=2%", 0.75e6, 1.1e6, 100e6},
		{"rate=1M queue=300ms delay=25ms loss=5%", 0.85e6, 1.1e6, 100e6},
		{"rate=2M queue=300ms delay=25ms loss=10%", 1.6e6, 2.2e6, 100e6},
		{"rate=20M queue=200ms delay=10ms", 16e6, 24e6, 50e6},
		{"rate=100k queue=1s delay=25ms", 93e3, 120e3, 250e6}, // a packet takes 96 ms
		{"police=3M/100kB delay=25ms", 2.4e6, 3.2e6, 0},
		{"police=1M/15kB delay=25ms loss=10%", 0.4e6, 1.2e6, 0},
	} {
		var rates, queues float64
		for seed := range uint64(10) {
			s := sim{profile: x.profile, seed: seed}
			all := between(s.run(t, 60*time.Second), 10e9, 60e9)
			rates += percentile(all, 0.5, capacityOf) / 10
			queues += percentile(all, 0.95, queueOf) / 10
		}
		if rates < x.least || rates > x.most || queues > float64(x.queue) {
			t.Errorf("%s: %.0f kbit/s, a queue of %v", x.profile, rates/1e3, time.Duration(queues))
		}
	}
}

// TestIdleSenderProvesNothing: 100 kbit/s on a fast link neither lower the estimate nor raise it, if nothing
// is probed.
func TestIdleSenderProvesNothing(t *testing.T) {
	seeds(t, func(t *testing.T, seed uint64) {
		s := sim{
			profile: "rate=5M queue=300ms delay=25ms", seed: seed, noProbe: true,
			offered: func(time.Duration) float64 { return 100e3 },
		}
		for _, m := range s.run(t, 120*time.Second) {
			if c := m.estimate.Capacity; m.at > 0 && math.Abs(c/StartRate-1) > 0.02 {
				t.Fatalf("%.0f kbit/s at %v", c/1e3, m.at)
			}
			if c := m.estimate.Trusted; m.at > 10e9 && m.at < 29e9 && c < 0.9e6 || m.at > 35e9 && (c < 100e3 || c > 200e3) {
				t.Fatalf("%.0f kbit/s trusted at %v", c/1e3, m.at)
			}
		}
	})
}
