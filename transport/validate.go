package transport

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
)

// Path validation. The source of a datagram can be forged, and anybody who has heard a check can play it
// back. So a check makes a path known and is answered, but moves nothing. The client has to show that it is
// there:
//
//   - by its answer to a check of the node's on that path. The answer holds a random transaction id and is
//     signed with the client's password, so it can neither be forged nor played back. This is the check that
//     RFC 7675 has for consent. RFC 8445 section 7.3 obliges a full agent to answer it, whoever asks. The
//     node stays the controlled agent, and checks only paths that the client has checked;
//   - by the DTLS handshake, if all of the node's flights went there;
//   - by SRTP or SRTCP that opens and is newer than all before it. It shows who sends and not where. So such
//     a path is taken on trial and stays within the limit below (RFC 9000 section 9.3 does the same). Media
//     from a proven path takes it back.
//
// The client also shows which one it means of the paths that it asks for. Some clients nominate the one that
// they use, and another one when they move (libwebrtc). Others nominate all that work, each once, and use the
// best (Firefox, libnice). Of those the last one is often TCP, as it takes longest. So TCP takes the place of
// UDP that works only if the client sends media there or nominates it again. UDP takes the place of TCP as
// soon as it has a proof. If the client has sent over TCP before, UDP needs media as well.
//
// A path without proof gets at most `amplification` times what has come from it (RFC 9000 section 8.1).
//
// For the same reason consent (RFC 7675) rests on answers, as soon as the client has given one. If the
// client's password is not known, or the client never answers, its own checks count for consent, and DTLS and
// SRTP for the path.

const (
	// amplification is how many times the bytes received a path without proof may be sent. Raising it lets
	// forgers aim more at others. Lowering it holds up clients that do not answer checks before their
	// handshake: its flight no longer fits.
	amplification = 3
	// amplificationSlack is how many bytes more it may be. With them the node's flight fits that answers a
	// ClientHello of 150 bytes.
	amplificationSlack = 128
	// datagramOverhead is how many bytes IPv4 and UDP add to a datagram. They, too, come from the client and
	// reach a victim.
	datagramOverhead = 28

	// responseSize is how many bytes a success response has: header, IPv4 address, integrity, fingerprint.
	responseSize = 20 + 12 + 24 + 8

	// proofAge is how long a path that is not in use may be taken into use without another proof. A client
	// may have left an address since. Longer lets a played back check send media there, shorter costs more
	// moves another round trip.
	proofAge = 5 * time.Second

	// askPace is the least time between two checks of the node's on one path, except for checks that one of
	// the client's sets off.
	askPace = time.Second
	// checkOverdue is how long the path in use has to go without a check of the client's before another one
	// may replace it unasked. The client must still check the other path and answer on it. Clients check
	// every 2 to 6 s. Longer holds up media after a NAT has moved a client, shorter moves clients that only
	// lost some checks.
	checkOverdue = 10 * time.Second
	// consentChecks is how many checks of the node's go out in the time of consent; one answer is enough.
	// More notice the loss no sooner and only cost packets.
	consentChecks = 6
)

// check is what a valid check says.
type check struct {
	tx   [stun.TransactionIDSize]byte
	use  bool // USE-CANDIDATE
	size int  // bytes
}

// proof is what is known of whether the client is at the other end of a path. Guarded by Peer.mu but for the
// atomics.
type proof struct {
	missing atomic.Bool  // the limit holds
	in, out atomic.Int64 // bytes while it does

	cred   *credential // of the last check
	wanted time.Time   // last check with USE-CANDIDATE
	meant  bool        // there was more than one, or the client has sent media there
	since  time.Time   // last answer, or the handshake
	media  time.Time   // last SRTP that was newer than all before it, noted while Peer.unsettled

	asked   [stun.TransactionIDSize]byte // the check of the node's under way
	asking  bool
	askedAt time.Time
}

// countReceived counts a datagram of n bytes that the client has sent on the path.
func (pt *path) countReceived(n int) {
	if pt.proof.missing.Load() {
		pt.proof.in.Add(int64(n) + datagramOverhead)
	}
}

// countCheck counts a check of n bytes and its response.
func (pt *path) countCheck(n int) {
	pt.countReceived(n)
	if pt.proof.missing.Load() {
		pt.proof.out.Add(responseSize + datagramOverhead)
	}
}

