package bwe

import (
	"math"
	"math/rand/v2"
	"testing"

	"parlor/router/bwe/probe"
)

const msec = int64(1e6)

// TestTrend: the states are those after 200 packets, one each 10 ms. Each packet waits for longer than the
// one before.
func TestTrend(t *testing.T) {
	for name, x := range map[string]struct {
		wait func(i int64) int64 // in ns
		want usage
	}{
		"steady":         {func(int64) int64 { return 0 }, normal},
		"jitter of 2 ms": {func(i int64) int64 { return i * 7919 % 2 * 2 * msec }, normal},
		"grows by 20 %":  {func(i int64) int64 { return i * 2 * msec }, overuse},
		"is emptied":     {func(i int64) int64 { return (300 - i) * 2 * msec }, underuse},
		"leaps":          {func(i int64) int64 { return i / 100 * 3600e9 }, normal},
	} {
		var tr trend
		seen := normal
		for i := range int64(200) {
			tr.packet(i*10*msec, 1e15+i*10*msec+x.wait(i))
			if tr.state != normal {
				seen = tr.state
			}
		}
		if seen != x.want {
			t.Errorf("%s: %d, not %d", name, seen, x.want)
		}
	}
}

// TestGapInSendingIsNotDelay: the first packet after a gap, which comes later, begins anew.
func TestGapInSendingIsNotDelay(t *testing.T) {
	var tr trend
	for i := range int64(100) {
		tr.packet(i*10*msec, i*10*msec)
	}
	for i := range int64(100) {
		tr.packet(10e9+i*10*msec, 10e9+i*10*msec+400*msec)
		if tr.state == overuse {
			t.Fatal("overuse after a gap in sending")
		}
	}
}

// TestThresholdAdapts: it adapts within its bounds, up to jitter that lasts, and not to a sudden drop.
func TestThresholdAdapts(t *testing.T) {
	tr := trend{}
	tr.reset()
	for i := range 1000 {
		tr.adapt(0, float64(i)*10)
	}
	if tr.threshold != thresholdLeast {
		t.Errorf("calm: %v", tr.threshold)
	}
	tr.adapt(thresholdLeast+adaptLimit+1, 10100)
	if tr.threshold != thresholdLeast {
		t.Errorf("drop: %v", tr.threshold)
	}
	for i := range 1000 {
		tr.adapt(tr.threshold+10, 10100+float64(i)*100)
	}
	if tr.threshold != thresholdMost {
		t.Errorf("jitter: %v", tr.threshold)
	}
}

func TestAcked(t *testing.T) {
	var a acked
	now := int64(1e15)
	feed := func(rate float64, d int64) {
		for end := now + d; now < end; now += int64(1200 * 8e9 / rate) {
			a.packet(now, 1200, 50e6)
		}
	}
	feed(2e6, 400*msec)
	if a.rate != 0 {
		t.Errorf("%.0f before the first window", a.rate)
	}
	feed(2e6, 2000*msec)
	if math.Abs(a.rate/2e6-1) > 0.05 {
		t.Errorf("%.0f of 2 Mbit/s", a.rate)
	}
	feed(500e3, 300*msec)
	if b, ok := a.busy(); !ok || math.Abs(b/500e3-1) > 0.15 {
		t.Errorf("busy %.0f of 500 kbit/s", b)
	}
	if a.rate < 800e3 {
		t.Errorf("%.0f kbit/s already: not calm", a.rate/1e3)
	}
	feed(500e3, 3000*msec)
	if math.Abs(a.rate/500e3-1) > 0.05 {
		t.Errorf("%.0f of 500 kbit/s", a.rate)
	}
}

func TestCapacityGrows(t *testing.T) {
	for name, x := range map[string]struct {
		known, acked float64
		noisy        bool
		want         float64 // of 1 Mbit/s after 5 s
	}{
		"far":        {0, 1e6, false, math.Pow(1+growth*0.1, 50) * 1e6},
		"near":       {1e6, 1e6, false, 1e6 * math.Pow(1+nearMost*0.1, 50)},
		"unproved":   {0, 200e3, false, 1e6},
		"part":       {0, 700e3, false, proof*700e3 + proofLeast},
		"noisy":      {0, 1e6, true, proof*1e6 + proofLeast},
		"found room": {300e3, 1e6, false, math.Pow(1+growth*0.1, 50) * 1e6},
	} {
		c := capacity{rate: 1e6, known: known{rate: x.known, deviation: 0.4}}
		for i := range int64(51) {
			if c.grown == 0 {
				c.grown = 1e9
			}
			c.grow(1e9+i*100*msec, 50*msec, x.acked, x.noisy)
		}
		if math.Abs(c.rate/x.want-1) > 0.01 {
			t.Errorf("%s: %.0f, not %.0f kbit/s", name, c.rate/1e3, x.want/1e3)
		}
	}
}

