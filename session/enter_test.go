package session_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

func rights(names ...terms.Right) func(*session.EnterRequest) {
	r := must(terms.NewRights(append(names, terms.RightEnter, terms.RightCreate)...))
	return func(q *session.EnterRequest) { q.Grant.Rights = r }
}

func TestEnteringShowsWhoIsThere(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		ann.publishMic(0)
		bob := n.enter("bob", rights())
		e := bob.entered
		if len(e.Users) != 1 || e.Users[0].User != "ann" || streams(e.Users[0].Streams) != "mic=true" {
			t.Errorf("bob is shown %+v", e.Users)
		}
		if e.Node != "node-1" || e.Scene != terms.Call || e.Role != terms.Anchor || e.Room != lobby ||
			e.Timers != (terms.ClientTimers{LostMS: 8000, ReconnectMS: 3000, TimeoutMS: 90000, PingMS: 3000}) {
			t.Errorf("bob is told %+v", e)
		}
		if !slices.Equal(e.Candidates, n.wire.Candidates()) {
			t.Errorf("candidates %q", e.Candidates)
		}
		if got := fmt.Sprint(e.Rights.List()); got != "[enter create]" {
			t.Errorf("bob's rights: %s", got)
		}
		n.expect("ann", ann.saw(), "user_entered bob")
		n.expect("bob", bob.saw())
		n.expect("feed", n.feed.take(), "101", "103 ann 1", "203 ann", "103 bob 1")
	})
}

// TestEnteredNamesTheAddressOfNow: the answer names the present address if the machine's has changed since
// the node started.
func TestEnteredNamesTheAddressOfNow(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		n.wire.MoveTo("198.51.100.7")
		time.Sleep(2 * time.Second)
		if e := n.enter("bob").entered; !slices.Equal(e.Candidates, n.wire.Candidates()) {
			t.Errorf("candidates %q", e.Candidates)
		}
	})
}

func TestEnterRefuses(t *testing.T) {
	number := must(terms.NumberRoom(9))
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		n.enter("host", live(terms.Anchor), func(q *session.EnterRequest) { q.Room = number })
		for name, tt := range map[string]struct {
			change func(q *session.EnterRequest)
			code   terms.Code
			field  string
		}{
			"no room":            {func(q *session.EnterRequest) { q.Room = terms.RoomID{} }, terms.CodeBadRequest, "room"},
			"no user":            {func(q *session.EnterRequest) { q.User = "" }, terms.CodeBadRequest, "user"},
			"bad user":           {func(q *session.EnterRequest) { q.User = "a/b" }, terms.CodeBadRequest, "user"},
			"bad role":           {func(q *session.EnterRequest) { q.Role = "king" }, terms.CodeBadRequest, "role"},
			"bad scene":          {func(q *session.EnterRequest) { q.Scene = "tv" }, terms.CodeBadRequest, "scene"},
			"audience in a call": {func(q *session.EnterRequest) { q.Scene, q.Role = terms.Call, terms.Audience }, terms.CodeBadRequest, "role"},
			"live into call":     {live(terms.Anchor), terms.CodeSceneMismatch, "scene"},
			"call into live":     {func(q *session.EnterRequest) { q.Room, q.Scene = number, terms.Call }, terms.CodeSceneMismatch, "scene"},
			"no rights":          {func(q *session.EnterRequest) { q.Grant.Rights = 0 }, terms.CodeNotAllowed, "token"},
			"may not create": {func(q *session.EnterRequest) {
				q.Room, q.Grant.Rights = must(terms.NumberRoom(1)), must(terms.NewRights(terms.RightEnter))
			}, terms.CodeNotAllowed, "room"},
			"expired":             {func(q *session.EnterRequest) { q.Grant.Expires = time.Now() }, terms.CodeTokenExpired, "token"},
			"token of other room": {func(q *session.EnterRequest) { q.Grant.Room = number }, terms.CodeNotAllowed, "room"},
			"token of other user": {func(q *session.EnterRequest) { q.Grant.User = "ann" }, terms.CodeNotAllowed, "user"},
			"audience token": {func(q *session.EnterRequest) {
				q.Room, q.Scene, q.Role, q.Grant.Role = number, terms.Live, terms.Anchor, terms.Audience
			}, terms.CodeNotAllowed, "role"},
		} {
			q := n.request("bob")
			tt.change(&q)
			_, _, err := n.Enter(n.t.Context(), q)
			if e := terms.AsError(err); err == nil || e.Code != tt.code || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
			if !errors.Is(err, tt.code) {
				t.Errorf("%s: errors.Is does not know %s", name, tt.code)
			}
		}
		if s := n.Stats(); s.Rooms != 2 || s.Users != 2 {
			t.Errorf("refused entries left something behind: %+v", s)
		}
	})
}

