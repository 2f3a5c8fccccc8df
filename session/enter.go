package session

import (
	"cmp"
	"context"
	"errors"
	"time"

	"parlor/session/terms"
)

// EnterRequest says who wants to enter where. Scene may be empty for "whatever the room is"; a new room then
// becomes Call. Audience in a call room then means Anchor, the only role there. An empty Role is Anchor.
type EnterRequest struct {
	Room   terms.RoomID
	User   string
	Grant  terms.Grant
	Role   terms.Role
	Scene  terms.Scene
	Signal bool // there is a signalling connection, which reads the session's events; false: WHIP, WHEP
	// Gone reports whether the client is no longer there. Such a client is not let in, nor is an older
	// session ended for it. nil: ctx alone says so. Gone is called with the room locked. It must not block,
	// nor call into this package.
	Gone func() bool
	// Host is what the client calls the node, with a port if it named one; it may be empty.
	Host string
	// DownlinkKbps is what the network to the client is expected to carry, in kbit/s, up to MaxDownlinkKbps.
	// 0: nothing is known of it.
	DownlinkKbps int
	// Profile is what the user says of itself, if the grant does not fix it. What is nil stays what the user's
	// session before has said.
	Profile terms.ProfileChange
	Client  Client
	// Publish says that the session will publish. It is then refused if it may not, and has a publisher's
	// place until its first negotiation. Without Publish both are looked at in that negotiation.
	Publish bool
}

// MaxDownlinkKbps is the most that a client may say of its network: 1 Tbit/s.
const MaxDownlinkKbps = 1_000_000_000

// Enter lets a user into a room, which comes into being with its first user. A user who is already in is
// replaced. The older session is told so and closed; the others notice only that its streams change. If there
// is no signalling, everything that can be refused is refused before that, a place for the transport
// connection included.
//
// Errors are *terms.Error with one of the codes bad_request, token_expired, not_allowed, room_full,
// publisher_limit, scene_mismatch, banned or node_draining. banned has RetryAfter if the user has entered too
// often. If the room is on another node the error is *terms.ElsewhereError. Otherwise it is ErrGone or ctx's.
func (r *Rooms) Enter(ctx context.Context, q EnterRequest) (*Session, terms.Entered, error) {
	ctx, span := r.opts.Trace.Start(ctx, "enter", "room", q.Room.Key(), "user", q.User, "node", r.opts.Node)
	s, e, err := r.enter(ctx, q)
	r.counts.joined(err)
	if err == nil {
		s.p.keepSpan(span)
	}
	span.End(err)
	if err == nil {
		s.p.log().Info().Str("role", string(e.Role)).Msg("user entered")
	}
	return s, e, err
}

func (r *Rooms) enter(ctx context.Context, q EnterRequest) (*Session, terms.Entered, error) {
	if err := r.check(&q); err != nil {
		return nil, terms.Entered{}, err
	}
	if wait := r.entries.take(q.Room.Key(), q.User, r.opts.Now()); wait > 0 {
		return nil, terms.Entered{}, tooOften(wait)
	}
	p := r.newParticipant(q)
	for {
		rm, err := r.admit(ctx, p, q)
		if err != nil {
			r.forget(p)
			return nil, terms.Entered{}, err
		}
		entered, again, err := rm.enter(ctx, p, q)
		if err != nil || again {
			p.media.close() // what was made in advance
		}
		if err != nil {
			rm.discard()
			r.forget(p)
			return nil, terms.Entered{}, err
		}
		if !again {
			return &Session{p: p, attachment: 1}, entered, nil
		}
		// The feed has the new room's events only after those of this one.
		select {
		case <-rm.empty:
			r.remove(rm)
		case <-ctx.Done():
			r.forget(p)
			return nil, terms.Entered{}, ctx.Err()
		}
	}
}

// ErrGone is returned by Enter when EnterRequest.Gone says so.
var ErrGone = errors.New("session: the client has gone while it entered")

// tooOften tells a user that has entered too often when it may enter again.
func tooOften(wait time.Duration) *terms.Error {
	seconds := (wait + time.Second - 1) / time.Second
	e := terms.Errorf(terms.CodeBanned, "user", "the user has entered too often, and may not for another %d s", seconds)
	e.RetryAfter = wait
	return e
}

// gone returns an error if nobody waits for the answer any more.
func (q *EnterRequest) gone(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.Gone != nil && q.Gone() {
		return ErrGone
	}
	return nil
}

