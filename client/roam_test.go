package client

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRedirect: entering goes on at the node that has the room, and everything after it is said there.
func TestRedirect(t *testing.T) {
	noLeak(t)
	first, second := newFakeNode(t), newFakeNode(t)
	first.sendOn = second
	c, err := Dial(testContext(t), Options{URL: first.server.URL, Room: "lobby", User: "ann"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.Equal(t, second.server.URL, c.At())
	require.NoError(t, c.Beacon(testContext(t)))
	require.Equal(t, 1, second.count("beacon"))
	require.Zero(t, first.count("beacon"))
}

// TestRedirectsInACircle end.
func TestRedirectsInACircle(t *testing.T) {
	noLeak(t)
	first, second := newFakeNode(t), newFakeNode(t)
	first.sendOn, second.sendOn = second, first
	_, err := Dial(testContext(t), Options{URL: first.server.URL, Room: "lobby", User: "ann"})
	require.ErrorContains(t, err, "sent on more than 5 times")
}

// roam starts Roam and returns the Clients that it makes, and its result.
func roam(t *testing.T, url string) (clients <-chan *Client, result <-chan error, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	made, ended := make(chan *Client, 8), make(chan error, 1)
	go func() {
		ended <- Roam(ctx, Options{URL: url, Room: "lobby", User: "ann", OnEvent: func(Event) {}}, nil, func(c *Client) { made <- c })
	}()
	return made, ended, cancel
}

func TestRoam(t *testing.T) {
	t.Run("resumes where the node still knows the session", func(t *testing.T) {
		noLeak(t)
		n := newFakeNode(t)
		clients, result, end := roam(t, n.server.URL)
		(<-clients).DropSignal()
		eventually(t, "resumed", func() bool { return n.count("resume") == 1 })
		end()
		require.NoError(t, <-result)
		require.Equal(t, 1, n.count("enter"))
		require.Equal(t, 1, n.count("exit"))
	})
	t.Run("leaves also while it resumes", func(t *testing.T) {
		noLeak(t)
		n, end := newFakeNode(t), func() {}
		n.resume = func() { end() }
		var clients <-chan *Client
		var result <-chan error
		clients, result, end = roam(t, n.server.URL)
		(<-clients).DropSignal()
		require.NoError(t, <-result)
		require.Equal(t, 1, n.count("exit"))
	})
	t.Run("enters anew at another node when its own is gone", func(t *testing.T) {
		noLeak(t)
		n, other := newFakeNode(t), newFakeNode(t)
		n.others = []string{other.server.URL}
		clients, result, end := roam(t, n.server.URL)
		c := <-clients
		n.server.Listener.Close()
		c.DropSignal()
		require.Equal(t, other.server.URL, (<-clients).At())
		end()
		require.NoError(t, <-result)
	})
	t.Run("goes where a node that shuts down says", func(t *testing.T) {
		noLeak(t)
		n, other := newFakeNode(t), newFakeNode(t)
		clients, result, end := roam(t, n.server.URL)
		<-clients
		n.event(map[string]any{"type": Exited, "reason": 4, "next": other.server.URL})
		n.mu.Lock()
		ws := n.ws
		n.mu.Unlock()
		ws.CloseNow()
		require.Equal(t, other.server.URL, (<-clients).At())
		end()
		require.NoError(t, <-result)
	})
	t.Run("stays out when put out", func(t *testing.T) {
		noLeak(t)
		n := newFakeNode(t)
		clients, result, _ := roam(t, n.server.URL)
		<-clients
		n.event(map[string]any{"type": Exited, "reason": 1})
		n.mu.Lock()
		ws := n.ws
		n.mu.Unlock()
		ws.CloseNow()
		require.ErrorIs(t, <-result, ErrEnded)
	})
	t.Run("stays out when refused", func(t *testing.T) {
		noLeak(t)
		n := newFakeNode(t)
		n.refuse = &Error{Code: "banned"}
		_, result, _ := roam(t, n.server.URL)
		require.ErrorIs(t, <-result, &Error{Code: "banned"})
	})
}
