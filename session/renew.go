package session

import (
	"errors"
	"sync/atomic"
	"time"

	"parlor/session/terms"
)

// Renewal says what has become of a session by another grant.
type Renewal struct {
	Rights  terms.Rights
	Left    time.Duration  // until the grant ends, when the user is put out; 0: never
	Stopped []terms.Source // published, and no longer forwarded for want of a right or of the role
	Emptied []string       // ids of seats that show less, for want of a right to receive
}

// held is the grant that a session holds.
type held struct {
	grant  atomic.Pointer[terms.Grant] // see hold, which changes it under media.mu and room.mu
	warnAt time.Time                   // under room.mu; when to announce its end; zero: not, or it was
}

// Renew puts another grant into the place of the session's. What it no longer allows ends before Renew
// returns. Streams are stopped as if muted, so that publishing them again needs the right. Seats are emptied.
// An anchor of a live room who may be audience only becomes audience. Another name or metadata takes the
// place of the one before. The others are told. What the grant
// allows anew has to be asked for. Errors leave things as they were: token_expired, not_allowed for a grant
// of another room or user or without the right to enter, user_not_found.
func (s *Session) Renew(g terms.Grant) (Renewal, error) {
	p := s.p
	m := &p.media
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Renewal{}, errGone()
	}
	demoted, err := p.take(g)
	if err != nil {
		return Renewal{}, err
	}
	r := Renewal{Rights: g.Rights, Left: g.Left(p.rooms.opts.Now())}
	before := m.muted
	if demoted {
		err = p.becomeAudience()
	} else {
		err = p.stopForbidden()
	}
	(m.muted &^ before).each(func(s terms.Source) { r.Stopped = append(r.Stopped, s) })
	emptied, seatsErr := p.emptyForbidden()
	r.Emptied = emptied
	return r, errors.Join(err, seatsErr)
}

// take makes g the grant of p. demoted says that p is an anchor who may no longer be one.
func (p *participant) take(g terms.Grant) (demoted bool, err error) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left != nil {
		return false, errGone()
	}
	now := p.rooms.opts.Now()
	if err := g.Entry(p.room.id, p.user, now); err != nil {
		return false, err
	}
	p.hold(g, now)
	p.m.said = p.m.said.With(g.Profile)
	p.room.showProfileLocked(p.m)
	return p.room.scene == terms.Live && p.m.role == terms.Anchor && g.Role == terms.Audience, nil
}

// hold notes a grant and when its end is to be announced. Once p is in, the room is locked.
func (p *participant) hold(g terms.Grant, now time.Time) {
	p.held.grant.Store(&g)
	p.held.warnAt = time.Time{}
	if left := g.Left(now); left > 0 {
		// short ones late enough to be of use
		p.held.warnAt = g.Expires.Add(-min(p.rooms.opts.Timers.TokenExpiring, left/2))
	}
}

// granted returns what p may do now.
func (p *participant) granted() terms.Grant { return *p.held.grant.Load() }

// stopForbidden stops what p publishes without the right to, and tells the others. media.mu is held.
func (p *participant) stopForbidden() (err error) {
	m, g := &p.media, p.granted()
	(m.published &^ m.muted).each(func(s terms.Source) {
		if g.Role != terms.Audience && g.Rights.Has(terms.SendRight(s)) {
			return
		}
		err = errors.Join(err, p.forwardLocked(s, false))
		m.muted = m.muted.with(s)
	})
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left == nil && p.m.role == terms.Anchor {
		p.room.setStreamsLocked(p.m, m.published, m.published&^m.muted)
	}
	return err
}

// emptyForbidden takes from p's seats what it may no longer receive, and returns the ids of those that show
// less now. Automatic seats are filled with what p may receive, and are not named. media.mu is held.
func (p *participant) emptyForbidden() (emptied []string, err error) {
	m, g := &p.media, p.granted()
	if m.auto != nil {
		p.room.mu.Lock()
		stage := p.room.stageLocked()
		p.room.mu.Unlock()
		return nil, p.fillSeatsLocked(stage)
	}
	for _, s := range m.seats {
		who := s.show
		for _, source := range []*terms.Source{&who.video, &who.audio} {
			if *source != terms.NoSource && !g.Rights.Has(terms.RecvRight(*source)) {
				*source = terms.NoSource
			}
		}
		if who == s.show {
			continue
		}
		if who.video == terms.NoSource && who.audio == terms.NoSource {
			who = occupant{}
		}
		err = errors.Join(err, p.showLocked(s, who))
		emptied = append(emptied, s.plan.ID)
	}
	return emptied, err
}

// expired reports whether the session has ended with its grant, or is about to.
func (p *participant) expired(now time.Time) bool {
	if !p.granted().Expired(now) {
		return false
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return p.left == nil || p.left.cause == causeExpired
}

// expireLocked begins the leaving of m's user if its grant has ended, and announces an end that is near.
func (rm *room) expireLocked(m *member, now time.Time) (leaves bool) {
	p := m.p
	g := p.granted()
	switch {
	case g.Expired(now):
		return rm.beginLocked(p, causeExpired, "")
	case p.left == nil && !p.held.warnAt.IsZero() && !now.Before(p.held.warnAt):
		p.held.warnAt = time.Time{}
		p.box.push(terms.Event{Type: terms.EventTokenExpiring, Remaining: g.Left(now)})
	}
	return false
}
