package session

import (
	"errors"

	"parlor/session/terms"
)

// reserve checks the rights to publish, and keeps a publisher's place in a call room.
func (p *participant) reserve(publish map[string]terms.Source) error {
	var on sources
	for _, s := range publish {
		if err := p.granted().Need(terms.SendRight(s), "publish"); err != nil {
			return err
		}
		if !p.media.muted.has(s) {
			on = on.with(s)
		}
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	if len(publish) > 0 {
		if err := mayPublish(p.m.role, p.granted()); err != nil {
			return err
		}
	}
	if on != 0 {
		return p.room.reserveLocked(p.m)
	}
	return nil
}

// mayPublish returns a not_allowed if the role, or the grant, is not to publish.
func mayPublish(r terms.Role, g terms.Grant) error {
	if r != terms.Anchor || g.Role == terms.Audience {
		return terms.Errorf(terms.CodeNotAllowed, "publish", "the audience does not publish")
	}
	return nil
}

// reserveLocked keeps a publisher's place in a call room for m, until endReservation.
func (rm *room) reserveLocked(m *member) error {
	if rm.scene == terms.Call && !m.publishing() {
		if err := rm.publisherLimitLocked(); err != nil {
			return err
		}
	}
	m.reserved = true
	return nil
}

// publisherLimitLocked returns a publisher_limit if a call room has all its publishers.
func (rm *room) publisherLimitLocked() error {
	if limit := rm.rooms.opts.Limits.CallPublishers; rm.countLocked((*member).publishing) >= limit {
		return terms.Errorf(terms.CodePublisherLimit, "publish", "%d users publish in this room, as many as may", limit)
	}
	return nil
}

// endReservation gives back the reservation, and lets others see what is published now.
func (p *participant) endReservation(done bool) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return // a place that is reserved now is the next session's
	}
	p.m.reserved = false
	if done && p.m.role == terms.Anchor {
		p.room.setStreamsLocked(p.m, p.media.published, p.media.published&^p.media.muted)
	}
}

// SetPublishing turns a negotiated source on or off (muted, stopped). While it is off nothing of it is
// forwarded. Others are told.
func (s *Session) SetPublishing(source terms.Source, on bool) error {
	p := s.p
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	switch {
	case p.media.closed:
		return errGone()
	case source == terms.NoSource || !p.media.published.has(source):
		return terms.Errorf(terms.CodeBadRequest, "source", "%.32q is not among what was negotiated", source)
	}
	if on {
		if err := p.granted().Need(terms.SendRight(source), "source"); err != nil {
			return err
		}
		if err := p.startPublishing(); err != nil {
			return err
		}
	}
	err := p.forwardLocked(source, on && !p.blocked().has(source)) // which a publish does not undo
	if err == nil {
		p.media.muted = p.media.muted.without(source)
		if !on {
			p.media.muted = p.media.muted.with(source)
		}
	}
	p.endReservation(err == nil)
	return err
}

// startPublishing keeps a publisher's place.
func (p *participant) startPublishing() error {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	if err := mayPublish(p.m.role, p.granted()); err != nil {
		return err
	}
	return p.room.reserveLocked(p.m)
}

// forwardAllLocked has the router forward what is published, but for what is muted or blocked.
func (p *participant) forwardAllLocked(blocked sources) (err error) {
	m := &p.media
	m.published.each(func(s terms.Source) { err = errors.Join(err, p.forwardLocked(s, !(m.muted|blocked).has(s))) })
	return err
}

// forwardLocked has the router forward a source or not, if that is a change. Without a peer the next
// negotiation does it.
func (p *participant) forwardLocked(s terms.Source, on bool) error {
	m := &p.media
	if m.off.has(s) != on || m.peer == nil {
		return nil
	}
	if err := p.room.router().SetPublishing(p.m.id, routerSource(s), on); err != nil {
		return err
	}
	if m.off = m.off.without(s); !on {
		m.off = m.off.with(s)
	}
	return nil
}
