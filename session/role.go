package session

import (
	"errors"

	"parlor/session/terms"
)

// SwitchRole makes an anchor of a live room audience, or the other way round. Becoming audience stops the
// user's streams, and the others are told that it left. Becoming anchor announces the user; what it has
// negotiated is off until SetPublishing. Errors: bad_request in a call room, not_allowed, publisher_limit.
func (s *Session) SwitchRole(role terms.Role) error {
	p := s.p
	if role != terms.Anchor && role != terms.Audience {
		return terms.Errorf(terms.CodeBadRequest, "role", "a role is anchor or audience, not %.32q", string(role))
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
	if role == terms.Audience {
		return p.becomeAudience()
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	if err := p.room.anchorLimitLocked(); err != nil {
		return err
	}
	p.room.setRoleLocked(p.m, terms.Anchor, p.media.published)
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
	p.room.setRoleLocked(p.m, terms.Audience, p.media.published)
	return nil
}

// mayBecome checks a change of role; change is false if p has the role already.
func (p *participant) mayBecome(role terms.Role) (change bool, err error) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	switch {
	case p.left != nil:
		return false, errGone()
	case p.m.role == role:
		return false, nil
	case p.room.scene == terms.Call:
		return false, terms.Errorf(terms.CodeBadRequest, "role", "in a call room everybody is an anchor")
	case role == terms.Anchor:
		return true, p.granted().NeedRole(role)
	}
	return true, nil
}

// silence stops everything that p publishes. media.mu is held.
func (p *participant) silence() (err error) {
	p.media.published.each(func(s terms.Source) {
		err = errors.Join(err, p.forwardLocked(s, false))
	})
	p.media.muted = p.media.published
	return err
}

// setRoleLocked changes a member's role in a live room and tells everybody whom it concerns.
func (rm *room) setRoleLocked(m *member, role terms.Role, published sources) {
	if role == terms.Audience {
		before := m.shown()
		m.present, m.on = 0, 0
		rm.feedChangeLocked(m, before)
		rm.tellLocked(m, terms.Event{Type: terms.EventUserLeft, User: terms.UserState{User: m.user}, Left: terms.LeftBecameAudience})
		m.role = role
	} else {
		m.role, m.present = role, published
		rm.tellLocked(m, terms.Event{Type: terms.EventUserEntered, User: m.state()})
	}
	m.p.box.push(terms.Event{Type: terms.EventRole, Role: role})
	rm.feedLocked(terms.FeedRole, func(e *terms.FeedEvent) { e.User, e.Role = m.user, role })
	rm.reseatLocked()
}
