package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"parlor/bench/stats"
)

// residenceMetric is how long media is in the node, by the node's own account: the server's share of the
// delay.
const residenceMetric = "parlor_residence_seconds"

// bucketName names a bucket of a histogram among the metrics.
func bucketName(histogram string, bound float64) string {
	return fmt.Sprintf("%s_bucket{le=%q}", histogram, strconv.FormatFloat(bound, 'g', -1, 64))
}

// addHistogram puts a histogram without labels among the metrics.
func addHistogram(m map[string]float64, name string, h *dto.Histogram) {
	for _, b := range h.GetBucket() {
		m[bucketName(name, b.GetUpperBound())] = float64(b.GetCumulativeCount())
	}
	m[bucketName(name, math.Inf(1))] = float64(h.GetSampleCount())
}

// histogramBetween summarises, in milliseconds, what a histogram of seconds has counted between two readings
// of the metrics. As Prometheus does, it takes the values of a bucket as spread evenly. Max is the bound of
// the highest bucket that got any.
func histogramBetween(from, to map[string]float64, name string) stats.Summary {
	type bucket struct{ bound, count float64 } // count: of all values up to the bound
	var all []bucket
	for full, v := range to {
		label, ok := strings.CutPrefix(full, name+`_bucket{le="`)
		if !ok {
			continue
		}
		bound, err := strconv.ParseFloat(strings.TrimSuffix(label, `"}`), 64)
		if err == nil {
			all = append(all, bucket{bound, v - from[full]})
		}
	}
	slices.SortFunc(all, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	if len(all) == 0 || all[len(all)-1].count <= 0 {
		return stats.Summary{}
	}
	total := all[len(all)-1].count
	at := func(q float64) float64 {
		below := bucket{}
		for _, b := range all {
			if b.count < q*total || b.count == below.count {
				below = b
				continue
			}
			if math.IsInf(b.bound, 1) {
				break
			}
			return 1e3 * (below.bound + (b.bound-below.bound)*(q*total-below.count)/(b.count-below.count))
		}
		return 1e3 * below.bound
	}
	top := 0.
	for i, b := range all {
		if (i == 0 && b.count > 0 || i > 0 && b.count > all[i-1].count) && !math.IsInf(b.bound, 1) {
			top = b.bound
		}
	}
	return stats.Summary{Count: int64(total), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: 1e3 * top}
}
