package stats

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// between returns how many different packets have come with from ≤ seq < to.
func between(y *Tally, from, to uint64) uint64 {
	_, received := y.Sampled(from, to, 1)
	return received
}

func TestTally(t *testing.T) {
	var y Tally
	for _, seq := range []uint64{0, 1, 2, 5, 4, 5, 4, 9, 200, 199} {
		require.NoError(t, y.Add(seq))
	}
	require.EqualValues(t, 10, y.Received())
	require.EqualValues(t, 2, y.Duplicates(), "5 and 4 again")
	require.EqualValues(t, 2, y.Reordered(), "4 and 199")
	require.EqualValues(t, 6, between(&y, 0, 10), "3, 6, 7 and 8 are lost")
	require.EqualValues(t, 2, between(&y, 4, 6))
	require.EqualValues(t, 2, between(&y, 190, 1000))
	require.Zero(t, between(&y, 1000, 2000))
	require.Error(t, y.Add(maxSeq))
	require.EqualValues(t, 10, y.Received())
}

// TestTallyIsExact drops, repeats and shuffles, and compares with what was done.
func TestTallyIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var y Tally
	came := map[uint64]bool{}
	var repeated uint64
	for seq := range uint64(5000) {
		if r.IntN(10) == 0 {
			continue
		}
		at := seq ^ uint64(r.IntN(2)) // some trade places, some so come twice
		if came[at] {
			repeated++
		}
		came[at] = true
		require.NoError(t, y.Add(at))
	}
	var want uint64
	for seq := uint64(1000); seq < 4000; seq++ {
		if came[seq] {
			want++
		}
	}
	require.Equal(t, want, between(&y, 1000, 4000))
	require.Equal(t, repeated, y.Duplicates())
}

func TestSampled(t *testing.T) {
	var y Tally
	sampled := func(from, to, k, expected, received uint64) {
		t.Helper()
		e, r := y.Sampled(from, to, k)
		require.Equal(t, []uint64{expected, received}, []uint64{e, r})
	}
	sampled(100, 260, 16, 10, 0)
	for seq := uint64(5); seq < 300; seq += 16 {
		switch {
		case seq == 165:
		case seq > 200:
			require.NoError(t, y.Add(seq+3)) // the sender has closed a gap
		default:
			require.NoError(t, y.Add(seq))
		}
	}
	sampled(100, 260, 16, 10, 9) // 101, 117, …, without 165
	sampled(101, 102, 16, 1, 1)
	sampled(160, 181, 16, 1, 0)
	sampled(160, 182, 16, 2, 1)
	sampled(0, 300, 1, 300, 18)
}

func TestDelays(t *testing.T) {
	a, b := NewDelays(), NewDelays()
	require.Zero(t, a.Summary())
	for i := 1; i <= 900; i++ {
		a.Add(time.Millisecond)
	}
	for i := 1; i <= 99; i++ {
		b.Add(20 * time.Millisecond)
	}
	b.Add(time.Hour)
	a.Merge(b)
	a.Add(-time.Second)
	s := a.Summary()
	require.EqualValues(t, 1001, s.Count)
	require.InEpsilon(t, 1, s.P50, 0.002)
	require.InEpsilon(t, 20, s.P99, 0.002)
	require.InEpsilon(t, 60000, s.Max, 0.002)
}

func TestPercentiles(t *testing.T) {
	require.Zero(t, Percentiles(nil))
	var times []time.Duration
	for i := 200; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	require.Equal(t, Summary{Count: 200, P50: 100, P90: 180, P99: 198, Max: 200}, Percentiles(times))
	require.Equal(t, 200*time.Millisecond, times[0], "left as it was")
	require.Equal(t, Summary{Count: 1, P50: 3, P90: 3, P99: 3, Max: 3}, Percentiles([]time.Duration{3 * time.Millisecond}))
}

func BenchmarkTally(b *testing.B) {
	b.ReportAllocs()
	var y Tally
	for i := 0; b.Loop(); i++ {
		_ = y.Add(uint64(i) % maxSeq)
	}
}
