package signal_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/signal"
	"parlor/session/token"
)

// patience is how long anything may take that is not measured.
const patience = 10 * time.Second

// door is the WebSocket door of a node's rooms over a fake wire.
type door struct {
	rooms *session.Rooms
	url   string
}

func open(t *testing.T, o signal.Options) *door {
	t.Helper()
	d := &door{rooms: session.New(session.Options{Node: "node-1"}, &fakewire.Transport{}, nil)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = d.rooms.Run(ctx) })
	keys, err := token.New(nil)
	require.NoError(t, err)
	o.Rooms = d.rooms
	if o.Auth == nil {
		o.Auth = keys.Authenticate
	}
	handler := signal.New(o)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rtc", func(w http.ResponseWriter, r *http.Request) { handler.Take(w, r, func() {}) })
	mux.HandleFunc("POST /rtc/exit", handler.Exit)
	server := httptest.NewServer(mux)
	d.url = server.URL
	t.Cleanup(func() {
		stop, done := context.WithTimeout(context.Background(), patience)
		defer done()
		require.NoError(t, d.rooms.Shutdown(stop))
		cancel()
		running.Wait()
		server.Close()
	})
	return d
}

// client is one WebSocket.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	last int64 // id of the last request
}

// message is any message of the node.
type message map[string]any

func (d *door) dial(t *testing.T) *client {
	t.Helper()
	ws, res, err := d.connect(t, &websocket.DialOptions{Subprotocols: []string{signal.Subprotocol}})
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{t: t, ws: ws}
}

func (d *door) connect(t *testing.T, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return websocket.Dial(ctx, "ws"+strings.TrimPrefix(d.url, "http")+"/rtc", o)
}

// enter dials and enters the lobby.
func (d *door) enter(t *testing.T, user string) (*client, message) {
	t.Helper()
	c := d.dial(t)
	m := c.ask(message{"type": "enter", "room": "lobby", "user": user})
	require.Equal(t, "entered", m["type"], "%v", m)
	return c, m
}

func (c *client) write(raw string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	require.NoError(c.t, c.ws.Write(ctx, websocket.MessageText, []byte(raw)))
}

// read returns the next message.
func (c *client) read() message {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	kind, raw, err := c.ws.Read(ctx)
	require.NoError(c.t, err)
	require.Equal(c.t, websocket.MessageText, kind)
	var m message
	require.NoError(c.t, json.Unmarshal(raw, &m))
	return m
}

// send makes a request with the next id.
func (c *client) send(m message) {
	c.t.Helper()
	c.last++
	m["id"] = c.last
	raw, err := json.Marshal(m)
	require.NoError(c.t, err)
	c.write(string(raw))
}

// ask makes a request and returns the next message, which is its answer.
func (c *client) ask(m message) message {
	c.t.Helper()
	c.send(m)
	a := c.read()
	require.EqualValues(c.t, c.last, a["re"], "%v", a)
	return a
}

// closed reads until the node has closed the socket and returns the code.
func (c *client) closed() websocket.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := c.ws.Read(ctx); err != nil {
			require.NoError(c.t, ctx.Err(), "the node has not closed the socket")
			return websocket.CloseStatus(err)
		}
	}
}

// offer publishes a camera and prepares a seat.
func (c *client) offer() message {
	sdp := fakewire.Offer(
		fakewire.Section{MID: "0", Kind: packet.Video, Send: true},
		fakewire.Section{MID: "1", Kind: packet.Video},
	)
	return message{"type": "offer", "sdp": sdp, "publish": message{"0": "camera"}, "seats": []message{{"id": "a", "video": "1"}}}
}
