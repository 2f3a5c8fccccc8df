package limit

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"parlor/client/sample"
)

// Sinks are sockets that take what the loop sends. Some are read, each by a goroutine as a subscriber's is.
// In the others the kernel drops all but a sample, as it does for subscribers that are only counted.
type Sinks struct {
	conns    []*net.UDPConn
	reading  sync.WaitGroup
	received atomic.Uint64
}

// NewSinks opens n sockets on 127.0.0.1 with receive buffers of the given size in bytes. The first readers of
// them are read whole. The others are sampled, one packet in k.
func NewSinks(n, readers, k, buffer int) (*Sinks, error) {
	s := &Sinks{}
	for i := range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("limit: destination %d of %d: %w", i+1, n, err)
		}
		s.conns = append(s.conns, c)
		err = c.SetReadBuffer(buffer)
		if err == nil && i >= readers && k > 1 {
			err = sample.Attach(c, k)
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("limit: destination %d of %d: %w", i+1, n, err)
		}
		s.reading.Go(func() { s.read(c) })
	}
	return s, nil
}

func (s *Sinks) read(c *net.UDPConn) {
	b := make([]byte, slotSize)
	for {
		if _, _, err := c.ReadFromUDPAddrPort(b); err != nil {
			return // closed
		}
		s.received.Add(1)
	}
}

// Addrs returns where the sockets are bound.
func (s *Sinks) Addrs() (list []netip.AddrPort) {
	for _, c := range s.conns {
		list = append(list, c.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return list
}

// Close closes the sockets and waits for their readers.
func (s *Sinks) Close() {
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.reading.Wait()
}
