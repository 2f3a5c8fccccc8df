package transport

import (
	"fmt"
	"hash/fnv"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
)

// maxPaths is how many pairs of addresses one client may have at a time. A browser tries each of its
// candidates against each of the node's. Only the nominated path carries media, so losing an old one costs
// nothing but its next check.
const maxPaths = 24

// seenChecks is how many transaction ids of a peer are remembered, to tell a replayed check from a fresh one.
// Browsers send a check every 0.5–5 s, so this is minutes. Raising it costs 4 bytes each per peer.
const seenChecks = 256

// credential is an ICE session. It has the user name fragment and password that checks have to show. It also
// has those that the client's offer stated, for checks of the node's.
type credential struct {
	peer  *Peer
	ufrag string
	pwd   string
	key   stun.MessageIntegrity
	gen   int // counts ICE restarts

	remoteUFrag string
	remoteKey   stun.MessageIntegrity // nil: the client's password is not known, and the node cannot check
}

// setRemote notes the client's side.
func (c *credential) setRemote(ufrag, pwd string) {
	c.remoteUFrag, c.remoteKey = ufrag, nil
	if pwd != "" {
		c.remoteKey = stun.NewShortTermIntegrity(pwd)
	}
}

// path is one way to a client: the address that a valid check came from, over UDP or over a TCP connection.
type path struct {
	peer *Peer
	addr addr
	sock *socket  // UDP: where the check arrived
	tcp  *tcpConn // nil for UDP

	sa     rawSockaddr
	salen  uint32
	local  localIP // which the client sends to, and gets its answers from; on a wildcard address
	ctl    [pktinfoSpace]byte
	ctlLen int

	heard   atomic.Int64 // the last authenticated packet, as Endpoint.instant counts; 0: none yet
	checked time.Time    // last fresh check; guarded by Peer.mu
	proof   proof        // that the client is there; validate.go

	noGSO      atomic.Bool // the kernel has refused a segmented send, typically because of the path's MTU
	noGSOSince time.Time   // noticed by tick; guarded by Peer.mu
}

// retryGSO is how long a path is left without segmentation offload. The kernel forgets a path MTU after ten
// minutes. A shorter time costs a failed call more often.
const retryGSO = 10 * time.Minute

// tickLocked lets time pass.
func (pt *path) tickLocked(now time.Time) {
	switch {
	case !pt.noGSO.Load():
	case pt.noGSOSince.IsZero():
		pt.noGSOSince = now
	case now.Sub(pt.noGSOSince) >= retryGSO:
		pt.noGSOSince = time.Time{}
		pt.noGSO.Store(false)
	}
}

// send sends a packet that belongs to no batch: DTLS.
func (pt *path) send(b []byte) error {
	if pt.tcp != nil {
		return pt.tcp.send(b)
	}
	return pt.sock.sendTo(b, &pt.sa, pt.salen, pt.ctl[:pt.ctlLen])
}

// origin says where a check came from.
type origin struct {
	addr  addr
	local localIP
	sock  *socket
	tcp   *tcpConn
}

func newPath(p *Peer, from origin) *path {
	pt := &path{peer: p, addr: from.addr, local: from.local, sock: from.sock, tcp: from.tcp}
	if from.sock != nil {
		pt.salen = from.addr.sockaddr(from.sock.v6, &pt.sa)
		pt.ctlLen = putPktinfo(&pt.ctl, from.local, from.sock.v6)
	}
	return pt
}

// agent is the ICE-lite agent of a peer (RFC 8445, section 2.5): it only answers. Guarded by Peer.mu.
type agent struct {
	remote       string        // the client's user name fragment, by which a restart is recognised
	creds        []*credential // oldest first: the one in use, and during a restart the new one
	gen          int           // of the newest credential
	tie          uint64        // see tieBreaker
	paths        []*path
	nominated    *path
	nominatedGen int
	answers      bool      // the client has answered a check of the node's, so it can be held to that
	consent      time.Time // last sign that the client is there, on the nominated path
	hushed       bool      // nothing may be sent: consent has run out
	seen         []uint32  // hashes of transaction ids, a ring
	seenAt       int
}

