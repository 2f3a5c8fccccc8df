package client

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually is for what another process half tells on its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

// noLeak fails the test when goroutines of this package or of pion stay behind. Call it before anything is
// started.
func noLeak(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left string
		for range 200 {
			if left = strays(); left == "" {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("goroutines left behind:\n%s", left)
	})
}

func strays() string {
	buf := make([]byte, 1<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if (strings.Contains(g, "pion/") || strings.Contains(g, "parlor/client.(")) && !strings.Contains(g, "testing.tRunner") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// pump writes a packet to every Outgoing each 5 ms until the test ends.
func pump(t *testing.T, outs ...*Outgoing) {
	stop, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		for seq := uint16(0); ; seq++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			for _, o := range outs {
				_ = o.WriteRTP(&rtp.Packet{
					Header:  rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 450},
					Payload: []byte{0x10, 0, 0, 0, byte(seq)},
				})
			}
		}
	}()
}

func callOptions(n *fakeNode) Options {
	return Options{URL: n.server.URL, Room: "lobby", User: "ann", Publish: []Source{Camera, Mic}, Seats: 1}
}

func TestCall(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	var video, audio atomic.Int64
	o := callOptions(n)
	o.OnRTP = func(s Section) func([]byte) {
		require.Equal(t, "0", s.Seat)
		return func(p []byte) {
			if s.Audio {
				audio.Add(1)
			} else {
				video.Add(1)
			}
		}
	}
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	require.Equal(t, "bob", c.Entered().Users[0].ID)

	n.mu.Lock()
	first := n.offers[0]
	n.mu.Unlock()
	require.True(t, first.Fresh)
	require.Len(t, first.Publish, 2)
	require.Len(t, first.Seats, 1)
	require.NotEmpty(t, first.Seats[0].Video)
	require.NotEmpty(t, first.Seats[0].Audio)

	require.NoError(t, c.Seat(ctx, SeatRequest{Seat: "0", User: "ann", Video: Camera}))
	n.mu.Lock()
	require.Equal(t, "ann", *n.seats[0].User)
	require.Nil(t, n.seats[0].Audio)
	n.mu.Unlock()

	pump(t, c.Outgoing(Camera, ""), c.Outgoing(Mic, ""))
	eventually(t, "video and audio through the seat", func() bool { return video.Load() > 20 && audio.Load() > 20 })
	select {
	case <-c.Outgoing(Camera, "").Keyframes():
	case <-ctx.Done():
		t.Fatal("no keyframe was asked for")
	}

	n.event(map[string]any{"type": UserEntered, "user": User{ID: "carl"}})
	n.event(map[string]any{"type": UserLeft, "user": "carl", "reason": 2})
	e, err := c.Await(ctx, UserLeft)
	require.NoError(t, err)
	require.Equal(t, "carl", e.User)
	require.Equal(t, 2, e.Reason)
	eventually(t, "acknowledged by ping", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return n.acked == 2 })

	require.NoError(t, c.Exit(ctx))
	e, err = c.Await(ctx, Exited)
	require.NoError(t, err)
	require.Zero(t, e.Reason)
	_, open := <-c.Events()
	require.False(t, open, "events end after exited")
	require.Zero(t, c.Gaps())
	require.ErrorIs(t, c.SetRole(ctx, "audience"), errSignalClosed)
}

func TestRefused(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	n.refuse = &Error{Code: "scene_mismatch", Field: "scene", Message: "the room is a call"}
	_, err := Dial(ctx, callOptions(n))
	require.ErrorIs(t, err, &Error{Code: "scene_mismatch"})
	require.NotErrorIs(t, err, &Error{Code: "room_full"})
	require.ErrorContains(t, err, "the room is a call")
}

