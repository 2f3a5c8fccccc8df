package session_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// lasting is a grant for d, with the rights, or those of a member without any.
func lasting(d time.Duration, rights ...terms.Right) terms.Grant {
	g := terms.Grant{Rights: terms.MemberRights()}
	if len(rights) > 0 {
		g.Rights = must(terms.NewRights(rights...))
	}
	if d > 0 {
		g.Expires = time.Now().Add(d)
	}
	return g
}

func with(g terms.Grant) func(*session.EnterRequest) {
	return func(q *session.EnterRequest) { q.Grant = g }
}

// stay lets time pass while everybody shows life.
func (n *node) stay(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		n.touchAll()
	}
}

// TestTokenEnds: the user is told before the end, and put out if nothing comes of it. A user that entered
// without an end stays.
func TestTokenEnds(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann", with(lasting(2*time.Minute))), n.enter("bob")
		n.living = []*client{ann, bob}
		if ann.entered.ExpiresInMS != 120_000 || bob.entered.ExpiresInMS != 0 {
			t.Errorf("ann's token ends in %d ms, bob's in %d", ann.entered.ExpiresInMS, bob.entered.ExpiresInMS)
		}
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		ann.saw()
		bob.saw()
		n.feed.take()
		n.stay(89 * time.Second)
		n.expect("ann early", ann.saw())
		n.stay(2 * time.Second)
		n.expect("ann before the end", ann.saw(), "token_expiring in 30s")
		n.stay(28 * time.Second)
		if n.expect("ann still", ann.saw()); !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann was stopped before her token's end")
		}
		n.stay(3 * time.Second)
		n.expect("ann", ann.saw(), "exited 5")
		n.expect("bob", bob.saw(), "user_left ann 2")
		n.expect("feed", n.feed.take(), "104 ann 6")
		ann.isOut()
		n.living = []*client{bob}
		n.stay(24 * time.Hour)
		n.expect("bob", bob.saw())
	})
}

// TestRenewInTime: a renewed session goes on, and is told of each end once.
func TestRenewInTime(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann", with(lasting(time.Minute)))
		n.living = []*client{ann}
		for round := range 3 {
			n.stay(35 * time.Second)
			n.expect(fmt.Sprint("round ", round), ann.saw(), "token_expiring in 30s")
			r, err := ann.Renew(lasting(time.Minute))
			if err != nil || r.Left != time.Minute || r.Stopped != nil || r.Emptied != nil {
				t.Fatalf("renewing: %+v, %v", r, err)
			}
		}
		if _, err := ann.Renew(lasting(0)); err != nil {
			t.Fatal(err)
		}
		n.stay(time.Hour)
		n.expect("ann without an end", ann.saw())
		if _, err := ann.Renew(lasting(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n.stay(6 * time.Second)
		n.expect("a short token", ann.saw(), "token_expiring in 5s")
	})
}

// TestMediaOnlyEnds: a session without signalling ends with its token, unless it is renewed.
func TestMediaOnlyEnds(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob := n.enter("bob")
		ann := n.enter("ann", with(lasting(time.Minute)), func(q *session.EnterRequest) { q.Signal = false })
		n.living = []*client{ann, bob}
		bob.saw()
		n.stay(50 * time.Second)
		if _, err := ann.Renew(lasting(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n.stay(50 * time.Second)
		n.expect("bob", bob.saw())
		n.stay(12 * time.Second)
		n.expect("bob", bob.saw(), "user_left ann 2")
		ann.isOut()
	})
}

