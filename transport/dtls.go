package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// lastFlight is how long after the handshake plaintext handshake records are still let through, so that a client that
// missed the node's last flight can ask for it again. Longer leaves room for forged ones.
const lastFlight = 60 * time.Second

// How many bytes of handshake records a peer may send before and after the handshake is done. A handshake with all that a
// client may show has 5 KB; the rest is for retransmissions. Raising them lets forged records cost more memory and CPU.
const (
	handshakeBytes  = 64 << 10
	lastFlightBytes = 16 << 10
)

// secure is the DTLS side of a peer. Guarded by Peer.mu.
type secure struct {
	client  bool // the node is the DTLS client
	stated  []negotiate.Fingerprint
	conn    *dtlsConn
	dtls    *dtls.Conn
	place   *place // of the handshake under way
	spent   int    // bytes of handshake records so far; after the handshake, since then
	keyed   bool   // the handshake is done and the SRTP keys are in place
	keyedAt time.Time

	rested     *dtls.State // at rest: there is neither conn nor dtls; see rest.go
	lastRecord time.Time   // a DTLS datagram came, or the handshake was done
}

// quiet keeps pion's libraries from writing to standard error; what matters comes back as errors.
var quiet = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}

// takeDTLS takes in a datagram from a path with a valid check, and says whether it keeps the buffer.
func (p *Peer) takeDTLS(pt *path, b *packet.Buffer, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return false
	}
	s := &p.secure
	r, ok := checkRecords(b.B, recordRules{
		first: !s.keyed && s.conn == nil && !s.client, established: s.keyed,
		plain: s.rested == nil && at.Sub(s.keyedAt) < lastFlight, data: p.data.allowed,
	})
	if !ok {
		p.ep.count.drop(DropDTLSFiltered)
		return false
	}
	if !s.affords(r.handshake) {
		p.ep.count.drop(DropDTLSLimited)
		return false
	}
	if s.rested != nil {
		if err := p.wakeLocked(pt); err != nil {
			p.ep.log.Error().Uint64("peer", uint64(p.id)).Err(err).Msg("DTLS lost")
			return false
		}
	}
	if s.conn == nil && (s.keyed || s.client || !p.startHandshakeLocked(pt, at)) {
		p.ep.count.drop(DropDTLSLimited)
		return false
	}
	if s.place != nil && r.answer {
		s.place.answered.Store(true)
	}
	s.lastRecord = at
	if p.ice.nominated == nil {
		s.conn.to.Store(pt)
	}
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

// affords notes n more bytes of handshake records and says whether they are within the budget.
func (s *secure) affords(n int) bool {
	budget := handshakeBytes
	if s.keyed {
		budget = lastFlightBytes
	}
	s.spent += n
	return n == 0 || s.spent <= budget
}

// startHandshakeLocked begins the handshake if there is a place.
func (p *Peer) startHandshakeLocked(pt *path, at time.Time) bool {
	ctx, cancel := context.WithTimeout(context.Background(), p.ep.o.Timers.Handshake)
	conn := newDTLSConn(p.ep, pt, p.dtlsClosed)
	conn.hushed.Store(p.ice.silent)
	pl := &place{conn: conn, cancel: cancel, since: at}
	if !p.ep.handshakes.enter(pl) {
		cancel()
		return false
	}
	p.secure.conn, p.secure.place = conn, pl
	client, stated := p.secure.client, p.secure.stated
	p.ep.work.Go(func() {
		defer cancel()
		err := p.handshake(ctx, conn, client, stated)
		p.ep.handshakes.leave(pl)
		p.handshakeDone(pl, err)
	})
	return true
}

func (p *Peer) handshakeDone(pl *place, err error) {
	p.mu.Lock()
	p.secure.place = nil
	again := err != nil && pl.lost.Load() && !p.secure.keyed
	if again {
		p.secure.conn, p.secure.dtls = nil, nil
	}
	p.mu.Unlock()
	switch {
	case again:
	case err == nil && pl.lost.Load():
		p.fail(fmt.Errorf("%w: lost its place", ErrHandshake)) // as it finished; its connection is mute
	case err != nil:
		p.fail(err)
	default:
		return
	}
	_ = pl.conn.Close()
}

func (p *Peer) handshake(ctx context.Context, conn *dtlsConn, client bool, stated []negotiate.Fingerprint) error {
	d, err := p.identity.newDTLS(conn, client, stated)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	p.mu.Lock()
	gone := p.goneLocked()
	p.secure.dtls = d
	p.mu.Unlock()
	if gone {
		return ErrClosed
	}
	if err := d.HandshakeContext(ctx); err != nil {
		if errors.Is(err, ErrFingerprint) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	keys, profile, err := exportKeys(d, client)
	if err == nil {
		err = p.setKeys(keys, profile)
	}
	if err != nil {
		_ = d.Close()
	}
	return err
}

// setKeys puts the SRTP keys in place and lets media flow if a path is nominated.
func (p *Peer) setKeys(k srtp.SessionKeys, profile srtp.ProtectionProfile) error {
	out, err := srtp.CreateContext(k.LocalMasterKey, k.LocalMasterSalt, profile)
	if err != nil {
		return fmt.Errorf("sending SRTP context: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return ErrClosed
	}
	if err := p.rx.setKeys(k, profile); err != nil {
		return err
	}
	p.lane.setOut(p, out)
	now := time.Now()
	p.secure.keyed, p.secure.keyedAt, p.secure.lastRecord, p.secure.spent = true, now, now, 0
	p.connectLocked()
	p.startDataLocked()
	return nil
}

// dtlsClosed is called when pion/dtls closes its connection: after the handshake that means close_notify or a fatal alert.
func (p *Peer) dtlsClosed() {
	p.mu.Lock()
	keyed := p.secure.keyed
	p.mu.Unlock()
	if keyed {
		p.fail(ErrRemoteClosed)
	}
}
