package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/feed"
	"parlor/control/natstest"
	"parlor/session/terms"
)

// feedOf returns events of one room.
func feedOf(n int) []terms.FeedEvent {
	events := make([]terms.FeedEvent, n)
	for i := range events {
		events[i] = terms.FeedEvent{ID: fmt.Sprintf("x.%d", i+1), Type: terms.FeedUserLeft, Node: "node-1", Room: lobby}
	}
	return events
}

// running runs a feed with events of one room until stop, which returns when Run has.
func running(t *testing.T, at bus.Server, events int) (f *feed.Feed, log *natstest.Journal, stop func()) {
	t.Helper()
	return runningWith(t, at, feed.Options{}, feedOf(events))
}

func runningWith(t *testing.T, at bus.Server, o feed.Options, events []terms.FeedEvent) (f *feed.Feed, log *natstest.Journal, stop func()) {
	t.Helper()
	log = new(natstest.Journal)
	o.Log = zerolog.New(log)
	f = feed.New(at, o)
	for _, e := range events {
		f.Publish(e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return f, log, stop
}

// TestAStreamThatStoresNothingIsNamed: the stream is named, with what to do, if NATS stores other things. The
// stream here is one that acknowledges nothing.
func TestAStreamThatStoresNothingIsNamed(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	defer b.Stop(t)
	nc, err := nats.Connect(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: feed.Stream, Subjects: []string{"sfu.v1.events.>"}, NoAck: true}); err != nil {
		t.Fatal(err)
	}
	_, log, stop := running(t, bus.Server{URL: b.URL()}, 3)
	defer stop()
	natstest.Eventually(t, "it is said", func() bool { return log.Count("restart that server", `"level":"error"`, "SFU_EVENTS") == 1 })
	if _, err := js.Stream(t.Context(), "SFU_PROBE_-feed"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("what it was looked with: %v", err)
	}
}

// TestServerWithoutJetStream: the log warns once that events wait. The server is not asked without a pause,
// at the end either.
func TestServerWithoutJetStream(t *testing.T) {
	port := natstest.FreePort(t)
	server := natstest.Command("-a", "127.0.0.1", "-p", fmt.Sprint(port))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	_, log, stop := running(t, bus.Server{URL: fmt.Sprintf("nats://127.0.0.1:%d", port)}, 3)
	waits := `"events wait for NATS"`
	natstest.Eventually(t, "it is tried again", func() bool { return log.Count(waits, "SFU_EVENTS") >= 3 })
	stop()
	if n := log.Count(waits, `"level":"warn"`); n != 1 {
		t.Errorf("%d warnings", n)
	}
	if n := log.Count(waits); n > 30 {
		t.Errorf("%d attempts", n)
	}
	if log.Count("events are lost", `"events":3`) != 1 {
		t.Error("that events are lost is not said")
	}
}

// TestStreamOfSomebodyElse: a stream of our name that does not take our subjects is said to be the fault.
func TestStreamOfSomebodyElse(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	defer b.Stop(t)
	n := tell(t, b)
	js, err := jetstream.New(n.dial())
	if err != nil {
		t.Fatal(err)
	}
	config := jetstream.StreamConfig{Name: feed.Stream, Subjects: []string{"orders.>", "sfu.v1.events.*"}}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	f, log, _ := running(t, bus.Server{URL: b.URL()}, 3)
	natstest.Eventually(t, "the fault is said", func() bool { return log.Count(`"level":"warn"`, "orders.>", ".104") == 1 })
	config.Subjects = []string{"orders.>", "sfu.*.events.>"}
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the events are stored", func() bool { return f.Stats().Queued == 0 })
	if log.Count("events are stored again") != 1 {
		t.Error("the end of the outage is not said")
	}
}

// TestStreamThatIsFull: a stream of somebody's making refuses new events. That is said once, with the reason.
// Events wait as they do while NATS is away; beyond the bound whole stays are lost. All that waits is stored
// in order once there is room.
func TestStreamThatIsFull(t *testing.T) {
	for name, c := range map[string]struct {
		full func(*jetstream.StreamConfig)
		why  string
	}{
		"messages": {func(c *jetstream.StreamConfig) { c.MaxMsgs = 4 }, "maximum messages exceeded"},
		"bytes":    {func(c *jetstream.StreamConfig) { c.MaxBytes = 1000 }, "maximum bytes exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			b := natstest.Embedded(t)
			b.Start(t)
			defer b.Stop(t)
			nc := must(nats.Connect(b.URL()))
			defer nc.Close()
			js := must(jetstream.New(nc))
			config := jetstream.StreamConfig{Name: feed.Stream, Subjects: []string{"sfu.v1.events.>"}, Discard: jetstream.DiscardNew}
			c.full(&config)
			_, err := js.CreateStream(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			f, log, stop := runningWith(t, bus.Server{URL: b.URL()}, feed.Options{Queue: 30}, feedOf(20))
			waits := `"events wait for NATS"`
			natstest.Eventually(t, "it is said", func() bool { return log.Count(waits, `"level":"warn"`, c.why) == 1 })
			had := f.Stats()
			if had.Published == 0 || had.Published > 10 || had.Queued+int(had.Published) != 20 || had.Dropped != (feed.Drops{}) {
				t.Errorf("%+v", had)
			}
			for i := range 60 { // with nobody to wait for
				e := terms.FeedEvent{ID: fmt.Sprintf("y.%d", i), Type: terms.FeedUserEntered, Node: "node-1", Room: must(terms.StringRoom("hall")), User: fmt.Sprint(i / 2)}
				if i%2 == 1 {
					e.Type = terms.FeedUserLeft
				}
				f.Publish(e)
			}
			if s := f.Stats(); s.Queued > 31 || s.Dropped.Undone == 0 || s.Dropped.Undone%2 != 0 || s.Dropped.Untold != 0 {
				t.Errorf("%+v", s)
			}
			natstest.Eventually(t, "it is tried again", func() bool { return log.Count(waits) >= 3 })
			config.MaxMsgs, config.MaxBytes = -1, -1
			if _, err := js.UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			natstest.Eventually(t, "the events are stored", func() bool { return f.Stats().Queued == 0 })
			if log.Count("events are stored again") != 1 || log.Count(waits, `"level":"warn"`) != 1 {
				t.Error(log.String())
			}
			if n := log.Count(waits); n > 30 {
				t.Errorf("%d attempts", n)
			}
			stop()
			inOrder(t, js)
		})
	}
}

// inOrder checks that the events of feedOf(20) are in the stream, in order.
func inOrder(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	stream := must(js.Stream(t.Context(), feed.Stream))
	next := 1
	for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m := must(stream.GetMsg(t.Context(), seq))
		var e terms.FeedEvent
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		if e.ID == fmt.Sprintf("x.%d", next) {
			next++
		}
	}
	if next != 21 {
		t.Errorf("event %d is missing, or comes too early", next)
	}
}

