package natsapi_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/natsapi"
	"parlor/session"
	"parlor/session/terms"
)

// stored reads all events of the stream, as anybody could.
func (n *node) stored() []terms.FeedEvent {
	n.t.Helper()
	js, err := jetstream.New(n.dial())
	if err != nil {
		n.t.Fatal(err)
	}
	var events []terms.FeedEvent
	stream, err := js.Stream(n.t.Context(), natsapi.Stream)
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
		if want := natsapi.Subject(e.Node, e.Room, e.Type); m.Subject != want || m.Header.Get("Nats-Msg-Id") != e.ID {
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

func (n *node) drained() {
	n.t.Helper()
	eventually(n.t, "all events are stored", func() bool { return n.feed.Stats().Queued == 0 })
}

func TestFeedIsStored(t *testing.T) {
	eachBroker(t, func(t *testing.T, b broker) {
		b.start(t)
		n := startNode(t, b, session.Options{})
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

// TestServerRestartsUnderLoad: users come and go all the time while NATS is stopped and started again. No event is lost,
// repeated or out of order, and commands work again.
func TestServerRestartsUnderLoad(t *testing.T) {
	eachBroker(t, func(t *testing.T, b broker) {
		b.start(t)
		n := startNode(t, b, session.Options{})
		n.serving()
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
			eventually(t, "events flow", func() bool { return n.feed.Stats().Published > published+100 })
			b.stop(t)
			eventually(t, "events wait", func() bool { return n.feed.Stats().Queued > 1000 })
			b.start(t)
			n.serving()
		}
		close(stop)
		load.Wait()
		n.drained()
		events := n.stored()
		complete(t, events)
		s := n.feed.Stats()
		if s.Dropped != (natsapi.FeedDrops{}) || int(s.Published) != len(events) {
			t.Errorf("%+v, but %d are stored", s, len(events))
		}
		n.enter(lobby, "ann")
		m := request(t, n.dial(), "RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]}`)
		if !strings.Contains(string(m.Data), "removed") {
			t.Errorf("%s", m.Data)
		}
	})
}

// TestServerComesAfterTheNode: NATS is down when the node starts.
func TestServerComesAfterTheNode(t *testing.T) {
	eachBroker(t, func(t *testing.T, b broker) {
		n := startNode(t, b, session.Options{})
		n.enter(lobby, "ann")
		if queued := n.feed.Stats().Queued; queued != 2 {
			t.Errorf("%d events wait", queued)
		}
		b.start(t)
		n.serving()
		n.drained()
		complete(t, n.stored())
	})
}

func TestFeedQueueIsBounded(t *testing.T) {
	f := natsapi.NewFeed(natsapi.Server{URL: "nats://127.0.0.1:1"}, natsapi.FeedOptions{Queue: 3})
	for i, kind := range []terms.FeedType{101, 103, 104, 103, 104, 103} {
		e := terms.FeedEvent{ID: fmt.Sprintf("i.%d", i+1), Type: kind, Room: lobby}
		if kind != 101 {
			e.User = "ann"
		}
		f.Publish(e)
	}
	if s := f.Stats(); s.Queued != 2 || s.Dropped != (natsapi.FeedDrops{Undone: 4}) {
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
		if got := natsapi.RoomToken(must(terms.ParseRoomID(tt.room))); got != tt.want {
			t.Errorf("%v: %s, not %s", tt.room, got, tt.want)
		}
	}
	if got := natsapi.Subject("node-1", lobby, 103); got != "sfu.v1.events.node-1.s-lobby.103" {
		t.Error(got)
	}
}
