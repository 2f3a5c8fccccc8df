package bwe

import (
	"math"
	"math/rand/v2"
	"testing"

	"parlor/router/bwe/probe"
	"time"
	"unsafe"
)

// TestSilence: the estimate sinks while reports stay away, but not for a sender that hardly sends. The first
// report has one probe.
func TestSilence(t *testing.T) {
	for _, offered := range []float64{20e6, 100e3} {
		silent := func(at time.Duration, r []simStatus) []simStatus {
			if at > 10*time.Second && at < 15*time.Second {
				return nil
			}
			return r
		}
		s := sim{
			profile: "rate=2M queue=300ms delay=25ms", forge: silent, noProbe: true,
			offered: func(time.Duration) float64 { return offered },
		}
		all := s.run(t, 20*time.Second)
		before, after := between(all, 9.9e9, 10e9)[0].estimate, between(all, 15e9, 15.02e9)[0].estimate
		share := after.Capacity / before.Capacity
		if offered > 1e6 && (share < 0.25 || share > 0.45 || after.Cause != Silence) {
			t.Errorf("after 3 s of it %.2f of the estimate, by cause %d", share, after.Cause)
		}
		if offered < 1e6 && math.Abs(share-1) > 0.01 {
			t.Errorf("a limited sender has %.2f left", share)
		}
		if s.events[Recovered] != 1 {
			t.Errorf("recovered %d times", s.events[Recovered])
		}
	}
}

// TestForgedReports do not move the estimate out of its bounds, whatever they say.
func TestForgedReports(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, forge := range map[string]func(i int, s *simStatus){
		"all lost":     func(_ int, s *simStatus) { s.arrived = -1 },
		"all received": func(_ int, s *simStatus) { s.arrived = max(s.arrived, 0) },
		"at once":      func(_ int, s *simStatus) { s.arrived = 77e9 },
		"backwards":    func(i int, s *simStatus) { s.arrived = 1e15 - s.arrived },
		"years apart":  func(i int, s *simStatus) { s.arrived += int64(i%7) * 365 * 86400e9 },
		"anyhow":       func(_ int, s *simStatus) { s.arrived = rnd.Int64N(1<<60) - 1<<58 },
		"now and then": func(i int, s *simStatus) {
			if rnd.IntN(50) == 0 {
				s.arrived = rnd.Int64N(1 << 60)
			}
		},
		"faster and faster": func(i int, s *simStatus) { s.arrived = int64(math.Sqrt(float64(max(s.arrived, 0)))) * 1e4 },
	} {
		s := sim{profile: "rate=2M queue=300ms delay=25ms loss=5%", forge: func(_ time.Duration, r []simStatus) []simStatus {
			for i := range r {
				forge(i, &r[i])
			}
			return r
		}}
		for _, m := range s.run(t, 20*time.Second) {
			e := m.estimate
			if m.at > time.Second && !(e.Capacity >= leastRate && e.Capacity <= mostRate && e.Budget >= leastRate/2 && e.Budget <= e.Capacity &&
				e.Queue >= 0 && e.Lost >= 0 && e.Lost <= 1 && e.Inherent >= 0 && e.Inherent <= 1 && e.Acked >= 0) {
				t.Fatalf("%s: %+v at %v", name, e, m.at)
			}
		}
	}
}

// TestEstimatorIsFlat: an estimator is small, as there is one of each receiver, and lives without the heap.
func TestEstimatorIsFlat(t *testing.T) {
	if n := unsafe.Sizeof(Estimator{}); n > 2048 {
		t.Errorf("%d bytes", n)
	}
	e, now := new(Estimator), int64(0)
	if n := testing.AllocsPerRun(500, func() { now = benchReport(e, now) }); n != 0 {
		t.Errorf("%v allocations a report", n)
	}
}

// benchReport sends 50 packets within 100 ms, of which a twentieth is lost, and reports them.
func benchReport(e *Estimator, now int64) int64 {
	for i := range int64(50) {
		e.Sent(now+2e6*i, 1200)
	}
	e.Begin(now+125e6, 50e6)
	for i := range int64(50) {
		if i%20 == 7 {
			e.Lost(now+2e6*i, 1200)
			continue
		}
		e.Packet(now+2e6*i, now+2e6*i+25e6+i%3*1e6, 1200, 0)
	}
	e.End()
	e.Tick(now + 130e6)
	return now + 100e6
}

func BenchmarkReport50(b *testing.B) {
	var e Estimator
	b.ReportAllocs()
	for now := int64(0); b.Loop(); {
		now = benchReport(&e, now)
	}
}

// TestStart: the first estimate has bounds.
func TestStart(t *testing.T) {
	for rate, want := range map[float64]float64{0: leastRate, 1: leastRate, 2e6: 2e6, 1e12: mostRate, math.NaN(): leastRate} {
		var e Estimator
		e.Start(rate)
		if c := e.Estimate().Capacity; c != want {
			t.Errorf("%v: %v", rate, c)
		}
	}
}

