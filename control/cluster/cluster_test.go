package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

func TestLeaseByTheClock(t *testing.T) {
	base := time.Now()
	at := func(d time.Duration) time.Time { return base.Add(d) }
	for name, c := range map[string]struct {
		sent  []time.Duration // renewals
		ready bool
		ask   time.Duration
		holds bool
	}{
		"never renewed":                          {nil, true, 0, false},
		"just renewed":                           {[]time.Duration{0}, true, 0, true},
		"a moment before nine tenths":            {[]time.Duration{0}, true, 4500*time.Millisecond - 1, true},
		"at nine tenths":                         {[]time.Duration{0}, true, 4500 * time.Millisecond, false},
		"counted from before the last was sent":  {[]time.Duration{0, time.Second}, true, 5499 * time.Millisecond, true},
		"and not longer":                         {[]time.Duration{0, time.Second}, true, 5500 * time.Millisecond, false},
		"rooms are not taken up":                 {[]time.Duration{0}, false, 0, false},
		"renewed after it had run out: it holds": {[]time.Duration{0, 6 * time.Second}, true, 7 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLease(base)
			l.ready.Store(c.ready)
			for _, s := range c.sent {
				l.extend(at(s), 5*time.Second)
			}
			require.Equal(t, c.holds, l.holds(at(c.ask)))
			l.close()
			require.False(t, l.holds(at(c.ask)), "closed")
		})
	}
}

func TestANodeIsWhatItSays(t *testing.T) {
	b := newBroker(t)
	a := join(t, b.url(), "a", func(o *Options) { o.Region = "north" })
	got, err := b.bucket(NodesBucket).Get(t.Context(), "a")
	require.NoError(t, err)
	var r map[string]any
	require.NoError(t, json.Unmarshal(got.Value(), &r))
	require.NotEmpty(t, r["incarnation"])
	delete(r, "incarnation")
	require.Equal(t, map[string]any{
		"id": "a", "url": "http://a.test", "version": "test", "region": "north", "tells": true,
		"load": map[string]any{"cpu": .25, "packetsPerSecond": 0., "bitsPerSecond": 0., "participants": 0., "rooms": 3., "busy": 0.},
	}, r)
	await(t, "it is renewed", func() bool {
		e, err := b.bucket(NodesBucket).Get(t.Context(), "a")
		return err == nil && e.Revision() > got.Revision()
	})
	a.claim(t, room(t, "lobby"))()
	a.stop()
	_, err = b.bucket(NodesBucket).Get(t.Context(), "a")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound, "it says goodbye")
	await(t, "nothing is left behind", func() bool { return b.messages(NodesBucket)+b.messages(RoomsBucket) == 0 })
}

func TestARoomHasOneNode(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby := room(t, "lobby <1>")
	_, err := a.Claim(t.Context(), lobby, false)
	require.ErrorIs(t, err, terms.CodeRoomNotFound, "nowhere, and not to be created")
	one := a.claim(t, lobby)
	two := a.claim(t, lobby)
	other.elsewhere(t, lobby, "a")
	require.Equal(t, []string{"http://b.test"}, a.Others())
	one()
	one() // again: no harm
	other.elsewhere(t, lobby, "a")
	two()
	await(t, "the room is given up", func() bool { return a.Counters().Rooms == 0 })
	await(t, "and others can have it", func() bool {
		release, err := other.Claim(t.Context(), lobby, true)
		if err == nil {
			t.Cleanup(release)
		}
		return err == nil
	})
	a.elsewhere(t, lobby, "b")
}

func TestPagesOfNodesAreTrusted(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	require.True(t, a.Trusts("http://a.test"))
	require.True(t, a.Trusts("http://b.test"))
	require.False(t, a.Trusts("http://c.test"))
	require.False(t, a.Trusts(""))
	other.stop()
	a.knows(t, 1)
	require.Empty(t, a.Others())
	require.True(t, a.Trusts("http://b.test"), "its pages are what comes here now")
	a.stop()
	a.clock.advance(trustFor)
	require.False(t, a.Trusts("http://b.test"))
}