// charge counts n bytes that are to be sent on the path. It returns false, and counts nothing, if they may
// not be sent now.
func (pt *path) charge(n int) bool {
	q := &pt.proof
	if !q.missing.Load() {
		return true
	}
	cost := int64(n) + datagramOverhead
	if q.out.Add(cost) <= amplification*q.in.Load()+amplificationSlack {
		return true
	}
	q.out.Add(-cost)
	return false
}

// recent says whether the client was at the other end lately.
func (q *proof) recent(at time.Time) bool {
	return !q.since.IsZero() && at.Sub(q.since) < proofAge
}

// doubt puts the limit on a path that had shown its proof too long ago.
func (pt *path) doubt() {
	pt.proof.in.Store(0)
	pt.proof.out.Store(0)
	pt.proof.missing.Store(true)
}

// shouldAskLocked says whether the node should ask on a path from which a check has just come.
func (p *Peer) shouldAskLocked(pt *path, at time.Time) bool {
	q := &pt.proof
	if pt == p.ice.nominated && !q.missing.Load() {
		return !p.connected
	}
	return q.missing.Load() || (p.pendingLocked(pt) || p.leftForLocked(pt, at)) && !q.recent(at)
}

// leftForLocked says whether the client seems to have left the path in use for pt without a word. A client
// does so if its NAT has given it another port and it nominates only once.
func (p *Peer) leftForLocked(pt *path, at time.Time) bool {
	now := p.ice.nominated
	return now != nil && pt != now && pt.proof.cred.gen == p.ice.nominatedGen && at.Sub(now.checked) > checkOverdue
}

// pendingLocked says whether the client asks for pt rather than for the path in use. It does so if it has not
// asked for the path in use since it asked for pt. It also does so if pt is better, and lacks its proof or
// the path in use is not meant.
func (p *Peer) pendingLocked(pt *path) bool {
	now := p.ice.nominated
	return pt != now && p.wantedLocked(pt) && (now == nil || !pt.proof.wanted.Before(now.proof.wanted) ||
		pt.better(now) && (pt.proof.missing.Load() || !now.proof.meant))
}

// wantedLocked says whether the client has asked to use pt since the latest restart that has come to a
// nomination.
func (p *Peer) wantedLocked(pt *path) bool {
	return !pt.proof.wanted.IsZero() && pt.proof.cred.gen >= p.ice.nominatedGen
}

// better says whether clients that can use both paths use this one.
func (pt *path) better(than *path) bool { return pt.tcp == nil && than.tcp != nil }

// spareLocked says whether the client may have asked for pt only because it works: the path in use is better,
// and works as well.
func (p *Peer) spareLocked(pt *path, at time.Time) bool {
	now := p.ice.nominated
	return now != nil && now.better(pt) && !pt.proof.meant && pt.proof.cred.gen == p.ice.nominatedGen &&
		p.ep.instant(at)-now.heard.Load() < int64(proofAge)
}

// electLocked nominates pt if the client wants that and has shown that it is there.
func (p *Peer) electLocked(pt *path, at time.Time) {
	q := &pt.proof
	switch {
	// A restart on the same path.
	case pt == p.ice.nominated && !q.wanted.IsZero() && q.cred.gen > p.ice.nominatedGen:
		p.nominateLocked(pt, at)
	case !p.pendingLocked(pt) || p.spareLocked(pt, at):
	case q.recent(at):
		p.nominateLocked(pt, at)
	case !q.media.IsZero() && at.Sub(q.media) < proofAge:
		pt.doubt()
		p.nominateLocked(pt, at)
	}
}

// askLocked sends a check to the client. It sends the same one again if the one before is still under way.
func (p *Peer) askLocked(pt *path, at time.Time) {
	q := &pt.proof
	if q.cred == nil || q.cred.remoteKey == nil {
		return
	}
	if !q.asking || at.Sub(q.askedAt) >= 2*askPace {
		_, _ = rand.Read(q.asked[:]) // never fails
		q.asking = true
	}
	m, err := stun.Build(stun.BindingRequest, stun.NewTransactionIDSetter(q.asked),
		stun.NewUsername(q.cred.remoteUFrag+":"+q.cred.ufrag), controlled(p.ice.tieBreaker()), priority(checkPriority),
		q.cred.remoteKey, stun.Fingerprint)
	if err != nil || !pt.charge(len(m.Raw)) {
		return
	}
	q.askedAt = at
	if pt.sendSTUN(m.Raw) != nil {
		p.ep.count.drop(DropSendFailed)
	}
	p.ep.count.checksOut.Add(1)
}

