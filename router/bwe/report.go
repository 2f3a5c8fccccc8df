package bwe

import (
	"math"

	"parlor/router/bwe/probe"
)

// arrives is the rate of arrival as it would be without random loss.
func (e *Estimator) arrives() float64 {
	rate := e.acked.rate
	if e.random.proved {
		rate /= 1 - min(e.random.share, 0.9)
	}
	return rate
}

// busy is the rate of arrival while a queue stands, as it would be without random loss.
func (e *Estimator) busy() float64 {
	rate := e.acked.rate
	if b, ok := e.acked.busy(); ok && e.queue.length > standing {
		rate = b
	}
	if e.random.proved {
		rate /= 1 - min(e.random.share, 0.9)
	}
	return rate
}

// slack is how long a packet takes at the capacity, in ns. On slow links a packet that waits for one other is
// no queue.
func (e *Estimator) slack() int64 { return int64(slackSize * 8e9 / e.capacity.rate) }

// shown is the most that the network may carry, by what has arrived. If the application sends less than it
// might, that is less than the capacity it was taken for.
func (e *Estimator) shown() float64 {
	if e.limited.yes {
		return proof*e.arrives() + proofLeast
	}
	return mostRate
}

// byDelay moves the capacity by trend and length of the queue.
func (e *Estimator) byDelay() {
	c, length, slack := &e.capacity, e.queue.length, e.slack()
	grows := length > max(2*standing, slack*3/2) && e.queue.steadily(max(standing, slack/2))
	over := grows || e.trend.state == overuse && length >= max(standing, slack/2) && !e.queue.noisy() ||
		length > max(stands, slack*3/2) && length > e.queue.before-5e6
	e.queue.before, e.estimate.Grows = length, grows
	if e.queue.fall > jitterMost/2 {
		c.mistaken(e.now, e.queue.fall)
	}
	if e.acked.rate == 0 || e.packets == 0 {
		return
	}
	switch {
	case over:
		if c.lower(e.now, e.rtt, e.busy(), e.shown()) {
			e.cause = Delay
		}
		c.longest = max(c.longest, length)
		if e.trend.state == overuse {
			e.trend.state = normal // it is told of once
		}
	case e.trend.state == underuse || length > max(drainFrom, slack) || e.random.proved || e.random.running(e.now) || e.frozen:
		c.grown = e.now
	default:
		c.grow(e.now, e.rtt, e.arrives(), e.queue.noisy())
	}
}

// asking says whether it is looked into what loss depends on.
func (e *Estimator) asking() bool {
	return e.random.more && (e.random.running(e.now) || e.random.asks(e.now, e.loss.lately()))
}

// byLoss closes observations and follows them. It says whether loss was found to be random.
func (e *Estimator) byLoss() (recovered bool) {
	e.loss.late = e.queue.noisy()
	for {
		more, some := e.loss.due()
		if !more {
			break
		}
		switch {
		case !some || e.random.proved || e.asking():
		case e.ceiling.rate > 0:
			p, kB, _ := e.loss.recent(4)
			if e.loss.late {
				p = min(p, e.loss.averaged())
			}
			e.ceiling.observe(e.now, p-e.ceiling.chance(kB), e.acked.rate)
		default:
			e.loss.update(e.capacity.rate, e.acked.rate, e.limited.yes)
		}
	}
	if e.loss.ignored {
		return false
	}
	if e.random.step(e.now, e.rtt, &e.loss, e.acked.rate) {
		e.loss.restart(e.capacity.rate / 1e3)
		switch {
		case e.random.proved:
			e.ceiling = ceiling{}
			return true
		case e.random.depends:
			e.ceiling.begin(e.now, e.random.arrived, float64(e.random.rest), e.random.learn)
		}
	}
	if e.ceiling.rate > e.capacity.rate {
		e.ceiling = ceiling{}
	}
	return false
}

// bound is what loss allows, infinite if it does not limit.
func (e *Estimator) bound() float64 {
	switch {
	case e.random.proved:
		return math.Inf(1)
	case e.ceiling.rate > 0:
		return e.ceiling.rate
	}
	return e.loss.bound()
}

// byProbes takes what probes have shown.
func (e *Estimator) byProbes() Event {
	event := None
	for i := range e.meters {
		m := &e.meters[i]
		if m.Cluster.ID == 0 {
			continue
		}
		share := 0.0
		if e.random.proved {
			share = e.random.share
		}
		r, ok := m.Result(share, e.queue.wobble)
		if !ok || e.queue.noisy() {
			if e.now-m.At > e.rtt+probe.Timeout {
				*m, event = probe.Meter{}, Failed
			}
			continue
		}
		*m = probe.Meter{}
		event = e.probed(r)
	}
	return event
}

func (e *Estimator) probed(r probe.Result) Event {
	rate := min(r.Rate, mostRate)
	if r.Saturated && e.queue.wobble < wobbleMost {
		e.capacity.known.sample(rate/0.95, linkProbe)
		if most := rate / 0.95; e.capacity.rate > most && most > 0.8*e.capacity.rate {
			e.capacity.rate = most // so much and no more was carried
		}
	}
	switch {
	case e.bound() < e.capacity.rate: // a few packets slip through a policer
		if e.loss.lately() < lossless && rate > 1.05*e.bound() && e.now > e.ceiling.until {
			if e.ceiling.rate > 0 {
				rate = min(rate, loosened*e.bound())
			}
			e.loosen(rate)
			return Probed
		}
	case rate > e.capacity.rate && e.queue.length <= probe.QueueMost:
		if rate > another*e.capacity.rate {
			e.loss.restart(rate / 1e3)
		}
		e.loss.raised(e.now, rate)
		e.capacity.measured(e.now, rate)
		e.acked.variance += unsure
		e.cause, e.proved = Unlimited, e.now
		return Probed
	case r.Saturated && e.now-e.first < firstSpan && rate > e.acked.rate:
		e.capacity.measured(e.now, rate)
		e.cause = Delay
	}
	return Failed
}

// loosen raises what loss allows, as nothing is lost any more and a probe got through.
func (e *Estimator) loosen(rate float64) {
	if e.ceiling.rate > 0 {
		e.ceiling.loosen(e.now, rate)
		return
	}
	e.loss.restart(rate / 1e3)
	e.loss.raised(e.now, rate)
}

// drain watches that the queue gets shorter while less is sent than the capacity.
func (e *Estimator) drain() {
	if e.queue.length <= max(drainFrom, e.slack()) {
		e.queue.drains = 0
		return
	}
	if e.queue.drains == 0 {
		e.queue.drains = e.now
	}
	if e.now-e.queue.drains > drainMost && e.queue.length < 1e9 {
		e.queue.concede()
		e.queue.drains = 0
	}
}
