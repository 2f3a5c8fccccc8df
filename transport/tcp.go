package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"parlor/packet"
)

// tcpBatch is how many frames that are already here are worked on in one go.
const tcpBatch = 16

// tcpListener takes ICE-TCP connections: passive candidates of RFC 6544.
type tcpListener struct {
	ep *Endpoint
	l  *net.TCPListener

	mu        sync.Mutex
	conns     map[*tcpConn]struct{}
	strangers int // connections without a valid check so far
	closed    bool
}

func newTCPListener(e *Endpoint, l *net.TCPListener) *tcpListener {
	return &tcpListener{ep: e, l: l, conns: map[*tcpConn]struct{}{}}
}

// run accepts until close.
func (t *tcpListener) run() {
	for {
		nc, err := t.l.AcceptTCP()
		switch {
		case err == nil:
			t.serve(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			t.ep.log.Error().Err(err).Msg("accepting a TCP connection failed; trying again")
			time.Sleep(50 * time.Millisecond) // typically out of descriptors: let some close
		}
	}
}

func (t *tcpListener) serve(nc *net.TCPConn) {
	c := newTCPConn(t, nc)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.conns) >= t.ep.o.Limits.TCPConns || t.strangers >= t.ep.o.Limits.TCPStrangers {
		t.ep.count.drop(DropTCPLimit)
		_ = nc.Close()
		return
	}
	t.conns[c] = struct{}{}
	t.strangers++
	t.ep.work.Go(c.read)
	t.ep.work.Go(c.write)
}

func (t *tcpListener) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

func (t *tcpListener) known() {
	t.mu.Lock()
	t.strangers--
	t.mu.Unlock()
}

func (t *tcpListener) forget(c *tcpConn, stranger bool) {
	t.mu.Lock()
	delete(t.conns, c)
	if stranger {
		t.strangers--
	}
	t.mu.Unlock()
}

// close ends listening and every connection. It is idempotent.
func (t *tcpListener) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	_ = t.l.Close()
	for c := range t.conns {
		c.close()
	}
}

// tcpConn is one connection: a goroutine that reads frames and one that writes what is queued.
type tcpConn struct {
	t      *tcpListener
	nc     *net.TCPConn
	remote addr
	in     *ingress
	bound  atomic.Pointer[path] // set by the first valid check

	mu     sync.Mutex
	queue  []*packet.Buffer // frames, with their length in front
	queued int              // bytes
	closed bool
	wake   chan struct{} // capacity 1
}

func newTCPConn(t *tcpListener, nc *net.TCPConn) *tcpConn {
	c := &tcpConn{t: t, nc: nc, wake: make(chan struct{}, 1)}
	if ta, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = addrFrom(ta.AddrPort())
	}
	c.in = &ingress{ep: t.ep, tcp: c, arrivals: make([]arrival, tcpBatch)}
	return c
}

// bind makes pt the path of this connection. A connection belongs to one peer for all its life.
func (c *tcpConn) bind(pt *path) bool {
	c.mu.Lock()
	old := c.bound.Load()
	ok := !c.closed && (old == nil || old.peer == pt.peer)
	if ok {
		c.bound.Store(pt)
	}
	c.mu.Unlock()
	if ok && old == nil {
		c.t.known()
		_ = c.nc.SetReadDeadline(time.Time{})
	}
	return ok
}

// read works until the connection ends, and cleans up.
func (c *tcpConn) read() {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.t.ep.o.Timers.Stranger))
	r := bufio.NewReaderSize(c.nc, 4096)
	for c.readBatch(r) == nil {
	}
	c.close()
	pt := c.bound.Load()
	c.t.forget(c, pt == nil)
	if pt == nil {
		c.t.ep.count.drop(DropTCPLimit)
		return
	}
	pt.peer.pathClosed(pt)
}

// readBatch waits for a frame and takes along those that have come with it.
func (c *tcpConn) readBatch(r *bufio.Reader) error {
	list, n := c.in.arrivals, 0
	var err error
	for n < len(list) && (n == 0 || frameBuffered(r)) {
		b := packet.Get()
		size, cut, e := readFrame(r, b.B)
		if err = e; err != nil {
			b.Release()
			break
		}
		if cut {
			b.Release()
			c.t.ep.count.drop(DropOversized)
			continue
		}
		b.B = b.B[:size]
		list[n] = arrival{buf: b, from: c.remote}
		n++
	}
	c.in.process(n, time.Now())
	for i := range list[:n] {
		if list[i].buf != nil {
			list[i].buf.Release()
		}
		list[i] = arrival{}
	}
	return err
}

var errQueueFull = errors.New("the queue of the connection is full")

// send queues a packet. It does not block.
func (c *tcpConn) send(b []byte) error {
	if len(b) > packet.Size-frameHeader {
		return errQueueFull
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if c.queued+len(b) > c.t.ep.o.Limits.TCPQueue {
		return errQueueFull
	}
	f := packet.Get()
	binary.BigEndian.PutUint16(f.B, uint16(len(b)))
	f.B = f.B[:frameHeader+copy(f.B[frameHeader:], b)]
	c.queue = append(c.queue, f)
	c.queued += len(f.B)
	c.signal()
	return nil
}

// sendMedia queues a sealed packet and counts what becomes of it.
func (c *tcpConn) sendMedia(b []byte) {
	if c.send(b) != nil {
		c.t.ep.count.drop(DropSlowReader)
		return
	}
	c.t.ep.count.packetsOut.Add(1)
	c.t.ep.count.bytesOut.Add(uint64(len(b)))
}

func (c *tcpConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// purge takes back what is queued.
func (c *tcpConn) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.queue {
		f.Release()
	}
	c.queue, c.queued = nil, 0
}

// close lets what is queued out, for a moment, and ends the connection. It does not wait.
func (c *tcpConn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	c.signal()
}

func (c *tcpConn) take() (list []*packet.Buffer, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.queue, c.queued = c.queue, nil, 0
	if !c.closed {
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.t.ep.o.Timers.TCPWrite))
	}
	return list, c.closed
}

// write sends what is queued until the connection ends.
func (c *tcpConn) write() {
	defer c.nc.Close() // also wakes the reader
	for {
		list, closed := c.take()
		err := c.writeFrames(list)
		if err != nil {
			c.close()
			c.purge()
			return
		}
		if closed {
			return
		}
		if len(list) == 0 {
			<-c.wake
		}
	}
}

func (c *tcpConn) writeFrames(list []*packet.Buffer) error {
	if len(list) == 0 {
		return nil
	}
	bufs := make(net.Buffers, len(list))
	for i, f := range list {
		bufs[i] = f.B
	}
	_, err := bufs.WriteTo(c.nc)
	for _, f := range list {
		f.Release()
	}
	return err
}