func TestCapacityIsLowered(t *testing.T) {
	c := capacity{rate: 1e6}
	if !c.lower(10e9, 50*msec, 800e3, mostRate) || c.rate != decrease*800e3 {
		t.Errorf("%v", c.rate)
	}
	if c.lower(10.1e9, 50*msec, 700e3, mostRate) {
		t.Error("lowered again before the first could be seen")
	}
	if !c.lower(10.3e9, 50*msec, 100e3, mostRate) || c.rate != decreaseMost*decrease*800e3 {
		t.Errorf("a leap to %v", c.rate)
	}
	if c.lower(11e9, 50*msec, 900e3, mostRate) {
		t.Error("lowered by more than the rate arriving")
	}
	c.longest = 100 * msec
	if c.mistaken(11.5e9, 49e6); c.rate == 1e6 {
		t.Error("undone by a stall that does not explain the queue")
	}
	if c.mistaken(12e9, 51e6); c.rate != 1e6 {
		t.Errorf("undone to %v", c.rate)
	}
	c.lower(20e9, 50*msec, 500e3, mostRate)
	if c.mistaken(24e9, 51e6); c.rate != decrease*500e3 {
		t.Errorf("undone too late: %v", c.rate)
	}
}

// TestProbeOfALimitedSender: a probe that has met the limit lowers the estimate to what was carried, also if
// little else is sent.
func TestProbeOfALimitedSender(t *testing.T) {
	for _, yes := range []bool{false, true} {
		e := Estimator{now: 2 * firstSpan, limited: limited{yes: yes}}
		e.Start(870e3)
		if e.probed(probe.Result{Rate: 0.95 * 800e3, Saturated: true}); math.Abs(e.capacity.rate-800e3) > 1 {
			t.Errorf("limited %v: %.0f kbit/s", yes, e.capacity.rate/1e3)
		}
	}
}

// TestProbeThroughPolicer: a probe raises nothing, as only a few packets slip through.
func TestProbeThroughPolicer(t *testing.T) {
	for _, x := range []struct {
		ceiling float64
		want    Event
	}{{0, Probed}, {800e3, Failed}} {
		e := Estimator{ceiling: ceiling{rate: x.ceiling}}
		e.Start(1e6)
		if got := e.probed(probe.Result{Rate: 3e6}); got != x.want {
			t.Errorf("ceiling %v: %d", x.ceiling, got)
		}
	}
}

// TestEstimateIsBounded whatever the parts say.
func TestEstimateIsBounded(t *testing.T) {
	for rate, want := range map[float64]float64{1e12: mostRate, math.NaN(): leastRate, -5: leastRate, 1e6: 1e6} {
		e := Estimator{capacity: capacity{rate: rate}}
		if e.publish(); e.estimate.Capacity != want {
			t.Errorf("%v: %v", rate, e.estimate.Capacity)
		}
	}
}

func TestLimited(t *testing.T) {
	for _, x := range []struct {
		share float64
		want  bool
	}{{1, false}, {0.75, false}, {0.55, true}, {0.1, true}, {0, true}} {
		var l limited
		for now := int64(1e9); now < 11e9; now += 10 * msec {
			l.pass(now, 1e6)
			l.pass(now-8*msec, 1e6) // a report that was read before the tick
			l.sent += int(x.share * 1e6 / 8 / 100)
		}
		if l.yes != x.want {
			t.Errorf("%v of the budget: %v", x.share, l.yes)
		}
	}
}

// lossy sends at a rate for a time, and loses a share of what is sent. It updates the bound.
func lossy(l *loss, from, d int64, rate float64, share func(rate float64) float64) {
	for now := from; now < from+d; now += 10 * msec {
		size := rate / 8 / 100
		l.add(now, size, size*share(rate))
		for more, some := l.due(); more; more, some = l.due() {
			if some {
				l.update(10e6, rate*(1-share(rate)), false)
			}
		}
	}
}

