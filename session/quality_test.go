package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/router"
)

func TestNetworkQuality(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		direction
		want NetworkQuality
	}{
		{"nothing flows", direction{}, QualityUnknown},
		{"nothing flows, a round trip from before", direction{rtt: 20 * ms}, QualityUnknown},
		{"too few to say, no round trip", direction{expected: 9, lost: 9}, QualityUnknown},
		{"too few to say", direction{expected: 9, lost: 9, rtt: 20 * ms}, QualityExcellent},
		{"nothing lost, round trip unknown", direction{expected: 100}, QualityExcellent},
		{"10 % and 100 ms", direction{expected: 100, lost: 10, rtt: 100 * ms}, QualityExcellent},
		{"11 %", direction{expected: 100, lost: 11}, QualityGood},
		{"101 ms", direction{expected: 100, rtt: 101 * ms}, QualityGood},
		{"20 % and 200 ms", direction{expected: 100, lost: 20, rtt: 200 * ms}, QualityGood},
		{"21 %", direction{expected: 100, lost: 21, rtt: ms}, QualityPoor},
		{"201 ms", direction{expected: 100, rtt: 201 * ms}, QualityPoor},
		{"30 % and 350 ms", direction{expected: 100, lost: 30, rtt: 350 * ms}, QualityPoor},
		{"31 %", direction{expected: 100, lost: 31}, QualityBad},
		{"351 ms", direction{expected: 100, rtt: 351 * ms}, QualityBad},
		{"50 % and 500 ms", direction{expected: 100, lost: 50, rtt: 500 * ms}, QualityBad},
		{"51 %", direction{expected: 100, lost: 51}, QualityVeryBad},
		{"501 ms", direction{expected: 100, rtt: 501 * ms}, QualityVeryBad},
		{"all lost", direction{expected: 100, lost: 100}, QualityVeryBad},
		{"the worse counts", direction{expected: 100, lost: 60, rtt: ms}, QualityVeryBad},
		{"down", direction{expected: 100, down: true}, QualityDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.quality(); got != c.want {
				t.Errorf("%d, not %d", got, c.want)
			}
		})
	}
}

// TestLossByFeedback: feedback on the network goes before receiver reports, since these hold a publisher's
// own losses, too.
func TestLossByFeedback(t *testing.T) {
	s := &router.Sample{Received: []router.StreamSample{{Expected: 100, Lost: 40}, {Expected: 100, Lost: 40}}}
	_, down := directionsOf(s)
	require.Equal(t, direction{expected: 200, lost: 80}, down)
	s.Expected, s.Lost = 300, 3
	up, down := directionsOf(s)
	require.Equal(t, direction{expected: 300, lost: 3}, down)
	require.Zero(t, up)
}
