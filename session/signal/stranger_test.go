package signal_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parlor/session/signal"
	"parlor/session/stranger"
	"parlor/session/terms"
)

// TestPingOfWhoIsRefused: a WebSocket without the subprotocol is closed, and the closing reads on until the
// client agrees. A ping meanwhile is no fault, and the end is told.
func TestPingOfWhoIsRefused(t *testing.T) {
	ended := make(chan struct{})
	d := signal.New(signal.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { assert.Nil(t, recover()) }()
		d.Take(w, r, func() { close(ended) })
	}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, "GET /rtc HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	frame := func() byte {
		head := make([]byte, 2)
		_, err := io.ReadFull(in, head)
		require.NoError(t, err)
		_, err = in.Discard(int(head[1]))
		require.NoError(t, err)
		return head[0]
	}
	require.EqualValues(t, 0x88, frame(), "it is closed")
	_, err = c.Write([]byte{0x89, 0x80, 0, 0, 0, 0}) // a ping
	require.NoError(t, err)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("nobody was told that the connection has ended")
	}
}

// TestWhatIsRefusedIsNotRead: the node reads no message for which it closes the connection, even if the
// client agrees to the closing.
func TestWhatIsRefusedIsNotRead(t *testing.T) {
	var asked atomic.Int64
	d := open(t, signal.Options{Auth: func(string, terms.RoomID, string) (terms.Grant, error) {
		asked.Add(1)
		return terms.Grant{}, terms.Errorf(terms.CodeTokenInvalid, "token", "no")
	}})
	c := d.dial(t)
	enter := message{"type": "enter", "room": "lobby", "user": "ann"}
	for range 10 {
		require.Equal(t, "error", c.ask(enter)["type"])
	}
	c.send(enter)
	require.EqualValues(t, 4003, c.closed())
	deep := d.dial(t)
	deep.write(`{"type":"enter","id":1,"room":"lobby","user":"ann","x":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`)
	require.Equal(t, websocket.StatusPolicyViolation, deep.closed())
	require.Never(t, func() bool { return asked.Load() > 10 }, 100*time.Millisecond, 10*time.Millisecond)
}

// TestRefusedResumeLeavesTheSessionItsConnection: a client that may not come in has taken nothing from one
// that is in.
func TestRefusedResumeLeavesTheSessionItsConnection(t *testing.T) {
	var full atomic.Bool
	d := open(t, signal.Options{Guest: func(r *http.Request) (*stranger.Guest, bool) {
		if !full.Load() {
			return nil, true
		}
		g, ok := stranger.New(stranger.Limits{Conns: 1, ConnsPerSite: 1, Inside: 1, CPU: 1, Entries: 1}).Guest(r)
		over, cancel := context.WithCancel(r.Context())
		cancel()
		for range 30 { // all that an address may enter, now and within its patience
			_, _ = g.Enter(over)
		}
		return g, ok
	}})
	ann, entered := d.enter(t, "ann")
	full.Store(true)
	other := d.dial(t)
	other.send(message{"type": "resume", "session": entered["session"], "key": entered["key"], "lastSeq": 0})
	require.EqualValues(t, 4003, other.closed())
	require.Equal(t, "pong", ann.ask(message{"type": "ping"})["type"])
}