// TestPlacedOnAnother places a room on a node that nobody has come to yet.
func TestPlacedOnAnother(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", func(o *Options) { o.Place = to("b") }), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	lobby, hall := room(t, "lobby"), room(t, "hall")
	a.elsewhere(t, lobby, "b")
	other.claim(t, lobby)
	a.elsewhere(t, hall, "b")
	await(t, "b knows of it", func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		return other.view.rooms["s-hall"] != nil
	})
	now := other.clock.now()
	other.sweep(t.Context(), now)
	other.sweep(t.Context(), now.Add(idleFor-1))
	_, err := b.bucket(RoomsBucket).Get(t.Context(), "s-hall")
	require.NoError(t, err, "somebody may still come")
	other.sweep(t.Context(), now.Add(idleFor))
	_, err = b.bucket(RoomsBucket).Get(t.Context(), "s-hall")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound, "nobody came to the hall")
	_, err = b.bucket(RoomsBucket).Get(t.Context(), "s-lobby")
	require.NoError(t, err)
}

// TestTheFenceIsLocal moves the node's clock so far that its lease has run out. Nobody has told the node
// anything.
func TestTheFenceIsLocal(t *testing.T) {
	b := newBroker(t)
	k := newLink(t, b.at)
	a := join(t, k.url(), "a", func(o *Options) { o.Lease = 20 * time.Second })
	lobby := room(t, "lobby")
	release := a.claim(t, lobby)
	require.NoError(t, a.Open())
	a.clock.advance(18 * time.Second) // the last renewal is less than a lease's third old
	require.ErrorIs(t, a.Open(), terms.CodeNodeDraining)
	_, err := a.Claim(t.Context(), lobby, true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
	require.ErrorContains(t, err, "lease")
	signal(a.renewal.kick)
	await(t, "the next renewal makes it good again", func() bool { return a.Open() == nil })
	release()
}

// TestNeverTwoNodes has two nodes race for rooms that come and go: 10,000 tries, and no room is ever on both.
func TestNeverTwoNodes(t *testing.T) {
	const tries, rooms, workers = 10_000, 40, 8
	b := newBroker(t)
	patient := func(o *Options) { o.Lease = 10 * time.Second } // this is not about leases that run out
	members := []*member{join(t, b.url(), "a", patient), join(t, b.url(), "b", patient)}
	for _, m := range members {
		m.knows(t, 2)
	}
	var owners [rooms][2]atomic.Int32 // holds, by node
	var left, had, elsewhere atomic.Int64
	left.Store(tries)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			var held []func() // for a few tries
			defer func() {
				for _, f := range held {
					f()
				}
			}()
			for left.Add(-1) >= 0 {
				if len(held) > random.IntN(4) {
					held[0]()
					held = held[1:]
				}
				i, n := random.IntN(rooms), random.IntN(2)
				release, err := members[n].Claim(t.Context(), room(t, fmt.Sprint("race ", i)), true)
				if err != nil {
					var e *terms.ElsewhereError
					if !errorsAs(err, &e) {
						t.Errorf("try: %v", err)
						return
					}
					elsewhere.Add(1)
					continue
				}
				had.Add(1)
				owners[i][n].Add(1)
				if owners[i][1-n].Load() != 0 {
					t.Errorf("room %d is on both nodes", i)
				}
				held = append(held, func() {
					owners[i][n].Add(-1)
					release()
				})
			}
		})
	}
	all.Wait()
	t.Logf("%d had, %d elsewhere", had.Load(), elsewhere.Load())
	require.Greater(t, had.Load(), int64(tries/10))
	require.Greater(t, elsewhere.Load(), int64(tries/10))
	for _, m := range members {
		m.stop()
	}
	await(t, "nothing is left behind", func() bool { return b.messages(NodesBucket)+b.messages(RoomsBucket) == 0 })
}

func errorsAs(err error, target **terms.ElsewhereError) bool {
	e, ok := err.(*terms.ElsewhereError)
	*target = e
	return ok
}

