package transport

import (
	"context"
	"errors"
	"sync"

	"parlor/packet"
)

// These are the reasons for which a peer is lost or an operation refused, to be told apart with errors.Is.
var (
	ErrClosed       = errors.New("transport is closed")
	ErrTooManyPeers = errors.New("too many peers")
	ErrConsent      = errors.New("no consent: the client's checks have stopped")
	ErrNoConnection = errors.New("the client did not connect in time")
	ErrHandshake    = errors.New("DTLS handshake failed")
	ErrFingerprint  = errors.New("certificate does not match the fingerprint in the offer")
	ErrRemoteClosed = errors.New("closed by the client")
	ErrNotConnected = errors.New("the client is not connected, or lost")
	ErrNoChannel    = errors.New("no data channel with this label")
	ErrBacklog      = errors.New("too much data waits to be sent")
	ErrMessageSize  = errors.New("data channel message too large")
)

// PeerEvents is told what happens to a peer. Goroutines of the transport call the methods, and PeerConnected
// and PeerLost one at a time. They must not block, because the events of all other peers wait. A call that
// has begun before Peer.Close may still be under way when Close returns; none begins afterwards.
type PeerEvents interface {
	// PeerConnected says that media may be sent: a path is nominated and the DTLS handshake is done. It comes
	// again when a peer that was lost by ErrConsent is heard again.
	PeerConnected(id packet.PeerID)
	// PeerLost says that nothing is sent to the peer any more. After ErrConsent and ErrNoConnection the peer
	// still listens, so that an ICE restart can bring it back. The end of an ICE-TCP connection is an
	// ErrConsent, too. After every other error the peer can only be closed.
	PeerLost(id packet.PeerID, err error)
	// PeerMessage delivers a data channel message; the receiver owns its bytes.
	PeerMessage(id packet.PeerID, m Message)
}

// Message is one message on a data channel.
type Message struct {
	Label string // of the channel
	Data  []byte
	Text  bool // a string; otherwise binary
}

type event struct {
	peer *Peer
	lost error // nil: connected
}

// eventQueue hands events from goroutines that must not wait (they may hold locks) to the one that calls out.
// It cannot grow beyond the connection changes of peers that exist. Each change takes a negotiation, a
// time-out or a TCP connection.
type eventQueue struct {
	mu   sync.Mutex
	list []event
	wake chan struct{} // capacity 1
}

func (q *eventQueue) add(ev event) {
	q.mu.Lock()
	q.list = append(q.list, ev)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *eventQueue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}

// run calls the events until ctx is done.
func (q *eventQueue) run(ctx context.Context) {
	for {
		for _, ev := range q.take() {
			switch {
			case ev.peer.closed.Load():
			case ev.lost == nil:
				ev.peer.events.PeerConnected(ev.peer.id)
			default:
				ev.peer.events.PeerLost(ev.peer.id, ev.lost)
			}
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return
		}
	}
}
