package fleet

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/client"
)

// crowd lets n users into a room, some of them with media, entering at all nodes.
func (f *fleet) crowd(t *testing.T, room string, n int) []*person {
	t.Helper()
	all := make([]*person, n)
	var wait sync.WaitGroup
	gate := make(chan struct{}, 8)
	for i := range all {
		gate <- struct{}{}
		wait.Go(func() {
			defer func() { <-gate }()
			p := &person{}
			var media []func(*client.Options)
			// Two of ten hear each other. The others have signalling only: what counts is who is back.
			if other := i ^ 1; i%10 < 2 && other < n {
				media = append(media, p.talks(fmt.Sprintf("%s-%d", room, other)))
			}
			all[i] = enterAs(t, p, f.nodes[i%len(f.nodes)], room, fmt.Sprintf("%s-%d", room, i), media...)
		})
	}
	wait.Wait()
	for _, p := range all {
		eventually(t, p.name+" sees all others", 10*time.Second, func() bool { return p.sees() == n-1 })
	}
	return all
}

// home returns the node that a room of people is on.
func (f *fleet) home(t *testing.T, all []*person) *node {
	t.Helper()
	for _, p := range all {
		require.Equal(t, all[0].at(), p.at(), "one room is at one node")
	}
	return f.at(t, all[0].at())
}

// together waits until people who have lost their node see each other again, and returns how long that took.
func together(t *testing.T, all []*person, times int, within time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for _, p := range all {
		eventually(t, p.name+" is back and sees all others", max(time.Second, within-time.Since(began)), func() bool {
			return p.entered() >= times && p.sees() == len(all)-1
		})
	}
	return time.Since(began)
}

// TestNodeIsKilled: a node with 100 users is killed. They come back by themselves at another one within 10 s,
// and those whose node lives notice nothing.
func TestNodeIsKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	all := f.crowd(t, "lobby", 100)
	lost := f.home(t, all)
	other := f.elsewhere(t, lost)
	require.Equal(t, 20, listeners(t, all))
	hearing(t, all, "before")
	lost.kill()
	took := together(t, all, 2, 10*time.Second)
	t.Logf("100 users were back %.1f s after their node was killed", took.Seconds())
	require.NotEqual(t, lost.url, f.home(t, all).url)
	hearing(t, slices.Concat(all, other), "at another node")
	for _, p := range other {
		require.Equal(t, 1, p.entered(), "%s is in a room of another node", p.name)
		require.Equal(t, len(other)-1, p.sees())
	}
	for _, p := range slices.Concat(all, other) {
		require.NoError(t, p.leave())
		require.Empty(t, p.doubled, p.name)
	}
	f.nothingLeft(t)

	again := startNode(t, lost.id, urls(f.brokers))
	eventually(t, "the node has told what it owed when it was killed", 30*time.Second, func() bool {
		return again.gauge(t, "parlor_events_completed_total") == 101
	})
	f.complete(t)
}

// complete: nothing that has begun in the feed is without its end.
func (f *fleet) complete(t *testing.T) {
	t.Helper()
	for _, n := range f.nodes {
		if !n.ended() {
			eventually(t, "events of node "+n.id+" are stored", 20*time.Second, func() bool { return n.gauge(t, "parlor_events_queued") == 0 })
		}
	}
	all := f.feed(t)
	requireBalanced(t, all)
	rooms := map[string]int{}
	for _, e := range all {
		switch room := e.Node + "/" + e.Room; e.Type {
		case 101:
			rooms[room]++
		case 102:
			rooms[room]--
		}
	}
	for room, n := range rooms {
		require.Zero(t, n, "room %s has begun and never ended", room)
	}
}

// forgetful are the settings of nodes that are soon gone for good.
var forgetful = []string{"--cluster.lease", "2s", "--cluster.forget", "3s"}

