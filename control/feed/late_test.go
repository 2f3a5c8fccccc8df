package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/embedded"
	"parlor/session/terms"
)

// TestLastWordOfADeadNode: a dead node had sent an event, or one arrives while its feed is being completed.
// Such an event takes the place of the one that was about to be told. The rest is told after it.
func TestLastWordOfADeadNode(t *testing.T) {
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(context.Background()) }()
	nc, err := nats.Connect(s.URL(), nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var o StreamOptions
	o.defaults()
	if _, err := js.CreateStream(t.Context(), o.config()); err != nil {
		t.Fatal(err)
	}
	publish := func(text string) {
		for _, e := range told(t, text) {
			e.Node = "dead"
			body, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(t.Context(), Subject(e.Node, e.Room, e.Type), body, jetstream.WithMsgID(e.ID)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("i.1 101 lobby|i.2 103 lobby ann|i.3 103 lobby bob")
	if _, err := js.Publish(t.Context(), bus.Prefix+".events.dead.s-lobby.9", []byte("no event")); err != nil {
		t.Fatal(err)
	}
	looked := 0
	c := completion{js: js, closed: nc.StatusChanged(nats.CLOSED), node: "dead", by: "b", log: zerolog.Nop()}
	c.still = func(context.Context) error {
		if looked++; looked == 1 {
			publish("i.4 104 lobby bob")
		}
		return nil
	}
	lost := c
	lost.still = func(context.Context) error { return errFenced }
	if n, err := lost.run(t.Context()); n != 0 || !errors.Is(err, errFenced) {
		t.Fatalf("%d events are told of a node that goes on: %v", n, err)
	}
	n, err := c.run(t.Context())
	if err != nil || looked != 2 {
		t.Fatalf("%d events, %v, in %d passes", n, err, looked)
	}
	left, err := c.read(t.Context())
	if err != nil || len(left.open) != 0 {
		t.Errorf("%d rooms are still open, %v", len(left.open), err)
	}
	stream, err := js.Stream(t.Context(), Stream)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for seq := uint64(5); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		var e terms.FeedEvent
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintf("%s %d %s|", e.ID, e.Type, e.User)
	}
	if want := "i.4 104 bob|i.5 104 ann|i.6 102 |"; got != want || n != 2 {
		t.Errorf("%s, not %s; %d told", got, want, n)
	}
}

// TestEventsOfAnEarlierEpoch: events of an earlier epoch are dropped once the feed is begun anew, also those
// that come after that.
func TestEventsOfAnEarlierEpoch(t *testing.T) {
	f := New(bus.Server{}, Options{})
	f.retell = func(epoch uint64) {
		f.Publish(terms.FeedEvent{ID: "i.2"})
		f.Publish(terms.FeedEvent{ID: "j.1", Epoch: epoch})
		f.Publish(terms.FeedEvent{ID: "i.3"})
	}
	f.Publish(terms.FeedEvent{ID: "i.1"})
	f.anew()
	_, e, ok := f.take()
	if s := f.Stats(); !ok || e.ID != "j.1" || s != (Stats{Queued: 1, Dropped: Drops{Away: 1}}) {
		t.Errorf("%+v, %+v", e, s)
	}
}
