package transport

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// handshakeGrace is how long a handshake is sure to go on although the client has not answered the node's
// first flight. Longer lets clients that have gone away hold up the joins of others. Shorter costs clients
// with a bad network their attempt when there are as many as may be.
const handshakeGrace = time.Second

// answeredGrace is the same for a handshake whose client has answered. That client may be as malicious as a
// silent one, but cannot begin anew.
const answeredGrace = 4 * time.Second

// handshakes are those under way. They are bounded because each costs milliseconds of CPU. Most of its time,
// though, a handshake waits for the network, so one whose client has fallen silent gives way.
type handshakes struct {
	limit int

	mu   sync.Mutex
	list []*handshake // oldest first
}

// handshake is one that is under way.
type handshake struct {
	peer     *Peer
	conn     *dtlsConn
	cancel   context.CancelFunc
	since    time.Time
	answered atomic.Bool // the client has got the node's first flight
	givenUp  atomic.Bool // it has had to give way, or has failed

	hello [sha256.Size]byte // of the ClientHello that began it
}

// giveUp ends a handshake. The client hears nothing of it and begins anew when it asks again.
func (h *handshake) giveUp() {
	h.givenUp.Store(true)
	h.conn.mute()
	h.cancel()
}

// enter adds a handshake, if need be in place of another one.
func (s *handshakes) enter(h *handshake) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= s.limit {
		i := s.victimLocked(h.since)
		if i < 0 {
			return false
		}
		old := s.list[i]
		s.list = slices.Delete(s.list, i, i+1)
		old.giveUp()
	}
	s.list = append(s.list, h)
	return true
}

// victimLocked returns the handshake that has to give way, or -1. It is the oldest unanswered one of a peer
// that has several. Failing that, it is the oldest unanswered one that has had handshakeGrace, and then the
// oldest of all that has had answeredGrace.
func (s *handshakes) victimLocked(now time.Time) int {
	of := make(map[*Peer]int, len(s.list))
	for _, h := range s.list {
		of[h.peer]++
	}
	if i := slices.IndexFunc(s.list, func(h *handshake) bool { return !h.answered.Load() && of[h.peer] > 1 }); i >= 0 {
		return i
	}
	i := slices.IndexFunc(s.list, func(h *handshake) bool { return !h.answered.Load() && now.Sub(h.since) >= handshakeGrace })
	if i < 0 {
		i = slices.IndexFunc(s.list, func(h *handshake) bool { return now.Sub(h.since) >= answeredGrace })
	}
	return i
}

// leave takes off a handshake that has ended.
func (s *handshakes) leave(h *handshake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.list, h); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
	}
}

func (s *handshakes) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}
