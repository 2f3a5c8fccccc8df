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
		link
		want NetworkQuality
	}{
		{"nothing flows", link{}, QualityUnknown},
		{"nothing flows, a round trip from before", link{rtt: 20 * ms}, QualityUnknown},
		{"too few to say, no round trip", link{expected: 9, lost: 9}, QualityUnknown},
		{"too few to say", link{expected: 9, lost: 9, rtt: 20 * ms}, QualityExcellent},
		{"nothing lost, round trip unknown", link{expected: 100}, QualityExcellent},
		{"10 % and 100 ms", link{expected: 100, lost: 10, rtt: 100 * ms}, QualityExcellent},
		{"11 %", link{expected: 100, lost: 11}, QualityGood},
		{"101 ms", link{expected: 100, rtt: 101 * ms}, QualityGood},
		{"20 % and 200 ms", link{expected: 100, lost: 20, rtt: 200 * ms}, QualityGood},
		{"21 %", link{expected: 100, lost: 21, rtt: ms}, QualityPoor},
		{"201 ms", link{expected: 100, rtt: 201 * ms}, QualityPoor},
		{"30 % and 350 ms", link{expected: 100, lost: 30, rtt: 350 * ms}, QualityPoor},
		{"31 %", link{expected: 100, lost: 31}, QualityBad},
		{"351 ms", link{expected: 100, rtt: 351 * ms}, QualityBad},
		{"50 % and 500 ms", link{expected: 100, lost: 50, rtt: 500 * ms}, QualityBad},
		{"51 %", link{expected: 100, lost: 51}, QualityVeryBad},
		{"501 ms", link{expected: 100, rtt: 501 * ms}, QualityVeryBad},
		{"all lost", link{expected: 100, lost: 100}, QualityVeryBad},
		{"the worse counts", link{expected: 100, lost: 60, rtt: ms}, QualityVeryBad},
		{"down", link{expected: 100, down: true}, QualityDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.quality(); got != c.want {
				t.Errorf("%d, not %d", got, c.want)
			}
		})
	}
}

// What feedback says of the network goes before receiver reports, in which a publisher's own losses are.
func TestLossByFeedback(t *testing.T) {
	s := &router.Sample{Received: []router.StreamSample{{Expected: 100, Lost: 40}, {Expected: 100, Lost: 40}}}
	_, down := linksOf(s)
	require.Equal(t, link{expected: 200, lost: 80}, down)
	s.Expected, s.Lost = 300, 3
	up, down := linksOf(s)
	require.Equal(t, link{expected: 300, lost: 3}, down)
	require.Zero(t, up)
}
