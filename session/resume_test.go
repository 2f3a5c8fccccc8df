package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
	"parlor/transport"
)

var errConsent, errRemoteClosed = transport.ErrConsent, transport.ErrRemoteClosed

// TestResumeGoesUnnoticed: a lost connection that comes back in time gets what it missed, and nobody else
// notices.
func TestResumeGoesUnnoticed(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(1), bob.publishMic(1)
		bob.hear("ann")
		n.living = []*client{bob}
		n.expect("ann", ann.saw(), "user_entered bob", "streams bob mic=true")
		bob.saw()
		n.feed.take()
		ann.cut()
		cid := n.enter("cid")
		n.living = append(n.living, cid)
		synctest.Wait()             // bob has been told
		_ = cid.Exit(n.t.Context()) // which leaves ann no trace
		dan := n.enter("dan")
		n.living = append(n.living, dan)
		for range 80 {
			time.Sleep(time.Second)
			n.touchAll()
		}
		again, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ann2 := n.client(again, again.Entered())
		if len(ann2.entered.Users) != 2 || ann2.entered.Session != ann.ID() {
			t.Errorf("ann is shown %+v", ann2.entered)
		}
		n.expect("ann", ann2.saw(), "streams bob mic=true", "user_entered dan")
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("the media do not go on")
		}
		n.expect("bob", bob.saw(), "user_entered cid", "user_left cid 0", "user_entered dan")
		n.expect("feed", n.feed.take(), "103 cid 1", "104 cid 1", "103 dan 1")
	})
}

func TestResumeTakesTheSessionOver(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann") // still connected, as far as anybody knows
		n.enter("bob")
		ann.saw()
		again, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ann2 := n.client(again, terms.Entered{})
		n.expect("ann", ann2.saw(), "user_entered bob")
		if <-ann.ended; !errors.Is(ann.err, session.ErrDetached) {
			t.Errorf("the older connection ends with %v", ann.err)
		}
		ann.Detached() // late news of the older connection
		n.enter("cid")
		n.expect("ann", ann2.saw(), "user_entered cid")
	})
}

func TestResumeRefuses(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		for name, tt := range map[string]struct {
			id, key string
			seq     uint64
			code    terms.Code
		}{
			"unknown":         {"x", ann.Key(), 0, terms.CodeUserNotFound},
			"wrong key":       {ann.ID(), ann.Key() + "x", 0, terms.CodeUserNotFound},
			"no key":          {ann.ID(), "", 0, terms.CodeUserNotFound},
			"from the future": {ann.ID(), ann.Key(), 7, terms.CodeBadRequest},
		} {
			if _, err := n.Resume(n.t.Context(), tt.id, tt.key, tt.seq); code(err) != tt.code {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := n.Lookup(ann.ID(), "wrong"); code(err) != terms.CodeUserNotFound {
			t.Error(err)
		}
		beside, err := n.Lookup(ann.ID(), ann.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := beside.Exit(n.t.Context()); err != nil { // the beacon
			t.Error(err)
		}
		n.expect("ann", ann.saw(), "exited 0")
	})
}

// TestLifeIsSignallingOrMedia: the user is in while either shows life.
func TestLifeIsSignallingOrMedia(t *testing.T) {
	for name, life := range map[string]struct{ signalling, media, in bool }{
		"both": {true, true, true}, "signalling": {true, false, true}, "media": {false, true, true}, "neither": {false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			inNode(t, session.Options{}, func(n *node) {
				bob := n.enter("bob")
				ann := n.enter("ann")
				n.living = []*client{bob}
				peer := ann.publishMic(0)
				bob.saw()
				for i := range 200 {
					n.touchAll()
					if life.signalling {
						ann.Touch()
					}
					if life.media {
						peer.Heard(time.Now())
					}
					time.Sleep(time.Second)
					if i == 88 && len(n.feed.take()) != 4 {
						t.Error("let go early")
					}
				}
				if got := bob.saw(); (len(got) == 0) != life.in || !life.in && got[0] != "user_left ann 1" {
					t.Errorf("bob saw %q", got)
				}
				if !life.in {
					ann.isOut()
				}
			})
		})
	}
}

// TestUnacknowledgedEventsAreBounded: a client that takes everything and acknowledges nothing is made to
// resume, and misses nothing.
func TestUnacknowledgedEventsAreBounded(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		seen := 0
		for range 3000 {
			bob := n.enter("bob")
			synctest.Wait() // ann has been told
			_ = bob.Exit(n.t.Context())
			synctest.Wait()
		}
		<-ann.ended
		if !errors.Is(ann.err, session.ErrDetached) {
			t.Fatalf("the connection ends with %v", ann.err)
		}
		seen = len(ann.saw())
		again, err := n.Resume(n.t.Context(), ann.ID(), ann.Key(), uint64(seen))
		if err != nil {
			t.Fatal(err)
		}
		last := n.enter("cid")
		got := n.client(again, terms.Entered{}).saw()
		if len(got) == 0 || got[len(got)-1] != "user_entered cid" {
			t.Errorf("after the resume ann sees %q", got)
		}
		_ = last
	})
}