func TestLossBound(t *testing.T) {
	policed := func(rate float64) float64 { return max(0, 1-1e6/rate) }
	for name, x := range map[string]struct {
		rate        float64
		share       func(float64) float64
		least, most float64
	}{
		"nothing lost":     {2e6, func(float64) float64 { return 0 }, math.Inf(1), math.Inf(1)},
		"a little":         {2e6, func(float64) float64 { return 0.01 }, math.Inf(1), math.Inf(1)},
		"policed":          {2e6, policed, 0.9e6, 1.1e6},
		"too few":          {1e3, func(float64) float64 { return 0 }, math.Inf(1), math.Inf(1)},
		"half, at random":  {2e6, func(float64) float64 { return 0.5 }, 0.9e6, 1.1e6},
		"everything":       {2e6, func(float64) float64 { return 1 }, leastRate, 200e3},
		"a tenth of 500 k": {500e3, func(float64) float64 { return 0.1 }, 450e3, 10e6},
	} {
		l := loss{}
		lossy(&l, 100e9, 5e9, x.rate, x.share)
		if b := l.bound(); b < x.least || b > x.most {
			t.Errorf("%s: %.0f kbit/s", name, b/1e3)
		}
	}
}

// TestLateArrivalIsTakenBack: a loss is taken back also after its observation was closed.
func TestLateArrivalIsTakenBack(t *testing.T) {
	l := loss{}
	for now := int64(100e9); now < 103e9; now += 10 * msec {
		l.add(now, 1000, 1000)
		for more, _ := l.due(); more; more, _ = l.due() {
		}
	}
	for now := int64(100e9); now < 103e9; now += 10 * msec {
		l.add(now, -1000, -1000)
		l.add(now, 1000, 0)
	}
	if p, _, _ := l.recent(observations); p != 0 {
		t.Errorf("%v lost", p)
	}
}

// TestStepTest tells loss that depends on the rate from loss that does not.
func TestStepTest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for name, x := range map[string]struct {
		share  func(rate float64) float64
		obeys  bool
		queue  bool
		proved bool
		depend bool
	}{
		"random 10 %":     {func(float64) float64 { return 0.1 }, true, false, true, false},
		"random 30 %":     {func(float64) float64 { return 0.3 }, true, false, true, false},
		"random 50 %":     {func(float64) float64 { return 0.5 }, true, false, true, false},
		"policed":         {func(rate float64) float64 { return max(0, 1-1e6/rate) }, true, false, false, true},
		"policed, 12 %":   {func(rate float64) float64 { return max(0, 1-1.76e6/rate) }, true, false, false, true},
		"as much is sent": {func(float64) float64 { return 0.3 }, false, false, false, false},
		"with a queue":    {func(float64) float64 { return 0.3 }, true, true, false, false},
		"hardly any loss": {func(float64) float64 { return 0.01 }, true, false, false, false},
	} {
		for _, more := range []bool{false, true} {
			var l loss
			r := random{more: more}
			depends := false
			for now := int64(100e9); now < 110e9 && !r.proved && !depends; now += 5 * msec {
				rate := 2e6
				if r.running(now) && x.obeys {
					if rate = r.trial.rate; more {
						rate = 2e6 + r.trial.extra(2e6)
					}
				}
				size := rate / 8 / 200
				lost := 0.0
				if rnd.Float64() < x.share(rate) {
					lost = size
				}
				l.add(now, size, lost)
				r.trial.add(now, size, lost)
				for more, _ := l.due(); more; more, _ = l.due() {
				}
				if x.queue && r.trial.began != 0 {
					r.noisy = now
				}
				if r.step(now, 50*msec, &l, 1e6) {
					depends = r.depends
				}
			}
			if r.proved != x.proved || depends != x.depend {
				t.Errorf("%s, up %v: proved %v, depends %v", name, more, r.proved, depends)
			}
		}
	}
}

// TestMoreThatLosesLessIsNotBlamed: loss does not depend on the rate if hardly anything is lost of what is
// sent in addition.
func TestMoreThatLosesLessIsNotBlamed(t *testing.T) {
	var l loss
	r := random{more: true}
	ended := false
	for now := int64(100e9); now < 110e9 && !ended; now += 5 * msec {
		rate, share := 2e6, 0.1
		if r.running(now) {
			rate, share = 2e6+r.trial.extra(2e6), 0.015
		}
		size := rate / 8 / 200
		l.add(now, size, size*share)
		r.trial.add(now, size, size*share)
		for more, _ := l.due(); more; more, _ = l.due() {
		}
		ended = r.step(now, 50*msec, &l, 1e6)
	}
	if !ended || r.depends {
		t.Errorf("ended %v, depends %v", ended, r.depends)
	}
}

