package signal_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/signal"
	"parlor/session/terms"
	"parlor/session/token"
)

// The tests of this file end connections whose client has gone, or whose server.

// abrupt makes a connection that hangUp resets, as the end of a browser's process does. The bytes sent before
// come, but nothing can be answered.
func (d *door) abrupt(t *testing.T) (c *client, hangUp func()) {
	t.Helper()
	wire := make(chan net.Conn, 1)
	ws, _, err := d.connect(t, &websocket.DialOptions{
		Subprotocols: []string{signal.Subprotocol},
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			wire <- conn
			return conn, err
		}}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.CloseNow() })
	conn := (<-wire).(*net.TCPConn)
	return &client{t: t, ws: ws}, func() {
		require.NoError(t, conn.SetLinger(0))
		require.NoError(t, conn.Close())
	}
}

// TestExitOfWhoHasGoneBeforeTheAnswer: the page enters, exits and dies before the node has answered either.
func TestExitOfWhoHasGoneBeforeTheAnswer(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	d := open(t, signal.Options{Auth: func(_ string, _ terms.RoomID, user string) (terms.Grant, error) {
		if user == "ann" {
			close(asked)
			<-answer
		}
		return terms.Grant{Rights: terms.MemberRights()}, nil
	}})
	bob, _ := d.enter(t, "bob")
	c, hangUp := d.abrupt(t)
	c.send(message{"type": "enter", "room": "lobby", "user": "ann"})
	<-asked
	c.send(message{"type": "ping"})
	c.send(message{"type": "exit"})
	hangUp()
	close(answer)
	require.Eventually(t, func() bool { return d.rooms.Joins()["gone"] == 1 }, patience, time.Millisecond)
	d.enter(t, "cat")
	require.Equal(t, "cat", entering(bob.read()), "nobody has seen ann")
}

// entering returns the user that an event says has entered.
func entering(m message) string {
	user, _ := m["user"].(map[string]any)
	name, _ := user["user"].(string)
	return name
}

// TestWhoClosesWhileEnteringDoesNotStay: a client that closes while entering does not stay. This holds
// whatever way it ends the connection, and however far entering had come.
func TestWhoClosesWhileEnteringDoesNotStay(t *testing.T) {
	d := open(t, signal.Options{})
	d.enter(t, "bob") // the room goes on
	for i := range 60 {
		c, hangUp := d.abrupt(t)
		c.send(message{"type": "enter", "room": "lobby", "user": fmt.Sprintf("ghost-%d", i)})
		switch i % 3 {
		case 0:
			hangUp()
		case 1:
			_ = c.ws.CloseNow()
		case 2:
			_ = c.ws.Close(websocket.StatusGoingAway, "")
		}
	}
	require.Eventually(t, func() bool { return d.rooms.Joins()["gone"] == 60 }, patience, 10*time.Millisecond, "%v", d.rooms.Joins())
	require.Equal(t, 1, d.rooms.Stats().Users)
}

// TestWhoBreaksOffAfterTheAnswerResumes: a client that has the answer, and has said nothing yet, may resume.
func TestWhoBreaksOffAfterTheAnswerResumes(t *testing.T) {
	d := open(t, signal.Options{})
	bob, _ := d.enter(t, "bob")
	c, hangUp := d.abrupt(t)
	entered := c.ask(message{"type": "enter", "room": "lobby", "user": "ann"})
	require.Equal(t, "ann", entering(bob.read()))
	hangUp()
	time.Sleep(50 * time.Millisecond) // the node knows
	again := d.dial(t)
	m := again.ask(message{"type": "resume", "session": entered["session"], "key": entered["key"], "lastSeq": 0})
	require.Equal(t, "resumed", m["type"], "%v", m)
	require.Zero(t, d.rooms.Joins()["gone"])
}

// TestWhoWaitsWithAnotherRequestIsHeard: a request that comes while entering is carried out afterwards.
func TestWhoWaitsWithAnotherRequestIsHeard(t *testing.T) {
	d := open(t, signal.Options{})
	c := d.dial(t)
	c.send(message{"type": "enter", "room": "lobby", "user": "ann"})
	c.send(message{"type": "ping"})
	c.send(message{"type": "ping"})
	require.Equal(t, "entered", c.read()["type"])
	require.Equal(t, "pong", c.read()["type"])
	require.EqualValues(t, 3, c.read()["re"])
}

// TestWhoEntersTooOftenIsToldWhenItMayAgain: a client that enters too often is told when it may enter again.
func TestWhoEntersTooOftenIsToldWhenItMayAgain(t *testing.T) {
	d := open(t, signal.Options{})
	var m message
	for i := 0; i < 600 && m["code"] == nil; i++ { // 61, if the machine is fast enough
		m = d.dial(t).ask(message{"type": "enter", "room": "lobby", "user": "ann"})
	}
	require.Equal(t, "banned", m["code"], "%v", m)
	require.Equal(t, "user", m["field"])
	require.Greater(t, m["retryAfterMs"], 0.0)
}

// TestExitOfWhoHasGoneBeforeAnEvent: an event cannot be written while the exit still waits its turn to be
// read.
func TestExitOfWhoHasGoneBeforeAnEvent(t *testing.T) {
	d := open(t, signal.Options{MessageRate: 2})
	c, hangUp := d.abrupt(t)
	for _, m := range []message{{"type": "enter", "room": "lobby", "user": "ann"}, {"type": "ping"}, {"type": "ping"}, {"type": "ping"}} {
		c.ask(m)
	}
	c.send(message{"type": "exit"}) // half a second later
	hangUp()
	bob, entered := d.enter(t, "bob")
	require.Len(t, entered["users"], 1)
	require.Equal(t, "user_left", bob.read()["type"])
}

// TestConnectionsEndWithTheirServer: a connection ends with its server. A server's shutdown relies on that.
func TestConnectionsEndWithTheirServer(t *testing.T) {
	rooms := session.New(session.Options{}, &fakewire.Transport{}, nil)
	keys, err := token.New(nil)
	require.NoError(t, err)
	handler := signal.New(signal.Options{Rooms: rooms, Auth: keys.Authenticate})
	base, cut := context.WithCancel(context.Background())
	defer cut()
	ended := make(chan struct{}, 2)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Take(w, r, func() { ended <- struct{}{} })
	}))
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Start()
	defer server.Close()
	wait := func() {
		t.Helper()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("the connection goes on")
		}
	}
	d := &door{rooms: rooms, url: server.URL}
	res, err := http.Get(server.URL) // no WebSocket
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	wait()
	c := d.dial(t)
	require.Equal(t, "entered", c.ask(message{"type": "enter", "room": "lobby", "user": "ann"})["type"])
	require.Equal(t, "pong", c.ask(message{"type": "ping"})["type"], "it goes on without its request")
	silent := d.dial(t) // does not answer the node's closing
	require.Equal(t, "entered", silent.ask(message{"type": "enter", "room": "hall", "user": "bob"})["type"])
	hall, err := terms.StringRoom("hall")
	require.NoError(t, err)
	_, err = rooms.DismissRoom(t.Context(), hall, "")
	require.NoError(t, err)
	began := time.Now()
	cut()
	wait()
	wait()
	require.Less(t, time.Since(began), 3*time.Second, "a closing handshake is cut off, too")
	_, _, err = c.ws.Read(t.Context())
	require.False(t, errors.Is(err, context.DeadlineExceeded))
	require.Error(t, err)
}
