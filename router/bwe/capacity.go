package bwe

import "math"

// Additive increase, multiplicative decrease (libwebrtc's aimd_rate_control.cc, link_capacity_estimator.cc).
const (
	// growth is the share that is added a second, far from the last known capacity. Higher finds room sooner,
	// and overshoots more.
	growth = 0.08
	// noisyGrowth is that share if delays jump about too much for probes.
	noisyGrowth = 0.5
	// decrease times what arrives is the capacity after overuse. libwebrtc has 0.85, to empty the queue,
	// which here Budget does.
	decrease = 0.95
	// decreaseMost is the least share of the capacity that one decrease leaves. Lower trusts one report more.
	decreaseMost = 0.4
	// proof times what arrives, and a little, bounds growth: more has not been shown.
	proof, proofLeast = 1.5, 10e3
	// nearStep is half a packet, in bits. So much is added per response time near the last known capacity.
	nearStep = 1200 * 8 / 2
	// nearMost is the share of the rate that is added a second at most near it.
	nearMost = 0.03
	// responseExtra is the time from arrival to report within a response time, in ns.
	responseExtra = 100e6
	// undoSpan is for how long a decrease may turn out to have been a mistake, in ns. Longer keeps the
	// capacity up on links that stall, and may bring back capacity that is gone.
	undoSpan = 3e9
	// explains is the share of a queue's length that a stall must reach to explain that queue. A stall of
	// explainsAll, in ns, always explains it. Lower mistakes the queue of a link for a busy receiver's stall.
	explains, explainsAll = 0.5, 150e6
	// A sample's weight in the last known capacity, after overuse and after a probe.
	linkOveruse, linkProbe = 0.05, 0.5
)

// known is the capacity at which overuse was seen, with its deviation.
type known struct {
	rate      float64 // bit/s, 0: unknown
	deviation float64 // the variance normed by the rate, in kbit/s
}

func (l *known) sample(rate, weight float64) {
	if l.rate == 0 {
		l.rate, l.deviation = rate, 0.4
	} else {
		l.rate += weight * (rate - l.rate)
	}
	off := (l.rate - rate) / 1e3
	l.deviation += weight * (off*off/max(l.rate/1e3, 1) - l.deviation)
	l.deviation = min(max(l.deviation, 0.4), 2.5)
}

// spread is three standard deviations.
func (l *known) spread() float64 { return 3 * math.Sqrt(l.deviation*l.rate/1e3) * 1e3 }

func (l *known) above(rate float64) bool { return l.rate > 0 && rate > l.rate+l.spread() }
func (l *known) below(rate float64) bool { return l.rate > 0 && rate < l.rate-l.spread() }

// capacity is what the delay allows.
type capacity struct {
	rate    float64 // bit/s
	known   known
	undo    float64 // before the first of the last decreases; 0: nothing is to be undone
	longest int64   // the longest queue since that decrease, in ns
	grown   int64   // in ns
	lowered int64
}

// grow raises the rate, as far as what arrives proves it.
func (c *capacity) grow(now, rtt int64, acked float64, noisy bool) {
	dt := float64(min(now-c.grown, 1e9)) / 1e9
	c.grown = now
	if c.known.above(acked) {
		c.known = known{}
	}
	rate := c.rate
	if noisy && rate < 0.8*c.known.rate || noisy && c.known.rate == 0 {
		rate *= 1 + noisyGrowth*dt
	} else if c.known.rate > 0 {
		response := float64(rtt+responseExtra) / 1e9
		rate += min(max(nearStep/response, 4e3), nearMost*rate) * dt
	} else {
		rate *= 1 + growth*dt
	}
	c.rate = max(c.rate, min(rate, proof*acked+proofLeast))
}

// lower follows overuse. arrived is the rate that arrived then, and shown bounds the capacity as it was
// before. lower says whether the rate has fallen.
func (c *capacity) lower(now, rtt int64, arrived, shown float64) bool {
	if now-c.lowered < min(max(rtt, 10e6), 400e6)+responseExtra && arrived > 0.5*c.rate {
		return false
	}
	c.grown = now
	if c.known.below(arrived) {
		c.known = known{}
	}
	c.known.sample(arrived, linkOveruse)
	to := max(decrease*arrived, decreaseMost*min(c.rate, shown))
	if to >= c.rate {
		return false
	}
	if c.undo == 0 || now-c.lowered > undoSpan {
		c.undo, c.longest = c.rate, 0
	}
	c.rate, c.lowered = to, now
	return true
}

// mistaken takes back the last decreases if they were not long ago: what looked like a queue came all at
// once. A stall that is much shorter than that queue was does not explain it.
func (c *capacity) mistaken(now int64, stall float64) {
	if stall < min(explains*float64(c.longest), explainsAll) {
		return
	}
	if c.undo > c.rate && now-c.lowered < undoSpan {
		c.rate, c.grown, c.known = c.undo, now, known{}
	}
	c.undo = 0
}

// measured takes what a probe has shown.
func (c *capacity) measured(now int64, rate float64) {
	c.known.sample(rate, linkProbe)
	c.rate, c.grown = rate, now
}
