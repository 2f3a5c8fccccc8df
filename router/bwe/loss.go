package bwe

import "math"

// The bound by loss, after libwebrtc M150's loss_based_bwe_v2.cc with its default values. It fits two
// parameters, the inherent loss and the rate above which everything is lost, to the last observations by
// likelihood.
const (
	// observations are kept, each of observed ns of sending. More and longer are calmer and later.
	observations = 15
	observed     = 250e6
	// openSlots is how many more observations are still being told of. Each is closed closeAfter ns after
	// its end. Losses are booked a report later than arrivals.
	openSlots  = 4
	closeAfter = 150e6
	// fading is the weight of an observation against its successor.
	fading = 0.9
	// highBias and highBiasLog prefer higher rates, in kbit/s, if the loss is below biasLoss. biasSmooth is
	// how sharp that is.
	highBias, highBiasLog, biasLoss, biasSmooth = 0.0002, 0.02, 0.2, 0.002
	// inherentLeast is the least inherent loss; inherentOffset and balance, in bit/s, give the most: offset +
	// balance/rate. The same two bound the rate at once: balance/(loss-offset).
	inherentLeast, inherentFirst, inherentOffset, balance = 1e-3, 0.01, 0.05, 100e3
	newtonStep                                            = 0.75
	// rampUp times what arrives bounds growth, or rampHeld if less than holdShare of the held rate arrives.
	rampUp, rampHeld, holdShare = 1.5, 1.2, 1.3
	// increase bounds growth within increaseSpan ns.
	increase, increaseSpan = 1.3, 300e6
	// holdFirst is how long a rate is held after a fall, in ns. It is twice as long each time, up to
	// holdMost.
	holdFirst, holdMost = 300e6, 60e9
	// observationsLeast is from how many observations on a bound is taken.
	observationsLeast = 3
)

type observation struct {
	size, lost float32 // in kB
	slot       uint16  // its number, the low bits
	out        uint16  // sent, in outUnits, whether any report tells of it or not
}

type lossState uint8

const (
	delayBased lossState = iota
	increasing
	decreasing
)

// rate of sending, in kbit/s.
func (o *observation) rate() float64 { return float64(o.size) * 8 * 1e9 / observed }

// loss bounds the rate by what is lost.
type loss struct {
	past   [observations]observation // the newest first
	n      int
	open   [openSlots]observation
	slot   int64 // number of the first open one
	newest int64 // sent, of what was told of, in ns
	gone   int64 // when the newest of those was sent that are lost, in ns
	outs   outflow

	late    bool // packets come late by so much that the last observations say little
	ignored bool // it bounds nothing
	state   lossState

	inherent, limit float64 // the fitted parameters; limit in kbit/s
	average         float64 // loss of the past
	result          float64 // kbit/s
	held            float64
	holdUntil, hold int64
	window          float64 // limit within increaseSpan
	windowFrom      int64
	rise            rise
}

// number is that of an observation's slot.
func (l *loss) number(o *observation) int64 { return l.slot - int64(uint16(l.slot)-o.slot) }

var weights = func() (w [observations]float64) {
	for i := range w {
		w[i] = math.Pow(fading, float64(i))
	}
	return w
}()

// add takes a packet that arrived or was lost, by when it was sent; a negative size takes it back.
func (l *loss) add(sent int64, size, lost float64) {
	i := sent/observed - l.slot
	if i >= 2*openSlots || i < -1000 {
		l.open, l.slot, i = [openSlots]observation{}, sent/observed, 0
	}
	for ; i >= openSlots; i-- {
		l.close()
	}
	o := &l.open[max(i, 0)]
	if i < 0 {
		o = l.closed(sent / observed)
	}
	o.size = max(o.size+float32(size/1e3), 0)
	o.lost = min(max(o.lost+float32(lost/1e3), 0), o.size)
	if l.newest-sent > 1000*observed {
		l.newest, l.gone = sent, 0
	}
	l.newest = max(l.newest, sent)
	if lost > 0 {
		l.gone = max(l.gone, sent)
	}
}

// closed returns the observation of a slot that is closed, else the first open one.
func (l *loss) closed(slot int64) *observation {
	for i := range l.past[:l.n] {
		if l.past[i].slot == uint16(slot) {
			return &l.past[i]
		}
	}
	return &l.open[0]
}

// close makes the first open slot an observation. It says whether there was something in it.
func (l *loss) close() bool {
	o := l.open[0]
	copy(l.open[:], l.open[1:])
	l.open[openSlots-1] = observation{}
	l.slot++
	if o.size <= 0 {
		return false
	}
	o.slot, o.out = uint16(l.slot-1), l.outs.of(l.slot-1)
	copy(l.past[1:], l.past[:])
	l.past[0] = o
	l.n = min(l.n+1, observations)
	return true
}

