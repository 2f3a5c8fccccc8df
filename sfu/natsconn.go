package sfu

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"parlor/control/bus"
)

// causeWait is how long the start waits to learn why NATS cannot be reached, so that whoever starts the node
// is told. Longer holds up the start if NATS is away. Shorter leaves the cause to the log.
const causeWait = time.Second

// natsConn is the connection to NATS for commands, and why it does not stand.
type natsConn struct {
	*bus.Conn
	why   atomic.Pointer[string] // of the last attempt that failed; nil: none has
	once  sync.Once
	tried chan struct{} // closed when one has failed
}

// run closes the connection when ctx is done.
func (c *natsConn) run(ctx context.Context) error {
	<-ctx.Done()
	// Answers of the last commands; it fails if the server is away.
	_ = c.FlushTimeout(farewell)
	c.Close()
	return nil
}

// failed notes why an attempt to connect has failed.
func (c *natsConn) failed(why string) {
	c.why.Store(&why)
	c.once.Do(func() { close(c.tried) })
}

// awaitCause waits until it is known why there is no connection, or for causeWait. It does not notice that
// there is one.
func (c *natsConn) awaitCause(ctx context.Context) {
	late := time.NewTimer(causeWait)
	defer late.Stop()
	select {
	case <-c.tried:
	case <-ctx.Done():
	case <-late.C:
	}
}

// NATSAway reports whether there is no connection to NATS, and why as far as that is known. Before Ready it
// reports false.
func (n *Node) NATSAway() (why string, away bool) {
	select {
	case <-n.ready:
	default:
		return "", false
	}
	if n.conn.IsConnected() {
		return "", false
	}
	if text := n.conn.why.Load(); text != nil {
		return *text, true
	}
	return "no answer so far", true
}
