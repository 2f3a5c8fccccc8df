package session_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"parlor/session"
	"parlor/session/terms"
)

func (n *node) block(user string, b terms.Block) {
	n.t.Helper()
	if err := n.SetUserBlocked(context.Background(), lobby, user, b); err != nil {
		n.t.Fatalf("blocking %s of %s: %v", b, user, err)
	}
}

var everything = map[string]terms.Source{
	"mic": terms.Mic, "cam": terms.Camera, "scr": terms.Screen, "snd": terms.ScreenAudio,
}

// TestBlockStopsKinds checks, for each kind of block, what is forwarded of a user, what everybody is told and
// what the feed has.
func TestBlockStopsKinds(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.negotiate(everything, 0, false)
		bobPeer := bob.negotiate(nil, 2, false)
		bob.hear("ann")
		if err := bob.SetSeat(session.SeatRequest{Seat: "seat1", User: "ann", Video: terms.Screen, Audio: terms.ScreenAudio}); err != nil {
			t.Fatal(err)
		}
		flowing := func() string {
			var l []string
			for _, s := range []struct{ mid, at string }{{"cam", "v0"}, {"scr", "v1"}, {"mic", "a0"}, {"snd", "a1"}} {
				if flows(annPeer, s.mid, bobPeer, s.at) {
					l = append(l, s.mid)
				}
			}
			return strings.Join(l, " ")
		}
		ann.saw()
		bob.saw()
		n.feed.take()
		for _, step := range []struct {
			block terms.Block
			flows string
			told  []string
			feed  []string
		}{
			{terms.BlockNone, "cam scr mic snd", nil, nil},
			{terms.BlockVideo, "mic snd", []string{"streams ann camera=blocked,screen=blocked,mic=true,screen-audio=true"}, []string{"202 ann", "206 ann"}},
			{terms.BlockVideo, "mic snd", nil, nil},
			{terms.BlockAudio, "cam scr", []string{"streams ann camera=true,screen=true,mic=blocked,screen-audio=blocked"}, []string{"204 ann", "201 ann", "205 ann"}},
			{terms.BlockBoth, "", []string{"streams ann camera=blocked,screen=blocked,mic=blocked,screen-audio=blocked"}, []string{"202 ann", "206 ann"}},
			{terms.BlockNone, "cam scr mic snd", []string{"streams ann camera=true,screen=true,mic=true,screen-audio=true"}, []string{"201 ann", "205 ann", "203 ann"}},
		} {
			n.block("ann", step.block)
			if got := flowing(); got != step.flows {
				t.Errorf("%s: %q flows, not %q", step.block, got, step.flows)
			}
			n.expect("bob at "+string(step.block), bob.saw(), step.told...)
			n.expect("feed at "+string(step.block), n.feed.take(), step.feed...)
			var own []string
			if step.told != nil {
				own = []string{"blocked " + string(step.block)}
			}
			n.expect("ann at "+string(step.block), ann.saw(), own...)
		}
	})
}

// TestBlockHolds: nothing that the user does lets a blocked stream through.
func TestBlockHolds(t *testing.T) {
	mic, both := map[string]terms.Source{"mic": terms.Mic}, map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.negotiate(mic, 0, false), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		n.block("ann", terms.BlockVideo)
		n.feed.take()
		check := func(what string) {
			t.Helper()
			if flows(annPeer, "cam", bobPeer, "v0") {
				t.Errorf("%s: the camera gets through", what)
			}
			if !flows(annPeer, "mic", bobPeer, "a0") {
				t.Errorf("%s: the microphone does not", what)
			}
		}
		ann.negotiate(both, 0, false)
		check("a later offer")
		annPeer = ann.negotiate(both, 0, true)
		check("a new connection")
		for _, on := range []bool{true, false, true} {
			if err := ann.SetPublishing(terms.Camera, on); err != nil {
				t.Fatal(err)
			}
			check("publish")
		}
		s, err := n.Resume(context.Background(), ann.ID(), ann.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if e := s.Entered(); e.Block != terms.BlockVideo {
			t.Errorf("resumed: block %q", e.Block)
		}
		ann = n.enter("ann")
		if ann.entered.Block != terms.BlockVideo {
			t.Errorf("replaced: block %q", ann.entered.Block)
		}
		annPeer = ann.negotiate(both, 0, false)
		check("another session in its place")
		if err := ann.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		ann = n.enter("ann")
		annPeer = ann.negotiate(both, 0, false)
		bob.hear("ann")
		check("leaving and coming back")
		for _, e := range n.feed.take() {
			if strings.HasPrefix(e, "201") {
				t.Errorf("the feed has %s", e)
			}
		}
		bob.saw()
		n.block("ann", terms.BlockNone)
		if !flows(annPeer, "cam", bobPeer, "v0") {
			t.Error("after all the camera stays blocked")
		}
		n.expect("bob", bob.saw(), "streams ann camera=true,mic=true")
	})
}

