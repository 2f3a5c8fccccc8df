package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// front stands before a server of pion/turn, one for each UDP socket and each connection. As that server's
// net.PacketConn it passes on what is worth an answer. As its generator of relayed addresses it makes relays.
type front struct {
	s      *Server
	pc     net.PacketConn
	stream *stream // pc, if it is a connection
	ending sync.Once
	auth   sync.Once // credentials were shown

	// Of the message in hand, for the goroutine of pion/turn that reads and works on it.
	from    netip.AddrPort
	allowed bool   // its peers are addresses of the media port
	key     []byte // what the answer is signed with
	asked   int    // messages without an allocation, of a connection

	mu     sync.Mutex
	relays map[netip.AddrPort]*relay // by client; a connection has one at most
	since  time.Time                 // a connection is without an allocation since
}

// servePackets serves a UDP socket until that is closed.
func (s *Server) servePackets(pc net.PacketConn) error {
	return s.begin(&front{s: s, pc: pc})
}

// serveStream serves one connection until it ends.
func (s *Server) serveStream(c net.Conn) {
	st := newStream(s, c)
	if err := s.begin(&front{s: s, pc: st, stream: st}); err != nil {
		s.o.Log.Error().Err(err).Msg("a TURN connection cannot be served")
		_ = c.Close()
	}
}

// begin has pion/turn read from a front, until that ends.
func (s *Server) begin(f *front) error {
	f.since, f.relays = s.o.Now(), map[netip.AddrPort]*relay{}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return f.pc.Close()
	}
	s.fronts[f] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	_, err := turn.NewServer(turn.ServerConfig{
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: f, RelayAddressGenerator: f, PermissionHandler: f.permit}},
		Realm:             s.o.Realm, AuthHandler: f.authenticate, QuotaHandler: f.quota, InboundMTU: maxMessage + 1,
		EventHandler: turn.EventHandler{OnAuth: f.shown}, LoggerFactory: silent,
	})
	if err != nil {
		f.finish()
	}
	return err
}

// silent has pion/turn log nothing: its messages name users.
var silent = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}

// ReadFrom returns the next message that is worth an answer. It ends with the socket or the connection.
func (f *front) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := f.pc.ReadFrom(b)
		if err != nil {
			f.finish()
			return 0, nil, err
		}
		f.from = addrPortOf(addr)
		if f.worth(b[:n]) {
			return n, addr, nil
		}
		if f.stream != nil && f.asked > maxAsked {
			_ = f.pc.Close()
		}
	}
}

// WriteTo sends a message to a client.
func (f *front) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) >= stunHeader && binary.BigEndian.Uint16(b) == channelRefused && f.key != nil && !f.allowed {
		b = f.forbid(b)
	}
	return f.pc.WriteTo(b, to)
}

// forbid returns the answer to a request for a channel that is forbidden. pion/turn has 401 there, after which
// a client would ask for other credentials; RFC 8656 section 12.2 has 403.
func (f *front) forbid(b []byte) []byte {
	var m stun.Message
	if stun.Decode(b, &m) != nil || m.Contains(stun.AttrNonce) {
		return b
	}
	answer, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), m.Type, stun.CodeForbidden, stun.MessageIntegrity(f.key))
	if err != nil {
		return b
	}
	return answer.Raw
}

// Close closes the socket or the connection.
func (f *front) Close() error { return f.pc.Close() }

// LocalAddr returns the node's end.
func (f *front) LocalAddr() net.Addr { return f.pc.LocalAddr() }

// SetDeadline does nothing, nor do the others: pion/turn does not ask for it.
func (f *front) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (f *front) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (f *front) SetWriteDeadline(time.Time) error { return nil }

// maxAsked is how many messages a connection may send before it has an allocation. Clients need two, and some
// more if they are refused.
const maxAsked = 16

const stunHeader = 20

// The methods and classes of what a relay's clients send (RFC 8489 section 5, RFC 8656 section 17).
const (
	binding          = 0x0001
	allocate         = 0x0003
	refresh          = 0x0004
	createPermission = 0x0008
	channelBind      = 0x0009
	send             = 0x0016 // an indication
	channelRefused   = 0x0119 // an error response to channelBind
)

// worth reports whether pion/turn is to see a message, and notes what it is to be told of it.
func (f *front) worth(b []byte) bool {
	known := f.relayOf(f.from) != nil
	f.allowed, f.key = false, nil
	if len(b) >= 4 && b[0]&0xC0 == 0x40 { // data of a channel
		if !known {
			f.refuse(NoAllocation)
		}
		return known
	}
	if len(b) < stunHeader || b[0]&0xC0 != 0 || binary.BigEndian.Uint32(b[4:]) != stunCookie ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		f.refuse(Malformed)
		return false
	}
	switch kind := binary.BigEndian.Uint16(b); kind {
	case send:
		if !known {
			f.refuse(NoAllocation)
		}
		return known
	case binding, allocate, refresh:
	case createPermission, channelBind:
		f.allowed = f.s.toMedia(b, kind == channelBind)
	default:
		f.refuse(Method)
		return false
	}
	return known || f.mayAsk()
}

