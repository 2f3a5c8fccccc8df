package stranger

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"parlor/session/remote"
)

// Listener accepts the connections that a Budget allows. They are *Conn.
type Listener struct {
	net.Listener
	b        *Budget
	proxies  remote.Networks
	price    time.Duration
	refusals bucket // seconds of CPU; of the goroutine that asks the kernel
	ready    chan *Conn
	refused  chan refusal // those that are hung up on later, the oldest first; run fills it
	failed   chan error
	closed   chan struct{}
	once     sync.Once
	begin    sync.Once
}

// Listen returns l as a Listener. secure says that its connections begin with a TLS handshake, which is dear.
func (b *Budget) Listen(l net.Listener, proxies remote.Networks, secure bool) *Listener {
	price := connPrice
	if secure {
		price += tlsPrice
	}
	return &Listener{Listener: l, b: b, proxies: proxies, price: price, ready: make(chan *Conn), failed: make(chan error),
		refused: make(chan refusal, b.limits.Conns), closed: make(chan struct{})}
}

// Accept returns the next connection that is let in. The first call starts the goroutines that ask the kernel
// and that hang up. They end with Close.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() {
		go l.run()
		go l.hangUp()
	})
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends listening. Connections that wait are closed.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *Listener) run() {
	defer close(l.refused)
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			select {
			// net/http waits a moment and goes on, if the error is of the kind that passes
			case l.failed <- err:
				continue
			case <-l.closed:
				return
			}
		}
		if !l.take(nc) {
			l.rest()
		}
	}
}

// rest has refusals cost no more than their share. Refusing a connection is dear beside what it takes to make
// one, and a client that is refused comes again at once. So connections that come meanwhile stay in the
// kernel's queue, and wait there.
func (l *Listener) rest() {
	rate := l.b.limits.CPU * refusalShare
	l.refusals.fill(time.Now(), rate, rate/10)
	l.refusals.level -= refusalPrice.Seconds()
	wait := l.refusals.wait(0, rate)
	if wait == 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.closed:
	}
}

// refusal is a connection that is not let in.
type refusal struct {
	c  *Conn
	at time.Time // when it is hung up on
}

// refusedFor is how long it takes until a client that is refused is hung up on. Most clients that flood a
// node wait for that before they come again. So the queue in which everybody stands is not full of them.
// Higher slows them further, and fewer of them can be slowed.
const refusedFor = time.Second

// refuse has a connection hung up on: later, as long as strangers leave places for that, or now.
func (l *Listener) refuse(c *Conn) {
	if l.full() {
		c.reset()
		return
	}
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(0) // the least that there is: nobody reads
	}
	l.refused <- refusal{c, time.Now().Add(refusedFor)}
}

// full reports whether strangers, refused ones included, have all places that strangers may have.
func (l *Listener) full() bool {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	return l.b.conns.strangers+len(l.refused) >= cap(l.refused)
}

// makeRoom hangs up on the client that was refused first, if strangers need its place.
func (l *Listener) makeRoom() {
	if !l.full() {
		return
	}
	select {
	case r := <-l.refused:
		r.c.reset()
	default:
	}
}

// hangUp hangs up on connections that were refused, each when it is time.
func (l *Listener) hangUp() {
	for r := range l.refused {
		t := time.NewTimer(time.Until(r.at))
		select {
		case <-t.C:
		case <-l.closed:
			t.Stop()
		}
		r.c.reset()
	}
}

// take hands a connection on: at once, after its site has the share for it, or never. It reports whether the
// connection was not refused.
func (l *Listener) take(nc net.Conn) bool {
	c := &Conn{Conn: nc, b: l.b}
	if at, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.site, c.any = remote.Site(at.Addr()), l.proxies.Contain(at.Addr())
	}
	var wait time.Duration
	if !c.any {
		var ok bool
		l.b.mu.Lock()
		wait, ok = l.b.cpu.take(time.Now(), c.site, l.price, patience)
		l.b.mu.Unlock()
		if !ok {
			l.b.Refused(Connects)
			l.refuse(c)
			return false
		}
		c.paid = l.price
	}
	l.makeRoom()
	switch {
	case !l.b.admit(c):
		c.reset()
		return false
	case wait > 0:
		time.AfterFunc(wait, func() { l.hand(c) })
	default:
		l.hand(c)
	}
	return true
}

func (l *Listener) hand(c *Conn) {
	select {
	case l.ready <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

type connKey struct{}

// ConnContext is for http.Server: requests know their connection.
func ConnContext(ctx context.Context, nc net.Conn) context.Context {
	if c := below(nc); c != nil {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// connOf returns the connection that a request came on; nil if it is none of a Listener's.
func connOf(r *http.Request) *Conn {
	c, _ := r.Context().Value(connKey{}).(*Conn)
	return c
}

// ConnState is for http.Server: a connection on which a request is under way is not the first to go.
func ConnState(nc net.Conn, s http.ConnState) {
	if c := below(nc); c != nil {
		c.setBusy(s == http.StateActive)
	}
}

// below returns the *Conn of a connection, which may be below TLS; nil if there is none.
func below(nc net.Conn) *Conn {
	for {
		switch c := nc.(type) {
		case *Conn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}
