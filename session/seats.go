package session

import (
	"context"
	"errors"
	"maps"
	"slices"

	"parlor/router"
	"parlor/session/terms"
)

// SeatRequest says who is to sit in a seat.
type SeatRequest struct {
	Seat    string
	User    string        // "": nobody; Loudest: whoever speaks loudest
	Video   terms.Source  // Camera, Screen or NoSource
	Audio   terms.Source  // Mic, ScreenAudio or NoSource
	Quality terms.Quality // of the video, at most
	Size    *Size         // of the video where it is shown; nil: not known
}

// seat is a seat of a participant. Under media.mu.
type seat struct {
	plan SeatPlan
	show occupant
}

// occupant is what a seat shows. The zero occupant is nobody.
type occupant struct {
	member       router.MemberID
	user         string
	video, audio terms.Source
	quality      terms.Quality
	extent       extent
	place        place // of the loudest, whom the seat plays instead of the member
}

// SetSeat changes who sits in a seat. The user need not publish yet: what it publishes later, or again after
// a reconnect, is shown by itself. Errors: bad_request, user_not_found, or not_allowed if a recv_ right is
// missing.
func (s *Session) SetSeat(q SeatRequest) error {
	p := s.p
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed {
		return errGone()
	}
	i := slices.IndexFunc(p.media.seats, func(x *seat) bool { return x.plan.ID == q.Seat })
	if i < 0 {
		return terms.Errorf(terms.CodeBadRequest, "seat", "there is no seat %.64q", q.Seat)
	}
	var who occupant
	var err error
	if q.User == Loudest {
		who, err = p.loudestLocked(q, i)
	} else {
		who, err = p.occupant(q)
	}
	if err != nil {
		return err
	}
	return p.seatLocked(p.media.seats[i], who)
}

// seatLocked puts somebody into a seat; the places of the loudest follow.
func (p *participant) seatLocked(s *seat, who occupant) error {
	if who.place.of > 0 {
		s.show = who
		return p.placeLoudestLocked()
	}
	had := s.show.place.of > 0
	if err := p.showLocked(s, who); err != nil || !had {
		return err
	}
	return p.placeLoudestLocked()
}

