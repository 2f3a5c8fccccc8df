package stats

import (
	"math"
	"slices"
	"time"
)

// Summary describes a distribution of times, in milliseconds. It is zero when nothing was counted.
type Summary struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Percentiles summarises times by the nearest-rank method. It does not change them.
func Percentiles(times []time.Duration) Summary {
	if len(times) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(times))
	rank := func(p float64) float64 {
		i := int(math.Ceil(p/100*float64(len(sorted)))) - 1
		return float64(sorted[max(i, 0)]) / float64(time.Millisecond)
	}
	return Summary{Count: int64(len(sorted)), P50: rank(50), P90: rank(90), P99: rank(99), Max: rank(100)}
}