// TestBlockOverRoles: becoming audience and anchor again does not lift a block.
func TestBlockOverRoles(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann", live(terms.Anchor)), n.enter("bob", live(terms.Audience))
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		n.block("ann", terms.BlockAudio)
		for _, role := range []terms.Role{terms.Audience, terms.Anchor} {
			if err := ann.SwitchRole(role); err != nil {
				t.Fatal(err)
			}
		}
		if err := ann.SetPublishing(terms.Mic, true); err != nil {
			t.Fatal(err)
		}
		bob.hear("ann")
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("the block is gone")
		}
		n.block("ann", terms.BlockNone)
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("the block stays")
		}
	})
}

// TestBlockKeepsPlace: a user that is blocked stays one of a call room's publishers. Otherwise lifting the
// block would make one too many.
func TestBlockKeepsPlace(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{CallPublishers: 1}}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		n.block("ann", terms.BlockBoth)
		_, err := bob.Negotiate(context.Background(), plan(map[string]terms.Source{"mic": terms.Mic}, 0, false))
		if code(err) != terms.CodePublisherLimit {
			t.Errorf("bob took the place: %v", err)
		}
	})
}

// yield most likely lets another goroutine get to where it waits for a lock. The code after it is right if it
// does not, too.
func yield() {
	for range 1000 {
		runtime.Gosched()
	}
}

// TestBlockedWhileBeingReplaced: the command comes between two sessions of the user. The session that comes
// has to heed it.
func TestBlockedWhileBeingReplaced(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		old, bob := n.enter("ann"), n.enter("bob")
		old.publishMic(0)
		bobPeer := bob.negotiate(nil, 1, false)
		bob.hear("ann")
		release := n.wire.Hold()
		var ann *session.Session
		var entered terms.Entered
		var errEnter, errBlock error
		var both sync.WaitGroup
		both.Go(func() { ann, entered, errEnter = n.Enter(context.Background(), n.request("ann")) })
		synctest.Wait() // the older session is being stopped
		both.Go(func() { errBlock = n.SetUserBlocked(context.Background(), lobby, "ann", terms.BlockAudio) })
		yield()
		release()
		both.Wait()
		if errEnter != nil || errBlock != nil {
			t.Fatalf("entering: %v, blocking: %v", errEnter, errBlock)
		}
		if b := ann.Entered().Block; b != terms.BlockAudio {
			t.Errorf("ann is in with the block %s", b)
		}
		if flows(n.client(ann, entered).publishMic(0), "mic", bobPeer, "a0") {
			t.Error("ann is heard")
		}
	})
}

// TestBlockedWhileNegotiating: a stream that is being negotiated when the command comes is blocked when the
// command is answered.
func TestBlockedWhileNegotiating(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(0), bob.negotiate(nil, 1, false)
		bob.hear("ann")
		release := n.wire.Hold()
		var errOffer, errBlock error
		var both sync.WaitGroup
		both.Go(func() {
			_, errOffer = ann.Negotiate(context.Background(), plan(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false))
		})
		synctest.Wait() // the router is being told of the offer
		both.Go(func() { errBlock = n.SetUserBlocked(context.Background(), lobby, "ann", terms.BlockVideo) })
		yield()
		release()
		both.Wait()
		if errOffer != nil || errBlock != nil {
			t.Fatalf("offering: %v, blocking: %v", errOffer, errBlock)
		}
		if flows(annPeer, "cam", bobPeer, "v0") {
			t.Error("ann is seen")
		}
		if l := bob.saw(); len(l) == 0 || l[len(l)-1] != "streams ann camera=blocked,mic=true" {
			t.Errorf("bob was told %q", l)
		}
	})
}

func TestBlockErrors(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		nowhere := must(terms.StringRoom("nowhere"))
		for name, tt := range map[string]struct {
			room  terms.RoomID
			user  string
			block terms.Block
			code  terms.Code
			field string
		}{
			"no room":      {terms.RoomID{}, "ann", terms.BlockBoth, terms.CodeBadRequest, "room"},
			"other room":   {nowhere, "ann", terms.BlockBoth, terms.CodeRoomNotFound, "room"},
			"no user":      {lobby, "", terms.BlockBoth, terms.CodeBadRequest, "user"},
			"other user":   {lobby, "bob", terms.BlockBoth, terms.CodeUserNotFound, "user"},
			"other, none":  {lobby, "bob", terms.BlockNone, terms.CodeUserNotFound, "user"},
			"no block":     {lobby, "ann", "", terms.CodeBadRequest, "block"},
			"unknown":      {lobby, "ann", "screen", terms.CodeBadRequest, "block"},
			"another case": {lobby, "ann", "Audio", terms.CodeBadRequest, "block"},
		} {
			err := n.SetUserBlocked(context.Background(), tt.room, tt.user, tt.block)
			if e := terms.AsError(err); err == nil || e.Code != tt.code || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := n.SetUserBlocked(ctx, lobby, "ann", terms.BlockBoth); err == nil {
			t.Error("blocked though the caller had gone")
		}
	})
}
