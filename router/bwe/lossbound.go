package bwe

import "math"

// update fits the parameters after an observation was closed and sets the result. Rates are in bit/s; the
// delay's bound and what arrives are known.
func (l *loss) update(delay, acked float64, alr bool) {
	delay, acked = delay/1e3, acked/1e3
	l.average = l.averaged()
	if l.limit == 0 {
		l.restart(delay)
	}
	limit, inherent := l.best(delay, acked, alr)
	if l.average > inherent && limit > l.limit {
		limit = l.limit
	}
	if l.state != delayBased {
		limit = l.paced(limit, acked)
	}
	borne := l.borne()
	limit = max(limit, min(borne, delay))
	bounded := max(acked, leastRate/1e3, min(limit, max(l.instant(), borne), delay))
	if bounded < limit {
		l.limit, l.inherent = bounded, 0
	} else {
		l.limit, l.inherent = max(limit, acked), inherent
	}
	l.decide(bounded, delay, acked)
}

// restart forgets the parameters, but not the past.
func (l *loss) restart(delay float64) {
	l.limit, l.inherent, l.result, l.state = delay, inherentFirst, delay, delayBased
	l.release()
}

// best returns the most likely of the candidates.
func (l *loss) best(delay, acked float64, alr bool) (limit, inherent float64) {
	candidates := [5]float64{1.02 * l.limit, l.limit, 0.95 * l.limit}
	n := 3
	if acked > 0 && !alr {
		candidates[n] = acked
		n++
	}
	if delay > l.limit {
		candidates[n] = delay
		n++
	}
	most := math.Inf(1)
	if l.state != delayBased && l.window > 0 {
		most = l.window
	}
	limit, inherent = l.limit, l.inherent
	highest := math.Inf(-1)
	for _, c := range candidates[:n] {
		c = min(c, max(l.limit, most))
		i := l.fitted(l.inherent, c)
		if v := l.likelihood(i, c); v > highest {
			highest, limit, inherent = v, c, i
		}
	}
	return limit, inherent
}

// paced bounds growth while the loss limits.
func (l *loss) paced(limit, acked float64) float64 {
	if l.newest-l.windowFrom < increaseSpan {
		limit = min(limit, max(l.window, l.limit))
	}
	if limit > l.limit && acked > 0 {
		ramp := rampUp
		if acked < holdShare*l.held {
			ramp = rampHeld
		}
		limit = max(l.limit, min(limit, ramp*acked))
	}
	return limit
}

// instant bounds the rate by the average loss alone.
func (l *loss) instant() float64 {
	if l.average <= inherentOffset {
		return mostRate / 1e3
	}
	return balance / 1e3 / (l.average - inherentOffset)
}

// decide sets state and result.
func (l *loss) decide(bounded, delay, acked float64) {
	if l.state == decreasing && l.holdUntil > l.newest && bounded < delay {
		l.held = max(acked, l.held)
		l.result = min(l.held, bounded)
		return
	}
	switch {
	case bounded >= delay:
		l.state = delayBased
		l.release()
	case l.state != delayBased && (bounded > l.result || bounded == l.result && l.state == increasing):
		l.state = increasing
	default:
		if l.state != decreasing {
			l.holdUntil, l.held = l.newest+l.hold, bounded
			l.hold = min(2*l.hold, holdMost)
		}
		l.state = decreasing
	}
	l.result = bounded
	if l.state != delayBased && l.newest-l.windowFrom >= increaseSpan {
		l.window, l.windowFrom = max(leastRate/1e3, l.limit*increase), l.newest
	}
}

// rise is the last one of what may be sent. It is no cause of the loss of packets that were sent before it.
type rise struct {
	rate float64 // to this, in kbit/s; 0: there was none, or something that was sent later is lost
	slot int64   // in which it was
}

// raised takes that a probe has raised what may be sent, in bit/s.
func (l *loss) raised(now int64, rate float64) { l.rise = rise{rate / 1e3, now / observed} }

// borne is the rate up to which the past says nothing, in kbit/s. That is the rate of the last rise, if
// hardly anything is lost of what was sent after it.
func (l *loss) borne() float64 {
	var since observation
	for i := range l.past[:l.n] {
		o := &l.past[i]
		if l.number(o) <= l.rise.slot {
			break
		}
		since.size += o.size
		since.lost += o.lost
	}
	if since.lost > lossless*since.size {
		l.rise.rate = 0
	}
	return l.rise.rate
}

func (l *loss) release() { l.holdUntil, l.hold, l.held = 0, holdFirst, math.Inf(1) }

// bound returns what the loss allows, in bit/s; infinite if it does not limit.
func (l *loss) bound() float64 {
	if l.n < observationsLeast || l.state == delayBased {
		return math.Inf(1)
	}
	return l.result * 1e3
}