func TestResume(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	o := callOptions(n)
	o.NoPing = true
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	defer c.Close()
	n.event(map[string]any{"type": Streams, "user": "bob"})
	_, err = c.Await(ctx, Streams)
	require.NoError(t, err)

	c.DropSignal()
	<-c.SignalLost()
	n.event(map[string]any{"type": Streams, "user": "carl"})
	n.event(map[string]any{"type": UserLeft, "user": "carl", "reason": 1})
	require.NoError(t, c.Resume(ctx))
	for _, want := range []uint64{2, 3} {
		e := <-c.Events()
		require.Equal(t, want, e.Seq)
	}
	require.Zero(t, c.Gaps())
	require.Zero(t, n.count("ping"))

	n.mu.Lock()
	n.sent = append(n.sent, nil) // one event is lost
	n.mu.Unlock()
	n.event(map[string]any{"type": Streams, "user": "bob"})
	_, err = c.Await(ctx, Streams)
	require.NoError(t, err)
	eventually(t, "the gap is seen", func() bool { return c.Gaps() == 1 })
}

func TestPutOut(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	c, err := Dial(ctx, callOptions(n))
	require.NoError(t, err)
	defer c.Close()
	n.event(map[string]any{"type": Exited, "reason": 1, "text": "be nice"})
	n.mu.Lock()
	ws := n.ws
	n.mu.Unlock()
	_ = ws.CloseNow()
	e, err := c.Await(ctx, Exited)
	require.NoError(t, err)
	require.Equal(t, 1, e.Reason)
	require.Equal(t, "be nice", e.Text)
	<-c.Done()
	_, open := <-c.Events()
	require.False(t, open)
}

func TestCloseSaysNothing(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	c, err := Dial(ctx, callOptions(n))
	require.NoError(t, err)
	n.mu.Lock()
	pc := n.pc
	n.mu.Unlock()
	c.Close()
	c.Close()
	eventually(t, "the node loses the socket", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.closed) == 1 })
	require.Zero(t, n.count("exit"))
	require.Never(t, func() bool { return pc.ConnectionState() != webrtc.PeerConnectionStateConnected },
		100*time.Millisecond, 5*time.Millisecond, "a DTLS alert was sent")
}

func TestOfferAgain(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	var got atomic.Int64
	o := callOptions(n)
	o.OnRTP = func(Section) func([]byte) { return func([]byte) { got.Add(1) } }
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	defer c.Close()
	pump(t, c.Outgoing(Camera, ""))
	flows := func(step string) {
		t.Helper()
		before := got.Load()
		eventually(t, "media flows after "+step, func() bool { return got.Load() > before+20 })
	}
	flows("dial")
	require.NoError(t, c.AddSeats(ctx, 2))
	flows("more seats")
	require.NoError(t, c.AddPublish(ctx, Screen))
	require.NoError(t, c.StopPublish(ctx, Screen))
	flows("screen")
	require.NoError(t, c.RestartICE(ctx))
	flows("ICE restart")
	require.NoError(t, c.Fresh(ctx))
	flows("a new PeerConnection")

	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := []bool{}
	for _, o := range n.offers {
		fresh = append(fresh, o.Fresh)
	}
	require.Equal(t, []bool{true, false, false, false, false, true}, fresh)
	require.Len(t, n.offers[1].Seats, 3)
	require.Contains(t, n.offers[2].Publish, "8")
	require.NotContains(t, n.offers[3].Publish, "8")
	require.Len(t, n.offers[5].Seats, 3)
}

func TestSimulcast(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	o := callOptions(n)
	o.RIDs = []string{"q", "h", "f"}
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	defer c.Close()
	require.Nil(t, c.Outgoing(Camera, ""))
	pump(t, c.Outgoing(Camera, "q"), c.Outgoing(Camera, "h"), c.Outgoing(Camera, "f"))
	eventually(t, "three layers", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.rids["q"] == 1 && n.rids["h"] == 1 && n.rids["f"] == 1
	})
	for _, rid := range o.RIDs {
		select {
		case <-c.Outgoing(Camera, rid).Keyframes():
		case <-ctx.Done():
			t.Fatalf("no keyframe was asked for of %s", rid)
		}
	}
}

