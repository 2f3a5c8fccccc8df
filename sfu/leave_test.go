package sfu_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/lab/traffic"
	"parlor/sfu"
)

// live is a node on free ports of this machine, with a NATS connection of its operator.
type live struct {
	*sfu.Node
	url  string
	nats *nats.Conn
}

func startLive(t *testing.T, change ...func(*config.Config)) *live {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Listen, cfg.Media.Listen, cfg.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.NATS.StoreDir = t.TempDir()
	for _, f := range change {
		f(&cfg)
	}
	n, err := sfu.New(cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case <-n.Ready():
	case err := <-ended:
		t.Fatalf("node did not start: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	l := &live{Node: n, url: "http://" + n.Addrs().HTTP.String()}
	l.nats, err = nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	t.Cleanup(l.nats.Close)
	return l
}

// command asks over NATS as the nats command line does, and returns when it was answered.
func (l *live) command(t *testing.T, action, body string) time.Time {
	t.Helper()
	m, err := l.nats.Request("sfu.v1."+action, []byte(body), 10*time.Second)
	at := time.Now()
	require.NoError(t, err)
	require.Empty(t, m.Header.Get("Nats-Service-Error"), "%s: %s", action, m.Data)
	require.True(t, json.Valid(m.Data), "%s answered %q", action, m.Data)
	return at
}

// guest is a client that counts what it receives per SSRC.
type guest struct {
	*client.Client
	port uint16

	mu    sync.Mutex
	ssrcs map[client.Section]uint32
	count map[client.Section]*atomic.Uint64
	gaps  atomic.Uint64 // packets that did not follow the one before, in all sections
}

func (l *live) join(t *testing.T, user string, o client.Options) *guest {
	t.Helper()
	g := &guest{ssrcs: map[client.Section]uint32{}, count: map[client.Section]*atomic.Uint64{}}
	o.URL, o.User = l.url, user
	if o.Room == nil {
		o.Room = "lobby"
	}
	o.OnRTP = func(s client.Section) func([]byte) {
		n := new(atomic.Uint64)
		g.mu.Lock()
		g.count[s] = n
		g.mu.Unlock()
		next := uint64(0)
		return func(p []byte) {
			stamp, _ := traffic.Read(p)
			if n.Add(1) == 1 {
				g.mu.Lock()
				g.ssrcs[s] = binary.BigEndian.Uint32(p[8:])
				g.mu.Unlock()
			} else if stamp.Seq != next {
				g.gaps.Add(1)
			}
			next = stamp.Seq + 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, o)
	require.NoError(t, err, "entering as %s", user)
	g.Client = c
	t.Cleanup(c.Close)
	pair, err := c.PeerConnection().SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	require.NoError(t, err)
	g.port = pair.Local.Port
	return g
}

func (g *guest) received(s client.Section) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.count[s]; n != nil {
		return n.Load()
	}
	return 0
}

func (g *guest) ssrc(s client.Section) uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ssrcs[s]
}

// publish sends camera and mic as bench does until the test or the client ends.
func (g *guest) publish(t *testing.T, sources ...client.Source) {
	t.Helper()
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i, src := range sources {
		var s traffic.Stream = traffic.NewAudio(uint32(i))
		if !src.Audio() {
			s = traffic.NewVideo(uint32(i), 2_000_000, 0)
		}
		out := g.Outgoing(src, "")
		running.Go(func() { pump(out, s, stop) })
	}
	t.Cleanup(func() {
		close(stop)
		running.Wait()
	})
}

func pump(out *client.Outgoing, s traffic.Stream, stop chan struct{}) {
	start := time.Now()
	tick := time.NewTicker(s.Interval())
	defer tick.Stop()
	for {
		key := false
		select {
		case <-stop:
			return
		case <-out.Keyframes():
			key = true
		default:
		}
		for _, p := range s.Next(time.Since(start), key) {
			_ = out.WriteRTP(p) // fails once the client has left, which is what is tested
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

func (g *guest) watch(t *testing.T, seat, user string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, g.Seat(ctx, client.SeatRequest{Seat: seat, User: user, Video: client.Camera, Audio: client.Mic}))
}

// seatName is the id of a client's n-th seat.
func seatName(n int) string { return fmt.Sprint(n - 1) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

// await returns the next event of the type, and fails on one of the types that must not come before.
func (g *guest) await(t *testing.T, typ string) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e, err := g.Await(ctx, typ)
	require.NoError(t, err, "waiting for %s", typ)
	return e
}

// meeting is ann and dan publishing, bob and cat each watching both.
type meeting struct {
	*live
	ann, dan *guest
	watchers []*guest
	wire     *capture
}

func meet(t *testing.T) *meeting {
	t.Helper()
	l := startLive(t)
	m := &meeting{live: l, wire: startCapture(t, l.Addrs().Media)}
	both := []client.Source{client.Camera, client.Mic}
	m.ann = l.join(t, "ann", client.Options{Publish: both, Seats: 1})
	m.dan = l.join(t, "dan", client.Options{Publish: both})
	for _, user := range []string{"bob", "cat"} {
		w := l.join(t, user, client.Options{Seats: 2})
		w.watch(t, seatName(1), "ann")
		w.watch(t, seatName(2), "dan")
		m.watchers = append(m.watchers, w)
	}
	m.ann.watch(t, seatName(1), "dan")
	m.ann.publish(t, both...)
	m.dan.publish(t, both...)
	for _, w := range m.watchers {
		for _, s := range []string{seatName(1), seatName(2)} {
			for _, audio := range []bool{false, true} {
				eventually(t, "media in every seat", func() bool { return w.received(client.Section{Seat: s, Audio: audio}) > 50 })
			}
		}
	}
	return m
}

// annSSRCs are those under which ann's streams reach the watchers.
func (m *meeting) annSSRCs() map[uint32]bool {
	s := map[uint32]bool{}
	for _, w := range m.watchers {
		s[w.ssrc(client.Section{Seat: seatName(1)})] = true
		s[w.ssrc(client.Section{Seat: seatName(1), Audio: true})] = true
	}
	return s
}

// danGoesOn waits until dan's video has reached every watcher for another while, so that what could still
// have been on its way has been.
func (m *meeting) danGoesOn(t *testing.T) {
	t.Helper()
	for _, w := range m.watchers {
		s := client.Section{Seat: seatName(2)}
		from := w.received(s)
		eventually(t, "the other publisher's media goes on", func() bool { return w.received(s) > from+200 })
	}
}

// nothingOfAnnAfter looks at what left the node.
func (m *meeting) nothingOfAnnAfter(t *testing.T, at time.Time) {
	t.Helper()
	ssrcs := m.annSSRCs()
	ofAnn := func(s sent) bool { return s.rtp && (ssrcs[s.ssrc] || s.to == m.ann.port) }
	require.NotEmpty(t, m.wire.matching(func(s sent) bool { return ofAnn(s) && s.at.Before(at) }), "the capture sees ann's packets")
	late := m.wire.matching(func(s sent) bool { return ofAnn(s) && s.at.After(at) })
	require.Empty(t, late, "packets of or to ann left the node after the command was answered at %s", at)
	require.NotEmpty(t, m.wire.matching(func(s sent) bool { return s.rtp && s.at.After(at) }), "the capture goes on")
}

func TestNoPacketAfterRemoveUserWasAnswered(t *testing.T) {
	m := meet(t)
	at := m.command(t, "RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"],"Reason":"be nice"}`)
	m.danGoesOn(t)
	m.nothingOfAnnAfter(t, at)

	e := m.ann.await(t, client.Exited)
	require.Equal(t, 1, e.Reason)
	require.Equal(t, "be nice", e.Text)
	for _, w := range append(m.watchers, m.dan) {
		e := w.await(t, client.UserLeft)
		require.Equal(t, "ann", e.User)
		require.Equal(t, 2, e.Reason)
	}
}

func TestNoPacketAfterExitWasAnswered(t *testing.T) {
	m := meet(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, m.ann.Call(ctx, "exit", nil, nil))
	at := time.Now()
	m.danGoesOn(t)
	m.nothingOfAnnAfter(t, at)

	require.Equal(t, 0, m.ann.await(t, client.Exited).Reason)
	for _, w := range append(m.watchers, m.dan) {
		e := w.await(t, client.UserLeft)
		require.Equal(t, "ann", e.User)
		require.Equal(t, 0, e.Reason)
	}
}

func TestNoPacketAfterDismissRoomWasAnswered(t *testing.T) {
	m := meet(t)
	other := m.join(t, "eve", client.Options{Room: 7, Publish: []client.Source{client.Camera}})
	viewer := m.join(t, "fay", client.Options{Room: 7, Seats: 1})
	other.publish(t, client.Camera)
	viewer.watch(t, seatName(1), "eve")
	s := client.Section{Seat: seatName(1)}
	eventually(t, "media in the other room", func() bool { return viewer.received(s) > 50 })

	at := m.command(t, "DismissRoomByStrRoomId", `{"StrRoomId":"lobby"}`)
	from := viewer.received(s)
	eventually(t, "the other room goes on", func() bool { return viewer.received(s) > from+200 })
	ours := func(x sent) bool { return x.rtp && x.to != viewer.port }
	require.Empty(t, m.wire.matching(func(x sent) bool { return ours(x) && x.at.After(at) }))
	require.NotEmpty(t, m.wire.matching(func(x sent) bool { return ours(x) && x.at.Before(at) }))
	for _, g := range append(m.watchers, m.ann, m.dan) {
		require.Equal(t, 2, g.await(t, client.Exited).Reason)
	}
}

// TestChurnLeavesNothingBehind is 200 rounds in which 20 clients enter, meet and leave, in every way there
// is.
func TestChurnLeavesNothingBehind(t *testing.T) {
	l := startLive(t)
	const clients = 20
	rounds := 200
	for i := range 10 { // pools, caches and lazily started goroutines find their size
		l.round(t, i, clients)
	}
	before := l.holdings(t)
	for i := range rounds {
		l.round(t, i, clients)
	}
	after := l.holdings(t)
	t.Logf("before %+v, after %+v", before, after)
	require.Zero(t, after.peers)
	require.Zero(t, after.rooms)
	require.LessOrEqual(t, after.goroutines, before.goroutines+2)
	require.LessOrEqual(t, after.files, before.files+2)
	require.LessOrEqual(t, after.heap, before.heap+before.heap/4+4<<20)
}

func (l *live) round(t *testing.T, i, clients int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	room := fmt.Sprintf("round%d", i%3)
	all := make([]*client.Client, clients)
	var running sync.WaitGroup
	for k := range all {
		running.Go(func() {
			o := client.Options{URL: l.url, Room: room, User: fmt.Sprintf("u%d", k), Seats: 1}
			if k == 0 {
				o.Publish = []client.Source{client.Camera, client.Mic}
			}
			var err error
			if all[k], err = client.Dial(ctx, o); err != nil {
				t.Errorf("round %d, client %d: %v", i, k, err)
			}
		})
	}
	running.Wait()
	if t.Failed() {
		t.FailNow()
	}
	v := traffic.NewVideo(1, 1_000_000, 0)
	for f := range 5 {
		for _, p := range v.Next(time.Duration(f)*time.Second/30, f == 0) {
			require.NoError(t, all[0].Outgoing(client.Camera, "").WriteRTP(p))
		}
	}
	l.leaveAll(ctx, t, i, room, all)
	for _, c := range all {
		c.Close()
	}
}

// leaveAll has everybody leave: some by exit, some by a beacon, some by a command, the rest by the end of the
// room.
func (l *live) leaveAll(ctx context.Context, t *testing.T, i int, room string, all []*client.Client) {
	t.Helper()
	var running sync.WaitGroup
	for k, c := range all[1:] {
		switch (i + k) % 4 {
		case 0:
			running.Go(func() { require.NoError(t, c.Exit(ctx)) })
		case 1:
			running.Go(func() { require.NoError(t, c.Beacon(ctx)) })
		case 2:
			running.Go(func() { l.command(t, "RemoveUser", fmt.Sprintf(`{"StrRoomId":%q,"UserIds":["u%d"]}`, room, k+1)) })
		}
	}
	running.Wait()
	l.command(t, "DismissRoom", fmt.Sprintf(`{"StrRoomId":%q}`, room))
}

// holdings is what a process holds on to.
type holdings struct {
	goroutines, files, peers, rooms int
	heap                            uint64
}

func (l *live) holdings(t *testing.T) holdings {
	t.Helper()
	var h holdings
	settled := 0
	eventually(t, "goroutines and files settle", func() bool {
		was := h
		h.goroutines = runtime.NumGoroutine()
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		h.files = len(fds)
		if was == h {
			settled++
		} else {
			settled = 0
		}
		return settled >= 100
	})
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.heap = m.HeapAlloc
	h.peers, h.rooms = l.gauge(t, "parlor_transport_peers"), l.gauge(t, "parlor_rooms")
	return h
}

// gauge reads a metric without labels as an operator would.
func (l *live) gauge(t *testing.T, name string) int {
	t.Helper()
	r, err := http.Get(l.url + "/metrics")
	require.NoError(t, err)
	defer r.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(r.Body)
	require.NoError(t, err)
	require.Contains(t, families, name)
	return int(families[name].Metric[0].Gauge.GetValue())
}
