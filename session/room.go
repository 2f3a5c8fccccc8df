package session

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"parlor/router"
	"parlor/session/terms"
	"parlor/tracing"
)

// room is one room of the node, from its first user's entering to its end.
type room struct {
	rooms   *Rooms
	id      terms.RoomID
	key     string
	release func() // gives the room up to other nodes, see Cluster.Claim
	media   roomMedia
	reports reports

	mu    sync.Mutex
	scene terms.Scene // fixed by the first user
	roster
	lifetime
	feed       roomFeed
	blocks     blocks
	given      given
	viewers    viewers
	auto       map[*participant]struct{}
	stage      []performer                // see stageLocked; nil: to be found anew
	listeners  map[*participant]*listener // users that want to know who speaks
	deliveries *rate.Limiter              // of messages; nil before the first
}

// roster is the list of a room's members. Under room.mu.
type roster struct {
	members    map[string]*member // by user id
	numbered   map[router.MemberID]*member
	lastMember router.MemberID // the last that was given; they begin with 1
}

// member is a user in a room. It outlives its sessions when the user enters again. Under room.mu.
type member struct {
	id       router.MemberID
	user     string
	role     terms.Role
	since    time.Time
	present  sources       // what it publishes, muted or not
	on       sources       // of them, what is not muted
	block    terms.Block   // as everybody has been told; the room's blocks are what is to be
	said     terms.Profile // by the user, or by a token before the present one
	profile  terms.Profile // as everybody has been told, see profileLocked
	updates  *rate.Limiter // of its profile, by itself; nil before the first
	reserved bool          // a negotiation is under way, or about to be, that will publish
	up, down Direction     // at the last report: of what it publishes, and of what it is sent
	rising   bool          // the session that comes will be an anchor
	quiet    bool          // has nothing but media, publishes, and seems to be gone: see noteQuietLocked
	p        *participant
	quota    *quota // of messages; nil before the first
}

// participant is one session: one entering of one user. What its Sessions hold on to.
type participant struct {
	identity
	rooms *Rooms
	room  *room   // fixed once entered
	m     *member // fixed once entered

	box       *mailbox
	signs     signs
	client    atomic.Pointer[Client]
	media     media
	held      held
	report    reporter
	noNetwork bool                         // under room.mu; has said that it wants no statistics
	span      atomic.Pointer[tracing.Span] // of its entering; nil: not traced
	sending   sending
	left      *departure // under room.mu; nil while it is in
	done      done
}

// identity is what tells a participant from all others. It is fixed.
type identity struct {
	id, key   string
	user      string
	mediaOnly bool   // no signalling: WHIP, WHEP
	host      string // see EnterRequest.Host
	since     time.Time
	came      uint64 // its number in the order of asking to enter; the newer of two sessions of a user wins
}

func newRoom(r *Rooms, id terms.RoomID) *room {
	return &room{
		rooms: r, id: id, key: id.Key(), feed: roomFeed{instance: newID()},
		lifetime: lifetime{empty: make(chan struct{}), over: make(chan struct{})},
		roster:   roster{members: map[string]*member{}, numbered: map[router.MemberID]*member{}},
		auto:     map[*participant]struct{}{}, listeners: map[*participant]*listener{},
		media: roomMedia{seats: make(chan struct{}, 1)},
	}
}

func (m *member) state() terms.UserState {
	u := terms.UserState{
		User: m.user, Name: m.profile.Name, Metadata: m.profile.Metadata, Role: m.role, Streams: []terms.StreamState{}, MediaOnly: m.p.mediaOnly,
	}
	m.present.each(func(s terms.Source) {
		u.Streams = append(u.Streams, terms.StreamState{Source: s, On: m.shown().has(s), Blocked: blockedSources[m.block].has(s)})
	})
	return u
}

// shown is what others can receive of the member.
func (m *member) shown() sources { return m.on &^ blockedSources[m.block] }

// seen is what of the member's streams makes others be told when it changes.
func (m *member) seen() [3]sources {
	return [...]sources{m.present, m.shown(), m.present & blockedSources[m.block]}
}

// publishing reports whether the member takes one of a call room's places for publishers. A member that is
// blocked keeps the place.
func (m *member) publishing() bool { return m.on != 0 || m.reserved }

// visible reports whether others may see the member.
func (rm *room) visible(m *member) bool { return rm.scene == terms.Call || m.role == terms.Anchor }

// tellLocked gives an event about m to everybody else that is in.
func (rm *room) tellLocked(m *member, e terms.Event) {
	e = e.Shared()
	for _, o := range rm.members {
		if o != m && o.p.left == nil {
			o.p.box.push(e)
		}
	}
}

func (rm *room) tellStreamsLocked(m *member) {
	if rm.visible(m) {
		rm.tellLocked(m, terms.Event{Type: terms.EventStreams, User: m.state()})
	}
}