// askAgainLocked asks if an answer is overdue, and for consent.
func (p *Peer) askAgainLocked(now time.Time) {
	for _, pt := range p.ice.paths {
		q := &pt.proof
		passed := now.Sub(q.askedAt)
		switch {
		case pt == p.ice.nominated && !q.missing.Load():
			if p.connected && p.ice.answers && passed >= p.ep.o.Timers.Consent/consentChecks {
				p.askLocked(pt, now)
			}
		case (pt == p.ice.nominated || p.pendingLocked(pt)) && passed >= askPace && now.Sub(q.wanted) < p.ep.o.Timers.Consent:
			p.askLocked(pt, now)
		}
	}
	p.updateUnsettledLocked()
}

// takeAnswer takes in a response to a check of the node's, and says whether it is one.
func (p *Peer) takeAnswer(from origin, m *stun.Message, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	pt := p.ice.find(from)
	if pt == nil || p.goneLocked() || !pt.proof.asking || m.TransactionID != pt.proof.asked || pt.proof.cred.remoteKey.Check(m) != nil {
		return false
	}
	pt.proof.asking = false
	p.ice.answers = true
	pt.heard.Store(p.ep.instant(at))
	if p.leftForLocked(pt, at) {
		pt.proof.wanted = at
	}
	p.noteProofLocked(pt, at)
	p.noteAliveLocked(pt, at)
	return true
}

// noteProofLocked takes notice that the client is at the other end of a path.
func (p *Peer) noteProofLocked(pt *path, at time.Time) {
	pt.proof.since = at
	pt.proof.missing.Store(false)
	p.electLocked(pt, at)
	p.secure.early.restart(pt)
	p.secure.sendHeld(pt)
	p.updateUnsettledLocked()
}

// noteMedia takes notice of media that is newer than all before it, while it matters where that comes from.
func (p *Peer) noteMedia(pt *path, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.ice.nominated
	switch {
	case p.goneLocked() || pt.proof.cred == nil || !slices.Contains(p.ice.paths, pt):
		return
	case p.keptLocked(pt):
		pt.proof.wanted = at // the client is still where it was, or has found something better
		p.nominateLocked(pt, at)
	case pt == now && slices.ContainsFunc(p.ice.paths, func(other *path) bool { return p.spareLocked(other, at) }):
		pt.proof.wanted = at // so much for the others
	default:
		pt.proof.media, pt.proof.meant = at, true
		p.electLocked(pt, at)
	}
	p.updateUnsettledLocked()
}

// keptLocked says whether media on pt, which is not in use and has a proof, shows that the client is there.
func (p *Peer) keptLocked(pt *path) bool {
	now := p.ice.nominated
	return now != nil && pt != now && !pt.proof.missing.Load() && pt.proof.cred.gen >= p.ice.nominatedGen &&
		(now.proof.missing.Load() || pt.better(now) && p.wantedLocked(pt))
}

// updateUnsettledLocked keeps Peer.unsettled up to date.
func (p *Peer) updateUnsettledLocked() {
	now := p.ice.nominated
	open := now != nil && now.proof.missing.Load()
	for _, pt := range p.ice.paths {
		open = open || p.pendingLocked(pt) || now != nil && pt.better(now) && p.wantedLocked(pt)
	}
	p.unsettled.Store(open)
}

// sendSTUN sends a check or a response.
func (pt *path) sendSTUN(b []byte) error {
	if pt.tcp != nil {
		return pt.tcp.sendSTUN(b)
	}
	return pt.send(b)
}

// tieBreaker returns the same number for all of a session (RFC 8445, section 5.2). Nobody compares it: a lite
// agent never takes the other role.
func (a *agent) tieBreaker() uint64 {
	if a.tie == 0 {
		a.tie = uint64(randomUint32())<<32 | uint64(randomUint32()) | 1
	}
	return a.tie
}

// checkPriority is that of a peer-reflexive candidate (RFC 8445, section 5.1.2.1). Clients need the attribute
// only for addresses that they do not know.
const checkPriority = 110<<24 | 65535<<8 | 255

type controlled uint64

// AddTo adds ICE-CONTROLLED.
func (c controlled) AddTo(m *stun.Message) error {
	m.Add(stun.AttrICEControlled, binary.BigEndian.AppendUint64(nil, uint64(c)))
	return nil
}

type priority uint32

// AddTo adds PRIORITY.
func (c priority) AddTo(m *stun.Message) error {
	m.Add(stun.AttrPriority, binary.BigEndian.AppendUint32(nil, uint32(c)))
	return nil
}