// TestManyLeavesDrainInTime: the leaves of a large room at the end of a node are stored in time. So are those
// of many rooms over a slow wire, since those of different rooms are stored at the same time.
func TestManyLeavesDrainInTime(t *testing.T) {
	const rooms = 20
	var many []terms.FeedEvent
	for r := range rooms {
		for i := range 50 {
			many = append(many, terms.FeedEvent{
				ID: fmt.Sprintf("r%d.%d", r, i+1), Type: terms.FeedUserLeft, Node: "node-1", Room: must(terms.NumberRoom(int64(r + 1))),
			})
		}
	}
	for name, tt := range map[string]struct {
		slow   bool
		events []terms.FeedEvent
	}{"one room": {false, feedOf(1000)}, "slow wire": {true, many}} {
		t.Run(name, func(t *testing.T) {
			b := natstest.Embedded(t)
			b.Start(t)
			defer b.Stop(t)
			n := tell(t, b)
			at := bus.Server{URL: b.URL()}
			if tt.slow {
				at.Inside = slowWire{strings.TrimPrefix(b.URL(), "nats://")}
			}
			f, _, stop := runningWith(t, at, feed.Options{}, tt.events)
			stop()
			if s := f.Stats(); s.Published != 1000 {
				t.Errorf("%+v", s)
			}
			events := n.stored()
			complete(t, events)
			if len(events) != 1000 {
				t.Errorf("%d events are stored", len(events))
			}
		})
	}
}

// slowWire connects to a server whose answers take 10 ms.
type slowWire struct{ address string }

func (w slowWire) InProcessConn() (net.Conn, error) {
	c, err := net.Dial("tcp", w.address)
	return slowConn{c}, err
}

type slowConn struct{ net.Conn }

func (c slowConn) Read(b []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return c.Conn.Read(b)
}
