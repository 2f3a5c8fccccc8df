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
		connection := new([4096]byte)
		known := weak.Make(connection)
		gone := func() bool { return connection[0] != 0 }
		c := n.enter("ann", func(q *session.EnterRequest) { q.Gone = gone })
		gone, connection = nil, nil
		for range 3 {
			runtime.GC()
		}
		require.Nil(t, known.Value(), "the session holds what its request knew")
		runtime.KeepAlive(c)
	})
}