// TestLeapsAreNoQueue: a delay that leaps further than any queue is long comes from a clock that was set.
func TestLeapsAreNoQueue(t *testing.T) {
	for by, want := range map[int64]bool{2e9: true, 3600e9: false, -3600e9: false} {
		var q queue
		for i := range int64(100) {
			at := 20 * msec * i
			arrived := at + 25*msec
			if i >= 50 {
				arrived += by
			}
			if q.packet(at, arrived, 1200, 1e6); i%5 == 4 {
				q.end(at + 50*msec)
			}
		}
		if (q.length > 1e9) != want {
			t.Errorf("later by %v: a queue of %v", time.Duration(by), time.Duration(q.length))
		}
	}
}

// TestFreeze: the estimate does not grow while the node is late.
func TestFreeze(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		e, now := new(Estimator), int64(0)
		e.Start(500e3)
		e.Freeze(frozen)
		for range 20 {
			for i := range int64(50) {
				e.Sent(now+2*msec*i, 125)
			}
			e.Begin(now+125*msec, 50*msec)
			for i := range int64(50) {
				e.Packet(now+2*msec*i, now+2*msec*i+25*msec, 125, 0)
			}
			e.End()
			now += 100 * msec
		}
		if grown := e.Estimate().Capacity > 500e3; grown == frozen {
			t.Errorf("frozen %v: %v", frozen, e.Estimate().Capacity)
		}
	}
}

// TestInitialProbes: a good network is known as one after 300 ms.
func TestInitialProbes(t *testing.T) {
	s := sim{profile: "rate=20M queue=300ms delay=25ms"}
	all := s.run(t, 5*time.Second)
	if c := between(all, 400e6, 500e6)[0].estimate.Capacity; c < 2.5e6 {
		t.Errorf("%.0f kbit/s after 400 ms", c/1e3)
	}
	if c := all[len(all)-1].estimate.Capacity; c < 10e6 {
		t.Errorf("%.0f kbit/s after 5 s", c/1e3)
	}
	if s.events[Probed] < 2 {
		t.Error(s.events)
	}
}

// TestLimitedSenderIsProbed: a sender of 100 kbit/s learns by probes that more would do, but not past the
// link.
func TestLimitedSenderIsProbed(t *testing.T) {
	s := sim{profile: "rate=5M queue=300ms delay=25ms", offered: func(time.Duration) float64 { return 100e3 }}
	all := s.run(t, 60*time.Second)
	if c := capacityOf(all[len(all)-1]); c < 2e6 || c > 5.5e6 {
		t.Errorf("%.0f kbit/s", c/1e3)
	}
	if !all[len(all)-1].estimate.Limited {
		t.Error("not limited")
	}
}

// TestCeilingThatAProbeHasRaised: it is raised once more if there was time to use that, as bursts slip
// through a policer's bucket.
func TestCeilingThatAProbeHasRaised(t *testing.T) {
	var e Estimator
	e.Start(16e6)
	e.acked.rate = 200e3
	e.ceiling.begin(100e9, 500e3, 0, false)
	var raised []int64
	for now := int64(100e9); now < 100e9+ceilingHold+10e9; now += 100 * msec {
		before := e.ceiling.rate
		e.now = now
		if e.probed(probe.Result{Rate: 3e6}) == Probed {
			raised = append(raised, now)
			if math.Abs(e.ceiling.rate/before-loosened) > 0.01 {
				t.Errorf("from %.0f to %.0f", before, e.ceiling.rate)
			}
		}
	}
	if len(raised) != 4 || raised[0] <= 100e9+ceilingHold || raised[1]-raised[0] <= ceilingUsed {
		t.Errorf("raised at %v", raised)
	}
}

// TestWhatIsTrusted: these rates are trusted of a capacity that nothing has shown.
func TestWhatIsTrusted(t *testing.T) {
	const now, acked = 100e9, 400e3
	for name, x := range map[string]struct {
		change func(*Estimator)
		lost   float64
		want   float64
	}{
		"it was used":                        {func(*Estimator) {}, 0, 16e6},
		"little is lost":                     {func(*Estimator) {}, stepLoss, 16e6},
		"much is lost":                       {func(*Estimator) {}, 0.3, proof * acked},
		"at random":                          {func(e *Estimator) { e.random.proved = true }, 0.3, 16e6},
		"it was not used for long":           {func(e *Estimator) { e.proved = now - trust - 1 }, 0, proof * acked},
		"loss depends on the rate":           {func(e *Estimator) { e.ceiling = ceiling{rate: 700e3, found: 500e3} }, 0, proof * acked},
		"which was found to be more":         {func(e *Estimator) { e.ceiling = ceiling{rate: 900e3, found: 800e3} }, 0, 800e3},
		"and a probe has not raised by much": {func(e *Estimator) { e.ceiling = ceiling{rate: 550e3, found: 500e3} }, 0, 550e3},
	} {
		var e Estimator
		e.Start(16e6)
		e.now, e.proved, e.acked.rate = now, now, acked
		x.change(&e)
		s := Estimate{Capacity: 16e6, Acked: acked, Lost: x.lost, Random: e.random.proved}
		if e.ceiling.rate > 0 {
			s.Capacity = e.ceiling.rate
		}
		if got := e.trusted(&s); math.Abs(got-x.want) > 1 {
			t.Errorf("%s: %.0f, not %.0f kbit/s", name, got/1e3, x.want/1e3)
		}
	}
}
