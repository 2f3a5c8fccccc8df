package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/control/bus"
	"parlor/control/embedded"
	"parlor/control/feed"
	"parlor/control/webhook"
	"parlor/session/terms"
)

var key = []byte("only for tests, and long enough for a key")

// turnTime is short, so that a test has not long to wait for the next node's turn.
const turnTime = 2 * time.Second

func startNATS(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: "127.0.0.1:0", Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return s
}

// feeding runs a feed, into which a test puts events.
func feeding(t *testing.T, at bus.Server) *feed.Feed {
	t.Helper()
	f := feed.New(at, feed.Options{Log: zerolog.Nop()})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

// publish puts n events of each of some rooms in, the first with the number from.
func publish(f *feed.Feed, rooms, from, n int) {
	for i := from; i < from+n; i++ {
		for r := range rooms {
			room, err := terms.NumberRoom(int64(r + 1))
			if err != nil {
				panic(err)
			}
			f.Publish(terms.FeedEvent{ID: fmt.Sprintf("%d.%d", r, i), Type: terms.FeedUserEntered, Node: "node-1", Room: room, User: "ann"})
		}
	}
}

// receiver is a web server that keeps what it takes.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	refuse func(id, agent string) bool
	ids    []string
	agents []string
	wake   chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, wake: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	if err := webhook.Verify(q.Header.Get(webhook.SignatureHeader), body, time.Now(), time.Minute, key); err != nil {
		r.t.Error(err)
	}
	var e terms.FeedEvent
	if err := json.Unmarshal(body, &e); err != nil || e.ID != q.Header.Get(webhook.IDHeader) {
		r.t.Errorf("%v: %s", err, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil && r.refuse(e.ID, q.UserAgent()) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.ids, r.agents = append(r.ids, e.ID), append(r.agents, q.UserAgent())
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *receiver) setRefuse(f func(id, agent string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

// distinct returns the ids without repeats.
func (r *receiver) distinct() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	var out []string
	for _, id := range r.ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

// await waits until n events have come.
func (r *receiver) await(n int) {
	r.t.Helper()
	deadline := time.After(time.Minute)
	for {
		got := len(r.distinct())
		if got >= n {
			return
		}
		select {
		case <-r.wake:
		case <-deadline:
			r.t.Fatalf("%d events have come, not %d", got, n)
		}
	}
}

// complete checks that each event came, those of a room in order.
func (r *receiver) complete(rooms, each int) {
	r.t.Helper()
	next := map[string]int{}
	ids := r.distinct()
	for _, id := range ids {
		room, number, _ := strings.Cut(id, ".")
		if n, _ := strconv.Atoi(number); n != next[room] {
			r.t.Errorf("%s comes where %d should", id, next[room])
		}
		next[room]++
	}
	if len(ids) != rooms*each {
		r.t.Errorf("%d events, not %d", len(ids), rooms*each)
	}
}

// start runs a sender until stop.
func start(t *testing.T, at bus.Server, o webhook.Options) (s *webhook.Sender, stop func()) {
	t.Helper()
	o.Key, o.Turn = key, turnTime
	s = webhook.New(at, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// jetStream connects to a NATS server for as long as the test lasts.
func jetStream(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// settled waits until the consumer has all acknowledgements.
func settled(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is acknowledged", func() bool {
		c, err := js.Consumer(t.Context(), feed.Stream, webhook.Consumer)
		return err == nil && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().NumPending == 0
	})
}

// TestEventsAreSent: all events are sent, in order per room, each once. Events from before the node are not
// sent.
func TestEventsAreSent(t *testing.T) {
	n := startNATS(t, "")
	f := feeding(t, bus.Server{URL: n.URL()})
	publish(f, 3, 1000, 1) // nobody has asked for it
	eventually(t, "it is stored", func() bool { return f.Stats().Queued == 0 })
	r := newReceiver(t)
	s, _ := start(t, bus.Server{URL: n.URL()}, webhook.Options{URL: r.URL, Node: "a"})
	publish(f, 20, 0, 50)
	r.await(1000)
	settled(t, n.URL())
	r.complete(20, 50)
	if len(r.ids) != 1000 {
		t.Errorf("%d requests", len(r.ids))
	}
	if st := s.Stats(); st.Sent != 1000 || st.Failed+st.Refused+st.Expired != 0 || st.Held != 0 || !st.Sending || !st.Oldest.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestStreamComesLater: there is no stream before the first event, and no NATS before that.
func TestStreamComesLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r := newReceiver(t)
	_, stop := start(t, bus.Server{URL: "nats://" + address}, webhook.Options{URL: r.URL, Node: "a"})
	f := feeding(t, bus.Server{URL: "nats://" + address})
	publish(f, 2, 0, 5)
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: address, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(context.Background()) }()
	r.await(10)
	r.complete(2, 5)
	stop()
}

// TestOneNodeSends: of two nodes one sends. When it stops, the other goes on at once where it was, and
// nothing is left in the bucket in the end.
func TestOneNodeSends(t *testing.T) {
	n := startNATS(t, "")
	at := bus.Server{URL: n.URL()}
	f := feeding(t, at)
	r := newReceiver(t)
	publish(f, 1, 0, 1)
	a, stopA := start(t, at, webhook.Options{URL: r.URL, Node: "a", Agent: "a"})
	eventually(t, "a sends", func() bool { return a.Stats().Sending })
	b, stopB := start(t, at, webhook.Options{URL: r.URL, Node: "b", Agent: "b"})
	publish(f, 10, 1, 30)
	r.await(200)
	stopA()
	eventually(t, "b sends", func() bool { return b.Stats().Sending })
	publish(f, 10, 31, 30)
	eventually(t, "all is sent", func() bool { return len(r.distinct()) >= 600 })
	settled(t, n.URL())
	stopB()
	changes := 0
	r.mu.Lock()
	for i := range r.agents[1:] {
		if r.agents[i] != r.agents[i+1] {
			changes++
		}
	}
	r.mu.Unlock()
	if changes != 1 {
		t.Errorf("the sender changed %d times", changes)
	}
	js := jetStream(t, n.URL())
	kv, err := js.KeyValue(t.Context(), webhook.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := kv.ListKeys(t.Context()); err == nil {
		for k := range keys.Keys() {
			t.Errorf("%s is left", k)
		}
	}
}

// TestSenderIsCutOff: the node whose turn it is loses NATS under load, while the web server does not take
// everything. The other node takes over. No event is lost or out of order, and the first node sends nothing
// any more.
func TestSenderIsCutOff(t *testing.T) {
	const rooms, each = 12, 20
	n := startNATS(t, "")
	at := bus.Server{URL: n.URL()}
	f := feeding(t, at)
	r := newReceiver(t)
	r.setRefuse(func(id, _ string) bool { return strings.HasPrefix(id, "3.") || id == "5.10" })
	wire := newWire(t, strings.TrimPrefix(n.URL(), "nats://"))
	a, _ := start(t, bus.Server{URL: wire.url()}, webhook.Options{URL: r.URL, Node: "a", Agent: "a"})
	publish(f, rooms, 0, 1)
	eventually(t, "a sends", func() bool { return a.Stats().Sending })
	b, _ := start(t, at, webhook.Options{URL: r.URL, Node: "b", Agent: "b"})
	publish(f, rooms, 1, each-1)
	r.await((rooms-2)*each + 10)
	wire.freeze()
	eventually(t, "b sends", func() bool { return b.Stats().Sending })
	if a.Stats().Sending {
		t.Error("both send")
	}
	r.setRefuse(func(_, agent string) bool {
		if agent == "a" {
			t.Error("a sends though it is not its turn")
		}
		return false
	})
	r.await(rooms * each)
	r.complete(rooms, each)
	settled(t, n.URL())
}

// TestServerRestarts restarts the server while events are sent.
func TestServerRestarts(t *testing.T) {
	const rooms, each = 10, 60
	dir := t.TempDir()
	s := startNATS(t, dir)
	listen := strings.TrimPrefix(s.URL(), "nats://")
	at := bus.Server{URL: s.URL()}
	f := feeding(t, at)
	r := newReceiver(t)
	start(t, at, webhook.Options{URL: r.URL, Node: "a"})
	publish(f, rooms, 0, each/2)
	r.await(100)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	publish(f, rooms, each/2, each/2)
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: listen, Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(context.Background()) }()
	r.await(rooms * each)
	r.complete(rooms, each)
}

// TestEventsGoElsewhere: somebody reads from the consumer. Events that were taken away are sent nevertheless,
// in order.
func TestEventsGoElsewhere(t *testing.T) {
	n := startNATS(t, "")
	at := bus.Server{URL: n.URL()}
	f := feeding(t, at)
	r := newReceiver(t)
	s, _ := start(t, at, webhook.Options{URL: r.URL, Node: "a"})
	publish(f, 1, 0, 1)
	r.await(1)
	js := jetStream(t, n.URL())
	c, err := js.Consumer(t.Context(), feed.Stream, webhook.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	stolen := 0
	for i := 1; stolen < 1; i += 4 { // the server serves those that wait in turn
		batch, err := c.Fetch(1, jetstream.FetchMaxWait(turnTime/2))
		if err != nil {
			t.Fatal(err)
		}
		publish(f, 1, i, 4)
		for range batch.Messages() {
			stolen++
		}
		r.await(i + 4)
	}
	if !s.Stats().Sending {
		eventually(t, "the next turn", func() bool { return s.Stats().Sending })
	}
	ids := r.distinct()
	r.complete(1, len(ids))
}

// TestConsumerIsDeleted deletes the consumer under a node that sends, and then under another node, whose
// first turn it is. Events that were done are not sent again, and none is lost.
func TestConsumerIsDeleted(t *testing.T) {
	n := startNATS(t, "")
	at := bus.Server{URL: n.URL()}
	f := feeding(t, at)
	r := newReceiver(t)
	_, stop := start(t, at, webhook.Options{URL: r.URL, Node: "a"})
	publish(f, 5, 0, 100)
	r.await(500)
	settled(t, n.URL())
	nc, err := nats.Connect(n.URL())
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteConsumer(t.Context(), feed.Stream, webhook.Consumer))
	publish(f, 5, 100, 10)
	r.await(550)
	settled(t, n.URL())
	from := func() uint64 {
		c, err := js.Consumer(t.Context(), feed.Stream, webhook.Consumer)
		require.NoError(t, err)
		return c.CachedInfo().Config.OptStartSeq
	}
	require.EqualValues(t, 501, from(), "it begins behind what was done, and not with the first event")
	start(t, at, webhook.Options{URL: r.URL, Node: "b"})
	time.Sleep(turnTime)   // b looks at the stream and whose turn it is
	publish(f, 5, 110, 10) // a sends them, beyond what b has seen of the stream
	r.await(600)
	settled(t, n.URL())
	time.Sleep(turnTime) // a tells how far it has come
	stop()
	require.NoError(t, js.DeleteConsumer(t.Context(), feed.Stream, webhook.Consumer))
	publish(f, 5, 120, 10)
	r.await(650)
	settled(t, n.URL())
	require.EqualValues(t, 601, from())
	r.complete(5, 130)
	if len(r.ids) != 650 {
		t.Errorf("%d requests", len(r.ids))
	}
}

// TestNothingIsLogged: no secret is logged.
func TestNothingIsLogged(t *testing.T) {
	n := startNATS(t, "")
	f := feeding(t, bus.Server{URL: n.URL()})
	var log safeBuffer
	s, stop := start(t, bus.Server{URL: n.URL()}, webhook.Options{
		URL: "http://user:hunter2@127.0.0.1:1/?token=sesame", Node: "a", Log: zerolog.New(&log), RetryFor: time.Nanosecond,
	})
	publish(f, 1, 0, 3)
	eventually(t, "events are given up", func() bool { return s.Stats().Expired == 3 })
	stop()
	for _, word := range []string{"hunter2", "sesame", string(key)} {
		if strings.Contains(log.String(), word) {
			t.Errorf("%s", log.String())
		}
	}
	if !strings.Contains(log.String(), "an event is given up") {
		t.Errorf("%s", log.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