// check looks at the request alone, and makes the name what it is kept as.
func (r *Rooms) check(q *EnterRequest) (err error) {
	if err := q.Room.Check(); err != nil {
		return err
	}
	if err := terms.CheckUser(q.User); err != nil {
		return err
	}
	if q.Role != "" && q.Role != terms.Anchor && q.Role != terms.Audience {
		return terms.Errorf(terms.CodeBadRequest, "role", "a role is anchor or audience, not %.32q", string(q.Role))
	}
	if q.Scene != "" && q.Scene != terms.Call && q.Scene != terms.Live {
		return terms.Errorf(terms.CodeBadRequest, "scene", "a scene is call or live, not %.32q", string(q.Scene))
	}
	if q.DownlinkKbps < 0 || q.DownlinkKbps > MaxDownlinkKbps {
		return terms.Errorf(terms.CodeBadRequest, "downlinkKbps", "a network carries 0 to %d kbit/s, not %d", MaxDownlinkKbps, q.DownlinkKbps)
	}
	if q.Scene == terms.Call && q.Role == terms.Audience {
		return terms.Errorf(terms.CodeBadRequest, "role", "a call room has no audience")
	}
	if q.Profile, err = q.Profile.Check(); err != nil {
		return err
	}
	return q.Grant.Entry(q.Room, q.User, r.opts.Now())
}

func (r *Rooms) newParticipant(q EnterRequest) *participant {
	p := &participant{
		identity: identity{
			id: newID(), key: newID() + newID(), user: q.User, mediaOnly: !q.Signal, host: q.Host,
			since: r.opts.Now(), came: r.arrivals.Add(1),
		},
		rooms: r, box: newMailbox(!q.Signal), done: done{gone: make(chan struct{})},
	}
	from := q.Client // a copy: a pointer into q would keep the request, and the connection that its Gone knows
	p.client.Store(&from)
	p.media.expects = 1000 * float64(q.DownlinkKbps)
	p.hold(q.Grant, p.since)
	p.touch()
	return p
}

// admit finds or makes the room, and takes p into the index, as far as the node allows.
func (r *Rooms) admit(ctx context.Context, p *participant, q EnterRequest) (*room, error) {
	if err := r.opts.Cluster.Open(); err != nil {
		return nil, err
	}
	if rm, _, err := r.lodge(p, q, nil); rm != nil || err != nil {
		return rm, err
	}
	c, err := r.claim(ctx, q)
	if errors.Is(err, terms.CodeRoomNotFound) {
		return nil, q.Grant.Need(terms.RightCreate, "room")
	}
	if err != nil {
		return nil, err
	}
	rm, made, err := r.lodge(p, q, c)
	if !made { // refused, or somebody else has made the room meanwhile
		c.release()
	}
	return rm, err
}

// lodge takes p into the index with its room. If there is no room and c says that it is this node's, lodge
// makes it; the room then gives c up when it ends. If there is no room and c is nil, lodge returns nil.
func (r *Rooms) lodge(p *participant, q EnterRequest, c *claimed) (rm *room, made bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return nil, false, terms.Errorf(terms.CodeNodeDraining, "", "this node is shutting down")
	}
	rm = r.rooms[q.Room.Key()]
	if rm == nil && c == nil {
		return nil, false, nil
	}
	if rm == nil {
		r.recallLocked(q.Room.Key(), c.marks)
	}
	if _, err := r.banLocked(q.Room.Key(), q.User); err != nil {
		return nil, false, err
	}
	switch {
	case rm != nil:
	case r.noNewRooms:
		return nil, false, terms.Errorf(terms.CodeNodeDraining, "room", "this node takes no new rooms")
	case len(r.rooms) >= r.opts.Limits.Rooms:
		return nil, false, terms.Errorf(terms.CodeRoomFull, "", "the node has no place for another room")
	default:
		rm, made = newRoom(r, q.Room), true
		rm.release, rm.feed.epoch = c.release, r.epoch
		rm.recall(c.marks)
		r.rooms[rm.key] = rm
	}
	r.sessions[p.id] = p
	return rm, made, nil
}

// banLocked returns the user's ban from the room with a banned error, or nil if there is none.
func (r *Rooms) banLocked(room, user string) (b ban, err error) {
	b = r.bans[banned{room, user}]
	if left := b.until.Sub(r.opts.Now()); left > 0 {
		return b, terms.Errorf(terms.CodeBanned, "user", "the user may not enter this room for another %d s", int(left.Seconds())+1)
	}
	return b, nil
}

