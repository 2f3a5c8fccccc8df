package transport

import (
	"bufio"
	"errors"
	"net"
	"slices"
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

	errors tokens // for the error responses on all of its connections

	mu        sync.Mutex
	conns     map[*tcpConn]struct{}
	relayed   int        // of conns
	strangers []*tcpConn // those without a valid check so far, oldest first
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
	if t.closed || !t.makeSpaceLocked(c.site()) {
		t.ep.count.drop(DropTCPLimit)
		_ = nc.Close()
		return
	}
	t.conns[c] = struct{}{}
	t.strangers = append(t.strangers, c)
	t.ep.work.Go(c.read)
	t.ep.work.Go(c.write)
}

// makeSpaceLocked makes space for one more stranger, if need be by ending one. If the site has as many as it
// may, the site's oldest ends. If there are as many strangers or connections as there may be, the oldest
// stranger of all ends. So a stranger that keeps its connections without a word keeps nobody else out.
func (t *tcpListener) makeSpaceLocked(site [16]byte) bool {
	l := &t.ep.o.Limits
	same := 0
	for _, c := range t.strangers {
		if c.site() == site {
			same++
		}
	}
	switch {
	case same >= l.TCPStrangersPerIP:
		return t.evictLocked(func(c *tcpConn) bool { return c.site() == site })
	case len(t.strangers) >= l.TCPStrangers || len(t.conns)-t.relayed >= l.TCPConns:
		return t.evictLocked(func(*tcpConn) bool { return true })
	}
	return true
}

// evictLocked ends the oldest stranger of a kind.
func (t *tcpListener) evictLocked(kind func(*tcpConn) bool) bool {
	i := slices.IndexFunc(t.strangers, kind)
	if i < 0 {
		return false
	}
	c := t.strangers[i]
	c.evicted = true
	t.strangers = slices.Delete(t.strangers, i, i+1)
	delete(t.conns, c)
	_ = c.nc.Close() // its reader counts it
	return true
}

func (t *tcpListener) count() (direct, relayed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns) - t.relayed, t.relayed
}

// removeStranger takes a connection off the list of strangers.
func (t *tcpListener) removeStranger(c *tcpConn) {
	t.mu.Lock()
	t.removeStrangerLocked(c)
	t.mu.Unlock()
}

func (t *tcpListener) removeStrangerLocked(c *tcpConn) {
	if i := slices.Index(t.strangers, c); i >= 0 {
		t.strangers = slices.Delete(t.strangers, i, i+1)
	}
}

// forget takes a connection that has ended off the lists. It reports whether the connection was ended for
// another one.
func (t *tcpListener) forget(c *tcpConn) (evicted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.conns[c]; ok && c.relayed {
		t.relayed--
	}
	delete(t.conns, c)
	t.removeStrangerLocked(c)
	return c.evicted
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
	t       *tcpListener
	nc      net.Conn
	relayed bool // what a TURN server passes on; remote is the relayed address
	remote  addr
	in      *ingress
	path    atomic.Pointer[path] // set by the first valid check

	out *tcpQueue

	spoke   bool // something has come; of the reading goroutine
	evicted bool // ended for another one; under tcpListener.mu
}

// Read reads from the connection for its reading goroutine, and notes that something has come.
func (c *tcpConn) Read(b []byte) (int, error) {
	n, err := c.nc.Read(b)
	c.spoke = c.spoke || n > 0
	return n, err
}

// site is what connections are counted by: an IPv4 address, or a /64 of IPv6.
func (c *tcpConn) site() [16]byte {
	ip := c.remote.ip
	if !c.remote.is4() {
		clear(ip[8:])
	}
	return ip
}

func newTCPConn(t *tcpListener, nc net.Conn) *tcpConn {
	c := &tcpConn{t: t, nc: nc, out: newTCPQueue(nc)}
	if tcp, ok := nc.(*net.TCPConn); ok {
		setLowat(tcp)
		c.remote = addrFrom(tcp.RemoteAddr().(*net.TCPAddr).AddrPort())
	}
	c.in = &ingress{ep: t.ep, tcp: c, errors: &t.errors, arrivals: make([]arrival, tcpBatch)}
	return c
}

// setPath makes pt the path of this connection. A connection belongs to one peer for all its life.
func (c *tcpConn) setPath(pt *path) bool {
	c.out.mu.Lock()
	old := c.path.Load()
	ok := !c.out.closed && (old == nil || old.peer == pt.peer)
	if ok {
		c.path.Store(pt)
	}
	c.out.mu.Unlock()
	if ok && old == nil {
		c.t.removeStranger(c)
		_ = c.nc.SetReadDeadline(time.Time{})
	}
	return ok
}

// read works until the connection ends, and cleans up. A stranger that has said nothing counts as refused
// only if it was evicted. Browsers open a connection for every TCP candidate, and send no check on it if UDP
// works.
func (c *tcpConn) read() {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.t.ep.o.Timers.Stranger))
	r := bufio.NewReaderSize(c, 4096)
	for c.readBatch(r) == nil {
	}
	c.close()
	pt := c.path.Load()
	evicted := c.t.forget(c)
	switch {
	case pt != nil:
		pt.peer.onPathClosed(pt)
	case evicted || c.spoke:
		c.t.ep.count.drop(DropTCPLimit)
	}
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