// refuse counts a message that goes nowhere. A connection may send few of them.
func (f *front) refuse(why Reason) {
	f.s.count.add(why)
	f.asked++
}

// mayAsk reports whether a client without an allocation may have one more answer. Behind UDP it may be anybody
// who writes another's address on the envelope.
func (f *front) mayAsk() bool {
	f.asked++
	ok := f.asked <= maxAsked
	if f.stream == nil {
		ok = f.s.mayAsk(siteOf(f.from.Addr()))
	}
	if !ok {
		f.s.count.add(Limited)
	}
	return ok
}

const stunCookie = 0x2112A442

// toMedia reports whether all peers that a message names are addresses of the media port. A permission is for
// an address whatever the port (RFC 8656 section 9), a channel for one with its port.
func (s *Server) toMedia(b []byte, exact bool) bool {
	m := stun.Message{Raw: b}
	if m.Decode() != nil {
		return false
	}
	some := false
	for _, a := range m.Attributes {
		if a.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := peerAddress(a.Value, m.TransactionID)
		if !ok || !s.isMedia(peer, exact) {
			return false
		}
		some = true
	}
	return some
}

func (s *Server) isMedia(peer netip.AddrPort, exact bool) bool {
	return slices.ContainsFunc(s.o.Peers(), func(p netip.AddrPort) bool {
		return p == peer || !exact && p.Addr() == peer.Addr()
	})
}

// peerAddress reads XOR-PEER-ADDRESS. An IPv4 address in IPv6 form stays one: no client needs that, and it
// equals no address of the media port.
func peerAddress(v []byte, tx [stun.TransactionIDSize]byte) (netip.AddrPort, bool) {
	var mask [16]byte
	binary.BigEndian.PutUint32(mask[:], stunCookie)
	copy(mask[4:], tx[:])
	size := 0
	switch {
	case len(v) == 8 && v[0] == 0 && v[1] == 1:
		size = 4
	case len(v) == 20 && v[0] == 0 && v[1] == 2:
		size = 16
	default:
		return netip.AddrPort{}, false
	}
	ip := make([]byte, size)
	for i := range ip {
		ip[i] = v[4+i] ^ mask[i]
	}
	a, ok := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(v[2:])^uint16(stunCookie>>16)), ok
}

// permit is what pion/turn asks of each peer of the message in hand.
func (f *front) permit(net.Addr, net.IP) bool {
	if !f.allowed {
		f.s.count.add(ForeignPeer)
	}
	return f.allowed
}

// authenticate is what pion/turn asks of the message in hand.
func (f *front) authenticate(q *turn.RequestAttributes) (session string, key []byte, ok bool) {
	session, f.key, ok = f.s.authenticate(q)
	return session, f.key, ok
}

// shown is told of the verdict on the message in hand.
func (f *front) shown(_, _ net.Addr, _, _, _, _ string, right bool) {
	if !right {
		f.s.count.add(Unauthorized)
		return
	}
	if f.stream != nil {
		f.auth.Do(func() { f.s.o.Shown(f.stream.conn) })
	}
}

func (f *front) relayOf(client netip.AddrPort) *relay {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.relays[client]
}

// silent reports whether a connection has been without an allocation for so long.
func (f *front) silent(now time.Time, most time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stream != nil && len(f.relays) == 0 && now.Sub(f.since) >= most
}

// abandon ends an allocation, and the connection that it is of: without it the client would go on sending.
func (f *front) abandon(r *relay) {
	_ = r.Close()
	if f.stream != nil {
		f.end()
	}
}

// end has pion/turn read no more. finish follows.
func (f *front) end() { _ = f.pc.Close() }

// finish gives back what a front has, once nothing is read any more.
func (f *front) finish() {
	f.ending.Do(func() {
		_ = f.pc.Close()
		f.mu.Lock()
		var relays []*relay
		for _, r := range f.relays {
			relays = append(relays, r)
		}
		f.mu.Unlock()
		for _, r := range relays {
			_ = r.Close()
		}
		f.s.mu.Lock()
		delete(f.s.fronts, f)
		f.s.mu.Unlock()
		f.s.work.Done()
	})
}

// addrPortOf returns an address as pion/turn hands it about, IPv4 as such.
func addrPortOf(a net.Addr) netip.AddrPort {
	var at netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		at = a.AddrPort()
	case *net.TCPAddr:
		at = a.AddrPort()
	}
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// siteOf returns what counts as one place: an IPv4 address, or a /64 of IPv6.
func siteOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}
