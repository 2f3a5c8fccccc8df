package main

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/bench/stats"
	"parlor/config"
	"parlor/sfu"
)

// realNode starts a node in this process.
func realNode(t *testing.T) *node {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Listen, cfg.Media.Listen, cfg.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.NATS.StoreDir = t.TempDir()
	n, err := sfu.New(cfg, zerolog.Nop())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case <-n.Ready():
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	url := "http://" + n.Addrs().HTTP.String()
	return &node{url: url, probe: probe{metrics: url + "/metrics", http: &http.Client{Timeout: 5 * time.Second}}}
}

// TestCrowd: every removal is timed once, and at each of the others.
func TestCrowd(t *testing.T) {
	r := newRun(defaults(), realNode(t), io.Discard)
	s, err := r.steer(t.Context())
	require.NoError(t, err)
	defer s.close()
	c := &crowd{steering: s, others: 12, late: stats.NewDelays(), all: make(chan struct{})}
	res, err := c.measure(t.Context(), 3)
	require.NoError(t, err)
	require.EqualValues(t, 3, res.Removals.Count)
	require.EqualValues(t, 3*12, res.Told.Count)
	require.Positive(t, res.Removals.P50)
	require.Positive(t, res.Told.P50)
}

// TestRemovalsMeanwhile: commands are given and timed while a scenario is measured.
func TestRemovalsMeanwhile(t *testing.T) {
	s := defaults()
	s.Subscribers, s.Duration, s.Warmup, s.LateJoins, s.Removals = 1, 2*time.Second, 0, 0, 20
	res, err := newRun(s, realNode(t), io.Discard).measure(t.Context())
	require.NoError(t, err)
	require.Greater(t, res.Removals.Count, int64(10))
	require.LessOrEqual(t, res.Removals.Count, int64(45))
	require.Positive(t, res.Removals.P50)
	require.Zero(t, res.Packets.Lost)
}
