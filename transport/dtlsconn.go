package transport

import (
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parlor/packet"
)

// dtlsQueue is how many datagrams may wait for the handshake or the SCTP association of one peer. A flight of
// a handshake has up to about ten. With data channels a burst is as large as the SCTP window lets it be.
const dtlsQueue = 64

// dtlsConn is the net.PacketConn that pion/dtls reads from and writes to. It reads from a bounded queue,
// which the readers fill, and writes to the peer's current path.
type dtlsConn struct {
	ep      *Endpoint
	to      atomic.Pointer[path]
	hushed  atomic.Bool          // no consent: what is written goes nowhere
	onClose func(*dtlsConn)      // called once, when pion/dtls closes it
	first   atomic.Pointer[path] // where the first datagram went
	moved   atomic.Bool          // others went elsewhere

	mu      sync.Mutex
	queue   []*packet.Buffer
	held    [][]byte // written, and more than the path may be sent so far
	expired bool     // a read deadline in the past is set
	closed  bool
	muted   bool          // nothing is sent any more and nobody told of the end
	wake    chan struct{} // capacity 1
}

func newDTLSConn(e *Endpoint, to *path, onClose func(*dtlsConn)) *dtlsConn {
	c := &dtlsConn{ep: e, onClose: onClose, wake: make(chan struct{}, 1)}
	c.to.Store(to)
	return c
}

// push queues a datagram and takes over the buffer, unless it returns false.
func (c *dtlsConn) push(b *packet.Buffer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.queue) >= dtlsQueue {
		return false
	}
	c.queue = append(c.queue, b)
	c.signal()
	return true
}

func (c *dtlsConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ReadFrom returns the next datagram. Only one goroutine may call it at a time.
func (c *dtlsConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if n, err, ok := c.next(p); ok {
			return n, c.RemoteAddr(), err
		}
		<-c.wake
	}
}

func (c *dtlsConn) next(p []byte) (n int, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed, true
	case c.expired:
		return 0, os.ErrDeadlineExceeded, true
	case len(c.queue) == 0:
		return 0, nil, false
	}
	b := c.queue[0]
	c.queue[0] = nil
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	n = copy(p, b.B)
	b.Release()
	return n, nil, true
}

// WriteTo sends a datagram on the peer's path, whatever the address says.
func (c *dtlsConn) WriteTo(p []byte, _ net.Addr) (int, error) {
	c.mu.Lock()
	closed, muted := c.closed, c.muted
	c.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case muted || c.hushed.Load() || plaintextAlert(p):
		return len(p), nil // as good as lost on the way: DTLS and SCTP retransmit
	}
	if !c.sendNow(p) {
		c.hold(p)
		c.sendHeld() // if that has become possible meanwhile
	}
	return len(p), nil
}

// sendNow sends a datagram if nothing waits and the path may be sent as much.
func (c *dtlsConn) sendNow(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.to.Load()
	if len(c.held) > 0 || !to.charge(len(p)) {
		return false
	}
	c.send(to, p)
	return true
}

// begun says whether anything has gone out.
func (c *dtlsConn) begun() bool { return c.first.Load() != nil }

// plaintextAlert says whether b is an alert of a handshake that fails. A handshake may fail over forged
// records, and then the alert would end the client's own.
func plaintextAlert(b []byte) bool {
	return len(b) >= recordHeader && b[0] == recordAlert && b[3] == 0 && b[4] == 0
}

func (c *dtlsConn) send(to *path, b []byte) {
	if !c.first.CompareAndSwap(nil, to) && c.first.Load() != to {
		c.moved.Store(true)
	}
	if err := to.send(b); err != nil {
		c.ep.count.drop(DropSendFailed)
	}
}

// maxHeld is how many datagrams wait until their path may be sent more: a flight, and the part of it that is
// sent again.
const maxHeld = 8

func (c *dtlsConn) hold(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if len(c.held) == maxHeld {
		c.held = slices.Delete(c.held, 0, 1)
		c.ep.count.drop(DropPathUnproven)
	}
	c.held = append(c.held, slices.Clone(b))
}

// sendHeld sends as much of what waits as the path may be sent.
func (c *dtlsConn) sendHeld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.to.Load()
	for len(c.held) > 0 && !c.muted && !c.hushed.Load() && to.charge(len(c.held[0])) {
		c.send(to, c.held[0])
		c.held = slices.Delete(c.held, 0, 1)
	}
}

// moveTo has the connection send to a path from which the handshake goes on. It does not move from a path
// with proof to one without.
func (c *dtlsConn) moveTo(pt *path) {
	if !pt.proof.missing.Load() || c.to.Load().proof.missing.Load() {
		c.to.Store(pt)
	}
}

// onlyPath returns the path that everything has gone to, or nil if there were several.
func (c *dtlsConn) onlyPath() *path {
	if c.moved.Load() {
		return nil
	}
	return c.first.Load()
}

func (c *dtlsConn) isMuted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.muted
}

// Close ends reads and writes.
func (c *dtlsConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	for _, b := range c.queue {
		b.Release()
	}
	c.queue, c.held = nil, nil
	c.signal()
	muted := c.muted
	c.mu.Unlock()
	if !muted {
		c.onClose(c)
	}
	return nil
}

// mute has the connection end without a sign of it. Later writes go nowhere, and onClose is not called.
func (c *dtlsConn) mute() {
	c.mu.Lock()
	c.muted = true
	c.mu.Unlock()
}

// LocalAddr returns the node's address.
func (c *dtlsConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.ep.addr) }

// RemoteAddr returns the client's address of this moment.
func (c *dtlsConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to.Load().addr.addrPort()) }

// SetReadDeadline makes reads fail if t lies in the past, and work if it is zero. pion/dtls sets nothing
// else.
func (c *dtlsConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = !t.IsZero() && !t.After(time.Now())
	c.signal()
	return nil
}

// SetWriteDeadline does nothing: writes do not block.
func (c *dtlsConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (c *dtlsConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