// banOf is banLocked for callers that hold a room's lock.
func (r *Rooms) banOf(room, user string) (ban, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.banLocked(room, user)
}

// full reports whether there are more sessions than the node takes, the one that asks included.
func (r *Rooms) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions) > r.opts.Limits.Users
}

// enter makes p's user a member. again says that the room has ended and another one is to be tried.
func (rm *room) enter(ctx context.Context, p *participant, q EnterRequest) (e terms.Entered, again bool, err error) {
	rm.mu.Lock()
	m, role, err := rm.awaitTurn(ctx, p, q)
	if err == nil && !rm.closed {
		err = q.gone(ctx)
	}
	if err != nil || rm.closed {
		rm.mu.Unlock()
		return e, err == nil, err
	}
	if m == nil {
		e = rm.installLocked(rm.newMemberLocked(p), p, role, &q)
		rm.mu.Unlock()
		return e, false, nil
	}
	old := m.p
	rm.beginLocked(old, causeReplaced, "")
	// nobody else gets the places meanwhile
	m.rising, m.reserved = role == terms.Anchor, m.reserved || q.Publish
	rm.mu.Unlock()

	old.stop()

	rm.mu.Lock()
	ban, err := rm.rooms.banOf(rm.key, p.user)
	switch {
	case rm.closed: // dismissed meanwhile
		again, err = true, nil
		rm.announceLocked(old)
	case err != nil: // removed meanwhile: then the older session is what the command has put out
		old.left.cause, old.left.text = causeRemoved, ban.text
		rm.announceLocked(old)
	default:
		rm.replaceLocked(old, role)
		e = rm.installLocked(m, p, role, &q)
	}
	ended := rm.closed && len(rm.members) == 0
	rm.mu.Unlock()
	rm.rooms.background(func() {
		rm.finish([]*participant{old})
		if ended {
			rm.end()
		}
	})
	return e, again, err
}

// awaitTurn returns the user's member, or nil, and the role with which p may take its place. If p would end
// another session and has nothing but its media, p gets a transport connection in advance. rm.mu is held, but
// not while awaitTurn waits.
func (rm *room) awaitTurn(ctx context.Context, p *participant, q EnterRequest) (*member, terms.Role, error) {
	for {
		m, err := rm.awaitLeave(ctx, p.user)
		if err != nil || rm.closed {
			return nil, "", err
		}
		// A newer session has entered while this one waited for the room's place. The client has given this
		// one up.
		if m != nil && m.p.came > p.came {
			return nil, "", terms.Errorf(terms.CodeNotAllowed, "user", "the user has entered anew since")
		}
		role, err := rm.roleLocked(m, q)
		if err == nil {
			rm.scene = rm.sceneLocked(q)
		}
		if err != nil || m == nil || q.Signal || p.media.hasPeer() {
			return m, role, err
		}
		rm.mu.Unlock()
		err = rm.connectAhead(p)
		rm.mu.Lock()
		if err != nil {
			return nil, "", err
		}
	}
}

