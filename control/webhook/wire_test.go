package webhook_test

import (
	"context"
	"net"
	"sync"
	"testing"
)

// wire passes bytes on to a server until it freezes: then nothing passes, and nobody is told.
type wire struct {
	listener net.Listener
	frozen   chan struct{}
	freeze   func()
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, frozen: make(chan struct{})}
	w.freeze = sync.OnceFunc(func() { close(w.frozen) })
	done := make(chan struct{})
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			context.AfterFunc(t.Context(), func() { c.Close(); s.Close() })
			tasks.Go(func() { w.pass(c, s, done) })
			tasks.Go(func() { w.pass(s, c, done) })
		}
	})
	t.Cleanup(func() {
		close(done)
		l.Close()
		tasks.Wait()
	})
	return w
}

func (w *wire) url() string { return "nats://" + w.listener.Addr().String() }

func (w *wire) pass(from, to net.Conn, done chan struct{}) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		select {
		case <-w.frozen:
			<-done
			return
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			from.Close()
			return
		}
	}
}
