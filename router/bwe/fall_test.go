package bwe

import (
	"math"
	"math/rand/v2"
	"testing"
)

// fall is what was sent, how much less that is after a time, and what of it is lost.
type fall struct {
	from, to float64            // bit/s
	lost     func(float64) bool // by a number drawn from [0, 1)
	police   float64            // bit/s that a policer lets pass; 0: there is none
	told     float64            // the share of reports that arrive
	queue    bool               // all the time
	queued   bool               // until the fall
	uneven   bool               // what is sent after it comes in bursts, with pauses between them
	depends  bool               // as a step has found
}

// run follows that for ten seconds. It returns what was found, and how long after the fall.
func (x *fall) run(seed uint64) (r random, after float64) {
	const fell = int64(102e9)
	rnd := rand.New(rand.NewPCG(seed, 5))
	r.more, r.depends, r.next = true, x.depends, math.MaxInt64
	var l loss
	bucket, told, past := 20e3, true, l
	for now := int64(100e9); now < 110e9; now += 2 * msec {
		rate := x.from
		if now >= fell {
			if rate = x.to; x.uneven && now/observed%4 != 0 {
				rate /= 10
			}
		}
		if now%(100*msec) == 0 {
			told = rnd.Float64() < x.told
		}
		size := rate / 8 / 500
		lost := x.lost != nil && x.lost(rnd.Float64())
		if bucket = min(bucket+x.police/8/500, 20e3); x.police > 0 && now > 100.5e9 {
			if lost = bucket < size; !lost {
				bucket -= size
			}
		}
		if l.outs.add(now, int(size)); told {
			gone := 0.0
			if lost {
				gone = size
			}
			l.add(now, size, gone)
		}
		for more, _ := l.due(); more; more, _ = l.due() {
		}
		if x.queue || x.queued && now < fell {
			r.noisy = now
		}
		if past != l && r.fell(now, &l, 0) {
			return r, float64(now-fell) / 1e9
		}
		past = l
	}
	return r, math.Inf(1)
}

// TestFallShowsWhatLossDependsOn: the rate that is sent falls by itself, and as large a share of it is lost,
// or none.
func TestFallShowsWhatLossDependsOn(t *testing.T) {
	of := func(share float64) func(float64) bool { return func(x float64) bool { return x < share } }
	for name, x := range map[string]struct {
		fall
		proved, depends bool
		after           float64 // seconds
	}{
		"70 %":                          {fall{from: 3e6, to: 1e6, lost: of(.7), told: 1}, true, false, 1.5},
		"70 %, of reports as well":      {fall{from: 3e6, to: 1e6, lost: of(.7), told: .3}, true, false, 5},
		"85 %":                          {fall{from: 3e6, to: 1e6, lost: of(.85), told: 1}, true, false, 1.5},
		"30 %":                          {fall{from: 3e6, to: 1e6, lost: of(.3), told: 1}, true, false, 1.5},
		"policed":                       {fall{from: 3e6, to: 300e3, police: 500e3, told: 1}, false, true, 1.5},
		"policed, and too much still":   {fall{from: 3e6, to: 1e6, police: 500e3, told: 1}, false, true, 1.5},
		"policed, and reports are lost": {fall{from: 3e6, to: 600e3, police: 500e3, told: .5}, false, true, 5},
		"hardly less is sent":           {fall{from: 3e6, to: 2.4e6, lost: of(.7), told: 1}, false, false, 0},
		"little is lost":                {fall{from: 3e6, to: 1e6, lost: of(.1), told: 1}, false, false, 0},
		"policed, in bursts":            {fall{from: 3e6, to: 1.6e6, police: 500e3, told: 1, uneven: true}, false, true, 3},
		"with a queue before":           {fall{from: 3e6, to: 300e3, police: 500e3, told: 1, queued: true}, false, false, 0},
		"nothing is":                    {fall{from: 3e6, to: 1e6, told: 1}, false, false, 0},
		"with a queue":                  {fall{from: 3e6, to: 1e6, lost: of(.7), told: 1, queue: true}, false, false, 0},
	} {
		wrong, late := 0, 0
		for seed := range uint64(20) {
			r, after := x.run(seed)
			switch {
			case r.proved && !x.proved, r.depends && !x.depends, after < 0:
				wrong++
			case (x.proved || x.depends) && after > x.after:
				late++
			case x.depends && math.Abs(r.arrived/500e3-1) > 0.2:
				t.Errorf("%s: %.0f kbit/s arrive", name, r.arrived/1e3)
			}
		}
		if wrong > 0 || late > 2 {
			t.Errorf("%s: %d of 20 are wrong, %d late", name, wrong, late)
		}
	}
}

// TestFallAfterAStep: loss that a step has found to depend on the rate is random if a fall shows that. It is
// not found once more if the fall shows the same.
func TestFallAfterAStep(t *testing.T) {
	for _, x := range []struct {
		fall
		proved bool
	}{
		{fall{from: 3e6, to: 1e6, lost: func(x float64) bool { return x < 0.7 }, told: 1, depends: true}, true},
		{fall{from: 3e6, to: 300e3, police: 500e3, told: 1, depends: true}, false},
	} {
		if r, after := x.run(1); r.proved != x.proved || !x.proved && !math.IsInf(after, 1) {
			t.Errorf("%+v: proved %v, after %v s", x.fall, r.proved, after)
		}
	}
}

