package session

import "errors"

// SwitchRole makes an anchor of a live room audience, or the other way round. Becoming audience stops the user's
// streams and the others are told that it left; becoming anchor announces it, with what it has negotiated off until
// SetPublishing. Errors: bad_request in a call room, not_allowed, publisher_limit.
func (s *Session) SwitchRole(role Role) error {
	p := s.p
	if role != Anchor && role != Audience {
		return Errorf(CodeBadRequest, "role", "a role is anchor or audience, not %.32q", string(role))
	}
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed {
		return errGone()
	}
	change, err := p.mayBecome(role)
	if err != nil || !change {
		return err
	}
	if role == Audience {
		return p.becomeAudience()
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	if err := p.room.anchorPlaceLocked(); err != nil {
		return err
	}
	p.room.setRoleLocked(p.m, Anchor, p.media.published)
	return nil
}

// becomeAudience stops everything that p publishes and tells everybody. media.mu is held.
func (p *participant) becomeAudience() error {
	if err := p.silence(); err != nil {
		return err
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	p.room.setRoleLocked(p.m, Audience, p.media.published)
	return nil
}

// mayBecome checks a change of role; change is false where p has the role already.
func (p *participant) mayBecome(role Role) (change bool, err error) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	switch {
	case p.left != nil:
		return false, errGone()
	case p.m.role == role:
		return false, nil
	case p.room.scene == Call:
		return false, Errorf(CodeBadRequest, "role", "in a call room everybody is an anchor")
	case role == Anchor:
		return true, p.granted().role(role)
	}
	return true, nil
}

// silence stops everything that p publishes. media.mu is held.
func (p *participant) silence() (err error) {
	p.media.published.each(func(s Source) {
		err = errors.Join(err, p.forwardLocked(s, false))
	})
	p.media.muted = p.media.published
	return err
}

// setRoleLocked changes a member's role in a live room and tells everybody whom it concerns.
func (rm *room) setRoleLocked(m *member, role Role, published sources) {
	if role == Audience {
		before := m.shown()
		m.present, m.on = 0, 0
		rm.feedChangeLocked(m, before)
		rm.tellLocked(m, Event{Type: EventUserLeft, User: UserState{User: m.user}, Left: LeftBecameAudience})
		m.role = role
	} else {
		m.role, m.present = role, published
		rm.tellLocked(m, Event{Type: EventUserEntered, User: m.state()})
	}
	m.p.box.push(Event{Type: EventRole, Role: role})
	rm.feedLocked(FeedRole, func(e *FeedEvent) { e.User, e.Role = m.user, role })
	rm.reseatLocked()
}