func TestNumberAndStringAreTwoRooms(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		a := n.enter("ann", func(q *session.EnterRequest) { q.Room = must(terms.NumberRoom(123)) })
		b := n.enter("ann", func(q *session.EnterRequest) { q.Room = must(terms.StringRoom("123")) })
		n.expect("a", a.saw())
		if len(b.entered.Users) != 0 || n.Stats().Rooms != 2 {
			t.Error("they are one room")
		}
	})
}

func TestLimits(t *testing.T) {
	o := session.Options{Limits: session.Limits{CallUsers: 3, CallPublishers: 2, LiveAnchors: 2, Users: 8}}
	inNode(t, o, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		n.enter("cid")
		if _, _, err := n.Enter(n.t.Context(), n.request("dan")); code(err) != terms.CodeRoomFull {
			t.Errorf("a fourth user: %v", err)
		}
		n.enter("cid") // again, which takes no further place
		cid := n.enter("cid")
		ann.publishMic(0)
		bob.publishMic(0)
		offer := plan(map[string]terms.Source{"mic": terms.Mic}, 0, false)
		if _, err := cid.Negotiate(n.t.Context(), offer); code(err) != terms.CodePublisherLimit {
			t.Errorf("a third publisher: %v", err)
		}
		if err := bob.SetPublishing(terms.Mic, false); err != nil {
			t.Fatal(err)
		}
		cid.publishMic(0)
		if err := bob.SetPublishing(terms.Mic, true); code(err) != terms.CodePublisherLimit {
			t.Errorf("a third publisher by unmuting: %v", err)
		}

		studio := func(role terms.Role) func(*session.EnterRequest) {
			return func(q *session.EnterRequest) { live(role)(q); q.Room = must(terms.StringRoom("studio")) }
		}
		n.enter("a1", studio(terms.Anchor))
		n.enter("a2", studio(terms.Anchor))
		q := n.request("a3")
		studio(terms.Anchor)(&q)
		if _, _, err := n.Enter(n.t.Context(), q); code(err) != terms.CodePublisherLimit {
			t.Errorf("a third anchor: %v", err)
		}
		viewer := n.enter("viewer", studio(terms.Audience))
		if err := viewer.SwitchRole(terms.Anchor); code(err) != terms.CodePublisherLimit {
			t.Errorf("a third anchor by role: %v", err)
		}
		n.enter("a2", studio(terms.Anchor)) // takes no further place
		synctest.Wait()
		n.enter("v2", studio(terms.Audience))
		n.enter("v3", studio(terms.Audience))
		q.User, q.Role = "v4", terms.Audience
		if _, _, err := n.Enter(n.t.Context(), q); code(err) != terms.CodeRoomFull {
			t.Errorf("more users than the node takes: %v", err)
		}
	})
}

// TestAudienceIsAnnouncedToNobody: in a live room only anchors are seen.
func TestAudienceIsAnnouncedToNobody(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		host := n.enter("host", live(terms.Anchor))
		ann, bob := n.enter("ann", live(terms.Audience)), n.enter("bob", live(terms.Audience))
		if len(bob.entered.Users) != 1 || bob.entered.Users[0].User != "host" {
			t.Errorf("bob is shown %+v", bob.entered.Users)
		}
		if _, err := bob.Negotiate(n.t.Context(), plan(map[string]terms.Source{"mic": terms.Mic}, 0, false)); code(err) != terms.CodeNotAllowed {
			t.Errorf("the audience publishes: %v", err)
		}
		bob.negotiate(nil, 1, false)
		if err := bob.SetSeat(session.SeatRequest{Seat: "seat0", User: "ann", Audio: terms.Mic}); code(err) != terms.CodeUserNotFound {
			t.Errorf("bob finds ann: %v", err)
		}
		_ = ann.Exit(n.t.Context())
		n.expect("host", host.saw())
		n.expect("bob", bob.saw())
		_ = host.Exit(n.t.Context())
		n.expect("bob", bob.saw(), "user_left host 0")
	})
}

