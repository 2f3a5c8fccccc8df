package whip_test

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/session"
	"parlor/session/token"
	"parlor/session/whip"
	"parlor/transport"
)

// node is the doors before a real transport on the loopback interface.
type node struct {
	t     *testing.T
	ctx   context.Context
	url   string
	rooms *session.Rooms
}

func newNode(t *testing.T) *node {
	t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	e, err := transport.Listen(transport.Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Log: log})
	require.NoError(t, err)
	rooms := session.New(session.Options{Log: log}, session.OverEndpoint(e), nil)
	auth, err := token.New(nil)
	require.NoError(t, err)
	srv := httptest.NewServer(whip.New(rooms, auth, nil))
	running, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = e.Run(running) })
	parts.Go(func() { _ = rooms.Run(running) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(func() {
		cancel()
		srv.Close()
		bye, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, rooms.Shutdown(bye))
		stop()
		parts.Wait()
	})
	return &node{t: t, ctx: ctx, url: srv.URL, rooms: rooms}
}

// publisher publishes a camera and a microphone whose packets carry mark, until it ends.
func (n *node) publisher(user string, mark byte, rids ...string) *client.Resource {
	n.t.Helper()
	r, err := client.WHIP(n.ctx, client.Options{
		URL: n.url, Room: "lobby", User: user, Publish: []client.Source{client.Camera, client.Mic}, RIDs: rids,
		Media: client.Media{Codecs: []string{"VP8"}},
	})
	require.NoError(n.t, err)
	if len(rids) == 0 {
		rids = []string{""}
	}
	ctx, stop := context.WithCancel(n.ctx)
	var sending sync.WaitGroup
	for i, rid := range rids {
		sending.Go(func() { send(ctx, r.Outgoing(client.Camera, rid), 3000, keyframe(mark, byte(i))) })
	}
	sending.Go(func() { send(ctx, r.Outgoing(client.Mic, ""), 960, []byte{0xf8, mark, 0xff}) })
	n.t.Cleanup(func() {
		stop()
		sending.Wait()
		r.Close()
	})
	return r
}

// keyframe is a VP8 payload of one small keyframe (RFC 7741), with a mark at its end.
func keyframe(mark, layer byte) []byte {
	return []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, layer, mark}
}

// send sends the payload fifty times a second.
func send(ctx context.Context, o *client.Outgoing, step uint32, payload []byte) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: true}, Payload: payload}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if o.WriteRTP(&p) != nil {
			return
		}
		p.SequenceNumber++
		p.Timestamp += step
	}
}

// player receives, and notes whose packets came last in each section.
type player struct {
	*client.Resource
	mu   sync.Mutex
	mark map[client.Section]byte
	n    map[client.Section]int
}

func (n *node) player(user, target string, seats int) *player {
	n.t.Helper()
	p := &player{mark: map[client.Section]byte{}, n: map[client.Section]int{}}
	var err error
	p.Resource, err = client.WHEP(n.ctx, client.Options{
		URL: n.url, Room: "lobby", User: user, Seats: seats, OnRTP: func(s client.Section) func([]byte) {
			return func(b []byte) {
				var got rtp.Packet
				if got.Unmarshal(b) != nil || len(got.Payload) < 3 {
					return
				}
				mark := got.Payload[len(got.Payload)-1]
				if s.Audio {
					mark = got.Payload[1]
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				p.mark[s] = mark
				p.n[s]++
			}
		},
	}, target)
	require.NoError(n.t, err)
	n.t.Cleanup(p.Close)
	return p
}

// shows waits until seats show these marks, in picture and sound.
func (p *player) shows(t *testing.T, marks map[string]byte) {
	t.Helper()
	ok := assert.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for seat, mark := range marks {
			if p.mark[client.Section{Seat: seat}] != mark || p.mark[client.Section{Seat: seat, Audio: true}] != mark {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond)
	if !ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		t.Fatalf("wanted %v, have %v", marks, p.mark)
	}
}

// counts returns how many packets came in all sections.
func (p *player) counts() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.n {
		n += c
	}
	return n
}

func TestOnePostReceivesFour(t *testing.T) {
	n := newNode(t)
	for i, user := range []string{"ann", "bob", "cat"} {
		n.publisher(user, byte('1'+i))
	}
	p := n.player("viewer", "", 4)
	p.shows(t, map[string]byte{"0": '1', "1": '2', "2": '3'})
	n.publisher("dan", '4')
	p.shows(t, map[string]byte{"0": '1', "1": '2', "2": '3', "3": '4'})
}

func TestLaterOnesTakeFreeSeats(t *testing.T) {
	n := newNode(t)
	ann := n.publisher("ann", '1')
	n.publisher("bob", '2')
	n.publisher("cat", '3')
	p := n.player("viewer", "", 2)
	p.shows(t, map[string]byte{"0": '1', "1": '2'})
	require.NoError(t, ann.Delete(n.ctx))
	p.shows(t, map[string]byte{"0": '3', "1": '2'})
}

func TestPlayOneUser(t *testing.T) {
	n := newNode(t)
	p := n.player("viewer", "bob", 1)
	n.publisher("ann", '1')
	bob := n.publisher("bob", '2')
	p.shows(t, map[string]byte{"0": '2'})
	require.NoError(t, bob.Delete(n.ctx))
	n.publisher("bob", '4')
	p.shows(t, map[string]byte{"0": '4'})
}

func TestSimulcastPublisher(t *testing.T) {
	n := newNode(t)
	n.publisher("ann", '1', "q", "h", "f")
	p := n.player("viewer", "", 1)
	p.shows(t, map[string]byte{"0": '1'})
}

func TestICERestartKeepsMedia(t *testing.T) {
	n := newNode(t)
	ann := n.publisher("ann", '1')
	p := n.player("viewer", "", 1)
	p.shows(t, map[string]byte{"0": '1'})
	for _, r := range []*client.Resource{ann, p.Resource} {
		before := r.ETag
		require.NoError(t, r.RestartICE(n.ctx))
		require.NotEqual(t, before, r.ETag)
	}
	had := p.counts()
	require.Eventually(t, func() bool { return p.counts() > had+100 }, 10*time.Second, 10*time.Millisecond)
}

// TestBadRequestsDisturbNobody sends refusals for the user who is publishing, and checks that the picture
// goes on.
func TestBadRequestsDisturbNobody(t *testing.T) {
	n := newNode(t)
	ann := n.publisher("ann", '1')
	p := n.player("viewer", "", 1)
	p.shows(t, map[string]byte{"0": '1'})
	h := &house{t: t, url: n.url}
	for body, status := range map[string]int{"": 400, "hello": 400, recvOffer: 422, sendOffer[:len(sendOffer)/2]: 400} {
		resp, _ := h.post("/whip/lobby?user=ann", body)
		require.Equal(t, status, resp.StatusCode)
	}
	_, err := ann.Patch(n.ctx, "nonsense", ann.ETag)
	require.Error(t, err)
	had := p.counts()
	require.Eventually(t, func() bool { return p.counts() > had+20 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, p.Delete(n.ctx))
	require.NoError(t, ann.Delete(n.ctx))
	require.Zero(t, n.rooms.Stats().Users)
}
