package transport

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// placeGrace is how long a handshake keeps its place for sure although the client has not answered the node's
// first flight. Longer lets clients that have gone away hold up the joins of others. Shorter costs clients
// with a bad network their attempt when all places are taken.
const placeGrace = time.Second

// placeHold is the same for a handshake whose client has answered. That client may be as malicious as a
// silent one, but cannot begin anew.
const placeHold = 4 * time.Second

// places are the handshakes that may be under way at once. They are bounded because each costs milliseconds
// of CPU. Most of its time, though, a handshake waits for the network, so one whose client has fallen silent
// gives way.
type places struct {
	limit int

	mu   sync.Mutex
	list []*place // oldest first
}

// place is one handshake under way.
type place struct {
	peer     *Peer
	conn     *dtlsConn
	cancel   context.CancelFunc
	since    time.Time
	answered atomic.Bool // the client has got the node's first flight
	lost     atomic.Bool // it had to give way

	hello [sha256.Size]byte // of the ClientHello that began it
}

// giveUp ends a handshake. The client hears nothing of it and begins anew when it asks again.
func (p *place) giveUp() {
	p.lost.Store(true)
	p.conn.mute()
	p.cancel()
}

// enter takes a place, if need be that of another handshake.
func (s *places) enter(p *place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= s.limit {
		i := s.victimLocked(p.since)
		if i < 0 {
			return false
		}
		old := s.list[i]
		s.list = slices.Delete(s.list, i, i+1)
		old.giveUp()
	}
	s.list = append(s.list, p)
	return true
}

// victimLocked returns the handshake that has to give way, or -1. It is the oldest unanswered one of a peer
// that has several. Failing that, it is the oldest unanswered one that has had placeGrace, and then the
// oldest of all that has had placeHold.
func (s *places) victimLocked(now time.Time) int {
	of := make(map[*Peer]int, len(s.list))
	for _, p := range s.list {
		of[p.peer]++
	}
	if i := slices.IndexFunc(s.list, func(p *place) bool { return !p.answered.Load() && of[p.peer] > 1 }); i >= 0 {
		return i
	}
	i := slices.IndexFunc(s.list, func(p *place) bool { return !p.answered.Load() && now.Sub(p.since) >= placeGrace })
	if i < 0 {
		i = slices.IndexFunc(s.list, func(p *place) bool { return now.Sub(p.since) >= placeHold })
	}
	return i
}

// leave gives a place back.
func (s *places) leave(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.list, p); i >= 0 {
		s.list = slices.Delete(s.list, i, i+1)
	}
}

func (s *places) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}
