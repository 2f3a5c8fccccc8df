package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/control/cluster/placing"
	"parlor/control/embedded"
	"parlor/session/terms"
)

// testLease is the least that NATS allows with markers, so that tests of its end are short.
const testLease = time.Second

// always places a room on the node that its user has come to.
func always(nodes []placing.Node, origin, _ string) string {
	for _, n := range nodes {
		if n.ID == origin && !n.Draining {
			return origin
		}
	}
	return placing.Load(nodes, origin, "")
}

// to places all rooms on one node.
func to(node string) placing.Rule {
	return func([]placing.Node, string, string) string { return node }
}

// broker is a NATS server that can be restarted.
type broker struct {
	t   *testing.T
	dir string
	at  string
	s   *embedded.Server
}

func newBroker(t *testing.T) *broker {
	b := &broker{t: t, dir: t.TempDir(), at: "127.0.0.1:0"}
	b.start()
	b.at = b.s.Addr().String()
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *broker) start() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { // its port may still be closing
		s, err := embedded.Start(context.Background(), embedded.Options{Listen: b.at, Dir: b.dir, Log: zerolog.Nop()})
		b.s = s
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
}

func (b *broker) stop() {
	require.NoError(b.t, b.s.Shutdown(context.Background()))
}

func (b *broker) url() string { return "nats://" + b.at }

// bucket opens a bucket as somebody else would.
func (b *broker) bucket(name string) jetstream.KeyValue {
	b.t.Helper()
	nc, err := nats.Connect(b.url())
	require.NoError(b.t, err)
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(b.t, err)
	kv, err := js.KeyValue(b.t.Context(), name)
	require.NoError(b.t, err)
	return kv
}

// messages counts what a bucket's stream holds, markers included.
func (b *broker) messages(name string) uint64 {
	b.t.Helper()
	nc, err := nats.Connect(b.url())
	require.NoError(b.t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(b.t, err)
	s, err := js.Stream(b.t.Context(), "KV_"+name)
	require.NoError(b.t, err)
	return s.CachedInfo().State.Msgs
}

// moves are the rooms of a node, as far as they are told to move.
type moves struct {
	node string
	mu   sync.Mutex
	urls map[string]string // by room

	heeding func()                            // called when marks were read; set before it runs
	heeded  map[string][]terms.Mark           // by room
	marks   map[terms.RoomID][]terms.Mark     // in force; set before it runs
	obeyed  []string                          // what was owed, in order
	obeying func(context.Context, Owed) error // in place of obey; set before it runs; nil: obey
	lastID  string                            // of it
}

// Report is that of a node whose URL follows from its id.
func (m *moves) Report() Report {
	return Report{URL: "http://" + m.node + ".test", Load: Load{CPU: .25, Rooms: 3}}
}

func (m *moves) Obey(ctx context.Context, o Owed) error {
	if m.obeying != nil {
		return m.obeying(ctx, o)
	}
	return m.obey(ctx, o)
}

func (m *moves) obey(_ context.Context, o Owed) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	when := ""
	if _, moved := m.urls[o.Room.Key()]; moved {
		when = ", too late"
	}
	m.lastID = o.ID
	m.obeyed = append(m.obeyed, fmt.Sprintf("%s %s %s%s", o.Room.Key(), o.Action, o.Request, when))
	return nil
}

func (m *moves) heard() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.obeyed)
}

func (m *moves) Move(ctx context.Context, room terms.RoomID, _ string, next func(context.Context) string) (int, error) {
	url := next(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.urls[room.Key()] = url
	return 1, nil
}

func (m *moves) Marks() map[terms.RoomID][]terms.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks
}

