package sfu

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/control/command"
	"parlor/session"
	"parlor/transport"
)

// TestHistoryIsOfTheLastQuarterOfAnHour: a point each five seconds has what has risen since the one before. The
// oldest give way.
func TestHistoryIsOfTheLastQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, n := time.Now(), uint64(0)
		h := &history{look: func() moment {
			n++
			m := moment{
				load:  loadSample{at: time.Now(), cpu: time.Duration(n) * time.Second, Stats: transport.Stats{PacketsIn: 500 * n, BytesOut: 5000 * n}},
				Stats: session.Stats{Rooms: int(n)}, Losses: session.Losses{ExpectedDown: 100 * n, LostDown: n},
				joins: map[string]uint64{"entered": 7}, leaves: map[string]uint64{"exit": n, "timeout": 0},
			}
			return m
		}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = h.run(ctx) }()
		time.Sleep(5*time.Second + time.Millisecond)
		require.Len(t, h.all(), 1)
		p := h.all()[0]
		require.Equal(t, command.HistoryPoint{
			TimeMS: began.Add(5 * time.Second).UnixMilli(), CPU: p.CPU, Rooms: 2, PacketsIn: 100, BitsOut: 8000,
			ExpectedDown: 100, LostDown: 1, Leaves: map[string]uint64{"exit": 1},
		}, p)
		require.Positive(t, p.CPU)
		time.Sleep(20 * time.Minute)
		all := h.all()
		require.Len(t, all, 180)
		require.Equal(t, time.Now().Add(-time.Millisecond).UnixMilli(), all[179].TimeMS)
		for i := range all[1:] {
			require.Equal(t, all[i].TimeMS+5000, all[i+1].TimeMS)
		}
	})
}
