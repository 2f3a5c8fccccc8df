package cluster

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// TestCutOff cuts a node off from NATS: it stops letting users in before another node may take its rooms.
// When it is back, its users are sent after the room.
func TestCutOff(t *testing.T) {
	_, k, a, other, lobby, hall := apart(t)
	other.elsewhere(t, lobby, "a")
	await(t, "b's bucket is a lease old", func() bool { return other.store.olderThanLease(NodesBucket) })

	k.set(true)
	release := a.claim(t, lobby) // its lease still holds, and needs no NATS
	release()
	await(t, "b takes over", func() bool {
		_, err := other.Claim(t.Context(), lobby, true)
		if err != nil {
			return false
		}
		require.ErrorIs(t, a.Open(), terms.CodeNodeDraining, "two nodes take entries to one room")
		return true
	})
	require.EqualValues(t, 1, other.Counters().Takeovers)
	_, moved := a.rooms.of(lobby)
	require.False(t, moved, "those inside go on")

	k.set(false)
	await(t, "a takes entries again", func() bool { return a.Open() == nil })
	url, moved := a.rooms.of(lobby)
	require.True(t, moved, "before it does, those inside were sent after the room")
	require.Equal(t, "http://b.test", url)
	a.elsewhere(t, lobby, "b")
	_, moved = a.rooms.of(hall)
	require.False(t, moved, "nobody had taken this one")
	a.claim(t, hall)
	await(t, "b knows that a is back", func() bool {
		_, err := other.Claim(t.Context(), hall, true)
		var e *terms.ElsewhereError
		return errorsAs(err, &e) && e.Node == "a"
	})
	require.EqualValues(t, 1, a.Counters().LeaseLost)
	require.EqualValues(t, 1, a.Counters().HandedOn)
}

// TestTheSameNodeAgain starts a node in the place of one that died without a word. It waits for the lease,
// and may then take the rooms of its predecessor.
func TestTheSameNodeAgain(t *testing.T) {
	b := newBroker(t)
	k := newLink(t, b.at)
	first, other := join(t, k.url(), "a", nil), join(t, b.url(), "b", nil)
	first.knows(t, 2)
	other.knows(t, 2)
	lobby, hall := room(t, "lobby"), room(t, "hall")
	first.claim(t, lobby)
	first.claim(t, hall)
	await(t, "b knows of it", func() bool {
		node, err := other.Locate(t.Context(), hall)
		return err == nil && node == "a"
	})
	k.set(true)

	second := prepare(t, b.url(), "a", nil)
	second.node = second.rooms // as Run does
	require.ErrorIs(t, func() error { require.NoError(t, second.store.open(t.Context())); return second.register(t.Context()) }(), errTaken)
	second.run(t)
	<-second.Opened()
	second.claim(t, lobby)
	await(t, "b may have the other room", func() bool {
		_, err := other.Claim(t.Context(), hall, true)
		return err == nil
	})
	second.elsewhere(t, hall, "b")
	require.EqualValues(t, 1, second.Counters().Takeovers)
	require.EqualValues(t, 1, other.Counters().Takeovers)
}

// TestALateViewTakesNothing: a node's watch of the nodes is behind its watch of the rooms. The node mistakes
// a living node's room for one that an earlier incarnation has left. It must find out before it takes the
// room.
func TestALateViewTakesNothing(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	other.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	other.mu.Lock()
	before := other.view.nodes["a"]
	other.mu.Unlock()
	a.expire() // as if it had been cut off for a moment
	signal(a.renewal.kick)
	await(t, "a has registered anew", func() bool { return a.Open() == nil && a.incarnation() != before.record.Incarnation })
	await(t, "b has seen the room's new entry", func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		s := other.view.rooms["s-lobby"]
		return s != nil && s.record.Incarnation == a.incarnation()
	})
	other.mu.Lock()
	other.view.nodes["a"] = before
	seen := other.view.judge(other.view.rooms["s-lobby"].record)
	other.mu.Unlock()
	require.Equal(t, stale, seen)
	other.elsewhere(t, lobby, "a")
	require.Zero(t, other.Counters().Takeovers)
}

