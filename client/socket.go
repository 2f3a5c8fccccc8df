package client

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
)

// socket is the one UDP socket of a client, and the ice.UDPMux that hands it to pion. pion's own mux reads
// the socket on a goroutine of its own and queues every packet once more. With one PeerConnection per socket
// there is nothing to share, so the ICE agent reads the socket itself.
type socket struct {
	conn     *net.UDPConn
	arrivals *Arrivals   // nil: not noted
	deaf     atomic.Bool // packets in both directions are thrown away
}

var _ ice.UDPMux = (*socket)(nil)

// listen binds a socket at local with receive and send buffers of the given size in bytes (0: the system's).
func listen(local netip.Addr, buffer int) (*socket, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return nil, fmt.Errorf("bind media socket at %s: %w", local, err)
	}
	if buffer > 0 {
		if err := conn.SetReadBuffer(buffer); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("size receive buffer of media socket: %w", err)
		}
		if err := conn.SetWriteBuffer(buffer); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("size send buffer of media socket: %w", err)
		}
	}
	return &socket{conn: conn}, nil
}

// GetConn implements ice.UDPMux. The agent asks once per set of credentials. When it asks again (ICE
// restart), it has closed the conn that it got before.
func (s *socket) GetConn(string, net.Addr) (net.PacketConn, error) {
	if err := s.conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &handle{socket: s}, nil
}

// RemoveConnByUfrag implements ice.UDPMux.
func (s *socket) RemoveConnByUfrag(string) {}

// GetListenAddresses implements ice.UDPMux.
func (s *socket) GetListenAddresses() []net.Addr { return []net.Addr{s.conn.LocalAddr()} }

// Close implements ice.UDPMux.
func (s *socket) Close() error { return s.conn.Close() }

// handle is the socket in the hands of one ICE candidate. Closing it ends the candidate's reading and leaves
// the socket open.
type handle struct {
	*socket
	closed atomic.Bool
}

var _ ice.AddrPortReaderWriter = (*handle)(nil)

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (h *handle) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := h.read(b)
		switch {
		case h.closed.Load():
			return 0, netip.AddrPort{}, net.ErrClosed
		case err == nil && h.deaf.Load():
			continue
		}
		return n, from, err
	}
}

func (h *handle) read(b []byte) (int, netip.AddrPort, error) {
	if h.arrivals == nil {
		return h.conn.ReadFromUDPAddrPort(b)
	}
	var oob [64]byte
	n, control, _, from, err := h.conn.ReadMsgUDPAddrPort(b, oob[:])
	if err == nil {
		h.arrivals.note(b[:n], arrivalOf(oob[:control]))
	}
	return n, from, err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (h *handle) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	switch {
	case h.closed.Load():
		return 0, io.ErrClosedPipe
	case h.deaf.Load():
		return len(b), nil
	}
	return h.conn.WriteToUDPAddrPort(b, to)
}

// ReadFrom implements net.PacketConn.
func (h *handle) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := h.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (h *handle) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("write media: %T is not a UDP address", to)
	}
	return h.WriteToAddrPort(b, a.AddrPort())
}

// Close implements net.PacketConn.
func (h *handle) Close() error {
	if h.closed.Swap(true) {
		return nil
	}
	return h.SetReadDeadline(time.Now())
}

// LocalAddr implements net.PacketConn.
func (h *handle) LocalAddr() net.Addr { return h.conn.LocalAddr() }

// SetDeadline implements net.PacketConn.
func (h *handle) SetDeadline(t time.Time) error { return h.conn.SetDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (h *handle) SetReadDeadline(t time.Time) error { return h.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (h *handle) SetWriteDeadline(t time.Time) error { return h.conn.SetWriteDeadline(t) }