// TestResumeOfExpired: a client is away while its token ends. It is told so, both before and after it is put
// out.
func TestResumeOfExpired(t *testing.T) {
	inNode(t, session.Options{Timers: session.Timers{TokenExpiring: time.Hour, Timeout: time.Hour, EmptyLive: time.Hour}}, func(n *node) {
		ann := n.enter("ann", with(lasting(10*time.Second+time.Millisecond)))
		ann.cut()
		resume := func() terms.Code {
			s, err := n.Resume(context.Background(), ann.ID(), ann.Key(), 0)
			if err == nil {
				s.Detached()
			}
			return code(err)
		}
		time.Sleep(9 * time.Second)
		if got := resume(); got != "" {
			t.Errorf("in time: %s", got)
		}
		time.Sleep(time.Second + 2*time.Millisecond) // expired, and the node has not looked yet
		if got := resume(); got != terms.CodeTokenExpired {
			t.Errorf("at the end: %q", got)
		}
		time.Sleep(5 * time.Second)
		if _, err := ann.Renew(lasting(time.Minute)); code(err) != terms.CodeUserNotFound {
			t.Errorf("renewing afterwards: %v", err)
		}
		if got := resume(); got != terms.CodeTokenExpired {
			t.Errorf("after the end: %q", got)
		}
		bob := n.enter("bob", with(lasting(10*time.Second)))
		bob.cut()
		if _, err := n.RemoveUsers(context.Background(), lobby, []string{"bob"}, "", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if s, err := n.Resume(context.Background(), bob.ID(), bob.Key(), 0); err != nil {
			t.Errorf("bob was removed before his token's end: %v", err)
		} else if e, err := s.Next(context.Background()); err != nil || describe(e) != "exited 1" {
			t.Errorf("bob is told %v, %v", e, err)
		}
	})
}

// TestFewerRights: a stream that a renewed grant does not allow any more ends. It stays away until it is
// allowed and asked for.
func TestFewerRights(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false)
		bobPeer := bob.negotiate(nil, 1, false)
		bob.hear("ann")
		bob.saw()
		n.feed.take()
		r, err := ann.Renew(lasting(0, terms.RightEnter, terms.RightSendAudio))
		if err != nil || !slices.Equal(r.Stopped, []terms.Source{terms.Camera}) {
			t.Fatalf("ann's renewal: %+v, %v", r, err)
		}
		if flows(annPeer, "cam", bobPeer, "v0") || !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("not the camera alone was stopped")
		}
		n.expect("bob", bob.saw(), "streams ann camera=false,mic=true")
		n.expect("feed", n.feed.take(), "202 ann")
		if err := ann.SetPublishing(terms.Camera, true); code(err) != terms.CodeNotAllowed {
			t.Errorf("publishing without the right: %v", err)
		}
		_, err = ann.Negotiate(context.Background(), plan(map[string]terms.Source{"cam": terms.Camera}, 0, false))
		if code(err) != terms.CodeNotAllowed {
			t.Errorf("offering without the right: %v", err)
		}
		if _, err := ann.Renew(granted); err != nil {
			t.Fatal(err)
		}
		if flows(annPeer, "cam", bobPeer, "v0") {
			t.Error("the camera is back though nobody asked")
		}
		if err := ann.SetPublishing(terms.Camera, true); err != nil || !flows(annPeer, "cam", bobPeer, "v0") {
			t.Errorf("the camera does not come back: %v", err)
		}

		r, err = bob.Renew(lasting(0, terms.RightEnter, terms.RightRecvAudio))
		if err != nil || !slices.Equal(r.Emptied, []string{"seat0"}) {
			t.Fatalf("bob's renewal: %+v, %v", r, err)
		}
		if flows(annPeer, "cam", bobPeer, "v0") || !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("not the video of the seat alone was taken")
		}
		if err := bob.SetSeat(session.SeatRequest{Seat: "seat0", User: "ann", Video: terms.Camera}); code(err) != terms.CodeNotAllowed {
			t.Errorf("seating without the right: %v", err)
		}
		bob.negotiate(nil, 1, true)
		if bobPeer = n.wire.Last(); flows(annPeer, "cam", bobPeer, "v0") {
			t.Error("a new connection brings the picture back")
		}
		if r, err = bob.Renew(lasting(0, terms.RightEnter)); err != nil || !slices.Equal(r.Emptied, []string{"seat0"}) {
			t.Fatalf("bob's second renewal: %+v, %v", r, err)
		}
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("bob still hears ann")
		}
	})
}

