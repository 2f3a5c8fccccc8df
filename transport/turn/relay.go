package turn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"
)

// relay is an allocation: the net.PacketConn through which pion/turn thinks it reaches peers.
type relay struct {
	front   *front
	client  netip.AddrPort
	session string
	addr    *net.UDPAddr // the relayed address: a name, nothing is bound to it
	last    atomic.Int64 // when something was relayed, in ns since made
	made    time.Time

	packets chan packet // to pion/turn
	done    chan struct{}
	ending  sync.Once
	frame   [frameHeader + maxMessage]byte // of WriteTo

	mu   sync.Mutex
	ways map[netip.AddrPort]net.Conn // by address of the media port
}

// packet is one of the media port's. Its bytes are valid until taken.
type packet struct {
	b     []byte
	from  netip.AddrPort
	taken chan<- struct{}
}

// frameHeader is the size of RFC 4571's length.
const frameHeader = 2

// Relayed addresses have ports from firstPort on.
const firstPort = 1024

// errRefused is what pion/turn answers with 508.
var errRefused = errors.New("turn: refused")

// Validate is asked by pion/turn.
func (f *front) Validate() error { return nil }

// AllocateListener refuses: nothing is relayed over TCP to the media port (RFC 6062).
func (f *front) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	f.s.count.add(Method)
	return nil, nil, errRefused
}

// AllocateConn refuses likewise.
func (f *front) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errRefused }

// quota reports whether the client of the message in hand may have one more allocation.
func (f *front) quota(session, _ string, _ net.Addr) bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	ok := f.s.roomLocked(session, siteOf(f.from.Addr()))
	if !ok {
		f.s.count.add(Quota)
	}
	return ok
}

func (s *Server) roomLocked(session string, site netip.Prefix) bool {
	l, h := &s.o.Limits, s.sessions[session]
	return h != nil && !s.closed && len(h.relays) < l.PerSession && s.sites[site] < l.PerSite && s.relays < l.Allocations
}

// AllocatePacketConn makes a relay for the client of the message in hand. Its address is one of the media
// port's of the family that the client asks for. No port can be asked for.
func (f *front) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	if c.UserID == "" || c.RequestedPort != 0 {
		return nil, nil, errRefused
	}
	ip, ok := f.s.address(strings.HasSuffix(c.Network, "6"))
	if !ok {
		f.s.count.add(Family)
		return nil, nil, errRefused
	}
	r := &relay{
		front: f, client: f.from, session: c.UserID, made: f.s.o.Now(),
		packets: make(chan packet), done: make(chan struct{}), ways: map[netip.AddrPort]net.Conn{},
	}
	if !f.s.register(r, ip) {
		return nil, nil, errRefused
	}
	f.mu.Lock()
	f.relays[r.client] = r
	f.mu.Unlock()
	return r, r.addr, nil
}

// address returns one of the media port's.
func (s *Server) address(v6 bool) (netip.Addr, bool) {
	for _, p := range s.o.Peers() {
		if p.Addr().Is6() == v6 {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

func (s *Server) register(r *relay, ip netip.Addr) bool {
	site := siteOf(r.client.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roomLocked(r.session, site) || len(s.taken) >= 1<<16-firstPort {
		return false
	}
	for used := true; used; _, used = s.taken[s.last] {
		if s.last++; s.last < firstPort {
			s.last = firstPort
		}
	}
	s.taken[s.last] = struct{}{}
	r.addr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, s.last))
	s.sessions[r.session].relays[r] = struct{}{}
	s.sites[site]++
	s.relays++
	return true
}

func (s *Server) unregister(r *relay) {
	site := siteOf(r.client.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, uint16(r.addr.Port))
	if h := s.sessions[r.session]; h != nil {
		delete(h.relays, r)
	}
	if s.sites[site]--; s.sites[site] <= 0 {
		delete(s.sites, site)
	}
	s.relays--
}

// used returns when something was relayed last.
func (r *relay) used() time.Time { return r.made.Add(time.Duration(r.last.Load())) }

func (r *relay) touch() { r.last.Store(int64(r.front.s.o.Now().Sub(r.made))) }

// WriteTo takes a packet of the client to the media port. pion/turn calls it from one goroutine.
func (r *relay) WriteTo(b []byte, to net.Addr) (int, error) {
	way := r.way(addrPortOf(to))
	if way == nil || len(b) > maxMessage {
		return len(b), nil // counted
	}
	r.touch()
	r.front.s.count.in(len(b))
	binary.BigEndian.PutUint16(r.frame[:], uint16(len(b)))
	n := copy(r.frame[frameHeader:], b)
	// The media port reads without delay. Once it has ended the way, the packet is late, and lost as such.
	_, _ = way.Write(r.frame[:frameHeader+n])
	return len(b), nil
}

// way returns the way to an address of the media port. The first packet makes it.
func (r *relay) way(to netip.AddrPort) net.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if way := r.ways[to]; way != nil {
		return way
	}
	select {
	case <-r.done:
		return nil
	default:
	}
	if !r.front.s.isMedia(to, true) {
		r.front.s.count.add(ForeignPeer)
		return nil
	}
	client, node := net.Pipe()
	if !r.front.s.o.Relay(node, r.addr.AddrPort()) {
		_ = client.Close()
		return nil
	}
	r.ways[to] = client
	r.front.s.work.Go(func() { r.pump(client, to) })
	return client
}

// pump hands what comes from the media port to pion/turn, until the way ends.
func (r *relay) pump(way net.Conn, from netip.AddrPort) {
	in, buf, taken := bufio.NewReaderSize(way, frameHeader+maxMessage), make([]byte, maxMessage), make(chan struct{})
	defer func() {
		_ = way.Close()
		r.mu.Lock()
		delete(r.ways, from)
		r.mu.Unlock()
	}()
	var head [frameHeader]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > len(buf) {
			return // the media port sends none of that size
		}
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return
		}
		select {
		case r.packets <- packet{buf[:n], from, taken}:
			<-taken
		case <-r.done:
			return
		}
	}
}

// ReadFrom returns the next packet for the client.
func (r *relay) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-r.packets:
		n := copy(b, p.b)
		p.taken <- struct{}{}
		r.touch()
		r.front.s.count.out(n)
		return n, net.UDPAddrFromAddrPort(p.from), nil
	case <-r.done:
		return 0, nil, net.ErrClosed
	}
}

// Close ends the allocation and its ways. pion/turn calls it as well.
func (r *relay) Close() error {
	r.ending.Do(func() {
		close(r.done)
		r.mu.Lock()
		for _, way := range r.ways {
			_ = way.Close()
		}
		r.mu.Unlock()
		f := r.front
		f.mu.Lock()
		if f.relays[r.client] == r {
			delete(f.relays, r.client)
		}
		f.since = f.s.o.Now()
		f.mu.Unlock()
		f.s.unregister(r)
	})
	return nil
}

// LocalAddr returns the relayed address.
func (r *relay) LocalAddr() net.Addr { return r.addr }

// SetDeadline does nothing, nor do the others: pion/turn does not ask for it.
func (r *relay) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (r *relay) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (r *relay) SetWriteDeadline(time.Time) error { return nil }
