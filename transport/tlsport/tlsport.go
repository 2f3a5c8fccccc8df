// Package tlsport has HTTP and TURN share one port of TLS. So a client that may reach nothing but port 443 has
// both. It needs nothing of the project.
//
// After the handshake ALPN says what a connection is for: stun.turn (RFC 7443) is TURN, any other name is
// HTTP. Browsers name nothing for TURN over TLS. Then the first byte tells: a STUN message begins with two zero
// bits (RFC 8489 section 5), and the methods of HTTP begin with a letter.
//
// Each connection is sorted on a goroutine of its own, within a bound of time. So a client that is slow, or
// silent, holds up nobody else. How many there are at once is for the listener below to bound.
package tlsport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ALPN is the name of TURN in ALPN (RFC 7443).
const ALPN = "stun.turn"

// Port is a listener whose connections are sorted.
type Port struct {
	l      net.Listener // its connections are *tls.Conn
	within time.Duration
	begin  sync.Once
	ending sync.Once
	closed chan struct{}

	http, turn side
	failed     chan error
	silent     atomic.Uint64
}

// New returns l, whose connections are *tls.Conn, as a Port. A client has the time within for the handshake and
// its first byte. New starts nothing: the first Accept of either side does.
func New(l net.Listener, within time.Duration) *Port {
	p := &Port{l: l, within: within, closed: make(chan struct{}), failed: make(chan error)}
	p.http = side{p: p, ready: make(chan net.Conn), done: p.closed}
	p.turn = side{p: p, ready: make(chan net.Conn), done: make(chan struct{})}
	return p
}

// HTTP returns the listener of HTTP. Its connections are *tls.Conn, or have its method ConnectionState.
// Closing it closes the port.
func (p *Port) HTTP() net.Listener { return &httpSide{&p.http} }

// TURN returns the listener of TURN. Once it is closed, connections for TURN are hung up on.
func (p *Port) TURN() net.Listener { return &p.turn }

// Unsorted returns how many connections have ended, or were hung up on, before it was known what they are for.
func (p *Port) Unsorted() uint64 { return p.silent.Load() }

// side is the listener of one protocol.
type side struct {
	p     *Port
	ready chan net.Conn
	done  chan struct{} // it takes no more
	once  sync.Once
}

// Accept returns the next connection of the protocol.
func (s *side) Accept() (net.Conn, error) {
	s.p.begin.Do(func() { go s.p.run() })
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	case <-s.p.closed:
		return nil, net.ErrClosed
	}
}

// Addr returns the address of the port.
func (s *side) Addr() net.Addr { return s.p.l.Addr() }

// Close ends this side alone.
func (s *side) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// hand gives a connection to the side, or closes it if there is nobody to take it.
func (s *side) hand(c net.Conn) {
	select {
	case s.ready <- c:
	case <-s.done:
		_ = c.Close()
	case <-s.p.closed:
		_ = c.Close()
	}
}

// httpSide is the side that a server of HTTP owns, and the port with it. It alone hears of errors.
type httpSide struct{ *side }

// Accept returns the next connection of HTTP. Errors are those of the listener below.
func (s *httpSide) Accept() (net.Conn, error) {
	s.p.begin.Do(func() { go s.p.run() })
	select {
	case c := <-s.ready:
		return c, nil
	case err := <-s.p.failed:
		return nil, err
	case <-s.p.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the port.
func (s *httpSide) Close() error {
	s.p.ending.Do(func() { close(s.p.closed) })
	return s.p.l.Close()
}

func (p *Port) run() {
	for {
		c, err := p.l.Accept()
		if err == nil {
			go p.sort(c)
			continue
		}
		select {
		// net/http waits a moment and goes on, if the error is of the kind that passes
		case p.failed <- err:
		case <-p.closed:
			return
		}
	}
}

// sort finds out what a connection is for, and hands it on.
func (p *Port) sort(c net.Conn) {
	to, c, err := p.look(c)
	if err != nil {
		p.silent.Add(1)
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Time{})
	to.hand(c)
}

// look returns the side that a connection is for, and what that side is to have of it.
func (p *Port) look(c net.Conn) (*side, net.Conn, error) {
	t, ok := c.(*tls.Conn)
	if !ok {
		return nil, c, errors.New("no TLS")
	}
	until := time.Now().Add(p.within)
	_ = t.SetDeadline(until)
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		explain(err)
		return nil, c, err
	}
	switch t.ConnectionState().NegotiatedProtocol {
	case ALPN:
		return &p.turn, t, nil
	case "":
	default:
		return &p.http, t, nil
	}
	begun := &begun{Conn: t}
	if _, err := io.ReadFull(t, begun.first[:]); err != nil {
		return nil, c, err
	}
	if isSTUN(begun.first[0]) {
		return &p.turn, begun, nil
	}
	return &p.http, begun, nil
}

// isSTUN reports whether a connection that begins with this byte is one of TURN. Some clients of HTTP put an
// empty line in front of a request (RFC 9112 section 2.2).
func isSTUN(first byte) bool { return first&0xC0 == 0 && first != '\r' && first != '\n' }

// explain answers a browser that has been sent to http:// where https:// is meant, as net/http does.
func explain(err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil {
		return
	}
	switch string(header.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
}

// begun is a connection of which the first byte has been read.
type begun struct {
	*tls.Conn
	first [1]byte
	again bool // it was given back
}

// Read gives the first byte back, and then what follows.
func (b *begun) Read(to []byte) (int, error) {
	if b.again || len(to) == 0 {
		return b.Conn.Read(to)
	}
	b.again = true
	return copy(to, b.first[:]), nil
}
