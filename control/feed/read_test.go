package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/feed"
	"parlor/control/natstest"
	"parlor/session/terms"
)

// shelf is a stream of events that a test writes itself.
type shelf struct {
	t  *testing.T
	nc *bus.Conn
	js jetstream.JetStream
	n  int
}

func newShelf(t *testing.T, b natstest.Broker) *shelf {
	nc := must(bus.Connect(bus.Server{URL: b.URL()}, "test", zerolog.Nop()))
	t.Cleanup(nc.Close)
	return &shelf{t: t, nc: nc, js: must(jetstream.New(nc))}
}

func (s *shelf) make() {
	_ = must(s.js.CreateStream(s.t.Context(), jetstream.StreamConfig{Name: feed.Stream, Subjects: []string{"sfu.v1.events.>"}}))
}

// put stores events, written as room:type:user, and returns their ids.
func (s *shelf) put(events ...string) {
	s.t.Helper()
	for _, e := range events {
		part := strings.Split(e, ":")
		s.n++
		s.store(terms.FeedEvent{ID: fmt.Sprint("e", s.n), Node: "n1", Room: must(terms.StringRoom(part[0])), Type: typeOf(part[1]), User: part[2]})
	}
}

func typeOf(name string) terms.FeedType {
	types := terms.FeedTypes()
	return types[slices.IndexFunc(types, func(t terms.FeedType) bool { return t.Name() == name })]
}

func (s *shelf) store(e terms.FeedEvent) {
	s.t.Helper()
	body := must(json.Marshal(e))
	natstest.Eventually(s.t, "an event is stored", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		_, err := s.js.Publish(ctx, feed.Subject(e.Node, e.Room, e.Type), body)
		return err == nil
	})
}

// following is a Read under way.
type following struct {
	t     *testing.T
	stop  context.CancelFunc
	ended chan error

	mu       sync.Mutex
	ids      []string
	troubles []string
}

func follow(s *shelf, o feed.ReadOptions) *following {
	ctx, stop := context.WithCancel(s.t.Context())
	f := &following{t: s.t, stop: stop, ended: make(chan error, 1)}
	o.Trouble = func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.troubles = append(f.troubles, err.Error())
	}
	go func() {
		f.ended <- feed.Read(ctx, s.nc, o, func(e terms.FeedEvent, stored []byte) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if !json.Valid(stored) {
				return errors.New("it is not as it was stored")
			}
			f.ids = append(f.ids, e.ID)
			return nil
		})
	}()
	s.t.Cleanup(stop)
	return f
}

// reads waits until just these events have been read.
func (f *following) reads(ids string) {
	f.t.Helper()
	natstest.Eventually(f.t, "events "+ids+" are read", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.ids) >= len(strings.Fields(ids))
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.ids, " "); got != ids {
		f.t.Errorf("read %s, not %s", got, ids)
	}
}

func (f *following) troubled(text string) {
	f.t.Helper()
	natstest.Eventually(f.t, "trouble: "+text, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.ContainsFunc(f.troubles, func(s string) bool { return strings.Contains(s, text) })
	})
}

// TestReadChooses: by room, type and user, from the past and from now on, each event in its order.
func TestReadChooses(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	defer b.Stop(t)
	s := newShelf(t, b)
	s.make()
	s.put("a:room-created:", "a:user-entered:ann", "b:user-entered:bob", "a:user-left:ann", "c d:user-entered:cat")
	lobby, odd := must(terms.StringRoom("a")), must(terms.StringRoom("c d"))
	all, want := []*following{follow(s, feed.ReadOptions{})}, []string{"e6 e7"}
	natstest.Eventually(t, "the one without a past reads", func() bool {
		return must(must(s.js.Stream(t.Context(), feed.Stream)).Info(t.Context())).State.Consumers == 1
	})
	for _, x := range []struct {
		o    feed.ReadOptions
		want string
	}{
		{feed.ReadOptions{Since: time.Now().Add(-time.Hour)}, "e1 e2 e3 e4 e5 e6 e7"},
		{feed.ReadOptions{Since: time.Now().Add(-time.Hour), Rooms: []terms.RoomID{lobby, odd}}, "e1 e2 e4 e5 e6"},
		{feed.ReadOptions{Since: time.Now().Add(-time.Hour), Rooms: []terms.RoomID{lobby, lobby}, Types: []terms.FeedType{terms.FeedUserLeft, terms.FeedUserEntered}}, "e2 e4 e6"},
		{feed.ReadOptions{Last: 2}, "e4 e5 e6 e7"},
		{feed.ReadOptions{Last: 100}, "e1 e2 e3 e4 e5 e6 e7"},
		{feed.ReadOptions{Last: 2, Users: []string{"ann", "bob"}}, "e3 e4 e6 e7"},
		{feed.ReadOptions{Last: 1, Users: []string{"ann"}, Types: []terms.FeedType{terms.FeedUserEntered}}, "e2 e6"},
		{feed.ReadOptions{Last: 1, Users: []string{"zoe"}}, ""},
	} {
		all, want = append(all, follow(s, x.o)), append(want, x.want)
	}
	for i, f := range all { // what is stored meanwhile might be among the last
		past, _, _ := strings.Cut(want[i], "e6")
		f.reads(strings.TrimSpace(past))
	}
	s.put("a:user-entered:ann", "b:user-left:bob")
	for i, f := range all {
		f.reads(want[i])
		f.stop()
		if err := <-f.ended; err != nil {
			t.Error(err)
		}
	}
}

// TestReadGoesOn when the server is back, when the stream is made, and when another one is in its place.
func TestReadGoesOn(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	defer b.Stop(t)
	s := newShelf(t, b)
	f := follow(s, feed.ReadOptions{})
	f.troubled("a node makes it with the first event")
	s.make()
	s.put("a:room-created:", "a:user-entered:ann")
	f.reads("e1 e2")
	s.store(terms.FeedEvent{ID: "e2", Node: "n1", Room: must(terms.StringRoom("a")), Type: terms.FeedUserEntered, User: "ann"})
	b.Stop(t)
	b.Start(t)
	s.put("a:user-left:ann")
	f.reads("e1 e2 e3")
	if err := s.js.DeleteStream(t.Context(), feed.Stream); err != nil {
		t.Fatal(err)
	}
	s.make()
	s.put("a:user-entered:bob")
	f.reads("e1 e2 e3 e4")
	_ = must(s.js.Publish(t.Context(), "sfu.v1.events.n1.s-a.103", []byte("no event")))
	f.troubled("no event that can be read")
	s.put("a:user-left:bob")
	f.reads("e1 e2 e3 e4 e5")
}

// TestReadEndsWithItsTaker.
func TestReadEndsWithItsTaker(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	defer b.Stop(t)
	s := newShelf(t, b)
	s.make()
	s.put("a:room-created:")
	full := errors.New("full")
	err := feed.Read(t.Context(), s.nc, feed.ReadOptions{Last: 1}, func(terms.FeedEvent, []byte) error { return full })
	if !errors.Is(err, full) {
		t.Error(err)
	}
}
