package feed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/control/feed"
	"parlor/control/natstest"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

func TestMain(m *testing.M) { natstest.Main(m) }

var lobby = must(terms.StringRoom("lobby"))

// teller is a node's rooms, without media, and their feed.
type teller struct {
	*session.Rooms
	t    *testing.T
	url  string
	feed *feed.Feed
}

// tell starts a node at a broker, which may be down. The test's end stops it in order.
func tell(t *testing.T, b natstest.Broker) *teller {
	t.Helper()
	n := &teller{t: t, url: b.URL()}
	n.feed = feed.New(bus.Server{URL: n.url}, feed.Options{})
	// Users of tests come and go without a pause.
	o := session.Options{Node: "node-1", Limits: session.Limits{Entries: 1_000_000}}
	n.Rooms = session.New(o, &fakewire.Transport{}, n.feed)
	fed := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { fed <- n.feed.Run(ctx, nil) }()
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-fed; err != nil {
			t.Error(err)
		}
	})
	return n
}

// dial returns a connection of somebody else.
func (n *teller) dial() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(n.url, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// enter lets a user without signalling in.
func (n *teller) enter(room terms.RoomID, user string) *session.Session {
	n.t.Helper()
	q := session.EnterRequest{Room: room, User: user, Grant: terms.Grant{Rights: terms.AllRights()}}
	s, _, err := n.Enter(n.t.Context(), q)
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// stored reads all events of the stream, as anybody could.
func (n *teller) stored() []terms.FeedEvent {
	n.t.Helper()
	js, err := jetstream.New(n.dial())
	if err != nil {
		n.t.Fatal(err)
	}
	var events []terms.FeedEvent
	stream, err := js.Stream(n.t.Context(), feed.Stream)
	if err != nil {
		n.t.Fatal(err)
	}
	info, err := stream.Info(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(n.t.Context(), seq)
		if err != nil {
			n.t.Fatal(err)
		}
		var e terms.FeedEvent
		if err := json.Unmarshal(m.Data, &e); err != nil {
			n.t.Fatal(err)
		}
		if want := feed.Subject(e.Node, e.Room, e.Type); m.Subject != want || m.Header.Get("Nats-Msg-Id") != e.ID {
			n.t.Errorf("subject %s, not %s; message id %s, not %s", m.Subject, want, m.Header.Get("Nats-Msg-Id"), e.ID)
		}
		events = append(events, e)
	}
	return events
}

// complete checks that each room's events are there from the first on, in order, each once.
func complete(t *testing.T, events []terms.FeedEvent) {
	t.Helper()
	last := map[string]int{}
	for _, e := range events {
		instance, number, _ := strings.Cut(e.ID, ".")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if i != last[instance]+1 {
			t.Errorf("event %d of room %s comes after %d", i, e.Room, last[instance])
		}
		last[instance] = i
	}
}

func (n *teller) drained() {
	n.t.Helper()
	natstest.Eventually(n.t, "all events are stored", func() bool { return n.feed.Stats().Queued == 0 })
}

func TestFeedIsStored(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := tell(t, b)
		s := n.enter(lobby, "ann")
		_ = s.Exit(t.Context())
		n.enter(must(terms.NumberRoom(5)), "bob")
		n.drained()
		got := map[terms.RoomID]string{} // the order of rooms among each other is open
		for _, e := range n.stored() {
			if time.Since(time.UnixMilli(e.TimeMS)) > time.Minute || e.Node != "node-1" {
				t.Errorf("%+v", e)
			}
			got[e.Room] += fmt.Sprintf("%d %s|", e.Type, e.User)
		}
		if first := got[lobby]; first != "101 |103 ann|104 ann|102 |" {
			t.Errorf("lobby: %s", first)
		}
		if second := got[must(terms.NumberRoom(5))]; second != "101 |103 bob|" {
			t.Errorf("5: %s", second)
		}
	})
}

// TestServerRestartsUnderLoad: users come and go all the time while NATS is stopped and started again. No
// event is lost, repeated or out of order.
func TestServerRestartsUnderLoad(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		b.Start(t)
		n := tell(t, b)
		stop := make(chan struct{})
		var load sync.WaitGroup
		for i := range 4 {
			load.Go(func() {
				room := must(terms.NumberRoom(int64(i + 1)))
				for j := 0; ; j++ {
					select {
					case <-stop:
						return
					case <-time.After(2 * time.Millisecond):
						_ = n.enter(room, fmt.Sprintf("u%d", j%3)).Exit(t.Context())
					}
				}
			})
		}
		for range 2 {
			published := n.feed.Stats().Published
			natstest.Eventually(t, "events flow", func() bool { return n.feed.Stats().Published > published+100 })
			b.Stop(t)
			natstest.Eventually(t, "events wait", func() bool { return n.feed.Stats().Queued > 1000 })
			b.Start(t)
		}
		close(stop)
		load.Wait()
		n.drained()
		events := n.stored()
		complete(t, events)
		s := n.feed.Stats()
		if s.Dropped != (feed.Drops{}) || int(s.Published) != len(events) {
			t.Errorf("%+v, but %d are stored", s, len(events))
		}
	})
}

// TestServerComesAfterTheNode: NATS is down when the node starts.
func TestServerComesAfterTheNode(t *testing.T) {
	natstest.Each(t, func(t *testing.T, b natstest.Broker) {
		n := tell(t, b)
		n.enter(lobby, "ann")
		if queued := n.feed.Stats().Queued; queued != 2 {
			t.Errorf("%d events wait", queued)
		}
		b.Start(t)
		n.drained()
		complete(t, n.stored())
	})
}

func TestFeedQueueIsBounded(t *testing.T) {
	f := feed.New(bus.Server{URL: "nats://127.0.0.1:1"}, feed.Options{Queue: 3})
	for i, kind := range []terms.FeedType{101, 103, 104, 103, 104, 103} {
		e := terms.FeedEvent{ID: fmt.Sprintf("i.%d", i+1), Type: kind, Room: lobby}
		if kind != 101 {
			e.User = "ann"
		}
		f.Publish(e)
	}
	if s := f.Stats(); s.Queued != 2 || s.Dropped != (feed.Drops{Undone: 4}) {
		t.Errorf("%+v", s)
	}
}

func TestSubjects(t *testing.T) {
	for _, tt := range []struct {
		room any
		want string
	}{
		{"lobby", "s-lobby"}, {"123", "s-123"}, {123, "n-123"}, {"a.b", "b-YS5i"}, {"a >", "b-YSA-"}, {"n-1", "s-n-1"},
	} {
		if got := bus.RoomToken(must(terms.ParseRoomID(tt.room))); got != tt.want {
			t.Errorf("%v: %s, not %s", tt.room, got, tt.want)
		}
	}
	if got := feed.Subject("node-1", lobby, 103); got != "sfu.v1.events.node-1.s-lobby.103" {
		t.Error(got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
