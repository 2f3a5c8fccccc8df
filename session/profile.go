package session

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/time/rate"

	"parlor/session/terms"
)

// maxGiven is how many users of one room can have a name or metadata by command, those who have left
// included. An entry takes up to 2.5 KB.
const maxGiven = 10_000

// A user may change its own profile so often: as many at once, and then one each updateEvery. Others are told
// each time, so lower makes one that does nothing else cost more. Higher holds up those who raise a hand.
const (
	updateBurst = 5
	updateEvery = time.Second
)

// given are the profiles that commands have set, by user id, also of those who have left. Under room.mu.
type given map[string]terms.Profile

// SetProfile changes what the user is called and what is said of it. It returns the profile after that, which
// is what the others are told. Errors: bad_request, not_allowed for what the token or a command fixes,
// message_limit with RetryAfter, user_not_found; then nothing has changed.
func (s *Session) SetProfile(c terms.ProfileChange) (terms.Profile, error) {
	c, err := c.Check()
	if err != nil {
		return terms.Profile{}, err
	}
	p := s.p
	rm := p.room
	rm.mu.Lock()
	defer rm.mu.Unlock()
	switch {
	case p.left != nil:
		return terms.Profile{}, errGone()
	case p.m.profile.With(c) == p.m.profile:
		return p.m.profile, nil
	}
	err = rm.mayUpdateLocked(p, c)
	if err == nil {
		err = rm.takeUpdateLocked(p.m)
	}
	if err != nil {
		return terms.Profile{}, err
	}
	p.m.said = p.m.said.With(c)
	rm.showProfileLocked(p.m)
	return p.m.profile, nil
}

// mayUpdateLocked returns a not_allowed if the user cannot change its profile so.
func (rm *room) mayUpdateLocked(p *participant, c terms.ProfileChange) error {
	now, by, fixed := p.m.profile, rm.given[p.user], p.granted().Profile
	for _, f := range []struct {
		field         string
		want, token   *string
		have, command string
	}{{"name", c.Name, fixed.Name, now.Name, by.Name}, {"metadata", c.Metadata, fixed.Metadata, now.Metadata, by.Metadata}} {
		switch {
		case f.want == nil || *f.want == f.have:
		case f.command != "":
			return terms.Errorf(terms.CodeNotAllowed, f.field, "a command has set the user's %s, and holds", f.field)
		case f.token != nil:
			return terms.Errorf(terms.CodeNotAllowed, f.field, "the token says the user's %s; another token can say another one", f.field)
		}
	}
	return nil
}

// takeUpdateLocked counts a change that a member makes itself, and refuses those that are too many.
func (rm *room) takeUpdateLocked(m *member) error {
	now := rm.rooms.opts.Now()
	if m.updates == nil {
		m.updates = rate.NewLimiter(rate.Every(updateEvery), updateBurst)
	}
	r := m.updates.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 && rm.spendLocked(now, rm.reachLocked(m)) {
		return nil
	}
	r.CancelAt(now)
	e := terms.Errorf(terms.CodeMessageLimit, "", "a user changes its name and metadata once in %v, or %d times at once", updateEvery, updateBurst)
	e.RetryAfter = max(wait, updateEvery)
	return e
}

// reachLocked is how many are told of a change of m.
func (rm *room) reachLocked(m *member) int {
	if rm.visible(m) {
		return len(rm.members)
	}
	return 1
}

// introduceLocked makes the profile what holds for a session that comes, whose user may be in already. It
// reports whether it is another one than before.
func (rm *room) introduceLocked(m *member, q *EnterRequest) (updated bool) {
	before := m.profile
	m.said = m.said.With(q.Profile).With(q.Grant.Profile)
	m.profile = rm.profileLocked(m)
	return m.profile != before
}

// profileLocked is what holds of what a command has set, the token says and the user says, in this order.
func (rm *room) profileLocked(m *member) terms.Profile {
	p, by := m.said.With(m.p.granted().Profile), rm.given[m.user]
	return terms.Profile{Name: cmp.Or(by.Name, p.Name), Metadata: cmp.Or(by.Metadata, p.Metadata)}
}

// showProfileLocked lets everybody see the profile that holds now, the user itself included. In a live room
// the audience's are told to nobody else.
func (rm *room) showProfileLocked(m *member) {
	before := m.profile
	if m.profile = rm.profileLocked(m); m.profile == before {
		return
	}
	e := terms.Event{Type: terms.EventUserUpdated, User: m.state()}
	m.p.box.push(e)
	if rm.visible(m) {
		rm.tellLocked(m, e)
	}
	if m.profile.Name != before.Name {
		rm.feedLocked(terms.FeedUserUpdated, func(f *terms.FeedEvent) { f.User, f.Name = m.user, m.profile.Name })
	}
}

// UpdateUser sets what a user is called and what is said of it, whatever its token and it itself say. What is
// empty is lifted: then they say it again. It holds for every session of the user as long as the room lives
// on this node. UpdateUser returns what holds of the user then, when the others and the user are told.
// Repeating it does no harm. Errors: bad_request, room_not_found, or user_not_found if the user is not in the
// room and nothing was set of it.
func (r *Rooms) UpdateUser(ctx context.Context, id terms.RoomID, user string, c terms.ProfileChange) (terms.Profile, error) {
	c, err := c.Check()
	if err := cmp.Or(id.Check(), terms.CheckUser(user), err, ctx.Err()); err != nil {
		return terms.Profile{}, err
	}
	rm := r.room(id)
	if rm == nil {
		return terms.Profile{}, errNoRoom()
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if !rm.existsLocked() {
		return terms.Profile{}, errNoRoom()
	}
	m := rm.members[user]
	by, known := rm.given[user]
	if m == nil && !known {
		return terms.Profile{}, terms.Errorf(terms.CodeUserNotFound, "user", "there is no such user in the room")
	}
	if !known && len(rm.given) >= maxGiven {
		return terms.Profile{}, terms.Errorf(terms.CodeBadRequest, "user", "no more than %d users of a room can have a name or metadata by command", maxGiven)
	}
	by = by.With(c)
	rm.giveLocked(user, by)
	if m == nil {
		return by, nil
	}
	rm.showProfileLocked(m)
	return m.profile, nil
}

// giveLocked notes what commands have set of a user.
func (rm *room) giveLocked(user string, p terms.Profile) {
	if p == (terms.Profile{}) {
		delete(rm.given, user)
		return
	}
	if rm.given == nil {
		rm.given = given{}
	}
	rm.given[user] = p
}
