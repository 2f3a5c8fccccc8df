package transport

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// lastFlight is how long after the handshake plaintext handshake records are still let through. A client that
// missed the node's last flight can ask for it again within that time. Longer leaves room for forged records.
const lastFlight = 60 * time.Second

// These are how many bytes of handshake records a peer may send, before and after the handshake is done. A
// handshake with all that a client may show has 5 KB; the rest is for retransmissions. Raising them lets
// forged records cost more memory and CPU.
const (
	handshakeBytes  = 64 << 10
	lastFlightBytes = 16 << 10
)

// maxTries is how many handshakes of one peer may be under way at once, and how many may be begun in
// handshakeGrace. Each ClientHello that has come begins one, and at most one of these is the client's.
// Raising it lets forged ones cost more CPU, lowering it holds the client up more often.
const maxTries = 4

// secure is the DTLS side of a peer. Guarded by Peer.mu.
type secure struct {
	client  bool // the node is the DTLS client
	stated  []negotiate.Fingerprint
	hellos  hellos
	early   early
	began   [maxTries]time.Time // when the last handshakes were begun
	tries   []*handshake        // handshakes under way, oldest first
	failure error               // of the last one that has failed
	conn    *dtlsConn           // of the handshake that is done
	dtls    *dtls.Conn
	spent   int       // bytes of handshake records of late; see charge
	spentAt time.Time // when that was reckoned
	keyed   bool      // the handshake is done and the SRTP keys are in place
	keyedAt time.Time

	rested     *dtls.State // at rest: there is neither conn nor dtls; see rest.go
	lastRecord time.Time   // a DTLS datagram came, or the handshake was done
}

// noLogs keeps pion's libraries from writing to standard error; what matters comes back as errors.
var noLogs = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}

// takeRecords takes in a datagram from a path with a valid check, and says whether it keeps the buffer. early
// says that the datagram came before the proof of its path.
func (p *Peer) takeRecords(pt *path, b *packet.Buffer, at time.Time, early bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return false
	}
	s := &p.secure
	r, ok := filterRecords(b.B, recordRules{
		first: !s.keyed && len(s.tries) == 0 && !s.client, established: s.keyed,
		plain: s.rested == nil && at.Sub(s.keyedAt) < lastFlight, data: p.data.allowed,
	})
	if !ok {
		p.ep.count.drop(DropDTLSFiltered)
		return false
	}
	if !s.charge(r.handshake, at) {
		p.ep.count.drop(DropDTLSLimited)
		return false
	}
	pt.countReceived(len(b.B))
	if !s.keyed {
		r.early = early && !s.client && len(s.tries) == 0
		p.shakeLocked(pt, b, r, at)
		s.sendHeld(pt)
		return false
	}
	return p.takeEstablishedLocked(pt, b, r, at)
}

// takeEstablishedLocked takes in a datagram after the handshake.
func (p *Peer) takeEstablishedLocked(pt *path, b *packet.Buffer, r records, at time.Time) bool {
	s := &p.secure
	if s.rested != nil {
		if p.ice.nominated != nil {
			pt = p.ice.nominated // wherever the datagram has come from
		}
		if err := p.resumeLocked(pt); err != nil {
			p.ep.log.Error().Uint64("peer", uint64(p.id)).Err(err).Msg("DTLS lost")
			return false
		}
	}
	if s.conn == nil {
		p.ep.count.drop(DropDTLSLimited)
		return false
	}
	s.lastRecord = at
	if r.data {
		p.data.wanted = true
		p.startDataLocked()
	}
	if !s.conn.push(b) {
		p.ep.count.drop(DropDTLSLimited)
		return false
	}
	return true
}

// shakeLocked takes in a datagram of the handshake. A ClientHello goes to the handshake that it belongs to.
// Everything else goes to all handshakes: only the one whose flight it answers can make use of it.
func (p *Peer) shakeLocked(pt *path, b *packet.Buffer, r records, at time.Time) {
	s := &p.secure
	switch {
	case r.hello && r.answer:
		p.ep.count.drop(DropDTLSFiltered)
		return
	case s.client || !r.hello:
		for _, t := range s.tries {
			t.answered.Store(true)
			t.conn.moveTo(pt)
			p.feed(t, b)
		}
		return
	}
	own := copyOf(b)
	defer own.Release()
	h, ok := s.hellos.collect(own)
	if !ok {
		p.ep.count.drop(DropDTLSFiltered)
	}
	if h == nil {
		return
	}
	if (pt.proof.missing.Load() || r.early) && pt.proof.cred != nil && pt.proof.cred.remoteKey != nil {
		p.postponeLocked(pt, h)
		return
	}
	p.greetLocked(pt, h, at)
}

