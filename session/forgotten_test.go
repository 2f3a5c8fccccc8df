package session_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"parlor/session"
)

// TestASessionForgetsItsRequest: what the request knew of, such as the connection that Gone asks, is free once
// the user is in. A session is remembered for longer than its connection lasts.
func TestASessionForgetsItsRequest(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		c, known := entersWithConnection(n)
		for range 3 {
			runtime.GC()
		}
		require.Nil(t, known.Value(), "the session holds what its request knew")
		runtime.KeepAlive(c)
	})
}

func entersWithConnection(n *node) (*client, weak.Pointer[[4096]byte]) {
	connection := new([4096]byte)
	c := n.enter("ann", func(q *session.EnterRequest) { q.Gone = func() bool { return connection[0] != 0 } })
	return c, weak.Make(connection)
}
