// Package fakewire is a transport without a network, for tests of what stands on session. It has real SDP
// answers and real RTP packets into and out of a room's router, but no sockets, ICE, DTLS or SRTP.
//
//	fakewire.go  Transport and Peer
//	offer.go     Offer: a client's SDP
//	message.go   messages on data channels
//	rtp.go       packets that a client sends
package fakewire

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parlor/packet"
	"parlor/router"
	"parlor/session"
	"parlor/transport"
	"parlor/transport/negotiate"
)

// Transport implements session.Transport. Safe for use from several goroutines.
type Transport struct {
	ip    atomic.Value // string
	mu    sync.Mutex
	peers []*Peer
	fail  error
	other error         // of negotiations
	gate  chan struct{} // nil, or closed when writers may go on
	last  atomic.Uint64
	calls atomic.Int64 // flushes
}

// NewWriter returns a writer that does nothing but wait while the wire is held: a Peer has a packet as soon
// as it was sent.
func (t *Transport) NewWriter() router.Flusher { return writer{t} }

// Candidates implements session.Transport. They are those of MoveTo, if that was called.
func (t *Transport) Candidates() []string {
	ip, ok := t.ip.Load().(string)
	if !ok {
		ip = "192.0.2.1"
	}
	return []string{"candidate:1 1 udp 2130706431 " + ip + " 7882 typ host"}
}

// MoveTo gives the machine another address.
func (t *Transport) MoveTo(ip string) { t.ip.Store(ip) }

type writer struct{ t *Transport }

func (w writer) Flush() {
	w.t.calls.Add(1)
	w.t.mu.Lock()
	gate := w.t.gate
	w.t.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// Flushes counts the flushes of all writers, every call of a room's router makes one.
func (t *Transport) Flushes() int { return int(t.calls.Load()) }

// Hold has all writers wait from now on, until release is called. So everything waits, too, that waits for a
// room's router.
func (t *Transport) Hold() (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gate := make(chan struct{})
	t.gate = gate
	return func() {
		t.mu.Lock()
		t.gate = nil
		t.mu.Unlock()
		close(gate)
	}
}

// NewPeer makes a peer, or returns what FailPeers has set.
func (t *Transport) NewPeer(o session.PeerOptions) (session.Peer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return nil, t.fail
	}
	p := &Peer{id: packet.PeerID(t.last.Add(1)), o: o, t: t, received: map[string]int{}, next: map[uint32]uint16{}}
	t.peers = append(t.peers, p)
	return p, nil
}

// FailPeers has NewPeer fail from now on; nil: no longer.
func (t *Transport) FailPeers(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail = err
}

// FailNegotiations has the peers' Negotiate and RestartICE fail from now on; nil: no longer.
func (t *Transport) FailNegotiations(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.other = err
}

func (t *Transport) negotiationError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.other
}

// Peers returns all peers ever made, oldest first.
func (t *Transport) Peers() []*Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*Peer(nil), t.peers...)
}

// Last returns the youngest peer.
func (t *Transport) Last() *Peer {
	all := t.Peers()
	return all[len(all)-1]
}

// Open counts the peers that were not closed.
func (t *Transport) Open() int {
	n := 0
	for _, p := range t.Peers() {
		if !p.Closed() {
			n++
		}
	}
	return n
}

// Peer implements session.Peer. Safe for use from several goroutines.
type Peer struct {
	id packet.PeerID
	o  session.PeerOptions
	t  *Transport

	mu       sync.Mutex
	sections []packet.Section
	version  uint64
	received map[string]int // RTP packets to the client, by mid
	late     int            // packets after Close
	next     map[uint32]uint16
	heard    time.Time
	restarts int
	closed   bool
	messages map[string][][]byte // to the client, by label of the channels that it has open
	stuck    bool                // nothing more goes into a channel
	gate     chan struct{}       // nil, or closed when senders of messages may go on
	held     chan struct{}       // gets something when one waits
	ended    bool                // no messages any more
}

// ID implements session.Peer.
func (p *Peer) ID() packet.PeerID { return p.id }

// Negotiate implements session.Peer with a real answer.
func (p *Peer) Negotiate(o *negotiate.Offer, streams map[string]string) (string, []packet.Section, error) {
	if err := p.t.negotiationError(); err != nil {
		return "", nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version++
	answer, sections, err := o.Answer(negotiate.Params{
		UFrag: "node", Pwd: "nodePasswordOf24Characters", Fingerprint: "sha-256 " + fingerprint, Streams: streams,
		CNAME: "parlor", SessionID: uint64(p.id), Version: p.version,
		SSRC: func(mid string, _ packet.Kind) (uint32, uint32) { s := ssrc("node", p.id, mid); return s, s + 1 },
	})
	if err == nil {
		p.sections = sections
	}
	return answer, sections, err
}

// RestartICE implements session.Peer.
func (p *Peer) RestartICE(ufrag, pwd string) (string, error) {
	if err := p.t.negotiationError(); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restarts++
	return fmt.Sprintf("a=ice-ufrag:node%d\r\na=ice-pwd:nodePasswordOf24Characters\r\n", p.restarts), nil
}

// SendRTP counts a packet to the client.
func (p *Peer) SendRTP(header, _ []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.late++
	}
	to := uint32(header[8])<<24 | uint32(header[9])<<16 | uint32(header[10])<<8 | uint32(header[11])
	for _, s := range p.sections {
		if !s.Publish && s.SSRC == to {
			p.received[s.MID]++
		}
	}
}

// SendRTCP does nothing.
func (p *Peer) SendRTCP([]byte) {}

// LastHeard returns what Heard has set.
func (p *Peer) LastHeard() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard
}

// Way implements session.Peer: a documentation address (RFC 5737) with the peer's id as port.
func (p *Peer) Way() transport.Way {
	return transport.Way{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(p.id)), Protocol: "udp"}
}

// Close implements session.Peer.
func (p *Peer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// Closed reports whether Close was called.
func (p *Peer) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Late counts the packets that were sent to the peer after Close.
func (p *Peer) Late() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}

// Received counts the packets that the client got in a section.
func (p *Peer) Received(mid string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received[mid]
}

// Heard sets when the client was last heard.
func (p *Peer) Heard(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = at
}

// Connect reports the peer as connected.
func (p *Peer) Connect() { p.o.Events.PeerConnected(p.id) }

// Lose reports the peer as lost.
func (p *Peer) Lose(err error) { p.o.Events.PeerLost(p.id, err) }

// ssrc returns the SSRC of one side's section.
func ssrc(side string, id packet.PeerID, mid string) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d/%s", side, id, mid)
	return h.Sum32()
}