// greetLocked has the handshake of a ClientHello begin or go on. The caller has given h away.
func (p *Peer) greetLocked(pt *path, h *hello, at time.Time) {
	defer h.release()
	t := p.tryLocked(pt, h, at)
	if t == nil {
		p.ep.count.drop(DropDTLSLimited)
		return
	}
	t.conn.moveTo(pt)
	for _, b := range h.raw {
		p.feed(t, b)
	}
}

// feed gives a copy of a datagram to a handshake.
func (p *Peer) feed(t *handshake, b *packet.Buffer) {
	own := copyOf(b)
	if !t.conn.push(own) {
		own.Release()
		p.ep.count.drop(DropDTLSLimited)
	}
}

func copyOf(b *packet.Buffer) *packet.Buffer {
	own := packet.Get()
	own.B = own.B[:copy(own.B, b.B)]
	return own
}

// tryLocked returns the handshake that a ClientHello belongs to, and begins one if need be. It returns nil if
// there are too many.
func (p *Peer) tryLocked(pt *path, h *hello, at time.Time) *handshake {
	s, sum := &p.secure, h.sum()
	for _, t := range s.tries {
		if t.hello == sum {
			return t
		}
	}
	if at.Sub(s.began[0]) < handshakeGrace {
		return nil
	}
	for _, t := range slices.Clone(s.tries) {
		if !t.conn.begun() { // of two that wait for their answer the later one is the client's
			p.abandonLocked(t)
		}
	}
	if len(s.tries) == maxTries {
		p.abandonLocked(s.tries[0])
	}
	t := p.startHandshakeLocked(pt, sum, at)
	if t != nil {
		copy(s.began[:], s.began[1:])
		s.began[maxTries-1] = at
	}
	return t
}

// abandonLocked ends a handshake in favour of another one of the same peer, which may begin in its stead.
func (p *Peer) abandonLocked(t *handshake) {
	p.secure.tries = slices.DeleteFunc(p.secure.tries, func(o *handshake) bool { return o == t })
	t.giveUp()
	p.ep.handshakes.leave(t)
}

// charge counts n more bytes of handshake records and says whether they are within the budget. The budget is
// filled up again within 16 s, so what strangers have used up does not keep the client out for good.
func (s *secure) charge(n int, at time.Time) bool {
	budget := handshakeBytes
	if s.keyed {
		budget = lastFlightBytes
	}
	if passed := at.Sub(s.spentAt); passed > 0 {
		s.spent = max(0, s.spent-int(min(passed, 16*time.Second)*time.Duration(budget)/(16*time.Second)))
		s.spentAt = at
	}
	s.spent = min(s.spent+n, 2*budget)
	return n == 0 || s.spent <= budget
}

// startHandshakeLocked begins a handshake. It returns nil if there are too many.
func (p *Peer) startHandshakeLocked(pt *path, sum [sha256.Size]byte, at time.Time) *handshake {
	ctx, cancel := context.WithTimeout(context.Background(), p.ep.o.Timers.Handshake)
	conn := newDTLSConn(p.ep, pt, p.onDTLSClosed)
	conn.hushed.Store(p.ice.hushed)
	h := &handshake{peer: p, conn: conn, cancel: cancel, since: at, hello: sum}
	if !p.ep.handshakes.enter(h) {
		cancel()
		return nil
	}
	p.secure.tries = append(p.secure.tries, h)
	client, stated := p.secure.client, p.secure.stated
	p.ep.work.Go(func() {
		defer cancel()
		err := p.runHandshake(ctx, conn, client, stated)
		p.ep.handshakes.leave(h)
		p.onHandshakeDone(h, err)
	})
	return h
}

// speakFirstLocked begins the handshake if the node is the DTLS client, as soon as there is a path.
func (p *Peer) speakFirstLocked(at time.Time) {
	s := &p.secure
	if !s.client || s.keyed || len(s.tries) > 0 {
		return
	}
	pt := p.ice.nominated
	for _, other := range p.ice.paths {
		if pt == nil && p.pendingLocked(other) {
			pt = other
		}
	}
	if pt != nil {
		p.startHandshakeLocked(pt, [sha256.Size]byte{}, at)
	}
}

