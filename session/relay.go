package session

import (
	"time"

	"parlor/session/terms"
)

// Relay is the node's TURN server, for clients whose network lets nothing else out. Its methods may be called
// from any goroutine. They are called with locks held, and must not block.
type Relay interface {
	// Servers returns where the client of a session reaches it, and for how long the credentials in it are good
	// for a new allocation. host is what the client calls the node, with a port if it named one; it may be
	// empty. nil: the client cannot use it.
	Servers(session, host string) ([]terms.ICEServer, time.Duration)
	// End ends the credentials of a session, and what they are used for.
	End(session string)
}

// noRelay is none.
type noRelay struct{}

func (noRelay) Servers(string, string) ([]terms.ICEServer, time.Duration) { return nil, 0 }
func (noRelay) End(string)                                                {}

// ICEServers returns the servers of ICE for the session's client, with newer credentials than before, and for
// how long those are good. Error: user_not_found.
func (s *Session) ICEServers() ([]terms.ICEServer, time.Duration, error) {
	rm := s.p.room
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if s.p.left != nil {
		return nil, 0, errGone()
	}
	servers, left := s.p.iceServersLocked()
	return servers, left, nil
}

// iceServersLocked returns those of a participant, if it may send or receive anything. room.mu is held, so that
// none are made once the participant is leaving.
func (p *participant) iceServersLocked() ([]terms.ICEServer, time.Duration) {
	if p.left != nil || !p.granted().Rights.UsesMedia() {
		return nil, 0
	}
	return p.rooms.opts.Relay.Servers(p.id, p.host)
}
