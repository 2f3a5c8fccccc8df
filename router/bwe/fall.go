package bwe

import "math"

// What is sent may fall by itself, as a picture gets smaller. That answers at no cost what a step would be
// made for. If loss is random, less arrives by the same share. If it depends on the rate, as much arrives as
// before, and less is lost.
const (
	// fallShare is the share of what was sent to which it must have fallen at least. Higher tells sooner, and
	// errs more.
	fallShare = 0.6
	// fallLeast and fallMost bound how many observations after the fall are compared. fallBefore is how many
	// are needed before it.
	fallLeast, fallMost, fallBefore = 3, 8, 3
	// fallRandom and fallDepends bound how much of the change is seen that a loss that depends on the rate
	// would bring. Below the first, loss is random; above the second, it depends on the rate. In between,
	// nothing is told yet.
	fallRandom, fallDepends = 0.3, 0.5
	// fallChange is how much the share of loss would have to fall if it depends on the rate. So the share
	// before the fall is at least as high. Lower takes loss that comes in bursts for random.
	fallChange = 0.25
	// fallEdge is how many times as much must have been sent in the observation before, for an observation to
	// be the edge of a fall.
	fallEdge = 1.5
	// fallSpan is how far back what was sent is compared, in ns. Longer compares what a network has carried
	// at different times.
	fallSpan = 6e9
)

// outflow is how much was sent of late, whether any report tells of it or not.
type outflow struct {
	parts  [outParts]uint16 // in outUnits, of a time observed each
	newest uint32           // number of the newest, the low bits
}

const (
	// outParts is for how many times observed the outflow is remembered. Shorter knows nothing of what
	// reports tell of late.
	outParts = 16
	// outUnit is the unit, in bytes. Lower bounds the rate that can be told: with 64 at 134 Mbit/s.
	outUnit = 64
)

// add takes a packet that is sent.
func (o *outflow) add(now int64, size int) {
	part := uint32(now / observed)
	if part-o.newest >= outParts {
		*o = outflow{newest: part}
	}
	for o.newest != part {
		o.newest++
		o.parts[o.newest%outParts] = 0
	}
	p := &o.parts[part%outParts]
	*p = uint16(min(int(*p)+(size+outUnit/2)/outUnit, math.MaxUint16))
}

// of is how much was sent within an observation, in outUnits; 0: nothing, or it is not known any more.
func (o *outflow) of(slot int64) uint16 {
	if back := o.newest - uint32(slot); back >= outParts {
		return 0
	}
	return o.parts[slot%outParts]
}

// rate is that of the last second, the part in hand left out, in bit/s.
func (o *outflow) rate(now int64) float64 {
	sum := 0
	for back := range int64(4) {
		sum += int(o.of(now/observed - 1 - back))
	}
	return float64(sum) * outUnit * 8
}

// flowing is observations together.
type flowing struct {
	n               int
	out, size, lost float64 // in kB
}

func (f *flowing) take(o *observation) {
	f.n++
	f.out += float64(o.out) * outUnit / 1e3
	f.size += float64(o.size)
	f.lost += float64(o.lost)
}

func (f *flowing) share() float64 { return f.lost / max(f.size, 1e-3) }
func (f *flowing) rate() float64  { return f.out * 8e12 / observed / float64(max(f.n, 1)) }

// fell looks for a fall of what is sent, and says whether it has shown what the loss depends on.
func (r *random) fell(now int64, l *loss, arrived float64) (ended bool) {
	if l.late || !r.quiet(now) {
		return false
	}
	var after flowing
	var list [fallMost]observation
	for k := 0; k+1 < l.n && after.n < fallMost; k++ {
		o := &l.past[k]
		if float64(l.past[k+1].out) > fallEdge*float64(o.out) {
			continue // some of it was sent before the fall
		}
		list[after.n] = *o
		if after.take(o); after.n < fallLeast {
			continue
		}
		before := l.higher(k+1, after.rate()/fallShare, max(r.noisy, now-fallSpan))
		if random, told := before.compare(&after, list[:after.n]); told && (random || !r.depends) {
			r.trial.began = 0
			r.conclude(now, random, &before, &after, arrived)
			return true
		}
	}
	return false
}

// conclude takes what a fall has shown.
func (r *random) conclude(now int64, random bool, before, after *flowing, arrived float64) {
	if random {
		r.proved, r.share, r.wait = true, min(before.share(), after.share()), 0
		return
	}
	r.depends, r.learn, r.rest = true, true, 0
	r.arrived = max(arrived, (1-before.share())*before.rate())
	r.retry(now)
}

// higher sums up the observations since a time, from number from on. Those count in which at least that rate
// was sent, and some of it and of the one before was lost.
func (l *loss) higher(from int, rate float64, since int64) (f flowing) {
	for k := from; k < l.n; k++ {
		o := &l.past[k]
		if l.number(o)*observed < since {
			break
		}
		if o.sent() >= rate && o.lossy() && k+1 < l.n && l.past[k+1].lossy() {
			f.take(o)
		}
	}
	return f
}

// sent is the rate of all that was sent, in bit/s.
func (o *observation) sent() float64 { return float64(o.out) * outUnit * 8e9 / observed }

// lossy says whether some of what was sent was lost.
func (o *observation) lossy() bool { return o.lost > stepLoss*o.size }

// policed is the share of what was sent in observations that would be lost if no more than so many kB could
// arrive in each.
func policed(list []observation, kB float64) float64 {
	var all, lost float64
	for i := range list {
		size := float64(list[i].size)
		all += size
		lost += size * max(0, 1-kB/max(float64(list[i].out)*outUnit/1e3, 1e-3))
	}
	return lost / max(all, 1e-3)
}

// compare tells random loss from loss that depends on the rate, by observations after the fall. told says
// whether that is certain.
func (f *flowing) compare(after *flowing, list []observation) (random, told bool) {
	p := f.share()
	if f.n < fallBefore || after.size < 1 {
		return false, false
	}
	change := p - policed(list, (1-p)*f.out/float64(f.n)) // if as much arrives as before
	deviation := math.Sqrt(p * (1 - p) * (1/f.size + 1/after.size))
	if deviation > change/4 || change < fallChange {
		return false, false
	}
	shown := (p - after.share()) / change
	return shown < fallRandom, shown < fallRandom || shown > fallDepends
}