// TestEnteringAgain: the newer session wins, and the others see no leave and no enter.
func TestEnteringAgain(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(0), bob.publishMic(1)
		bob.hear("ann")
		bob.saw()
		again := n.enter("ann")
		n.expect("the older ann", ann.saw(), "user_entered bob", "streams bob mic=true", "exited 3")
		ann.isOut()
		n.expect("bob", bob.saw(), "streams ann")
		if flows(annPeer, "mic", bobPeer, "a0") || !annPeer.Closed() {
			t.Error("the older session lives on")
		}
		if len(again.entered.Users) != 1 {
			t.Errorf("the newer ann is shown %+v", again.entered.Users)
		}
		newPeer := again.publishMic(0)
		n.expect("bob", bob.saw(), "streams ann mic=true")
		if !flows(newPeer, "mic", bobPeer, "a0") {
			t.Error("bob's seat does not take up the newer session")
		}
		if _, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 99); code(err) == "" {
			t.Error("the older session is resumed")
		}
		n.expect("feed", n.feed.take(), "101", "103 ann 1", "103 bob 1", "203 ann", "203 bob", "104 ann 4", "103 ann 1", "203 ann")
	})
}

// TestEnteringAgainInAnotherRole: the others see the change of role and nothing else.
func TestEnteringAgainInAnotherRole(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob := n.enter("bob", live(terms.Audience))
		n.enter("ann", live(terms.Anchor)).publishMic(0)
		bob.saw()
		n.enter("ann", live(terms.Audience))
		n.expect("bob", bob.saw(), "user_left ann 3")
		n.enter("ann", live(terms.Anchor))
		n.expect("bob", bob.saw(), "user_entered ann")
	})
}

// TestEnteringWaitsForLeaving: a user enters while being put out. For everybody, the entry comes after the
// leave.
func TestEnteringWaitsForLeaving(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		bob.saw()
		for range 50 {
			go func() { _, _ = n.RemoveUsers(n.t.Context(), lobby, []string{"ann"}, "", 0) }()
			n.enter("ann")
			synctest.Wait()
			in := true
			for _, e := range bob.saw() {
				switch {
				case e == "user_left ann 2" && in:
					in = false
				case e == "user_entered ann" && !in:
					in = true
				case e == "streams ann" && in:
				default:
					t.Fatalf("bob is told %q while in=%t", e, in)
				}
			}
			if !in {
				n.enter("ann")
				n.expect("bob", bob.saw(), "user_entered ann")
			}
		}
	})
}

func TestMediaOnlySession(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		q := n.request("cam")
		q.Signal = false
		s, _, err := n.Enter(n.t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		cam := n.client(s, terms.Entered{})
		peer := cam.publishMic(0)
		bob := n.enter("bob")
		n.living = []*client{bob}
		n.expect("cam is told nothing", cam.saw())
		if _, err := n.Resume(n.t.Context(), s.ID(), s.Key(), 0); code(err) != terms.CodeBadRequest {
			t.Errorf("resumed: %v", err)
		}
		for range 200 {
			peer.Heard(time.Now())
			n.touchAll()
			time.Sleep(time.Second)
		}
		n.expect("bob", bob.saw())
		for range 100 {
			n.touchAll()
			time.Sleep(time.Second)
		}
		n.expect("bob", bob.saw(), "user_left cam 1")
		select {
		case <-s.Done():
		default:
			t.Error("the session is not done")
		}
	})
}

// TestMediaOnlySessionEndsWithItsConnection: a WHIP client that closes its connection has nothing left to
// come back with.
func TestMediaOnlySessionEndsWithItsConnection(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		q := n.request("cam")
		q.Signal = false
		s, _, err := n.Enter(n.t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		bob := n.enter("bob")
		peer := n.client(s, terms.Entered{}).publishMic(0)
		bob.saw()
		peer.Lose(errConsent)
		n.expect("bob, consent lost", bob.saw())
		peer.Lose(errRemoteClosed)
		n.expect("bob, closed", bob.saw(), "user_left cam 1")
	})
}