// TestADeadNodesRoomsAreCleared has nobody come back to the room of a node that has died.
func TestADeadNodesRoomsAreCleared(t *testing.T) {
	b := newBroker(t)
	k := newLink(t, b.at)
	a, other := join(t, k.url(), "a", nil), join(t, b.url(), "b", nil)
	other.knows(t, 2)
	a.claim(t, room(t, "lobby"))
	k.set(true)
	await(t, "a is gone", func() bool { return len(other.Nodes()) == 1 })
	now := other.clock.now()
	other.sweep(t.Context(), now)
	other.sweep(t.Context(), now.Add(other.o.Forget-1))
	node, err := other.Locate(t.Context(), room(t, "lobby"))
	require.NoError(t, err)
	require.Equal(t, "a", node, "it may only be cut off, with people in the room")
	other.sweep(t.Context(), now.Add(other.o.Forget))
	_, err = b.bucket(RoomsBucket).Get(t.Context(), "s-lobby")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
}

// TestNATSRestarts restarts the server, once with what is on its disk and once without. A node that has a
// room keeps it, and says so again.
func TestNATSRestarts(t *testing.T) {
	for name, wiped := range map[string]bool{"with its store": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t)
			outside := func(o *Options) { o.Own = false }
			a, other := join(t, b.url(), "a", outside), join(t, b.url(), "b", outside)
			a.knows(t, 2)
			lobby := room(t, "lobby")
			a.claim(t, lobby)

			was := []string{a.incarnation(), other.incarnation()}
			b.stop()
			if wiped {
				require.NoError(t, os.RemoveAll(filepath.Join(b.dir, "jetstream")))
			}
			b.start()
			await(t, "both are back", func() bool {
				return a.incarnation() != was[0] && other.incarnation() != was[1] && a.Open() == nil && other.Open() == nil
			})
			other.elsewhere(t, lobby, "a")
			_, moved := a.rooms.of(lobby)
			require.False(t, moved)
			a.claim(t, lobby)
			other.claim(t, room(t, "another"))
		})
	}
}

// TestNothingIsPlacedInANewBucket: a node that had a room by the bucket before must have had the time to say
// so.
func TestNothingIsPlacedInANewBucket(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", func(o *Options) { o.Own = false })
	ctx, cancel := context.WithTimeout(t.Context(), testLease/4)
	defer cancel()
	_, err := a.Claim(ctx, room(t, "lobby"), true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
	began := time.Now()
	a.claim(t, room(t, "lobby")) // it waits
	require.Greater(t, time.Since(began), testLease/4)
}

// TestMarksOfOthersHoldAfterACut: other nodes keep marks of a room's users while its node is cut off. These
// are in force before anybody enters there again. Until the node is back, nobody says that the room is
// nowhere.
func TestMarksOfOthersHoldAfterACut(t *testing.T) {
	b := newBroker(t)
	k := newLink(t, b.at)
	a, other := join(t, k.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby := room(t, "lobby")
	a.claim(t, lobby)
	other.elsewhere(t, lobby, "a")
	k.set(true)
	await(t, "a is gone", func() bool { return len(other.Nodes()) == 1 })
	node, err := other.Locate(t.Context(), lobby)
	require.NoError(t, err)
	require.Equal(t, "a", node, "it is not known that the room is nowhere")
	ban := terms.Mark{User: "carl", Until: time.Now().Add(time.Hour).Truncate(time.Millisecond), Text: "spam"}
	<-other.Keep(lobby, []terms.Mark{ban})
	k.set(false)
	await(t, "a takes entries again", func() bool { return a.Open() == nil })
	a.rooms.mu.Lock()
	defer a.rooms.mu.Unlock()
	require.Len(t, a.rooms.heeded[lobby.Key()], 1, "before it does, it knows of the ban")
	require.Equal(t, "carl", a.rooms.heeded[lobby.Key()][0].User)
}
