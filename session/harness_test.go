package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

var (
	lobby   = must(terms.StringRoom("lobby"))
	granted = terms.Grant{Rights: terms.MemberRights()}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// node is a node's rooms over a fake wire, inside a synctest bubble.
type node struct {
	*session.Rooms
	t      *testing.T
	wire   *fakewire.Transport
	feed   *feed
	living []*client // whom touchAll keeps alive
}

// touchAll has the living show life in signalling.
func (n *node) touchAll() {
	for _, c := range n.living {
		c.Touch()
	}
}

// inNode runs f with a node in a bubble, where time passes when everybody waits. Afterwards nothing may be
// left over.
func inNode(t *testing.T, o session.Options, f func(n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t, wire: &fakewire.Transport{}, feed: &feed{}}
		o.Node = "node-1"
		if o.Limits.Entries == 0 { // time stands still for much of a test
			o.Limits.Entries = 1_000_000
		}
		n.Rooms = session.New(o, n.wire, n.feed)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := n.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		defer func() { // also after a Fatal
			if err := n.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			cancel()
			running.Wait()
			n.nothingLeft()
		}()
		f(n)
	})
}

// nothingLeft checks that everything is freed.
func (n *node) nothingLeft() {
	if left := n.wire.Open(); left != 0 {
		n.t.Errorf("%d transport connections are left open", left)
	}
	for _, p := range n.wire.Peers() {
		if p.Late() != 0 {
			n.t.Errorf("peer %d was sent %d packets after Close", p.ID(), p.Late())
		}
	}
	if s := n.Stats(); s != (session.Stats{}) {
		n.t.Errorf("left over: %+v", s)
	}
	n.feed.checkPairs(n.t)
}

// feed collects feed events.
type feed struct {
	mu     sync.Mutex
	events []terms.FeedEvent
	taken  bool // some were taken
}

func (f *feed) Publish(e terms.FeedEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// take returns and forgets what came so far, as "103 ann 1".
func (f *feed) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var l []string
	for _, e := range f.events {
		l = append(l, strings.TrimSuffix(strings.Join(strings.Fields(fmt.Sprintf("%d %s %d", e.Type, e.User, e.Reason)), " "), " 0"))
	}
	f.events, f.taken = nil, true
	return l
}

// all returns what came since the last take.
func (f *feed) all() []terms.FeedEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// checkPairs looks that every entry has its leave, in turns, between the creation of the room and its end. It
// sees what take has left.
func (f *feed) checkPairs(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	ids, in, exists := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range f.events {
		if ids[e.ID] {
			t.Errorf("feed event id %s comes twice", e.ID)
		}
		ids[e.ID] = true
		if f.taken {
			continue
		}
		instance, _, _ := strings.Cut(e.ID, ".")
		user, room := instance+e.User, instance
		switch e.Type {
		case terms.FeedRoomCreated, terms.FeedRoomDismissed:
			if exists[room] == (e.Type == terms.FeedRoomCreated) {
				t.Errorf("room out of turn: %+v", e)
			}
			exists[room] = e.Type == terms.FeedRoomCreated
		case terms.FeedUserEntered, terms.FeedUserLeft:
			if in[user] == (e.Type == terms.FeedUserEntered) {
				t.Errorf("user out of turn: %+v", e)
			}
			in[user] = e.Type == terms.FeedUserEntered
		}
	}
	for who, still := range in {
		if still {
			t.Errorf("%s was never told to have left", who)
		}
	}
	for room, still := range exists {
		if still {
			t.Errorf("room %s was never told to have ended", room)
		}
	}
}

// client is a user with a signalling connection, whose door hands events on at once.
type client struct {
	*session.Session
	entered terms.Entered
	n       *node

	mu     sync.Mutex
	events []terms.Event
	err    error // with which Next ended
	ended  chan struct{}
	cancel context.CancelFunc
}

func (n *node) request(user string) session.EnterRequest {
	return session.EnterRequest{Room: lobby, User: user, Grant: granted, Signal: true}
}

// enter lets a user in, with changes to the request.
func (n *node) enter(user string, change ...func(*session.EnterRequest)) *client {
	n.t.Helper()
	q := n.request(user)
	for _, c := range change {
		c(&q)
	}
	s, e, err := n.Enter(context.Background(), q)
	if err != nil {
		n.t.Fatalf("%s enters: %v", user, err)
	}
	return n.client(s, e)
}

func (n *node) client(s *session.Session, e terms.Entered) *client {
	c := &client{Session: s, entered: e, n: n}
	c.connect()
	return c
}

func live(role terms.Role) func(*session.EnterRequest) {
	return func(q *session.EnterRequest) { q.Scene, q.Role = terms.Live, role }
}

