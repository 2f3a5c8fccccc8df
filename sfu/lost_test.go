package sfu_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
)

// TestLostSignallingIsResumedUnnoticed: media goes on meanwhile, and the others are told nothing.
func TestLostSignallingIsResumedUnnoticed(t *testing.T) {
	l := startLive(t)
	both := []client.Source{client.Camera, client.Mic}
	ann := l.join(t, "ann", client.Options{Publish: both, Seats: 1})
	bob := l.join(t, "bob", client.Options{Publish: both, Seats: 1})
	ann.watch(t, seatName(1), "bob")
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, both...)
	bob.publish(t, both...)
	video := client.Section{Seat: seatName(1)}
	eventually(t, "pictures both ways", func() bool { return ann.received(video) > 50 && bob.received(video) > 50 })

	require.Equal(t, "bob", ann.await(t, client.UserEntered).User)
	ann.DropSignal()
	from := bob.received(video)
	eventually(t, "pictures go on without signalling", func() bool { return bob.received(video) > from+50 })
	l.join(t, "cat", client.Options{Seats: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, ann.Resume(ctx))
	e := ann.await(t, client.UserEntered)
	require.Equal(t, "cat", e.User, "what happened meanwhile is told")
	require.Zero(t, ann.Gaps())
	dan := l.join(t, "dan", client.Options{Seats: 1})
	require.NoError(t, dan.Exit(ctx))
	for { // until an event that is later than all that ann's loss can have caused
		select {
		case e := <-bob.Events():
			require.NotEqual(t, "ann", e.User, "bob must not notice, but got %s", e.Raw)
			if e.Type == client.UserLeft && e.User == "dan" {
				return
			}
		case <-ctx.Done():
			t.Fatal("dan's leave was not told")
		}
	}
}

// TestSilenceOfBothIsATimeout: neither signalling nor media show life for timers.timeout.
func TestSilenceOfBothIsATimeout(t *testing.T) {
	n := run(t, free(func(c *config.Config) {
		c.Timers.Ping, c.Timers.Lost, c.Timers.Timeout = 50*time.Millisecond, 200*time.Millisecond, 1500*time.Millisecond
	}), io.Discard)
	dial := func(user string) *client.Client {
		c, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: user, Publish: []client.Source{client.Mic}})
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	ann, bob := dial("ann"), dial("bob")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ann.Silence(true)
	ann.DropSignal()
	began := time.Now()
	e, err := bob.Await(ctx, client.UserLeft)
	require.NoError(t, err)
	require.Equal(t, "ann", e.User)
	require.Equal(t, 1, e.Reason)
	require.Greater(t, time.Since(began), time.Second)
	eventually(t, "ann's transport is gone", func() bool { return n.Stats().Peers == 1 && n.Stats().Users == 1 })
}
