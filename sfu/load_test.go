package sfu

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/transport"
)

func TestLoadIsTheDifferenceOfTwoSamples(t *testing.T) {
	at := time.Unix(1000, 0)
	a := loadSample{at: at, cpu: 10 * time.Second, Stats: transport.Stats{PacketsIn: 100, BytesIn: 1000, PacketsOut: 7, BytesOut: 70, Drops: [transport.NumDrops]uint64{transport.DropNoise: 5}}}
	b := loadSample{at: at.Add(2 * time.Second), cpu: 12 * time.Second, Stats: transport.Stats{PacketsIn: 300, BytesIn: 3000, PacketsOut: 9, BytesOut: 90, Drops: [transport.NumDrops]uint64{transport.DropNoise: 6, transport.DropReceiveFull: 3}}}
	require.Equal(t, rates{cpu: 0.25, packetsIn: 100, packetsOut: 1, bitsIn: 8000, bitsOut: 80, drops: 2}, between(a, b, 4))
	require.Equal(t, 1.0, between(a, b, 0).cpu, "never more than all")
	require.Equal(t, rates{}, between(b, b, 4), "no time has passed")
}

// TestDrainWaits for the last room, or for the deadline, of which the last one given counts.
func TestDrainWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		rooms, end time.Duration // when the last room ends, and the deadline
		lead       time.Duration // for moving those who are left
		again      time.Duration // that it is given after a second; 0: it is asked how it goes on
		want       time.Duration
	}{
		"rooms end":        {rooms: 5 * time.Second, end: time.Minute, want: 5 * time.Second},
		"none is there":    {end: time.Minute},
		"deadline":         {rooms: time.Hour, end: time.Minute, want: time.Minute},
		"time to move":     {rooms: time.Hour, end: time.Minute, lead: 5 * time.Second, want: 55 * time.Second},
		"the node's own":   {rooms: time.Hour, want: drainTime},
		"a later deadline": {rooms: time.Hour, end: time.Minute, again: 5 * time.Minute, want: 5*time.Minute + time.Second},
		"a sooner one":     {rooms: time.Hour, end: time.Minute, again: 10 * time.Second, want: 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rooms atomic.Int64
				d := newDrain(func() int { return int(rooms.Load()) }, tt.lead)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- d.run(ctx) }()
				time.Sleep(time.Hour) // of the bubble: nothing is drained unasked
				select {
				case <-d.over:
					t.Error("drained before it was asked")
				default:
				}
				if tt.rooms > 0 {
					rooms.Store(1)
					time.AfterFunc(tt.rooms, func() { rooms.Store(0) })
				}
				began := time.Now()
				require.True(t, d.within(tt.end))
				if tt.rooms > 0 {
					time.Sleep(time.Second)
					require.Equal(t, tt.again > 0, d.within(tt.again))
				}
				<-d.over
				require.InDelta(t, tt.want.Seconds(), time.Since(began).Seconds(), (2 * drainLook).Seconds())
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}