// connect reads events until there are none any more.
func (c *client) connect() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.ended = cancel, make(chan struct{})
	go func(s *session.Session, ended chan struct{}) {
		defer close(ended)
		for {
			e, err := s.Next(ctx)
			c.mu.Lock()
			if err != nil {
				c.err = err
				c.mu.Unlock()
				return
			}
			c.events = append(c.events, e)
			c.mu.Unlock()
		}
	}(c.Session, c.ended)
}

// cut ends the signalling connection.
func (c *client) cut() {
	c.cancel()
	<-c.ended
	c.Detached()
}

// saw returns and forgets what the client was told, as "user_left ann 2".
func (c *client) saw() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, e := range c.events {
		l = append(l, describe(e))
	}
	c.events = nil
	return l
}

func describe(e terms.Event) string {
	switch e.Type {
	case terms.EventUserLeft:
		return fmt.Sprintf("user_left %s %d", e.User.User, e.Left)
	case terms.EventUserEntered:
		return strings.TrimSpace("user_entered " + e.User.User + " " + streams(e.User.Streams))
	case terms.EventStreams:
		return strings.TrimSpace("streams " + e.User.User + " " + streams(e.User.Streams))
	case terms.EventUserUpdated:
		return fmt.Sprintf("user_updated %s %q %q", e.User.User, e.User.Name, e.User.Metadata)
	case terms.EventRole:
		return "role " + string(e.Role)
	case terms.EventTokenExpiring:
		return "token_expiring in " + e.Remaining.Round(time.Second).String()
	case terms.EventBlocked:
		return "blocked " + string(e.Block)
	}
	return fmt.Sprintf("%s %d", e.Type, e.Exited)
}

func streams(l []terms.StreamState) string {
	var out []string
	for _, s := range l {
		is := fmt.Sprint(s.On)
		if s.Blocked {
			is = "blocked"
		}
		out = append(out, fmt.Sprintf("%s=%s", s.Source, is))
	}
	return strings.Join(out, ",")
}

func (n *node) expect(what string, got []string, want ...string) {
	n.t.Helper()
	if !slices.Equal(got, want) {
		n.t.Errorf("%s: %q, not %q", what, got, want)
	}
}

// isOut checks that the client has been told everything and its Next has ended.
func (c *client) isOut() {
	c.n.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(c.err, io.EOF) {
		c.n.t.Errorf("%s: Next ended with %v, not io.EOF", c.User(), c.err)
	}
}

// publishMic negotiates a microphone and n seats with audio ("a0", "a1" …) and video ("v0" …), connects, and
// returns the peer.
func (c *client) publishMic(seats int) *fakewire.Peer {
	c.n.t.Helper()
	return c.negotiate(map[string]terms.Source{"mic": terms.Mic}, seats, false)
}

func (c *client) negotiate(publish map[string]terms.Source, seats int, fresh bool) *fakewire.Peer {
	c.n.t.Helper()
	if _, err := c.Negotiate(context.Background(), plan(publish, seats, fresh)); err != nil {
		c.n.t.Fatalf("%s negotiates: %v", c.User(), err)
	}
	p := c.n.wire.Last()
	p.Connect()
	synctest.Wait()
	return p
}

func plan(publish map[string]terms.Source, seats int, fresh bool) session.OfferPlan {
	p := session.OfferPlan{Publish: publish, New: fresh}
	var sections []fakewire.Section
	for mid, s := range publish {
		kind := packet.Audio
		if s.IsVideo() {
			kind = packet.Video
		}
		sections = append(sections, fakewire.Section{MID: mid, Kind: kind, Send: true})
	}
	for i := range seats {
		s := session.SeatPlan{ID: fmt.Sprintf("seat%d", i), Video: fmt.Sprintf("v%d", i), Audio: fmt.Sprintf("a%d", i)}
		p.Seats = append(p.Seats, s)
		sections = append(sections, fakewire.Section{MID: s.Video, Kind: packet.Video}, fakewire.Section{MID: s.Audio, Kind: packet.Audio})
	}
	p.SDP = fakewire.Offer(sections...)
	return p
}

// hear seats user in the client's first seat.
func (c *client) hear(user string) {
	c.n.t.Helper()
	if err := c.SetSeat(session.SeatRequest{Seat: "seat0", User: user, Video: terms.Camera, Audio: terms.Mic}); err != nil {
		c.n.t.Fatalf("%s seats %s: %v", c.User(), user, err)
	}
}

// flows has from send a packet in mid and reports whether it reached to's section.
func flows(from *fakewire.Peer, mid string, to *fakewire.Peer, at string) bool {
	before := to.Received(at)
	from.Publish(time.Now(), mid, 1)
	synctest.Wait()
	return to.Received(at) > before
}

func code(err error) terms.Code {
	if err == nil {
		return ""
	}
	return terms.AsError(err).Code
}
