package transport

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"parlor/packet"
)

// PeerOptions says which parts of the node a peer works for. All fields are required.
type PeerOptions struct {
	Inbox  packet.Inbox // gets what the client sends; has to be comparable, such as a pointer
	Writer *Writer      // of the room whose goroutine will send
	Events PeerEvents
}

// Peer is one client's connection: one bundled transport, from NewPeer to Close. SendRTP and SendRTCP belong
// to the goroutine of the room. Every other method is safe from any goroutine.
type Peer struct {
	ep       *Endpoint
	identity *identity // for good: the client holds the node to its fingerprint
	id       packet.PeerID
	inbox    packet.Inbox
	events   PeerEvents

	closed atomic.Bool
	ending sync.Once    // Close; a second caller waits for the first
	heard  atomic.Int64 // as path.heard
	rx     receiver

	// unsettled says that it matters where media comes from. Either the client has asked to use a path that
	// is not nominated yet, or the nominated path lacks its proof.
	unsettled atomic.Bool

	sealing // writer.go

	mu        sync.Mutex
	failed    bool // lost for good
	connected bool
	since     time.Time // waiting for the connection since; zero: not waiting
	ice       agent
	secure    secure
	data      data
	sdp       sdpState
}

// NewPeer makes a peer that waits for its first offer. The error is ErrClosed or ErrTooManyPeers.
func (e *Endpoint) NewPeer(o PeerOptions) (*Peer, error) {
	if o.Inbox == nil || o.Writer == nil || o.Events == nil {
		return nil, errors.New("transport: NewPeer needs Inbox, Writer and Events")
	}
	now := time.Now()
	identity, err := e.identities.at(now)
	if err != nil {
		e.log.Error().Err(err).Msg("the certificate for new peers stays the old one")
	}
	p := &Peer{
		ep: e, identity: identity, id: packet.PeerID(e.lastID.Add(1)), inbox: o.Inbox, events: o.Events,
		sealing: sealing{writer: o.Writer, lane: o.Writer.assign()}, since: now,
	}
	if err := e.table.addPeer(p, e.o.Limits.Peers); err != nil {
		p.writer.unassign(p.lane)
		return nil, err
	}
	return p, nil
}

// ID returns the peer's id, unique in this process.
func (p *Peer) ID() packet.PeerID { return p.id }

// LastHeard returns when the last authenticated sign of life came: SRTP, SRTCP, an answer to a check of the
// node's, or a check that nominates its path. From a client that has never answered one, every valid check
// counts. It is the zero time before the first sign. It has a monotonic reading, so what has passed since is
// right even after the wall clock was set.
func (p *Peer) LastHeard() time.Time {
	n := p.heard.Load()
	if n == 0 {
		return time.Time{}
	}
	return p.ep.began.Add(time.Duration(n))
}

func (p *Peer) goneLocked() bool { return p.failed || p.closed.Load() }

// fail ends a peer for a reason of its own. The first reason counts.
func (p *Peer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return
	}
	p.failed, p.connected = true, false
	p.secure.giveUp()
	p.stopLocked()
	p.unregisterLocked()
	p.ep.events.add(event{peer: p, lost: err})
	p.ep.log.Debug().Uint64("peer", uint64(p.id)).Err(err).Msg("peer lost")
}

// stopLocked ends media in both directions.
func (p *Peer) stopLocked() {
	p.lane.setDest(p, nil)
	p.lane.setOut(p, nil)
	p.rx.close()
}

// unregisterLocked gives back user names and addresses.
func (p *Peer) unregisterLocked() {
	for _, c := range p.ice.creds {
		p.ep.table.removeCredential(c)
	}
	for _, pt := range p.ice.paths {
		p.ep.table.removePath(pt)
	}
	p.ice = agent{}
}

// Close ends the connection. Media stops in both directions, the client is told by DTLS close_notify, and
// everything held is given back. When Close returns, not one more packet is sent for the peer or delivered
// from it. It is idempotent. It must not be called from Inbox.Deliver, nor under a lock that Inbox.Deliver
// takes.
func (p *Peer) Close() error {
	p.ending.Do(p.end)
	return nil
}

func (p *Peer) end() {
	p.mu.Lock()
	p.closed.Store(true)
	p.stopLocked()
	var tcp []*tcpConn
	for _, pt := range p.ice.paths {
		if pt.tcp != nil {
			pt.tcp.out.purge()
			tcp = append(tcp, pt.tcp)
		}
	}
	if pt := p.ice.nominated; pt != nil && p.secure.rested != nil {
		if err := p.resumeLocked(pt); err != nil {
			p.ep.log.Error().Uint64("peer", uint64(p.id)).Err(err).Msg("the client is not told of the end by DTLS")
		}
	}
	p.secure.giveUp()
	s := p.secure
	p.mu.Unlock()

	if s.dtls != nil {
		_ = s.dtls.Close() // sends close_notify
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	p.mu.Lock()
	p.unregisterLocked()
	p.mu.Unlock()
	p.ep.table.removePeer(p)
	p.writer.unassign(p.lane)
	p.ep.quiesce()
	for _, c := range tcp {
		c.in.pass.Lock()
		c.in.pass.Unlock() //nolint:staticcheck // only to wait for a delivery under way
	}
}