func TestSilence(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	var got atomic.Int64
	o := callOptions(n)
	o.Media.Feedback = AllFeedback
	o.OnRTP = func(Section) func([]byte) { return func([]byte) { got.Add(1) } }
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	defer c.Close()
	pump(t, c.Outgoing(Camera, ""))
	eventually(t, "media flows", func() bool { return got.Load() > 10 })
	c.Silence(true)
	time.Sleep(20 * time.Millisecond) // what was queued inside pion
	before := got.Load()
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, before, got.Load())
	c.Silence(false)
	eventually(t, "media flows again", func() bool { return got.Load() > before+10 })
}

func TestTCP(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	n.tcp = true
	var got atomic.Int64
	o := callOptions(n)
	o.Media.TCP = true
	o.OnRTP = func(Section) func([]byte) { return func([]byte) { got.Add(1) } }
	c, err := Dial(ctx, o)
	require.NoError(t, err)
	pump(t, c.Outgoing(Camera, ""))
	eventually(t, "media flows", func() bool { return got.Load() > 10 })
	_, err = c.Drops()
	require.ErrorIs(t, err, errNoSocket)
	require.NoError(t, c.Exit(ctx))
}

func TestWHIP(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	o := callOptions(n)
	o.Seats, o.Token = 0, "secret"
	r, err := WHIP(ctx, o)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, 1, n.count("post /whip/lobby?user=ann Bearer secret"))
	require.Equal(t, n.server.URL+"/session/1", r.Location)
	require.Equal(t, `"one"`, r.ETag)
	pump(t, r.Outgoing(Camera, ""))
	<-r.Outgoing(Camera, "").Keyframes()

	got, err := r.Patch(ctx, "a=ice-ufrag:x\r\n", r.ETag)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, r.RestartICE(ctx))
	require.Equal(t, `"two"`, r.ETag)
	n.mu.Lock()
	require.True(t, strings.HasPrefix(n.patches[0], `"one" `))
	require.Contains(t, n.patches[1], "a=candidate:")
	n.mu.Unlock()
	require.NoError(t, r.Delete(ctx))
	require.Equal(t, 1, n.count("delete"))
}

func TestWHEP(t *testing.T) {
	noLeak(t)
	n, ctx := newFakeNode(t), testContext(t)
	o := callOptions(n)
	o.Publish, o.Seats, o.User = nil, 2, ""
	r, err := WHEP(ctx, o, "bob")
	require.NoError(t, err)
	require.Equal(t, 1, n.count("post /whep/lobby/bob "))
	require.Len(t, r.PeerConnection().GetTransceivers(), 4)
	require.NoError(t, r.Delete(ctx))

	n.refuse = &Error{Code: "not_allowed"}
	_, err = WHEP(ctx, o, "bob")
	var status *StatusError
	require.True(t, errors.As(err, &status))
	require.Equal(t, http.StatusForbidden, status.Status)
}

func TestBeacon(t *testing.T) {
	n, ctx := newFakeNode(t), testContext(t)
	c, err := Dial(ctx, Options{URL: n.server.URL, Room: 7, User: "ann"})
	require.NoError(t, err)
	defer c.Close()
	require.Nil(t, c.PeerConnection())
	require.NoError(t, c.Beacon(ctx))
	require.Equal(t, 1, n.count("beacon"))
	require.True(t, slices.Equal([]string{"enter"}, n.requests[:1]))
}

func TestParseFeedback(t *testing.T) {
	for text, want := range map[string]Feedback{"none": 0, "all": AllFeedback, "nack": NACK, "twcc, reports": TWCC | Reports} {
		f, err := ParseFeedback(text)
		require.NoError(t, err)
		require.Equal(t, want, f)
		again, err := ParseFeedback(f.String())
		require.NoError(t, err)
		require.Equal(t, f, again)
	}
	_, err := ParseFeedback("fec")
	require.ErrorContains(t, err, "fec")
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"type":"user_entered","seq":1,"user":{"user":"a","streams":[{"source":"mic","on":true}]}}`))
	f.Add([]byte(`{"type":"user_left","seq":2,"user":"a","reason":1}`))
	f.Add([]byte(`{"type":"exited","user":7}`))
	f.Add([]byte(`{"user":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if e, err := parseEvent(raw); err == nil && e.Info != nil && e.User != e.Info.ID {
			t.Errorf("%q and %q", e.User, e.Info.ID)
		}
	})
}
