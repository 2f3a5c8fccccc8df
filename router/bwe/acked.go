package bwe

// The rate that arrives, with libwebrtc M150's constants (bitrate_estimator.cc).
const (
	// ackedFirst and ackedWindow are the windows of a sample, in ns: the first, and the others. Longer are
	// calmer and later.
	ackedFirst, ackedWindow = 500e6, 150e6
	// uncertainty scales how little a sample is believed that lies far from the estimate. Lower follows
	// sooner.
	uncertainty = 10.0
	// drift is by how much the estimate's variance grows with each sample.
	drift = 5.0
	// unsure is the variance after a probe has raised the estimate: the next sample counts.
	unsure = 200.0
	// busySpan is over what time of arrival the rate of a busy link is taken at least, in ns. Shorter is
	// sooner, and noisier.
	busySpan = 60e6
	// busyBytes is how many bytes must have arrived as well, if the parts kept have that many. At most
	// busyParts parts are kept, and those older than busyOld, in ns, do not count.
	busyBytes = 12000
	busyParts = 12
	busyOld   = 1e9
	// busyPart is how long a part is, in ns. A longer one mixes what arrived before a change with what
	// arrived after it.
	busyPart = 20e6
	// waits is how long a packet must have waited for others, in ns. The link has not been idle then since
	// the packet before. Lower takes jitter for waiting.
	waits = 6e6
)

// part is what arrived in a time in which the link was never idle.
type part struct {
	bytes float32
	span  float32 // in ns
	at    int64   // its end
}

// acked measures the rate of arrival in two ways. The Bayesian filter is calm. The rate over the last times
// in which packets waited for each other is what the link carries, and follows a drop at once.
type acked struct {
	rate     float64 // bit/s, 0: unknown
	variance float64
	from     int64 // of the present window, in ns of arrival; 0: none
	last     int64
	bytes    float64

	present part
	parts   [busyParts]part // the newest first
}

// packet takes a packet that arrived, having waited for so long in ns; below 0: that is not known.
func (a *acked) packet(arrived int64, size int, waited float64) {
	a.follow(arrived, size, waited)
	if a.from == 0 || arrived-a.last > sendGap || a.last-arrived > leap {
		a.from, a.bytes, a.last = arrived, 0, arrived
	}
	span := int64(ackedWindow)
	if a.rate == 0 {
		span = ackedFirst
	}
	if d := arrived - a.from; d >= span {
		a.sample(a.bytes * 8e9 / float64(d))
		a.from, a.bytes = arrived, 0
	}
	a.bytes += float64(size)
	a.last = max(a.last, arrived)
}

func (a *acked) sample(rate float64) {
	if a.rate == 0 {
		a.rate, a.variance = rate, 50
		return
	}
	off := uncertainty * (rate - a.rate) / max(a.rate, 1)
	off *= off
	predicted := a.variance + drift
	a.rate = max((off*a.rate+predicted*rate)/(off+predicted), 0)
	a.variance = off * predicted / (off + predicted)
}

// follow goes on with the time in which the link is busy, or begins one.
func (a *acked) follow(arrived int64, size int, waited float64) {
	p := &a.present
	since := arrived - p.at
	switch {
	case p.at != 0 && waited < 0 && since >= 0 && since < busySpan: // it came in between
		p.bytes += float32(size)
		return
	case waited < waits || p.at == 0 || since < 0 || since > busySpan:
		a.cut()
		*p = part{at: arrived}
		return
	}
	p.bytes, p.span, p.at = p.bytes+float32(size), p.span+float32(since), arrived
	if p.span >= busyPart {
		a.cut()
		*p = part{at: arrived}
	}
}

// cut ends the part in hand.
func (a *acked) cut() {
	if a.present.span > 0 {
		copy(a.parts[1:], a.parts[:])
		a.parts[0] = a.present
	}
}

// busy returns the rate of arrival while the link was busy of late, false if that was too short.
func (a *acked) busy() (float64, bool) {
	sum := a.present
	for _, p := range a.parts {
		if sum.span >= busySpan && sum.bytes >= busyBytes || p.span == 0 || a.last-p.at > busyOld {
			break
		}
		sum.bytes += p.bytes
		sum.span += p.span
	}
	if sum.span < busySpan {
		return 0, false
	}
	return float64(sum.bytes) * 8e9 / float64(sum.span), true
}