// awaitLeave returns the user's member, or nil, once no session of that user is leaving any more. rm.mu is
// held, but not while awaitLeave waits.
func (rm *room) awaitLeave(ctx context.Context, user string) (*member, error) {
	for !rm.closed {
		m := rm.members[user]
		if m == nil || m.p.left == nil {
			return m, nil
		}
		told := m.p.left.told
		rm.mu.Unlock()
		select {
		case <-told:
		case <-ctx.Done():
		}
		rm.mu.Lock()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// sceneLocked returns the room's scene: that of the request, if it is the first.
func (rm *room) sceneLocked(q EnterRequest) terms.Scene { return cmp.Or(rm.scene, q.Scene, terms.Call) }

// roleLocked returns the role with which the request may come in, beside or instead of m (nil: nobody).
func (rm *room) roleLocked(m *member, q EnterRequest) (terms.Role, error) {
	if _, err := rm.rooms.banOf(rm.key, q.User); err != nil { // again: there may have been a wait since admit
		return "", err
	}
	scene := rm.sceneLocked(q)
	role := q.Role
	if role == "" || scene == terms.Call {
		role = terms.Anchor
	}
	switch {
	case rm.created.IsZero() && !q.Grant.Rights.Has(terms.RightCreate): // the user that made it was refused
		return "", q.Grant.Need(terms.RightCreate, "room")
	case q.Scene != "" && q.Scene != scene:
		return "", terms.Errorf(terms.CodeSceneMismatch, "scene", "the room's scene is %s, not %s", scene, q.Scene)
	case q.Grant.NeedRole(role) != nil && scene == terms.Live:
		return "", q.Grant.NeedRole(role)
	case m == nil && rm.rooms.full():
		return "", terms.Errorf(terms.CodeRoomFull, "", "the node has no place for another user")
	case scene == terms.Call && m == nil && len(rm.members) >= rm.rooms.opts.Limits.CallUsers:
		return "", terms.Errorf(terms.CodeRoomFull, "room", "the room has its %d users", rm.rooms.opts.Limits.CallUsers)
	case scene == terms.Live && role == terms.Anchor && (m == nil || m.role != terms.Anchor):
		if err := rm.anchorLimitLocked(); err != nil {
			return "", err
		}
	}
	if q.Publish {
		if err := rm.mayPublishLocked(m, q.Grant, role, scene); err != nil {
			return "", err
		}
	}
	return role, nil
}

// mayPublishLocked returns an error if a session that takes the place of m (nil: a new user) cannot publish.
func (rm *room) mayPublishLocked(m *member, g terms.Grant, role terms.Role, scene terms.Scene) error {
	if err := mayPublish(role, g); err != nil {
		return err
	}
	if scene == terms.Call && (m == nil || !m.publishing()) {
		return rm.publisherLimitLocked()
	}
	return nil
}

// anchorLimitLocked returns a publisher_limit if a live room has all its anchors.
func (rm *room) anchorLimitLocked() error {
	if limit := rm.rooms.opts.Limits.LiveAnchors; rm.countLocked(func(m *member) bool { return m.role == terms.Anchor || m.rising }) >= limit {
		return terms.Errorf(terms.CodePublisherLimit, "role", "the room has its %d anchors", limit)
	}
	return nil
}

func (rm *room) newMemberLocked(p *participant) *member {
	rm.lastMember++
	return &member{id: rm.lastMember, user: p.user, since: rm.rooms.opts.Now()}
}

// replaceLocked ends the session that another one of the same user replaces. The others see at most that its
// streams end, and in a live room what a change of role shows.
func (rm *room) replaceLocked(old *participant, role terms.Role) {
	m := old.m
	switch {
	case role != m.role && m.role == terms.Anchor:
		m.present, m.on = 0, 0
		rm.tellLocked(m, terms.Event{Type: terms.EventUserLeft, User: terms.UserState{User: m.user}, Left: terms.LeftBecameAudience})
		rm.reseatLocked()
	case m.present != 0:
		m.present, m.on = 0, 0
		rm.tellStreamsLocked(m)
		rm.reseatLocked()
	}
	rm.farewellLocked(old)
}

// installLocked puts p into m's place, and tells the others and the feed if m is new to them. If p is to
// publish it has a publisher's place.
func (rm *room) installLocked(m *member, p *participant, role terms.Role, q *EnterRequest) terms.Entered {
	seen := m.p != nil && rm.visible(m)
	if rm.created.IsZero() {
		rm.created = rm.rooms.opts.Now()
		rm.feedLocked(terms.FeedRoomCreated, nil)
	}
	m.p, m.role, m.block = p, role, rm.blocks.of(p.user)
	m.rising, m.reserved, m.quiet = false, q.Publish, false
	updated := rm.introduceLocked(m, q)
	p.room, p.m = rm, m
	rm.members[m.user], rm.numbered[m.id] = m, m
	rm.emptySince = time.Time{}
	rm.feedLocked(terms.FeedUserEntered, func(e *terms.FeedEvent) {
		e.User, e.Name, e.Role, e.Reason = m.user, m.profile.Name, role, terms.FeedNormal
	})
	switch {
	case !rm.visible(m):
	case !seen:
		rm.tellLocked(m, terms.Event{Type: terms.EventUserEntered, User: m.state()})
	case updated:
		rm.tellLocked(m, terms.Event{Type: terms.EventUserUpdated, User: m.state()})
	}
	e := rm.enteredLocked(p)
	p.box.open()
	return e
}

// discard takes away a room that nobody ever was in.
func (rm *room) discard() {
	rm.mu.Lock()
	unused := rm.created.IsZero() && len(rm.members) == 0
	if unused {
		rm.closed = true
		rm.emptyLocked()
	}
	rm.mu.Unlock()
	if unused {
		rm.rooms.remove(rm)
	}
}