// occupant checks a request and finds its user.
func (p *participant) occupant(q SeatRequest) (occupant, error) {
	shown, err := q.extent()
	if err != nil || q.User == "" {
		return occupant{}, err
	}
	for _, c := range []struct {
		field string
		s     terms.Source
		ok    bool
	}{
		{"video", q.Video, q.Video == terms.NoSource || q.Video == terms.Camera || q.Video == terms.Screen},
		{"audio", q.Audio, q.Audio == terms.NoSource || q.Audio == terms.Mic || q.Audio == terms.ScreenAudio},
	} {
		if !c.ok {
			return occupant{}, terms.Errorf(terms.CodeBadRequest, c.field, "%.32q is no %s source", c.s, c.field)
		}
		if c.s != terms.NoSource {
			if err := p.granted().Need(terms.RecvRight(c.s), c.field); err != nil {
				return occupant{}, err
			}
		}
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	m := p.room.members[q.User]
	if m == nil || m == p.m || !p.room.visible(m) || m.p.left != nil && m.p.left.cause != causeReplaced {
		return occupant{}, terms.Errorf(terms.CodeUserNotFound, "user", "there is no such user to see in the room")
	}
	return occupant{member: m.id, user: m.user, video: q.Video, audio: q.Audio, quality: q.Quality, extent: shown}, nil
}

// setSeatsLocked takes over the seats of a new negotiation. A seat that was there keeps its occupant.
func (p *participant) setSeatsLocked(plans []SeatPlan) error {
	before := map[string]occupant{}
	for _, s := range p.media.seats {
		before[s.plan.ID] = s.show
	}
	p.media.seats = make([]*seat, len(plans))
	var err error
	for i, plan := range plans {
		s := &seat{plan: plan}
		p.media.seats[i] = s
		err = errors.Join(err, p.showLocked(s, before[plan.ID]))
	}
	named := OfferPlan{Seats: plans}.streams()
	for mid := range p.media.wants { // a section that is in no seat any more
		if _, ok := named[mid]; !ok {
			err = errors.Join(err, p.watchLocked(mid, router.Want{}))
		}
	}
	if p.media.auto == nil {
		return errors.Join(err, p.placeLoudestLocked()) // seats of them may be gone
	}
	p.room.mu.Lock()
	stage := p.room.stageLocked()
	p.room.mu.Unlock()
	return errors.Join(err, p.fillSeatsLocked(stage))
}

// showLocked has the router send an occupant's streams to a seat.
func (p *participant) showLocked(s *seat, who occupant) error {
	s.show = who
	audio := want(who.member, who.audio, terms.High)
	if who.place.of > 0 {
		audio = who.place.want()
	}
	return errors.Join(p.watchLocked(s.plan.Video, who.picture()), p.watchLocked(s.plan.Audio, audio))
}

// picture returns what the router is asked for to show somebody.
func (who occupant) picture() router.Want {
	w := want(who.member, who.video, who.quality)
	if w.Track.Member != 0 {
		w.Area, w.Hidden = who.extent.area, who.extent.hidden
	}
	return w
}

// want returns what the router is asked for: a member's source.
func want(m router.MemberID, s terms.Source, q terms.Quality) router.Want {
	if m == 0 || s == terms.NoSource {
		return router.Want{}
	}
	return router.Want{Track: router.TrackKey{Member: m, Source: routerSource(s)}, Quality: routerQuality(q)}
}

func (p *participant) watchLocked(mid string, w router.Want) error {
	if mid == "" || p.media.peer == nil {
		return nil
	}
	if p.media.wants[mid] == w {
		return nil
	}
	if err := p.room.router().Watch(p.media.peer.ID(), mid, w); err != nil {
		return err
	}
	p.media.wants[mid] = w
	return nil
}

// autoSeats says with which users a participant's seats fill by themselves.
type autoSeats struct{ user string } // "": every anchor

// AutoSeats has the seats filled with the room's anchors who publish, in the order in which they entered. A
// user that sits stays; later ones take seats that fall free.
func (s *Session) AutoSeats() error { return s.p.setAuto(&autoSeats{}) }

// AutoSeatsFor has one user shown in the first seat, whenever it is there.
func (s *Session) AutoSeatsFor(user string) error {
	if err := terms.CheckUser(user); err != nil {
		return err
	}
	return s.p.setAuto(&autoSeats{user})
}

func (p *participant) setAuto(a *autoSeats) error {
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed {
		return errGone()
	}
	p.media.auto = a
	p.room.mu.Lock()
	p.room.auto[p] = struct{}{}
	stage := p.room.stageLocked()
	p.room.mu.Unlock()
	return p.fillSeatsLocked(stage)
}

// keepSeats looks at the automatic seats whenever something in the room has changed.
func (rm *room) keepSeats(ctx context.Context) {
	for {
		select {
		case <-rm.media.seats:
		case <-ctx.Done():
			return
		}
		rm.mu.Lock()
		ps, stage := slices.Collect(maps.Keys(rm.auto)), rm.stageLocked()
		rm.mu.Unlock()
		for _, p := range ps {
			p.refill(stage)
		}
	}
}

func (p *participant) refill(stage []performer) {
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed || p.media.auto == nil {
		return
	}
	if err := p.fillSeatsLocked(stage); err != nil && !errors.Is(err, router.ErrClosed) {
		p.log().Error().Err(err).Msg("filling seats")
	}
}

// performer is an anchor that publishes.
type performer struct {
	member  router.MemberID
	user    string
	present sources
	quiet   bool // seems to be gone
}

// stageLocked returns the performers in the order in which they entered. It is found once after each change
// (see reseatLocked), since every player that comes asks for it. Read-only.
func (rm *room) stageLocked() []performer {
	if rm.stage == nil {
		rm.stage = []performer{}
		for _, m := range rm.sortedLocked(func(m *member) bool { return m.role == terms.Anchor && m.present != 0 }) {
			rm.stage = append(rm.stage, performer{m.id, m.user, m.present, m.quiet})
		}
	}
	return rm.stage
}

// reseatLocked notes that other users perform now, and has the automatic seats looked at.
func (rm *room) reseatLocked() {
	rm.stage = nil
	rm.media.reseat()
}

// fillSeatsLocked brings the automatic seats up to date. media.mu is held.
func (p *participant) fillSeatsLocked(stage []performer) error {
	there, awake := p.candidates(stage)
	sitting := make([]router.MemberID, len(p.media.seats))
	for i, s := range p.media.seats {
		sitting[i] = s.show.member
	}
	ids := make([]router.MemberID, len(there))
	for i, o := range there {
		ids[i] = o.member
	}
	var places []place
	if p.crowded(there) {
		places = p.loudestSeatsLocked()
	}
	var err error
	for i, id := range assignSeats(sitting, ids, awake) {
		var who occupant
		if n := slices.Index(ids, id); id != 0 && n >= 0 {
			who = there[n]
		}
		if places != nil {
			who.audio, who.place = terms.NoSource, places[i]
		}
		err = errors.Join(err, p.showLocked(p.media.seats[i], who))
	}
	return err
}

// candidates returns who may sit in p's automatic seats, with what p may receive of them. They are in the
// order in which they entered, but those who seem to be gone come last. awake is how many do not seem to be
// gone.
func (p *participant) candidates(stage []performer) (l []occupant, awake int) {
	var quiet []occupant
	for _, m := range stage {
		if m.user == p.user || p.media.auto.user != "" && p.media.auto.user != m.user {
			continue
		}
		who := occupant{
			member: m.member, user: m.user, video: p.firstOf(m.present, terms.Camera, terms.Screen), audio: p.firstOf(m.present, terms.Mic, terms.ScreenAudio),
		}
		if m.quiet {
			quiet = append(quiet, who)
		} else {
			l = append(l, who)
		}
	}
	return append(l, quiet...), len(l)
}

// firstOf returns the first of two sources that is in the set and that p may receive.
func (p *participant) firstOf(s sources, choice ...terms.Source) terms.Source {
	for _, c := range choice {
		if s.has(c) && p.granted().Rights.Has(terms.RecvRight(c)) {
			return c
		}
	}
	return terms.NoSource
}

// assignSeats returns who sits where; 0: nobody. A user that sits already and is still there stays. The
// others that are there take the free seats in order. Only the first awake of there are sure to be there. If
// one of these finds no free seat, it gets that of a user that is not.
func assignSeats(sitting, there []router.MemberID, awake int) []router.MemberID {
	seats := make([]router.MemberID, len(sitting))
	seated := map[router.MemberID]bool{}
	for i, id := range sitting {
		if id != 0 && slices.Contains(there, id) && !seated[id] {
			seats[i], seated[id] = id, true
		}
	}
	free := 0
	for _, id := range there {
		for free < len(seats) && seats[free] != 0 {
			free++
		}
		if free < len(seats) && !seated[id] {
			seats[free], seated[id] = id, true
		}
	}
	for i := 0; i < len(seats) && awake < len(there); i++ {
		if !slices.Contains(there[awake:], seats[i]) {
			continue
		}
		n := slices.IndexFunc(there[:awake], func(id router.MemberID) bool { return !seated[id] })
		if n < 0 {
			break
		}
		seats[i], seated[there[n]] = there[n], true
	}
	return seats
}
