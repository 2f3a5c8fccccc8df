package router

// Histogram counts values by the bounds of their kind. It is plain memory of the room's goroutine: counting
// costs a few comparisons.
type Histogram struct {
	Counts [histogramBounds + 1]uint64 // values up to each bound and above the one before; last: above all
	Sum    uint64                      // of all values, in the unit of the bounds
}

// histogramBounds is how many bounds a histogram has. More tell percentiles more exactly and make more series
// of it.
const histogramBounds = 16

// bounds are the upper bounds of a histogram's buckets, each in its bucket.
type bounds [histogramBounds]int64

var (
	// Of Totals.Residence, in ns; finest for a node that has nothing to wait for.
	residenceBounds = bounds{25e3, 50e3, 100e3, 150e3, 200e3, 300e3, 500e3, 750e3, 1e6, 1500e3, 2e6, 3e6, 5e6, 10e6, 25e6, 100e6}
	// Of Totals.RTT, in ns.
	rttBounds = bounds{1e6, 5e6, 10e6, 20e6, 30e6, 50e6, 75e6, 100e6, 150e6, 200e6, 250e6, 350e6, 500e6, 750e6, 1e9, 2e9}
	// Of Totals.Loss, in 1/256 as reports count (RFC 3550 section 6.4.1). They are about 0, 0.4, 1, 2, 3, 5,
	// 7, 10, 15, 20, 25, 30, 40, 50, 75, 90 %.
	lossBounds = bounds{0, 1, 2, 4, 7, 12, 18, 26, 38, 51, 64, 77, 102, 128, 192, 230}
	// Of Totals.Estimate, in bit/s.
	estimateBounds = bounds{60e3, 100e3, 150e3, 200e3, 300e3, 400e3, 600e3, 800e3, 1e6, 1500e3, 2e6, 3e6, 5e6, 10e6, 20e6, 40e6}
	// Of Totals.Queue, in ns.
	queueBounds = bounds{1e6, 2e6, 5e6, 10e6, 15e6, 20e6, 30e6, 50e6, 75e6, 100e6, 150e6, 200e6, 300e6, 500e6, 1e9, 2e9}
	// Of Totals.Use, in hundredths.
	useBounds = bounds{5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100, 110, 125, 150}
)

// observe counts a value; a negative one, of clocks that jitter, counts as 0.
func (h *Histogram) observe(v int64, b *bounds) {
	v = max(v, 0)
	i := 0
	for i < histogramBounds && v > b[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += uint64(v)
}

// Measure is one of the histograms of Totals in the base unit of its kind, seconds or a share of 1.
type Measure struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // how many values were not above each bound
}

// measure sums the buckets up; unit is how many of the histogram's units make one.
func (h *Histogram) measure(b *bounds, unit float64) Measure {
	m := Measure{Sum: float64(h.Sum) / unit, Buckets: make(map[float64]uint64, histogramBounds)}
	for i, n := range h.Counts {
		m.Count += n
		if i < histogramBounds {
			m.Buckets[float64(b[i])/unit] = m.Count
		}
	}
	return m
}

// ResidenceSeconds returns Residence in seconds.
func (t *Totals) ResidenceSeconds() Measure { return t.Residence.measure(&residenceBounds, 1e9) }

// RTTSeconds returns RTT in seconds.
func (t *Totals) RTTSeconds() Measure { return t.RTT.measure(&rttBounds, 1e9) }

// EstimateBytes returns Estimate in bytes a second.
func (t *Totals) EstimateBytes() Measure { return t.Estimate.measure(&estimateBounds, 8) }

// QueueSeconds returns Queue in seconds.
func (t *Totals) QueueSeconds() Measure { return t.Queue.measure(&queueBounds, 1e9) }

// UseRatio returns Use as a share of 1.
func (t *Totals) UseRatio() Measure { return t.Use.measure(&useBounds, 100) }

// LossRatio returns Loss as a share of 1.
func (t *Totals) LossRatio() Measure { return t.Loss.measure(&lossBounds, 256) }
