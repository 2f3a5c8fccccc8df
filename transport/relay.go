package transport

import (
	"net"
	"net/netip"
)

// Relay takes a client whose packets a TURN server passes on, as frames of RFC 4571 on conn. relayed is the
// client's relayed transport address. The path is treated like one of ICE-TCP, which it mostly is: media waits
// in a queue for a moment only, and a path without a relay takes its place once there is one. The client has
// shown a right to the TURN server, which also bounds how many there are. Relay does not block. It returns false
// if the endpoint is closed, and closes conn then.
func (e *Endpoint) Relay(conn net.Conn, relayed netip.AddrPort) bool {
	t := e.tcp
	c := newTCPConn(t, conn)
	c.relayed, c.remote = true, addrFrom(relayed)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = conn.Close()
		return false
	}
	t.conns[c] = struct{}{}
	t.relayed++
	e.work.Go(c.read)
	e.work.Go(c.write)
	return true
}
