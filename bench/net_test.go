package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/link"
)

// What `bench net` is told changes the networks, and what it cannot take is named.
func TestNetworks(t *testing.T) {
	f := netFlags{runs: 1, seconds: 5, down: "rate=1M queue=1s", up: "loss=5%"}
	list, err := f.networks([]string{"narrow400", "step"})
	require.NoError(t, err)
	require.Len(t, list, 2)
	for _, s := range list {
		require.Equal(t, 5*time.Second, s.Duration)
		require.Equal(t, link.Always(link.Shape{Rate: 1_000_000, QueueTime: time.Second}), s.Down)
		require.Equal(t, link.Always(link.Shape{Loss: 0.05}), s.Up)
		require.Equal(t, "downlink: rate=1M queue=1s; uplink: loss=5%", s.Title)
	}
	for want, f := range map[string]netFlags{
		"no trouble":                              {runs: 1},
		"downlink: delay=40ms; uplink: loss=50%":  {runs: 1, up: "loss=50%"},
		"downlink: delay=1ms; uplink: delay=40ms": {runs: 1, down: "delay=1ms"},
	} {
		list, err := f.networks([]string{"clean"})
		require.NoError(t, err)
		require.Equal(t, want, list[0].Title)
	}
	f = netFlags{runs: 1, up: "loss=5%"}
	list, err = f.networks([]string{"uplink-loss10"})
	require.NoError(t, err)
	require.Equal(t, "publisher's uplink: 10 % random loss; viewer's uplink: loss=5%", list[0].Title)
	f.down = "delay=1ms"
	_, err = f.networks([]string{"clean", "uplink-loss10"})
	require.ErrorContains(t, err, "--down: uplink-loss10 has its trouble on the publisher's uplink")
	for want, f := range map[string]netFlags{
		"--seconds: ":    {runs: 1, seconds: -1},
		"--runs: ":       {},
		"--down: rate: ": {runs: 1, down: "rate=x"},
		"--up: queue: a": {runs: 1, up: "rate=1M"},
	} {
		_, err := f.networks([]string{"clean"})
		require.ErrorContains(t, err, want)
	}
	f.Viewers = 5000
	_, err = f.networks([]string{"clean"})
	require.ErrorContains(t, err, "--viewers: ")
}

func TestNetCommandRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no network "nowhere"`: {"net", "nowhere"},
		"requires at least 1":  {"net"},
		"--server: ":           {"net", "clean", "--server", "http://127.0.0.1:1"},
	} {
		c := command()
		c.SetArgs(args)
		c.SetOut(&bytes.Buffer{})
		require.ErrorContains(t, c.Execute(), want)
	}
}