// TestALostAnswer loses the answers of renewals that have happened: the node goes on under its incarnation.
func TestALostAnswer(t *testing.T) {
	b := newBroker(t)
	var lose atomic.Int64
	a := prepare(t, b.url(), "a", nil)
	a.store.wrap = func(name string, k bucket) bucket {
		if name == NodesBucket {
			return lossy{k, &lose}
		}
		return k
	}
	a.run(t)
	<-a.Opened()
	was := a.incarnation()
	for range 3 {
		failed, renewed := a.Counters().Failed, a.Counters().Renewals
		lose.Store(1)
		signal(a.renewal.kick)
		await(t, "an answer is lost", func() bool { return a.Counters().Failed > failed })
		await(t, "and the next renewal finds that out", func() bool { return a.Counters().Renewals > renewed })
	}
	require.Equal(t, was, a.incarnation())
	require.Zero(t, a.Counters().LeaseLost)
}

func TestLocate(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby := room(t, "lobby")
	for _, m := range []*member{a, other} {
		node, err := m.Locate(t.Context(), lobby)
		require.NoError(t, err)
		require.Empty(t, node)
	}
	a.claim(t, lobby)
	for _, m := range []*member{a, other} {
		node, err := m.Locate(t.Context(), lobby)
		require.NoError(t, err)
		require.Equal(t, "a", node)
	}
}

func TestDraining(t *testing.T) {
	b := newBroker(t)
	a, other := join(t, b.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby, hall := room(t, "lobby"), room(t, "hall")
	a.claim(t, lobby)
	a.Drain()
	await(t, "the other one knows", func() bool {
		for _, n := range other.Nodes() {
			if n.ID == "a" && n.Draining {
				return true
			}
		}
		return false
	})
	require.Empty(t, other.Others())
	a.claim(t, lobby)() // those who belong inside still get in
	a.elsewhere(t, hall, "b")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	a.MoveAll(ctx)
	url, ok := a.rooms.of(lobby)
	require.True(t, ok)
	require.Equal(t, "http://b.test", url)
	a.elsewhere(t, lobby, "b")
	other.claim(t, lobby)

	other.Drain()
	other.MoveAll(ctx) // nobody takes it
	url, ok = other.rooms.of(lobby)
	require.True(t, ok)
	require.Empty(t, url)
	_, err := other.Claim(t.Context(), room(t, "third"), true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
}

// TestArriving: people may come to a moved room for a while, and for a while from the moment at which the
// first has come. They may come to no room that was just made.
func TestArriving(t *testing.T) {
	_, a, other, lobby := pair(t, nil)
	hall, ctx := room(t, "hall"), t.Context()
	later := func() {
		other.mu.Lock()
		defer other.mu.Unlock()
		s := other.view.rooms["s-lobby"]
		s.seen = s.seen.Add(-arriving)
	}
	a.Drain()
	a.MoveAll(ctx)
	other.claim(t, hall)
	require.Zero(t, a.Arriving(ctx, lobby), "it has given the room away")
	require.Zero(t, other.Arriving(ctx, hall), "it was made here")
	require.Positive(t, other.Arriving(ctx, lobby))
	require.LessOrEqual(t, other.Arriving(ctx, lobby), arriving)
	later()
	require.Zero(t, other.Arriving(ctx, lobby), "nobody has come")
	other.claim(t, lobby)
	require.Positive(t, other.Arriving(ctx, lobby), "one has come")
	later()
	require.Zero(t, other.Arriving(ctx, lobby))
	fresh := newView(other.o.Now)
	fresh.setRoom("s-lobby", other.entryOfRoom(t, lobby))
	other.adopt(RoomsBucket, fresh)
	require.Zero(t, other.Arriving(ctx, lobby), "another watch tells nothing new")
}

// TestArrivingAfterADeath: people that were on a node that has died come to the one that has taken the room
// over.
func TestArrivingAfterADeath(t *testing.T) {
	_, k, _, other, lobby, _ := apart(t)
	await(t, "b's bucket is a lease old", func() bool { return other.store.olderThanLease(NodesBucket) })
	k.set(true)
	await(t, "a is gone", func() bool { return len(other.Nodes()) == 1 })
	other.claim(t, lobby)
	require.Positive(t, other.Arriving(t.Context(), lobby))
}
