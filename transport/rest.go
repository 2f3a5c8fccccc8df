package transport

import (
	"context"
	"fmt"
	"time"

	"github.com/pion/dtls/v3"
)

// Resting: once a handshake is done, DTLS has nothing to do for most peers until they leave. Yet the library
// keeps three goroutines, a read buffer and the handshake's messages for it. So a quiet connection is closed
// without a word to the client, and only its state is kept. The next DTLS datagram, or Close, makes a
// connection of the state again.
//
// A record counter must never be used twice under one key. Therefore the old connection is muted first, then
// closed, and the state is taken after that. The old connection's last writes go nowhere, and the counters
// that it used up in vain are skipped. A state is taken up once: resumeLocked forgets it.

const (
	// restAfter is how long after the last DTLS datagram a connection goes to rest. A client that has missed
	// the node's last flight asks for it again after 1, 3, 7 s. So the time must be longer than a few of
	// these steps. Longer holds the memory of clients that have just come.
	restAfter = 10 * time.Second
	// restProven is the same for a client that has sent media, which it can only do once the last flight has
	// come.
	restProven = time.Second
)

// restLocked puts the DTLS connection to rest if it has been quiet for long enough.
func (p *Peer) restLocked(now time.Time) {
	s := &p.secure
	if !s.keyed || s.dtls == nil || p.data.started {
		return
	}
	after := restAfter
	if p.rx.proven() {
		after = restProven
	}
	if now.Sub(s.lastRecord) < after {
		return
	}
	s.conn.mute()
	_ = s.dtls.Close() // muted: only its goroutines end
	state, ok := s.dtls.ConnectionState()
	if !ok { // never, of a connection whose handshake is done
		s.dtls = nil
		p.ep.log.Error().Uint64("peer", uint64(p.id)).Msg("the state of an established DTLS connection cannot be had")
		return // it stays closed; the client will notice when it needs it
	}
	state.PeerCertificates = nil // verified
	s.rested, s.dtls, s.conn = &state, nil, nil
}

// resumeLocked makes a connection of the state at rest. The error leaves the peer without DTLS.
func (p *Peer) resumeLocked(pt *path) error {
	s := &p.secure
	conn := newDTLSConn(p.ep, pt, p.onDTLSClosed)
	conn.hushed.Store(p.ice.hushed)
	d, err := dtls.ResumeWithOptions(s.rested, conn, conn.RemoteAddr(), dtls.WithLoggerFactory(noLogs))
	s.rested = nil
	if err != nil {
		return fmt.Errorf("%w: take up the connection again: %w", ErrHandshake, err)
	}
	// There is nothing to shake hands about: this only starts the library's goroutines.
	if err := d.HandshakeContext(context.Background()); err != nil {
		return fmt.Errorf("%w: take up the connection again: %w", ErrHandshake, err)
	}
	s.conn, s.dtls = conn, d
	return nil
}