// TestStepShowsWhatAPolicerLetsPass: a step shows it also if less was sent before.
func TestStepShowsWhatAPolicerLetsPass(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var l loss
	r := random{more: true}
	for now := int64(100e9); now < 110e9 && !r.depends; now += 5 * msec {
		rate := 1.1e6
		if r.running(now) {
			rate += r.trial.extra(1.1e6)
		}
		size := rate / 8 / 200
		lost := 0.0
		if rnd.Float64() < 1-1e6/rate {
			lost = size
		}
		l.add(now, size, lost)
		r.trial.add(now, size, lost)
		for more, _ := l.due(); more; more, _ = l.due() {
		}
		r.step(now, 50*msec, &l, 0.3e6)
	}
	if !r.depends || math.Abs(r.arrived/1e6-1) > 0.1 {
		t.Errorf("depends %v, %.0f kbit/s arrive", r.depends, r.arrived/1e3)
	}
}

// TestStepWhereFeedbackIsLost: a step is measured by what is sent, as feedback tells only of a part of that,
// now more and now less.
func TestStepWhereFeedbackIsLost(t *testing.T) {
	proved := 0
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var l loss
		r := random{more: true}
		told := true
		for now := int64(100e9); now < 108e9 && !r.proved; now += 5 * msec {
			rate := 2e6
			if r.running(now) {
				rate += r.trial.extra(2e6)
			}
			if now%(150*msec) == 0 {
				told = rnd.Float64() < 0.3
			}
			size := rate / 8 / 200
			l.outs.add(now, int(size))
			if r.trial.sent(now, int(size)); told {
				lost := 0.0
				if rnd.Float64() < 0.6 {
					lost = size
				}
				l.add(now, size, lost)
				r.trial.add(now, size, lost)
			}
			for more, _ := l.due(); more; more, _ = l.due() {
			}
			r.step(now, 50*msec, &l, 1e6)
		}
		if r.proved {
			proved++
		}
	}
	if proved < 11 {
		t.Errorf("%d of 20 prove what is random", proved)
	}
}

// TestProofIsVoid: a proof is void if more is lost than was proved, and if hardly anything is.
func TestProofIsVoid(t *testing.T) {
	for share, want := range map[float64]bool{0.3: true, 0.37: true, 0.5: false, 0: false} {
		r := random{proved: true, share: 0.3}
		for range 100 {
			r.review(1e9, share, 200)
		}
		if r.proved != want {
			t.Errorf("%v: %v", share, r.proved)
		}
	}
}

// TestCeilingOverRandomLoss: loss that there is below the ceiling as well does not lower it.
func TestCeilingOverRandomLoss(t *testing.T) {
	var c ceiling
	c.begin(100e9, 0.9e6, 0, true)
	for now := int64(100e9); now < 104e9; now += 250 * msec {
		c.observe(now, 0.1, 0.87e6)
	}
	if c.rate != ceilingKeep*0.9e6/0.9 {
		t.Errorf("%.0f kbit/s", c.rate/1e3)
	}
}

// TestCeilingWithoutLoss: nothing is lost below the ceiling if less is lost than may be by chance. The
// ceiling rises once it has been held.
func TestCeilingWithoutLoss(t *testing.T) {
	var c ceiling
	c.begin(100e9, 50e3, 0, true)
	for now := int64(100e9); now < 100e9+ceilingHold+15e9; now += 250 * msec {
		c.observe(now, 0-c.chance(4), 30e3)
	}
	if c.rest != 0 || c.rate < 60e3 {
		t.Errorf("%.1f kbit/s, of which %.2f is lost all the same", c.rate/1e3, c.rest)
	}
}

func TestCeiling(t *testing.T) {
	var c ceiling
	c.begin(100e9, 1e6, 0, false)
	if c.rate != ceilingKeep*1e6 {
		t.Error(c.rate)
	}
	at := func(from, to int64, share float64) {
		for now := from; now <= to; now += 250 * msec {
			c.observe(now, share, 0.9e6)
		}
	}
	held := int64(100e9 + ceilingHold)
	at(100e9, held, 0)
	if c.rate != ceilingKeep*1e6 {
		t.Errorf("not held: %v", c.rate)
	}
	at(held, held+5e9, 0)
	if c.rate < 1.05e6 || c.rate > 1.1e6 {
		t.Errorf("after 5 s of growth %v", c.rate)
	}
	lost := held + 5e9
	at(lost, lost, 0.1)
	if c.rate != ceilingKeep*0.9e6 || c.until != lost+2*ceilingHold {
		t.Errorf("after loss %v until %v", c.rate, c.until)
	}
	at(c.until, c.until+30e9, 0)
	if c.rate < 3e6 {
		t.Errorf("after 30 s %v", c.rate)
	}
}