// sortedLocked returns those members in the order in which they entered.
func (r *roster) sortedLocked(which func(*member) bool) []*member {
	var l []*member
	for _, m := range r.members {
		if which(m) {
			l = append(l, m)
		}
	}
	slices.SortFunc(l, func(a, b *member) int { return cmp.Compare(a.id, b.id) })
	return l
}

func everybody(*member) bool { return true }

// countLocked counts members.
func (r *roster) countLocked(which func(*member) bool) int {
	n := 0
	for _, m := range r.members {
		if which(m) {
			n++
		}
	}
	return n
}

// setStreamsLocked changes what a member publishes, and tells the others and the feed what is different.
func (rm *room) setStreamsLocked(m *member, present, on sources) {
	on &= present
	if present == m.present && on == m.on {
		return
	}
	seen, before := m.seen(), m.shown()
	if present != m.present {
		rm.reseatLocked()
	}
	m.present, m.on = present, on
	rm.feedChangeLocked(m, before)
	if m.seen() != seen {
		rm.tellStreamsLocked(m)
	}
}

// feedChangeLocked tells the feed what has started and stopped of a member since it showed before.
func (rm *room) feedChangeLocked(m *member, before sources) {
	now := m.shown()
	(before &^ now).each(func(s terms.Source) { rm.feedSourceLocked(m, s, false) })
	(now &^ before).each(func(s terms.Source) { rm.feedSourceLocked(m, s, true) })
}

// feedSourceLocked tells the feed of a source. The screen's sound belongs to the screen and has no event of
// its own.
func (rm *room) feedSourceLocked(m *member, s terms.Source, on bool) {
	if s != terms.ScreenAudio {
		rm.feedLocked(started(s, on), func(e *terms.FeedEvent) { e.User = m.user })
	}
}

// enteredLocked is what p is told on entering or resuming.
func (rm *room) enteredLocked(p *participant) terms.Entered {
	e := terms.Entered{
		Session: p.id, Key: p.key, User: p.user, Name: p.m.profile.Name, Metadata: p.m.profile.Metadata, Room: rm.id, Role: p.m.role, Scene: rm.scene, Rights: p.granted().Rights,
		Users: []terms.UserState{}, Node: rm.rooms.opts.Node, Timers: clientTimers(rm.rooms.opts.Timers),
		Candidates: rm.rooms.candidateList(), Nodes: rm.rooms.opts.Cluster.Others(),
		Block:       rm.blocks.of(p.user),
		Viewers:     rm.viewersLocked(),
		ExpiresInMS: p.granted().Left(rm.rooms.opts.Now()).Milliseconds(),
	}
	for _, m := range rm.sortedLocked(func(m *member) bool { return m != p.m && rm.visible(m) }) {
		e.Users = append(e.Users, m.state())
	}
	servers, left := p.iceServersLocked()
	e.ICEServers, e.ICEExpiresInMS = servers, left.Milliseconds()
	return e
}

// roomMedia is a room's router. It is started with the first negotiation in the room, so that a room without
// media costs nothing.
type roomMedia struct {
	once    sync.Once
	router  *router.Room
	running atomic.Pointer[router.Room] // router, for code that does not start it; nil before
	writer  router.Flusher
	cancel  context.CancelFunc
	done    sync.WaitGroup
	seats   chan struct{} // buffered: the automatic seats need looking at
}

// router returns the room's router, which runs from the first call on. After stop it returns the one that
// there was, or nil.
func (rm *room) router() *router.Room {
	m := &rm.media
	m.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		m.writer = rm.rooms.transport.NewWriter()
		m.router = router.NewRoom(rm.routerOptions(), m.writer)
		m.cancel = cancel
		m.running.Store(m.router)
		rm.rooms.totals.begin(m.router)
		m.done.Go(func() {
			defer rm.rooms.totals.end(m.router)
			if err := m.router.Run(ctx); err != nil && ctx.Err() == nil {
				rm.rooms.opts.Log.Error().Err(err).Str("room", rm.key).Msg("room's router ended")
			}
		})
		m.done.Go(func() { rm.keepSeats(ctx) })
	})
	return m.router
}

func (rm *room) routerOptions() router.Options {
	o := rm.rooms.opts.Router
	o.Observer = observer{rm}
	o.Log = o.Log.With().Str("room", rm.key).Logger()
	return o
}

// reseat has the automatic seats looked at, soon.
func (m *roomMedia) reseat() {
	select {
	case m.seats <- struct{}{}:
	default:
	}
}

// stop ends the router and waits for it. Nobody is in the room any more.
func (m *roomMedia) stop() {
	m.once.Do(func() {})
	if m.cancel != nil {
		m.cancel()
		m.done.Wait()
	}
}
