package transport

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/pion/webrtc/v4"
)

// wire is a UDP socket under a client that can be cut, tapped, and used to send anything from the client's
// own address.
type wire struct {
	net.PacketConn
	cut  atomic.Bool
	deaf atomic.Bool                  // the client gets no DTLS
	tap  atomic.Pointer[func([]byte)] // sees what the client sends
	read atomic.Pointer[func([]byte)] // sees what the client receives
	nat  atomic.Pointer[natted]
}

// natted is the socket from which a wire's packets leave instead.
type natted struct {
	out  *net.UDPConn
	node net.Addr
}

func newWire(t testing.TB) *wire {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return &wire{PacketConn: c}
}

func (w *wire) setting(se *webrtc.SettingEngine) { se.SetICEUDPMux(webrtc.NewICEUDPMux(nil, w)) }

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, a, err := w.PacketConn.ReadFrom(p)
		if err != nil {
			return n, a, err
		}
		if x := w.nat.Load(); x != nil && a.String() == x.out.LocalAddr().String() {
			a = x.node
		}
		if f := w.read.Load(); f != nil {
			(*f)(p[:n])
		}
		if !w.cut.Load() && !(w.deaf.Load() && classify(p[:n]) == classDTLS) {
			return n, a, nil
		}
	}
}

func (w *wire) WriteTo(p []byte, a net.Addr) (int, error) {
	if f := w.tap.Load(); f != nil {
		(*f)(p)
	}
	if w.cut.Load() {
		return len(p), nil
	}
	if x := w.nat.Load(); x != nil {
		return x.out.WriteTo(p, a)
	}
	return w.PacketConn.WriteTo(p, a)
}

// inject sends bytes to the node from the client's address.
func (w *wire) inject(t testing.TB, e *Endpoint, b []byte) {
	t.Helper()
	if _, err := w.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(e.Addr())); err != nil {
		t.Fatal(err)
	}
}

// rebind has the client's packets leave from another port, as a NAT does that has forgotten it.
func (w *wire) rebind(t *testing.T, e *Endpoint) *net.UDPConn {
	t.Helper()
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	node := net.UDPAddrFromAddrPort(e.Addr())
	inside := w.PacketConn.LocalAddr()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, err := other.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = other.WriteTo(buf[:n], inside)
			}
		}
	}()
	w.nat.Store(&natted{out: other, node: node})
	return other
}
