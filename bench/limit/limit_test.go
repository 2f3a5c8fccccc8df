package limit

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryPacketArrives: what the loop counts as sent is what the destinations get, with and without
// segmentation offload.
func TestEveryPacketArrives(t *testing.T) {
	for _, segments := range []bool{false, true} {
		sinks, err := NewSinks(3, 3, 1, 1<<20)
		require.NoError(t, err)
		l := Load{
			Streams: []Stream{
				{Bitrate: 2_000_000, To: sinks.Addrs()[:2]},
				{To: sinks.Addrs()[2:], Phase: 5 * time.Millisecond},
			},
			Threads: 2, Duration: 400 * time.Millisecond, Segments: segments, Buffer: 1 << 20,
		}
		r, err := Run(context.Background(), l)
		require.NoError(t, err)
		// 12 frames of 2 Mbit/s, twice, the first of them a keyframe; 20 packets of audio.
		require.InDelta(t, 2*12*7+2*21+20, float64(r.Packets), 40)
		require.Eventually(t, func() bool { return sinks.received.Load() == r.Packets }, 5*time.Second, time.Millisecond)
		require.Zero(t, r.Refused)
		require.Positive(t, r.CPU)
		require.Positive(t, r.PerPacket())
		sinks.Close()
	}
}

func TestFlatOutIsFaster(t *testing.T) {
	sinks, err := NewSinks(4, 0, 1<<10, 1<<20)
	require.NoError(t, err)
	defer sinks.Close()
	l := Load{Streams: []Stream{{Bitrate: 1_000_000, To: sinks.Addrs()}}, Threads: 1, Duration: 200 * time.Millisecond, FlatOut: true}
	r, err := Run(context.Background(), l)
	require.NoError(t, err)
	require.Greater(t, r.Rate(), 4*1000.0, "paced, it would be 420")
}

func TestBadLoads(t *testing.T) {
	for _, l := range []Load{
		{}, {Streams: []Stream{{}}, Threads: 1, Duration: 1}, {Streams: []Stream{{}}, Duration: 1}, {Threads: 1, Duration: 1},
	} {
		_, err := Run(context.Background(), l)
		require.Error(t, err)
	}
}
