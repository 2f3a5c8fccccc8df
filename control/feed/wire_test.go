package feed_test

import (
	"errors"
	"net"
)

// cutConn is a connection over a wire.
type cutConn struct {
	net.Conn
	w *wire
}

// InProcessConn implements nats.InProcessConnProvider.
func (w *wire) InProcessConn() (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.New("the wire is cut")
	}
	c, err := net.Dial("tcp", w.to)
	if err != nil {
		return nil, err
	}
	k := &cutConn{c, w}
	w.conns[k] = true
	return k, nil
}

// set cuts the wire or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.conns {
		_ = c.Conn.Close()
	}
	clear(w.conns)
}