// TestFewerRightsOfPlayer: automatic seats show what may still be received. They show more again when that is
// allowed.
func TestFewerRightsOfPlayer(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		if err := bob.AutoSeats(); err != nil {
			t.Fatal(err)
		}
		annPeer := ann.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false)
		bobPeer := bob.negotiate(nil, 1, false)
		for _, tt := range []struct {
			grant        terms.Grant
			video, audio bool
		}{
			{lasting(0, terms.RightEnter, terms.RightRecvAudio), false, true},
			{lasting(0, terms.RightEnter), false, false},
			{granted, true, true},
		} {
			if _, err := bob.Renew(tt.grant); err != nil {
				t.Fatal(err)
			}
			if v, a := flows(annPeer, "cam", bobPeer, "v0"), flows(annPeer, "mic", bobPeer, "a0"); v != tt.video || a != tt.audio {
				t.Errorf("with %v: video %t, audio %t", tt.grant.Rights.List(), v, a)
			}
		}
	})
}

// TestLesserRole: an anchor whose grant becomes one of the audience stops being one.
func TestLesserRole(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann", live(terms.Anchor)), n.enter("bob", live(terms.Audience))
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		ann.saw()
		bob.saw()
		n.feed.take()
		lesser := granted
		lesser.Role = terms.Audience
		r, err := ann.Renew(lesser)
		if err != nil || !slices.Equal(r.Stopped, []terms.Source{terms.Mic}) {
			t.Fatalf("%+v, %v", r, err)
		}
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is still heard")
		}
		n.expect("ann", ann.saw(), "role audience")
		n.expect("bob", bob.saw(), "user_left ann 3")
		n.expect("feed", n.feed.take(), "204 ann", "105 ann")
		if err := ann.SwitchRole(terms.Anchor); code(err) != terms.CodeNotAllowed {
			t.Errorf("becoming anchor again: %v", err)
		}
	})
	// A call room has no audience. There, one of the audience is a user that publishes nothing.
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		lesser := granted
		lesser.Role = terms.Audience
		if r, err := ann.Renew(lesser); err != nil || len(r.Stopped) != 1 || flows(annPeer, "mic", bobPeer, "a0") {
			t.Errorf("ann publishes on: %+v, %v", r, err)
		}
	})
}

// TestRefusedRenewal: a renewal that is refused changes nothing.
func TestRefusedRenewal(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann", with(lasting(time.Hour))), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		bob.saw()
		ann.saw()
		of := func(change func(*terms.Grant)) terms.Grant {
			g := lasting(time.Minute)
			change(&g)
			return g
		}
		for name, tt := range map[string]struct {
			grant terms.Grant
			code  terms.Code
			field string
		}{
			"expired":      {of(func(g *terms.Grant) { g.Expires = time.Now() }), terms.CodeTokenExpired, "token"},
			"another user": {of(func(g *terms.Grant) { g.User = "bob" }), terms.CodeNotAllowed, "user"},
			"another room": {of(func(g *terms.Grant) { g.Room = must(terms.StringRoom("other")) }), terms.CodeNotAllowed, "room"},
			"not to enter": {lasting(time.Minute, terms.RightSendAudio), terms.CodeNotAllowed, "token"},
		} {
			_, err := ann.Renew(tt.grant)
			if e := terms.AsError(err); err == nil || e.Code != tt.code || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		if e := ann.Entered(); e.ExpiresInMS != 3_600_000 || e.Rights != terms.MemberRights() {
			t.Errorf("ann now has %+v", e)
		}
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann was stopped")
		}
		n.expect("bob", bob.saw())
		n.expect("ann", ann.saw())
	})
}
