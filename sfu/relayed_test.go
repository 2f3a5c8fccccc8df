package sfu_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
)

// TestACallThroughTURN: two people whose networks let nothing through but TURN hear each other, and none of it
// is left when they have gone.
func TestACallThroughTURN(t *testing.T) {
	l := startLive(t, func(c *config.Config) { c.TURN.Listen = "127.0.0.1:0" })
	relayed := client.Media{Relay: true}
	ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Mic}, Media: relayed})
	bob := l.join(t, "bob", client.Options{Seats: 1, Media: relayed})
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, client.Mic)
	eventually(t, "sound", func() bool { return bob.received(client.Section{Seat: seatName(1), Audio: true}) > 10 })
	value := func(name string) float64 {
		_, body := get(t, l.url+"/metrics", nil)
		m := regexp.MustCompile(fmt.Sprintf(`(?m)^%s (\S+)$`, regexp.QuoteMeta(name))).FindStringSubmatch(body)
		require.NotNil(t, m, name)
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		return v
	}
	require.Positive(t, value(`parlor_turn_packets_total{way="in"}`))
	require.Positive(t, value(`parlor_turn_packets_total{way="out"}`))
	require.Zero(t, value(`parlor_turn_refused_total{reason="foreign_peer"}`))
	// A relay costs its users nothing of what leaving promises.
	require.NoError(t, ann.Exit(t.Context()))
	require.NoError(t, bob.Exit(t.Context()))
	require.Eventually(t, func() bool { return value("parlor_turn_allocations")+value("parlor_transport_relayed_paths") == 0 }, 10*time.Second, 50*time.Millisecond)
}