func (a *agent) find(from origin) *path {
	for _, pt := range a.paths {
		if pt.tcp == from.tcp && pt.addr == from.addr && pt.local == from.local {
			return pt
		}
	}
	return nil
}

// noteTransaction notes a transaction id and says whether it was new.
func (a *agent) noteTransaction(tx [stun.TransactionIDSize]byte) bool {
	h := fnv.New32a()
	h.Write(tx[:])
	id := h.Sum32()
	if slices.Contains(a.seen, id) {
		return false
	}
	if len(a.seen) < seenChecks {
		a.seen = append(a.seen, id)
	} else {
		a.seen[a.seenAt] = id
		a.seenAt = (a.seenAt + 1) % seenChecks
	}
	return true
}

// stalest returns the path that has gone longest without a check, other than the nominated one. Paths without
// proof come first, since anybody can make them by playing back checks.
func (a *agent) stalest() *path {
	var old *path
	for _, pt := range a.paths {
		if pt == a.nominated {
			continue
		}
		switch missing := pt.proof.missing.Load(); {
		case old == nil, missing && !old.proof.missing.Load():
			old = pt
		case missing == old.proof.missing.Load() && pt.checked.Before(old.checked):
			old = pt
		}
	}
	return old
}

func (a *agent) remove(pt *path) {
	if i := slices.Index(a.paths, pt); i >= 0 {
		a.paths = slices.Delete(a.paths, i, i+1)
	}
	if a.nominated == pt {
		a.nominated = nil
	}
}

// takeCheck takes in a check of k.size bytes whose MESSAGE-INTEGRITY was right. If it returns false, nothing
// has changed: a check can never harm the session that it names. The check may be an old one, played back
// from anywhere, so it moves nothing by itself.
func (p *Peer) takeCheck(c *credential, from origin, k check, at time.Time) (Drop, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() || !slices.Contains(p.ice.creds, c) {
		return DropSTUNUnauthorized, false
	}
	pt, fresh := p.ice.find(from), p.ice.noteTransaction(k.tx)
	if pt != nil {
		pt.countCheck(k.size)
	}
	if !fresh {
		// The transaction has come before. From its own address this is a retransmission, which is answered
		// again and changes nothing. From another address somebody plays back what they have seen.
		return DropSTUNReplayed, pt != nil
	}
	if pt == nil {
		if pt = p.addPathLocked(from, at); pt == nil {
			return DropSTUNAddressTaken, false
		}
		pt.countCheck(k.size)
	}
	pt.checked = at
	pt.heard.Store(p.ep.instant(at))
	again := pt.proof.cred == c && !pt.proof.wanted.IsZero()
	pt.proof.meant = pt.proof.meant && pt.proof.cred == c
	pt.proof.cred = c
	if k.use { // on the path in use, too: what the client wanted before that no longer counts
		pt.proof.meant = pt.proof.meant || again
		pt.proof.wanted = at
	}
	p.electLocked(pt, at)
	p.secure.sendHeld(pt)
	if !p.ice.answers {
		p.noteAliveLocked(pt, at) // nothing better can be had of it
	}
	if p.shouldAskLocked(pt, at) {
		p.askLocked(pt, at)
	}
	p.speakFirstLocked(at)
	p.updateUnsettledLocked()
	return 0, true
}

// noteAliveLocked takes notice of a sign of life of the client on a path.
func (p *Peer) noteAliveLocked(pt *path, at time.Time) {
	p.heard.Store(p.ep.instant(at))
	if pt == p.ice.nominated {
		p.ice.consent = at
		p.connectLocked()
	}
	if pt == p.ice.nominated || p.ice.nominated == nil {
		p.hushLocked(false)
	}
}

func (p *Peer) addPathLocked(from origin, at time.Time) *path {
	pt := newPath(p, from)
	pt.proof.missing.Store(true)
	if !p.ep.table.addPath(pt, p.ep.instant(at.Add(-addressGrace))) {
		return nil
	}
	if len(p.ice.paths) >= maxPaths {
		old := p.ice.stalest()
		p.ice.remove(old)
		p.ep.table.removePath(old)
	}
	p.ice.paths = append(p.ice.paths, pt)
	return pt
}

