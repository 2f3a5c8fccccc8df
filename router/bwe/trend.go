package bwe

import "math"

// The delay's trend, with libwebrtc M150's constants (inter_arrival_delta.cc, trendline_estimator.cc). What
// turning one costs is said of each.
const (
	// groupSpan is the time of sending within which packets belong to one group, in ns. Longer smooths
	// bursts, and learns later.
	groupSpan = 5e6
	// burstSpan is how soon after its predecessor a packet must arrive to have waited with it, in ns.
	// burstLimit is how long such a burst may last, in ns.
	burstSpan, burstLimit = 5e6, 100e6
	// window is over how many groups the line is fitted. More is calmer and later.
	window = 20
	// smoothing is the weight of the smoothed delay so far. gain is the factor of the trend, which is
	// multiplied by the number of deltas as well, up to deltaLimit.
	smoothing, gain, deltaLimit = 0.9, 4.0, 60
	// The threshold in ms adapts between its bounds: up slowly, so that overuse is seen, and down fast.
	threshold, thresholdLeast, thresholdMost = 12.5, 6, 600
	rising, falling                          = 0.0087, 0.039
	// adaptLimit is how far above the threshold the trend may be for it to adapt, in ms. More makes it deaf
	// to real drops.
	adaptLimit = 15.0
	// overuseTime is for how long the trend must be above the threshold, in ms.
	overuseTime = 10.0
	// leap is by how much the times between arrivals and between sendings may differ before all begins anew,
	// in ns.
	leap = 10e9
	// sendGap is the gap in sending after which all begins anew, in ns: it would be read as delay.
	sendGap = 2e9
)

type usage uint8

const (
	normal usage = iota
	overuse
	underuse
)

// group is the packets sent within groupSpan.
type group struct {
	first, last int64 // sent, in ns
	begun       int64 // first arrival, in ns
	arrived     int64 // last arrival, in ns
	known       bool
}

// trend says from pairs of sending and arrival whether the queue grows.
type trend struct {
	before, present group
	x, y            [window]float64 // arrival and smoothed delay, in ms
	n, deltas       int32
	origin          int64 // of x, in ns
	accumulated     float64
	smoothed        float64
	previous        float64
	threshold       float64
	over            float64 // for how long above, in ms; below 0: not
	updated         float64 // in ms
	overs           int32
	state           usage
}

func (t *trend) reset() {
	*t = trend{threshold: threshold, over: -1}
}

// packet takes a packet that has arrived. Packets come in about the order of sending.
func (t *trend) packet(sent, arrived int64) {
	if t.threshold == 0 {
		t.reset()
	}
	p := &t.present
	if p.known && (sent-p.last > sendGap || abs((arrived-p.arrived)-(sent-p.last)) > leap) {
		t.reset()
	}
	switch {
	case !p.known:
		*p = group{sent, sent, arrived, arrived, true}
	case sent < p.first: // overtaken by a group
	case sent-p.first <= groupSpan || p.burst(sent, arrived):
		p.last, p.arrived = max(p.last, sent), max(p.arrived, arrived)
	default:
		if t.before.known {
			t.delta(float64(p.arrived-t.before.arrived)/1e6, float64(p.last-t.before.last)/1e6, p.arrived)
		}
		t.before, *p = *p, group{sent, sent, arrived, arrived, true}
	}
}

// burst says whether a packet waited with the group and was let go with it.
func (g *group) burst(sent, arrived int64) bool {
	apart := arrived - g.arrived
	return apart-(sent-g.last) < 0 && apart <= burstSpan && arrived-g.begun < burstLimit
}

// delta takes by how much two groups are apart, in ms.
func (t *trend) delta(received, sent float64, at int64) {
	if received < 0 { // overtaken as a whole
		return
	}
	if t.n == 0 && t.deltas == 0 {
		t.origin = at
	}
	t.deltas++
	t.accumulated += received - sent
	t.smoothed = smoothing*t.smoothed + (1-smoothing)*t.accumulated
	if t.n == window {
		copy(t.x[:], t.x[1:])
		copy(t.y[:], t.y[1:])
		t.n--
	}
	now := float64(at-t.origin) / 1e6
	t.x[t.n], t.y[t.n] = now, t.smoothed
	t.n++
	slope := t.previous
	if t.n == window {
		slope = t.slope()
	}
	t.detect(slope, sent, now)
}

// slope fits a line by least squares.
func (t *trend) slope() float64 {
	var sx, sy float64
	for i := range window {
		sx += t.x[i]
		sy += t.y[i]
	}
	sx, sy = sx/window, sy/window
	var numerator, denominator float64
	for i := range window {
		dx := t.x[i] - sx
		numerator += dx * (t.y[i] - sy)
		denominator += dx * dx
	}
	if denominator == 0 {
		return t.previous
	}
	return numerator / denominator
}

func (t *trend) detect(slope, sent, now float64) {
	if t.deltas < 2 {
		return
	}
	modified := float64(min(t.deltas, deltaLimit)) * slope * gain
	switch {
	case modified > t.threshold:
		if t.over < 0 {
			t.over = sent / 2
		} else {
			t.over += sent
		}
		t.overs++
		if t.over > overuseTime && t.overs > 1 && slope >= t.previous {
			t.over, t.overs, t.state = 0, 0, overuse
		}
	case modified < -t.threshold:
		t.over, t.overs, t.state = -1, 0, underuse
	default:
		t.over, t.overs, t.state = -1, 0, normal
	}
	t.previous = slope
	t.adapt(math.Abs(modified), now)
}

func (t *trend) adapt(modified, now float64) {
	elapsed := min(max(now-t.updated, 0), 100)
	t.updated = now
	if modified > t.threshold+adaptLimit {
		return
	}
	k := rising
	if modified < t.threshold {
		k = falling
	}
	t.threshold += k * (modified - t.threshold) * elapsed
	t.threshold = min(max(t.threshold, thresholdLeast), thresholdMost)
}

func abs(a int64) int64 { return max(a, -a) }
