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
	// busyBytes is how much must have arrived, as far as busyReports reports have it.
	busyBytes   = 12000
	busyReports = 6
)

// part is what arrived within one report.
type part struct {
	bytes float64
	span  float64 // in ns
}

// acked measures the rate of arrival in two ways: with the Bayesian filter, which is calm, and over the last
// reports, which is exact while a queue stands and follows a drop at once.
type acked struct {
	rate     float64 // bit/s, 0: unknown
	variance float64
	from     int64 // of the present window, in ns of arrival; 0: none
	last     int64
	bytes    float64

	highest int64 // arrival so far
	present float64
	parts   [busyReports]part
}

func (a *acked) packet(arrived int64, size int) {
	a.present += float64(size)
	if a.from == 0 || arrived-a.last > pause || a.last-arrived > leap {
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

// end ends a report.
func (a *acked) end() {
	if a.present == 0 {
		return
	}
	span := a.last - a.highest
	if a.highest == 0 || span < 0 || span > int64(leap) {
		a.parts = [busyReports]part{}
		span = 0
	}
	if span > 0 {
		copy(a.parts[1:], a.parts[:])
		a.parts[0] = part{a.present, float64(span)}
	}
	a.highest, a.present = a.last, 0
}

// busy returns the rate of arrival over the last reports, false if these are too few.
func (a *acked) busy() (float64, bool) {
	var sum part
	for _, p := range a.parts {
		if sum.span >= busySpan && sum.bytes >= busyBytes {
			break
		}
		sum.bytes += p.bytes
		sum.span += p.span
	}
	if sum.span < busySpan {
		return 0, false
	}
	return sum.bytes * 8e9 / sum.span, true
}