// addressGrace is how long after its last sign of life a client keeps its address against another client's
// valid check. Longer keeps out a client that got a reused port; shorter than the interval of checks would
// let a forger in.
const addressGrace = 6 * time.Second

// nominateLocked makes pt the path that everything is sent on. The credentials of before an ICE restart end
// here.
func (p *Peer) nominateLocked(pt *path, at time.Time) {
	gen := pt.proof.cred.gen
	if old := p.ice.nominated; old != nil && old != pt {
		// the client has left the old path, which counts again when it answers again
		old.proof.since, old.proof.meant = time.Time{}, false
	}
	p.ice.nominated, p.ice.nominatedGen = pt, gen
	p.secure.setPath(pt)
	p.secure.early.restart(pt)
	p.ice.creds = slices.DeleteFunc(p.ice.creds, func(c *credential) bool {
		if c.gen < gen {
			p.ep.table.removeCredential(c)
		}
		return c.gen < gen
	})
	p.noteAliveLocked(pt, at)
}

// connectLocked lets media flow on the nominated path as soon as the handshake is done, and says so once.
func (p *Peer) connectLocked() {
	if p.ice.nominated == nil || !p.secure.keyed {
		return
	}
	if p.dest != p.ice.nominated { // written under both locks, so it may be read under this one
		p.lane.setDest(p, p.ice.nominated)
	}
	if !p.connected {
		p.connected = true
		p.ep.events.add(event{peer: p})
		p.ep.log.Debug().Uint64("peer", uint64(p.id)).Stringer("addr", p.ice.nominated.addr).
			Bool("tcp", p.ice.nominated.tcp != nil).Msg("peer connected")
	}
}

// tick lets time pass: consent and connection time-outs, paths that are no longer checked.
func (p *Peer) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return
	}
	t := &p.ep.o.Timers
	switch {
	case p.connected && now.Sub(p.ice.consent) > t.Consent:
		p.suspendLocked(ErrConsent)
	case !p.connected && !p.since.IsZero() && now.Sub(p.since) > t.Connect:
		err := ErrNoConnection
		if p.secure.failure != nil {
			err = fmt.Errorf("%w: %w", ErrNoConnection, p.secure.failure)
		}
		p.suspendLocked(err)
	}
	p.speakFirstLocked(now) // there were too many handshakes before, or the handshake has failed
	p.restLocked(now)
	p.askAgainLocked(now)
	for _, pt := range slices.Clone(p.ice.paths) {
		pt.tickLocked(now)
		if pt != p.ice.nominated && now.Sub(pt.checked) > t.Consent {
			p.ice.remove(pt)
			p.ep.table.removePath(pt)
		}
	}
}

// suspendLocked stops sending to a client that is not there. The client comes back by answering on the path
// that it has nominated, or by nominating another one, typically after an ICE restart.
func (p *Peer) suspendLocked(err error) {
	p.connected, p.since = false, time.Time{}
	p.lane.setDest(p, nil)
	p.hushLocked(true)
	p.ep.events.add(event{peer: p, lost: err})
}

// hushLocked stops DTLS and SCTP from sending, or lets them send again. Without consent nothing may be sent
// (RFC 7675, section 5.1).
func (p *Peer) hushLocked(hushed bool) {
	p.ice.hushed = hushed
	for _, c := range p.secure.conns() {
		c.hushed.Store(hushed)
	}
}

// errConnectionEnded is the reason for losing a client whose TCP connection has ended. It wraps ErrConsent,
// because here too the client may come back.
var errConnectionEnded = fmt.Errorf("the ICE-TCP connection has ended: %w", ErrConsent)

// onPathClosed takes notice of a TCP connection that has ended. If that connection carried the media, nothing
// can be sent until the client nominates another path.
func (p *Peer) onPathClosed(pt *path) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ice.nominated == pt && p.connected {
		p.suspendLocked(errConnectionEnded)
	}
	p.ice.remove(pt)
}