// TestKilledNodeStaysAway: others tell what it owes.
func TestKilledNodeStaysAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, forgetful...)
	all := f.crowd(t, "lobby", 10)
	lost := f.home(t, all)
	lost.kill()
	together(t, all, 2, 20*time.Second)
	eventually(t, "it is forgotten", 30*time.Second, func() bool { return !slices.Contains(f.keys(t, "SFU_FEEDS"), lost.id) })
	for _, p := range all {
		require.NoError(t, p.leave())
	}
	f.nothingLeft(t)
	f.complete(t)
	var told, by []string
	for _, e := range f.feed(t) {
		if e.Node == lost.id && e.Reason == 2 {
			told = append(told, fmt.Sprint(e.Type))
			by = append(by, e.By)
		}
	}
	require.Equal(t, append(slices.Repeat([]string{"104"}, 10), "102"), told)
	require.Len(t, slices.Compact(by), 1)
	require.NotEqual(t, lost.id, by[0])
}

// TestNodeIsCutOffUntilItIsForgotten: when it is back, it tells anew who is in its rooms, who have not
// noticed anything.
func TestNodeIsCutOffUntilItIsForgotten(t *testing.T) {
	t.Parallel()
	f := &fleet{brokers: brokers(t, 1)}
	f.dial(t, f.brokers[0].url())
	var links []*link
	for _, id := range []string{"a", "b", "c"} {
		l := newLink(t, strings.TrimPrefix(f.brokers[0].url(), "nats://"))
		links = append(links, l)
		f.nodes = append(f.nodes, startNode(t, id, l.url(), forgetful...))
	}
	all := f.crowd(t, "lobby", 5)
	home := f.home(t, all)
	i := slices.Index(f.nodes, home)
	eventually(t, "everybody's entering is stored", 10*time.Second, func() bool { return home.gauge(t, "parlor_events_queued") == 0 })
	links[i].set(true)
	eventually(t, "it is forgotten", 30*time.Second, func() bool { return !slices.Contains(f.keys(t, "SFU_FEEDS"), home.id) })
	require.NoError(t, all[0].leave())
	rest := all[1:]
	eventually(t, "the leave is told", 5*time.Second, func() bool { return rest[0].sees() == len(rest)-1 })
	links[i].set(false)
	eventually(t, "the node is ready again", 20*time.Second, func() bool { return home.get("/readyz") == http.StatusOK })
	eventually(t, "its feed is begun anew", 20*time.Second, func() bool { return slices.Contains(f.keys(t, "SFU_FEEDS"), home.id) })
	for _, p := range rest {
		require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
		require.NoError(t, p.leave())
	}
	f.nothingLeft(t)
	f.complete(t)
	var entered int
	for _, e := range f.feed(t) {
		if e.Type == 103 {
			entered++
		}
	}
	require.Equal(t, len(all)+len(rest), entered)
}

// elsewhere returns people in a room that is not on the given node.
func (f *fleet) elsewhere(t *testing.T, not *node) []*person {
	t.Helper()
	for i := range 50 {
		all := f.crowd(t, fmt.Sprint("other", i), 4)
		if f.home(t, all) != not {
			return all
		}
		for _, p := range all {
			require.NoError(t, p.leave())
		}
	}
	t.Fatal("every room is placed on one node")
	return nil
}

// TestNodeDrains: a node that is told to end has everybody go on at another one, and ends within its time.
func TestNodeDrains(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	all := f.crowd(t, "lobby", 50)
	ending := f.home(t, all)
	hearing(t, all, "before")
	began := time.Now()
	ending.signal(syscall.SIGTERM)
	took := together(t, all, 2, 10*time.Second)
	t.Logf("50 users were together again %.1f s after their node was told to end", took.Seconds())
	select {
	case <-ending.end:
		t.Logf("the node ended after %.1f s", time.Since(began).Seconds())
	case <-time.After(15 * time.Second):
		t.Fatal("the node does not end")
	}
	require.True(t, ending.cmd.ProcessState.Success(), "%s", ending.said())
	require.NotEqual(t, ending.url, f.home(t, all).url)
	hearing(t, all, "at another node")
	for _, p := range all {
		require.Equal(t, 4, p.lastExit())
		require.NoError(t, p.leave())
		require.Empty(t, p.doubled, p.name)
	}
	f.nothingLeft(t)
	f.complete(t)
}