// onHandshakeDone takes notice of the end of a handshake. One that has failed is no loss: a forged
// ClientHello may have begun it, and the client's own begins another. The peer ends only over a certificate
// that is not the client's. Even then the client has to have shown itself where all of the node's flights
// went. From elsewhere anybody may have shown such a certificate.
func (p *Peer) onHandshakeDone(h *handshake, err error) {
	p.mu.Lock()
	s := &p.secure
	s.tries = slices.DeleteFunc(s.tries, func(t *handshake) bool { return t == h })
	if err != nil && !h.givenUp.Load() && !s.keyed {
		s.failure = err
	}
	pt := h.conn.onlyPath()
	final := errors.Is(err, ErrFingerprint) && !h.givenUp.Load() && pt != nil && !pt.proof.missing.Load()
	p.mu.Unlock()
	switch {
	case err == nil && h.givenUp.Load():
		p.fail(fmt.Errorf("%w: had to give way", ErrHandshake)) // as it finished; its connection is mute
		return
	case err == nil:
		return
	}
	if final {
		p.fail(err)
	}
	h.giveUp()
	_ = h.conn.Close()
}

// errSuperseded is the end of a handshake that another one, of the same peer or of another, has overtaken.
var errSuperseded = fmt.Errorf("%w: superseded", ErrHandshake)

func (p *Peer) runHandshake(ctx context.Context, conn *dtlsConn, client bool, stated []negotiate.Fingerprint) error {
	d, err := p.identity.newDTLS(conn, client, stated)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if err := d.HandshakeContext(ctx); err != nil {
		if errors.Is(err, ErrFingerprint) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	keys, profile, err := exportKeys(d, client)
	if err == nil {
		err = p.setKeys(conn, d, keys, profile)
	}
	if err != nil {
		conn.mute()
		_ = d.Close()
	}
	return err
}

// setKeys puts the SRTP keys in place and lets media flow if a path is nominated. Of a peer's handshakes the
// first one that is done counts.
func (p *Peer) setKeys(conn *dtlsConn, d *dtls.Conn, k srtp.SessionKeys, profile srtp.ProtectionProfile) error {
	out, err := srtp.CreateContext(k.LocalMasterKey, k.LocalMasterSalt, profile)
	if err != nil {
		return fmt.Errorf("sending SRTP context: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.secure
	switch {
	case p.goneLocked():
		return ErrClosed
	case s.keyed || conn.isMuted():
		return errSuperseded
	}
	if err := p.rx.setKeys(k, profile); err != nil {
		return err
	}
	p.lane.setOut(p, out)
	now := time.Now()
	s.conn, s.dtls = conn, d
	s.keyed, s.keyedAt, s.lastRecord, s.spent = true, now, now, 0
	s.giveUp()
	if pt := conn.onlyPath(); pt != nil && slices.Contains(p.ice.paths, pt) {
		p.noteProofLocked(pt, now)
	}
	p.connectLocked()
	p.startDataLocked()
	return nil
}

// giveUp ends the handshakes that have been begun and are not done.
func (s *secure) giveUp() {
	for _, t := range s.tries {
		if t.conn != s.conn {
			t.giveUp()
		}
	}
	s.hellos.clear()
	s.early.drop()
}

// conns returns the DTLS connections that there are.
func (s *secure) conns() []*dtlsConn {
	list := make([]*dtlsConn, 0, 1+len(s.tries))
	if s.conn != nil {
		list = append(list, s.conn)
	}
	for _, t := range s.tries {
		if t.conn != s.conn {
			list = append(list, t.conn)
		}
	}
	return list
}

// setPath has DTLS go over a path.
func (s *secure) setPath(pt *path) {
	for _, c := range s.conns() {
		c.to.Store(pt)
		c.sendHeld()
	}
}

// sendHeld sends what has waited until the path may be sent more.
func (s *secure) sendHeld(pt *path) {
	for _, c := range s.conns() {
		if c.to.Load() == pt {
			c.sendHeld()
		}
	}
}

// onDTLSClosed is called when pion/dtls closes its connection. After the handshake that means close_notify or
// a fatal alert.
func (p *Peer) onDTLSClosed(c *dtlsConn) {
	p.mu.Lock()
	keyed := p.secure.keyed && p.secure.conn == c
	p.mu.Unlock()
	if keyed {
		p.fail(ErrRemoteClosed)
	}
}