// due closes a slot of which all has been told, one a call. It says whether there was one, and whether it had
// something in it.
func (l *loss) due() (more, some bool) {
	if (l.slot+1)*observed+closeAfter > l.newest {
		return false, false
	}
	return true, l.close()
}

// steady says whether loss was there for the whole of the last second, about as much in its first half as in
// its second. p is the share that was lost in that second, of so many kB.
func (l *loss) steady(p, kB float64) bool {
	late, size, _ := l.recent(2)
	early := (p*kB - late*size) / max(kB-size, 1)
	oldest := l.past[min(3, l.n-1)]
	return math.Abs(late-early) < 2.5*math.Sqrt(4*p*(1-p)/kB) && float64(oldest.lost) > p/2*float64(oldest.size)
}

// lately is the share lost in the last second or so.
func (l *loss) lately() float64 {
	p, _, _ := l.recent(4)
	return p
}

// recent returns share and amount of what was lost and sent within the last n observations, and their rate in
// bit/s.
func (l *loss) recent(n int) (p, kB, rate float64) {
	var sum observation
	n = min(n, l.n)
	for _, o := range l.past[:n] {
		sum.size += o.size
		sum.lost += o.lost
	}
	if sum.size == 0 {
		return 0, 0, 0
	}
	return float64(sum.lost / sum.size), float64(sum.size), sum.rate() * 1e3 / float64(n)
}

// averaged is the weighted share of loss, without the observations of most and least loss if there are
// enough.
func (l *loss) averaged() float64 {
	var size, lost, most, least float64
	var mostO, leastO observation
	var mostW, leastW float64
	least = 2
	for i, o := range l.past[:l.n] {
		w, p := weights[i], float64(o.lost/o.size)
		size += w * float64(o.size)
		lost += w * float64(o.lost)
		if p > most {
			most, mostO, mostW = p, o, w
		}
		if p < least {
			least, leastO, leastW = p, o, w
		}
	}
	if size == 0 {
		return 0
	}
	trimmed := size - mostW*float64(mostO.size) - leastW*float64(leastO.size)
	if l.n <= 3 || trimmed <= 1e-9 || mostO.rate() >= 2*l.median() {
		return lost / size
	}
	return max(lost-mostW*float64(mostO.lost)-leastW*float64(leastO.lost), 0) / trimmed
}

// median of the rates of sending, in kbit/s.
func (l *loss) median() float64 {
	var sorted [observations]float32
	for i, o := range l.past[:l.n] {
		j := i
		for ; j > 0 && sorted[j-1] > float32(o.rate()); j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = float32(o.rate())
	}
	return float64(sorted[l.n/2])
}

// probability of loss at a rate of sending.
func probability(inherent, limit, rate float64) float64 {
	p := inherent
	if rate > limit {
		p += (1 - inherent) * (rate - limit) / rate
	}
	return min(max(p, 1e-6), 1-1e-6)
}

func feasible(inherent, limit float64) float64 {
	return min(max(inherent, inherentLeast), min(inherentOffset+balance/1e3/max(limit, 1), 1))
}

// fitted returns the inherent loss that explains the past best with this limit: one step of Newton's method.
func (l *loss) fitted(inherent, limit float64) float64 {
	inherent = feasible(inherent, limit)
	var first, second float64
	for i, o := range l.past[:l.n] {
		p := probability(inherent, limit, o.rate())
		lost, kept := float64(o.lost), float64(o.size-o.lost)
		first += weights[i] * (lost/p - kept/(1-p))
		second -= weights[i] * (lost/(p*p) + kept/((1-p)*(1-p)))
	}
	return feasible(inherent-newtonStep*first/min(second, -1e-6), limit)
}

// likelihood of the past, with a bias to higher rates.
func (l *loss) likelihood(inherent, limit float64) (sum float64) {
	sign := (biasLoss - l.average) / (biasSmooth + math.Abs(biasLoss-l.average))
	bias := sign * (highBias*limit + highBiasLog*math.Log(1+limit))
	above := -1.0 // observations at or below the limit share a probability
	logs := [2]float64{}
	for i, o := range l.past[:l.n] {
		p := probability(inherent, limit, o.rate())
		if p != above {
			above, logs = p, [2]float64{math.Log(p), math.Log(1 - p)}
		}
		sum += weights[i] * (float64(o.lost)*logs[0] + float64(o.size-o.lost)*logs[1] + bias*float64(o.size))
	}
	return sum
}
