package sfu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

func TestEventsKeptByTheMachinesMemory(t *testing.T) {
	for memory, want := range map[uint64]int64{0: 10_000, 256 << 20: 10_000, 1 << 30: 32_768, 4 << 30: 131_072, 64 << 30: 500_000} {
		require.Equal(t, want, eventsFor(memory), "%d MB", memory>>20)
	}
	require.NotZero(t, machineMemory())
	require.Equal(t, int64(7), eventsMax(config.NATS{EventsMax: 7}))
	require.Equal(t, int64(7), eventsMax(config.NATS{EventsMax: 7, URL: "nats://x"}))
	require.Zero(t, eventsMax(config.NATS{URL: "nats://x"}), "a server of somebody else's has its own bounds")
}
