package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// Credential is what a client shows. The password is a secret of the client and the node.
type Credential struct {
	Username, Password string
	Left               time.Duration // for how long it is good for new allocations
}

func (s *Server) makeKey() error {
	if _, err := rand.Read(s.key[:]); err != nil {
		return fmt.Errorf("make a key for TURN: %w", err)
	}
	return nil
}

// Issue makes credentials for a session, which hold until End. Those that were made before stay good. The
// time is part of the user name, so nothing is kept of each.
func (s *Server) Issue(session string) Credential {
	s.mu.Lock()
	if s.sessions[session] == nil {
		s.sessions[session] = &holder{relays: map[*relay]struct{}{}}
	}
	s.mu.Unlock()
	name := strconv.FormatInt(s.o.Now().Add(s.o.Lifetime).Unix(), 10) + ":" + session
	return Credential{Username: name, Password: s.password(name), Left: s.o.Lifetime}
}

func (s *Server) password(name string) string {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// authenticate returns whose a user name is, and what a message has to be signed with.
// pion/turn compares in constant time. Old credentials are good for everything but a new allocation.
func (s *Server) authenticate(q *turn.RequestAttributes) (session string, key []byte, ok bool) {
	until, session, found := strings.Cut(q.Username, ":")
	unix, err := strconv.ParseInt(until, 10, 64)
	if !found || err != nil {
		s.count.add(Unauthorized)
		return "", nil, false
	}
	s.mu.Lock()
	here := s.sessions[session] != nil
	s.mu.Unlock()
	switch {
	case !here:
		s.count.add(Unauthorized)
		return "", nil, false
	case q.Method == stun.MethodAllocate && s.o.Now().Unix() >= unix:
		s.count.add(Expired)
		return "", nil, false
	}
	return session, turn.GenerateAuthKey(q.Username, q.Realm, s.password(q.Username)), true
}