// TestFallIsCompared: a fall is compared with what a policer would do. It counts only if that would change
// the loss by much, and by more than chance does.
func TestFallIsCompared(t *testing.T) {
	const (
		neither = iota
		random
		depends
	)
	for _, x := range []struct {
		name       string
		before     int     // observations
		from, to   float64 // kB sent in each, before and after
		lost, then float64 // share
		told       float64 // share of what was sent
		want       int
	}{
		{"as much is lost", 4, 100, 40, .6, .6, 1, random},
		{"nothing is", 4, 100, 40, .6, 0, 1, depends},
		{"nearly as much", 4, 100, 40, .6, .6 * .71, 1, random},
		{"a little more than half", 4, 100, 40, .6, .6 * .51, 1, neither},
		{"a little less than half", 4, 100, 40, .6, .6 * .49, 1, depends},
		{"between them", 4, 100, 40, .6, .6 * .69, 1, neither},
		{"a policer would lose .26 less, as much is lost", 4, 1000, 610, .6, .6, 1, random},
		{"and a quarter of them", 4, 1000, 610, .6, .35, 1, depends},
		{"a policer would lose .24 less, as much is lost", 4, 1000, 620, .6, .6, 1, neither},
		{"and a quarter of them, of .24", 4, 1000, 620, .6, .35, 1, neither},
		{"more was lost than can change, by little", 4, 1000, 100, .24, .24, 1, neither},
		{"by enough", 4, 1000, 100, .26, .26, 1, random},
		{"so little is sent that it may be chance", 4, 8, 3.2, .6, .6, 1, neither},
		{"a little more is", 4, 12, 4.8, .6, .6, 1, random},
		{"reports tell of a part", 4, 100, 40, .6, .6, .3, random},
		{"of too small a part", 4, 100, 40, .6, .6, .05, neither},
		{"too little was sent before", 2, 1000, 400, .6, .6, 1, neither},
	} {
		var before, after flowing
		var list []observation
		of := func(kB, lost float64) *observation {
			return &observation{size: float32(kB * x.told), lost: float32(kB * x.told * lost), out: uint16(kB * 1e3 / outUnit)}
		}
		for range x.before {
			before.take(of(x.from, x.lost))
		}
		for range fallLeast {
			o := of(x.to, x.then)
			after.take(o)
			list = append(list, *o)
		}
		got := neither
		if isRandom, told := before.compare(&after, list); isRandom {
			got = random
		} else if told {
			got = depends
		}
		if got != x.want {
			t.Errorf("%s: %d, not %d", x.name, got, x.want)
		}
	}
}

// TestWhatIsSentIsRemembered: it is remembered for four seconds, in parts of a quarter of a second.
func TestWhatIsSentIsRemembered(t *testing.T) {
	const first, last = int64(100e9 / observed), int64(105e9/observed - 1)
	var o outflow
	for now := int64(100e9); now < 105e9; now += msec {
		o.add(now, 640)
	}
	if r := o.rate(105e9); math.Abs(r/5.12e6-1) > 0.01 {
		t.Errorf("%.0f bit/s", r)
	}
	for slot := first - 1; slot <= last+outParts+1; slot++ {
		want := uint16(0)
		if slot > last-outParts && slot <= last {
			want = 2500
		}
		if got := o.of(slot); got != want {
			t.Errorf("%d in part %d of %d", got, slot-first, last-first)
		}
	}
	o.add(300e9, 64)
	if r := o.rate(300.3e9); r != 512 {
		t.Errorf("%.0f bit/s, after a gap", r)
	}
}

// TestWhatIsSentIsRememberedAfterGaps: a part in which nothing was sent keeps nothing of what was sent in its
// place before.
func TestWhatIsSentIsRememberedAfterGaps(t *testing.T) {
	for gap := int64(1); gap < 3*outParts; gap++ {
		var o outflow
		for part := range int64(outParts) {
			o.add((400+part)*observed, 64)
		}
		o.add((400+outParts-1+gap)*observed, 128)
		sum := 0
		for back := range int64(outParts) {
			sum += int(o.of(400 + outParts - 1 + gap - back))
		}
		if want := 2 + int(max(outParts-gap, 0)); sum != want {
			t.Errorf("%d are left after %d parts, not %d", sum, gap, want)
		}
	}
}

// TestWhatIsSentIsRounded: sizes are rounded, as small packets are many, and the sum does not overflow.
func TestWhatIsSentIsRounded(t *testing.T) {
	var o outflow
	for range 100 {
		o.add(100e9, 100)
	}
	for range 100 {
		o.add(101e9, 92)
	}
	if a, b := o.of(100e9/observed), o.of(101e9/observed); a != 200 || b != 100 {
		t.Errorf("%d, %d", a, b)
	}
	for range 4000 {
		o.add(102e9, 1200)
	}
	if got := o.of(102e9 / observed); got != math.MaxUint16 {
		t.Errorf("%d", got)
	}
}
