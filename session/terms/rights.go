package terms

import (
	"encoding/json"
	"time"
)

// Right is one thing that a token allows.
type Right string

// The rights.
const (
	RightEnter       Right = "enter"
	RightCreate      Right = "create" // enter a room that does not exist yet
	RightSendAudio   Right = "send_audio"
	RightRecvAudio   Right = "recv_audio"
	RightSendVideo   Right = "send_video"
	RightRecvVideo   Right = "recv_video"
	RightSendScreen  Right = "send_screen" // the screen and its sound
	RightRecvScreen  Right = "recv_screen"
	RightSendMessage Right = "send_message"
	RightAdmin       Right = "admin"
)

var allRights = [...]Right{
	RightEnter, RightCreate, RightSendAudio, RightRecvAudio, RightSendVideo, RightRecvVideo,
	RightSendScreen, RightRecvScreen, RightSendMessage, RightAdmin,
}

// Rights is a set of rights. The zero Rights is empty. Rights are comparable.
type Rights uint16

// NewRights returns the set of the named rights; an unknown one is a bad_request.
func NewRights(names ...Right) (Rights, error) {
	var s Rights
	for _, n := range names {
		b := rightBit(n)
		if b == 0 {
			return 0, Errorf(CodeBadRequest, "rights", "there is no right %.32q", string(n))
		}
		s |= b
	}
	return s, nil
}

// AllRights returns the set of every right.
func AllRights() Rights { return 1<<len(allRights) - 1 }

// MemberRights returns what an ordinary user needs: every right but admin.
func MemberRights() Rights { return AllRights() &^ rightBit(RightAdmin) }

func rightBit(r Right) Rights {
	for i, n := range allRights {
		if n == r {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether r is in the set.
func (s Rights) Has(r Right) bool { return s&rightBit(r) != 0 }

// UsesMedia reports whether anything can be sent or received with them.
func (s Rights) UsesMedia() bool {
	return s&^(rightBit(RightEnter)|rightBit(RightCreate)|rightBit(RightAdmin)) != 0
}

// List returns the rights in a fixed order; never nil.
func (s Rights) List() []Right {
	l := make([]Right, 0, len(allRights))
	for _, r := range allRights {
		if s.Has(r) {
			l = append(l, r)
		}
	}
	return l
}

// MarshalJSON writes an array of names.
func (s Rights) MarshalJSON() ([]byte, error) { return json.Marshal(s.List()) }

// UnmarshalJSON reads an array of names.
func (s *Rights) UnmarshalJSON(b []byte) error {
	var l []Right
	if err := json.Unmarshal(b, &l); err != nil {
		return Errorf(CodeBadRequest, "rights", "rights are an array of names")
	}
	r, err := NewRights(l...)
	if err == nil {
		*s = r
	}
	return err
}

// Grant is what somebody has proved that it may do, typically by a token.
type Grant struct {
	Room    RoomID    // the only room it holds for; zero: any
	User    string    // the only user it holds for; "": any
	Role    Role      // Audience: may not become anchor; otherwise no limit
	Rights  Rights    // checked whenever one is used
	Expires time.Time // after it nobody can enter with the grant, and its user is put out; zero: never
	// Profile is what the user is called and what is said of it, whatever the user says itself. nil: that is
	// for the user to say.
	Profile ProfileChange
}

// Expired reports whether the grant has ended.
func (g Grant) Expired(now time.Time) bool { return !g.Expires.IsZero() && !now.Before(g.Expires) }

// Left returns how long the grant still holds; 0: for ever, or no longer.
func (g Grant) Left(now time.Time) time.Duration {
	if g.Expires.IsZero() {
		return 0
	}
	return max(g.Expires.Sub(now), 0)
}

// Need returns a not_allowed unless the grant holds r.
func (g Grant) Need(r Right, field string) error {
	if g.Rights.Has(r) {
		return nil
	}
	return Errorf(CodeNotAllowed, field, "this needs the right %s", r)
}

// NeedRole returns a not_allowed if the grant does not allow the role.
func (g Grant) NeedRole(r Role) error {
	if r == Anchor && g.Role == Audience {
		return Errorf(CodeNotAllowed, "role", "the token allows the role audience only")
	}
	return nil
}

// Entry checks the grant for entering room as user.
func (g Grant) Entry(room RoomID, user string, now time.Time) error {
	switch {
	case g.Expired(now):
		return Errorf(CodeTokenExpired, "token", "the token has expired")
	case !g.Room.IsZero() && g.Room != room:
		return Errorf(CodeNotAllowed, "room", "the token is for another room")
	case g.User != "" && g.User != user:
		return Errorf(CodeNotAllowed, "user", "the token is for another user")
	}
	return g.Need(RightEnter, "token")
}

// SendRight returns the right that publishing a source needs.
func SendRight(s Source) Right {
	switch s {
	case Camera:
		return RightSendVideo
	case Mic:
		return RightSendAudio
	}
	return RightSendScreen
}

// RecvRight returns the right that receiving a source needs.
func RecvRight(s Source) Right {
	switch s {
	case Camera:
		return RightRecvVideo
	case Mic:
		return RightRecvAudio
	}
	return RightRecvScreen
}