// TestLeaderOfNATSIsKilled: rooms go on, others are made, commands and events go on.
func TestLeaderOfNATSIsKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	all := f.crowd(t, "lobby", 20)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	js, err := jetstream.New(f.nats)
	require.NoError(t, err)
	s, err := js.Stream(ctx, "KV_SFU_ROOMS")
	require.NoError(t, err)
	leader := s.CachedInfo().Cluster.Leader
	i := slices.IndexFunc(f.brokers, func(b *broker) bool { return b.name == leader })
	require.NotEqual(t, -1, i, "leader %s", leader)
	f.brokers[i].kill()

	// New rooms are made again within some seconds, by entering over and over as Roam does.
	hearing(t, all, "without the leader")
	late := f.crowd(t, "late", 6)
	for _, p := range all {
		require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
	}
	f.brokers[i].again(t)
	for _, p := range slices.Concat(all, late) {
		require.NoError(t, p.leave())
		require.Empty(t, p.doubled, p.name)
	}
	f.nothingLeft(t)
	eventually(t, "every event is stored", 20*time.Second, func() bool {
		for _, n := range f.nodes {
			if n.gauge(t, "parlor_events_queued") > 0 {
				return false
			}
		}
		return true
	})
	f.complete(t)
}

// TestNodeIsCutOffFromNATS: its rooms go on for those inside, nobody else gets in once its lease is over,
// another node takes the room then, and when it is back those inside go there too.
func TestNodeIsCutOffFromNATS(t *testing.T) {
	t.Parallel()
	f := &fleet{brokers: brokers(t, 1)}
	f.dial(t, f.brokers[0].url())
	var links []*link
	for _, id := range []string{"a", "b", "c"} {
		l := newLink(t, strings.TrimPrefix(f.brokers[0].url(), "nats://"))
		links = append(links, l)
		f.nodes = append(f.nodes, startNode(t, id, l.url()))
	}
	all := f.crowd(t, "lobby", 10)
	home := f.home(t, all)
	i := slices.Index(f.nodes, home)
	other := f.nodes[(i+1)%3]
	links[i].set(true)

	eventually(t, "the node says that it has lost its lease", 20*time.Second, func() bool {
		return home.get("/readyz") == http.StatusServiceUnavailable
	})
	for _, p := range all {
		require.Equal(t, 1, p.entered())
		require.Equal(t, 9, p.sees(), "those inside go on")
	}
	hearing(t, all, "while the node is cut off")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := client.Dial(ctx, client.Options{URL: home.url, Room: "lobby", User: "late"})
	require.ErrorIs(t, err, &client.Error{Code: "node_draining"}, "a node without a lease lets nobody in")
	require.NoError(t, all[0].leave(), "leaving still works")
	eventually(t, "the leave is told", 5*time.Second, func() bool { return all[1].sees() == 8 })

	late := enter(t, other, "lobby", "late")
	require.NotEqual(t, home.url, late.at())
	links[i].set(false)
	rest := append(all[1:], late)
	eventually(t, "the node is ready again", 20*time.Second, func() bool { return home.get("/readyz") == http.StatusOK })
	for _, p := range rest {
		eventually(t, p.name+" is where the room is", 20*time.Second, func() bool { return p.at() == late.at() && p.sees() == len(rest)-1 })
	}
	for _, p := range rest {
		require.NoError(t, p.leave())
		require.Empty(t, p.doubled, p.name)
	}
	f.nothingLeft(t)
	f.complete(t)
}