func (m *moves) Heed(_ context.Context, room terms.RoomID, marks []terms.Mark, stands func(terms.Mark) bool) error {
	if m.heeding != nil {
		m.heeding()
	}
	marks = slices.DeleteFunc(marks, func(mark terms.Mark) bool { return !stands(mark) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heeded == nil {
		m.heeded = map[string][]terms.Mark{}
	}
	m.heeded[room.Key()] = marks
	return nil
}

func (m *moves) of(room terms.RoomID) (url string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	url, ok = m.urls[room.Key()]
	return url, ok
}

// member is a node's part in a cluster, in a test.
type member struct {
	*Cluster
	rooms *moves
	nc    *nats.Conn
	stop  func() // in order
	clock *clock
}

// clock is the real one, and what the test adds to it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// prepare makes a member that does not run yet.
func prepare(t *testing.T, url, id string, change func(*Options)) *member {
	t.Helper()
	nc, err := nats.Connect(url, append(Connection(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	require.NoError(t, err)
	m := &member{rooms: &moves{node: id, urls: map[string]string{}}, nc: nc, clock: &clock{}}
	o := Options{
		Node: id, Version: "test", Lease: testLease, Own: true, Place: always, Now: m.clock.now,
		Log: zerolog.New(zerolog.ConsoleWriter{Out: testLog(), NoColor: true}).With().Str("node", id).Logger(),
	}
	if change != nil {
		change(&o)
	}
	m.Cluster, err = New(nc, o)
	require.NoError(t, err)
	return m
}

func (m *member) incarnation() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.me.incarnation
}

func testLog() io.Writer {
	if testing.Verbose() {
		return os.Stderr
	}
	return io.Discard
}

func (m *member) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx, m.rooms) // it has no errors
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		m.nc.Close()
	})
	t.Cleanup(m.stop)
}

// join starts a member and waits until it takes entries.
func join(t *testing.T, url, id string, change func(*Options)) *member {
	t.Helper()
	m := prepare(t, url, id, change)
	m.run(t)
	select {
	case <-m.Opened():
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not take entries: %v", id, m.Open())
	}
	return m
}

// knows waits until a member knows of others.
func (m *member) knows(t *testing.T, n int) {
	t.Helper()
	await(t, "the nodes know each other", func() bool { return len(m.Nodes()) == n })
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 5*time.Millisecond, what)
}

func room(t *testing.T, name string) terms.RoomID {
	t.Helper()
	r, err := terms.StringRoom(name)
	require.NoError(t, err)
	return r
}

// claim claims a room that must be this member's then.
func (m *member) claim(t *testing.T, r terms.RoomID) (release func()) {
	t.Helper()
	release, err := m.Claim(t.Context(), r, true)
	require.NoError(t, err)
	return release
}

// elsewhere requires that a room is on another node.
func (m *member) elsewhere(t *testing.T, r terms.RoomID, node string) {
	t.Helper()
	_, err := m.Claim(t.Context(), r, true)
	var e *terms.ElsewhereError
	require.ErrorAs(t, err, &e)
	require.Equal(t, terms.ElsewhereError{Node: node, URL: "http://" + node + ".test"}, *e)
}

// link is a TCP proxy before a NATS server, which can be cut.
type link struct {
	l    net.Listener
	to   string
	mu   sync.Mutex
	cut  bool
	open map[net.Conn]struct{}
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &link{l: l, to: to, open: map[net.Conn]struct{}{}}
	go k.serve()
	t.Cleanup(func() { l.Close(); k.set(true) })
	return k
}

func (k *link) url() string { return "nats://" + k.l.Addr().String() }

func (k *link) serve() {
	for {
		in, err := k.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", k.to)
		k.mu.Lock()
		if k.cut || err != nil {
			in.Close()
			if err == nil {
				out.Close()
			}
			k.mu.Unlock()
			continue
		}
		k.open[in], k.open[out] = struct{}{}, struct{}{}
		k.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				pair[0].Close()
				pair[1].Close()
			}()
		}
	}
}

// set cuts the link, or mends it.
func (k *link) set(cut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut = cut
	for c := range k.open {
		if cut {
			c.Close()
			delete(k.open, c)
		}
	}
}

// lossy loses the answers of writes that it was told to lose: they happen, and the writer does not learn of
// it.
type lossy struct {
	bucket
	lose *atomic.Int64
}

func (l lossy) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	next, err := l.bucket.Update(ctx, key, value, revision)
	if l.lose.Add(-1) >= 0 {
		return 0, errors.Join(context.DeadlineExceeded, fmt.Errorf("the answer %d was lost", next))
	}
	return next, err
}

// apart returns two nodes. Node a has two rooms and reaches the server over k, which can cut it off.
func apart(t *testing.T) (b *broker, k *link, a, other *member, lobby, hall terms.RoomID) {
	t.Helper()
	b = newBroker(t)
	k = newLink(t, b.at)
	a, other = join(t, k.url(), "a", nil), join(t, b.url(), "b", nil)
	a.knows(t, 2)
	other.knows(t, 2)
	lobby, hall = room(t, "lobby"), room(t, "hall")
	a.claim(t, lobby)
	a.claim(t, hall)
	return b, k, a, other, lobby, hall
}