// TestWhichSending: a packet was sent twice. One that comes sooner than the second one can was the first. One
// that comes later than the first one can have waited was the second. Of others it is not known.
func TestWhichSending(t *testing.T) {
	if which := new(Estimator).Which(0, 100*msec, 500*msec); which != SecondSending {
		t.Errorf("nothing is known of delays: %v", which)
	}
	for _, x := range []struct {
		queue, jitter float64 // ms
		again, delay  int64   // ms; of the network 40
		want          Sending
		overtaking    float32 // ms
	}{
		{0, 0, 100, 40, FirstSending, 0},
		{0, 0, 100, 130, FirstSending, 0},
		{0, 0, 100, 140, SecondSending, 0},
		{300, 0, 100, 340, EitherSending, 0}, // the first one, by a queue, or the second one without
		{300, 0, 100, 440, SecondSending, 0},
		{300, 0, 400, 350, FirstSending, 0},
		{0, 60, 100, 160, EitherSending, 0},
		{0, 0, 100, 160, EitherSending, 200}, // others that were sent once come as late
		{0, 0, 250, 300, SecondSending, 200},
	} {
		e := new(Estimator)
		e.queue.packet(0, 40*msec, 1200, 1e6)
		e.queue.end(0)
		e.queue.length, e.queue.jitter, e.queue.order.most = int64(x.queue*1e6), x.jitter*1e6, x.overtaking*1e6
		if which := e.Which(0, x.again*msec, x.delay*msec); which != x.want {
			t.Errorf("%+v: %v", x, which)
		}
	}
}

// TestUntimed: a packet that arrived without a delay shows no queue and no jitter. It has arrived all the
// same.
func TestUntimed(t *testing.T) {
	e := new(Estimator)
	for now := int64(0); now < 3e9; now += 50 * msec {
		e.Sent(now, 500)
		e.Begin(now+50*msec, 50*msec)
		e.Packet(now, now+40*msec, 500, 0)
		e.Untimed(now, now+41*msec, 500)
		e.Untimed(now-300*msec, now+41*msec, 500)
		e.End()
	}
	if e.queue.length > 0 || e.queue.jitter > 1e6 || math.Abs(e.acked.rate/240e3-1) > 0.05 {
		t.Errorf("a queue of %d, a jitter of %v, %v bit/s", e.queue.length, e.queue.jitter, e.acked.rate)
	}
}

// TestWhatRoseLaterIsNotBlamed: packets lost before more was allowed to be sent are no reason for less, up to
// what was allowed. Packets sent later and lost are one.
func TestWhatRoseLaterIsNotBlamed(t *testing.T) {
	const high, low, risen = 4e6, 500e3, 1.5e6
	half := func(float64) float64 { return 0.5 }
	none := func(float64) float64 { return 0 }
	for _, x := range []struct {
		after func(rate float64) float64
		blame bool
	}{{none, false}, {half, true}} {
		var l loss
		lossy(&l, 100e9, 1e9, high, half)
		lossy(&l, 101e9, 1.5e9, low, none)
		if b := l.bound(); b > 1e6 {
			t.Fatalf("%.0f kbit/s before the rise", b/1e3)
		}
		l.restart(risen / 1e3)
		l.raised(102.5e9, risen)
		lossy(&l, 102.5e9, 1e9, low, x.after)
		if b := l.bound(); (b < risen) != x.blame {
			t.Errorf("blame %v: %.0f of %.0f kbit/s after it", x.blame, b/1e3, risen/1e3)
		}
	}
}

// TestFallTellsWhenWasSentWhatShowsIt: a fall tells when the packet that shows it was sent. If loss bounds,
// that is the last packet that is lost, whatever was sent since. Else it is the last packet.
func TestFallTellsWhenWasSentWhatShowsIt(t *testing.T) {
	for cause, want := range map[Cause]int64{Loss: 100e9, Delay: 101e9} {
		e := Estimator{cause: cause}
		e.Start(1e6)
		if cause == Loss {
			e.ceiling.begin(100e9, 500e3, 0, false)
		}
		e.Lost(100e9, 1000)
		e.Begin(101.1e9, 50*msec)
		e.Packet(101e9, 101.05e9, 1000, 0)
		if cause == Delay {
			e.capacity.rate = 500e3
		}
		if got, event := e.End(); event != Congested || got.Shown != want {
			t.Errorf("cause %d: event %d, shown %.1f s", cause, event, float64(got.Shown)/1e9)
		}
	}
}
