// Package turn lets clients reach the media port through TURN (RFC 8656), where their network lets nothing
// else out. The protocol itself is pion/turn's; this package says who may, to where, and how much.
//
//	turn.go        Server: who may, and the order of its ends
//	options.go     Options, and bounds
//	credentials.go the user name and password of a session
//	front.go       what is looked at before pion/turn sees it: strangers, peers
//	strangers.go   how much is answered over UDP to those who have shown nothing
//	stream.go      messages on a connection of TCP or TLS
//	relay.go       an allocation: packets to the media port and back
//	stats.go       counters, and the named reasons for refusals
//
// # To the media port alone
//
// An allocation has no socket. What a client sends goes to the media port inside the process, as the frames of
// a connection that Options.Relay takes; what the media port sends comes back the same way. So nothing can be
// sent anywhere else, whatever a client asks for. The relayed address that a client is told is a name for that
// connection. Nobody can send to it. Permissions and channels to other peers are refused (403).
//
// # Credentials
//
// Issue makes them for a session, Issue again makes newer ones, End ends all of them. They are good for new
// allocations for Options.Lifetime. An allocation goes on for as long as its session does: it is refreshed with
// the credentials that it was made with, also once those are too old for another one.
//
// Locks: Server.mu comes before front.mu. Options.Peers and Options.Relay are called under relay.mu.
package turn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Server is the TURN server of a node. Safe for concurrent use.
type Server struct {
	o     Options
	key   [32]byte // of passwords; nobody else has it
	count counters

	mu        sync.Mutex
	sessions  map[string]*holder
	fronts    map[*front]struct{}
	sites     map[netip.Prefix]int // allocations, by who has them
	taken     map[uint16]struct{}  // ports of relayed addresses
	last      uint16               // the one given last
	relays    int
	strangers strangers
	closed    bool

	work sync.WaitGroup // goroutines of fronts and relays
}

// holder is a session that has credentials.
type holder struct{ relays map[*relay]struct{} }

// New returns a server that serves nobody yet. The error is one of the system's random source.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{
		o: o, sessions: map[string]*holder{}, fronts: map[*front]struct{}{}, sites: map[netip.Prefix]int{},
		taken: map[uint16]struct{}{}, last: firstPort - 1,
	}
	return s, s.makeKey()
}

// Run serves packets and the connections of streams until ctx is done, and closes them. It returns when
// nothing of it runs any more. Options.Relay has to work until then.
func (s *Server) Run(ctx context.Context, packets []net.PacketConn, streams []net.Listener) error {
	var accepting sync.WaitGroup
	for _, pc := range packets {
		if err := s.servePackets(pc); err != nil {
			return err
		}
	}
	for _, l := range streams {
		accepting.Go(func() { s.accept(l) })
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			s.sweep(s.o.Now())
		case <-ctx.Done():
			running = false
		}
	}
	for _, l := range streams {
		_ = l.Close()
	}
	accepting.Wait()
	s.close()
	s.work.Wait()
	return nil
}

// accept serves the connections of a listener until that is closed.
func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			s.serveStream(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.o.Log.Error().Err(err).Msg("accepting a TURN connection failed; trying again")
			time.Sleep(50 * time.Millisecond) // typically out of descriptors: let some close
		}
	}
}

// close ends all that there is.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	var fronts []*front
	for f := range s.fronts {
		fronts = append(fronts, f)
	}
	s.mu.Unlock()
	for _, f := range fronts {
		f.end()
	}
}

// End ends the credentials of a session and closes its allocations. It does not wait for that.
func (s *Server) End(session string) {
	s.mu.Lock()
	var relays []*relay
	if h := s.sessions[session]; h != nil {
		for r := range h.relays {
			relays = append(relays, r)
		}
		delete(s.sessions, session)
	}
	s.mu.Unlock()
	for _, r := range relays {
		r.front.abandon(r)
	}
}

// sweep ends what has been idle for too long: allocations that carry nothing, and connections without one.
func (s *Server) sweep(now time.Time) {
	s.mu.Lock()
	var idle []*relay
	for _, h := range s.sessions {
		for r := range h.relays {
			if now.Sub(r.used()) >= s.o.Idle {
				idle = append(idle, r)
			}
		}
	}
	var silent []*front
	for f := range s.fronts {
		if f.silent(now, s.o.Stranger) {
			silent = append(silent, f)
		}
	}
	s.strangers.sweep(now)
	s.mu.Unlock()
	for _, r := range idle {
		s.count.add(IdleAllocation)
		r.front.abandon(r)
	}
	for _, f := range silent {
		s.count.add(IdleConnection)
		f.end()
	}
}
