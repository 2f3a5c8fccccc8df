package session_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// encoder enters as a WHIP client does, with a camera whose packets come.
func (n *node) encoder(user string, change ...func(*session.EnterRequest)) (*session.Session, *fakewire.Peer) {
	n.t.Helper()
	q := session.EnterRequest{Room: lobby, User: user, Grant: granted, Publish: true}
	for _, c := range change {
		c(&q)
	}
	s, _, err := n.Enter(context.Background(), q)
	if err != nil {
		n.t.Fatalf("%s enters: %v", user, err)
	}
	if _, err := s.Negotiate(context.Background(), plan(map[string]terms.Source{"cam": terms.Camera}, 0, false)); err != nil {
		n.t.Fatalf("%s negotiates: %v", user, err)
	}
	p := n.wire.Last()
	p.Connect()
	synctest.Wait()
	return s, p
}

// watcher enters as a WHEP client does, with so many seats.
func (n *node) watcher(seats int) *fakewire.Peer {
	n.t.Helper()
	s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: "watcher", Grant: granted})
	if err == nil {
		err = s.AutoSeats()
	}
	if err == nil {
		_, err = s.Negotiate(context.Background(), plan(nil, seats, false))
	}
	if err != nil {
		n.t.Fatal(err)
	}
	p := n.wire.Last()
	p.Connect()
	synctest.Wait()
	return p
}

// runs has so much time pass. The peers in alive show life meanwhile.
func runs(d time.Duration, alive ...*fakewire.Peer) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		for _, p := range alive {
			p.Heard(time.Now())
		}
	}
	synctest.Wait()
}

// TestMediaOnlyIsOutAfterThirtySeconds: a media-only user shows life by its media alone, and has 30 s. A user
// with signalling has its 90 s.
func TestMediaOnlyIsOutAfterThirtySeconds(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		_, dead := n.encoder("encoder")
		dead.Heard(time.Now())
		n.feed.take()
		ann.saw()
		runs(29 * time.Second)
		n.expect("before", n.feed.take())
		runs(3 * time.Second)
		n.expect("the feed", n.feed.take(), "104 encoder 2")
		n.expect("ann", ann.saw(), "user_left encoder 1")
		if !dead.Closed() {
			t.Error("its transport is still there")
		}
		runs(50 * time.Second)
		n.expect("ann, with signalling, after 82 s", n.feed.take())
		runs(10 * time.Second)
		n.expect("ann after 92 s", n.feed.take(), "104 ann 2", "102 2")
	})
}

// TestEncoderThatNeverSendsHoldsNothingForLonger: after the 30 s it does not even hold the place of a
// publisher.
func TestEncoderThatNeverSendsHoldsNothingForLonger(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{CallPublishers: 1, LiveAnchors: 1}}, func(n *node) {
		for _, change := range []func(*session.EnterRequest){func(*session.EnterRequest) {}, live(terms.Anchor)} {
			n.encoder("first", change)
			q := session.EnterRequest{Room: lobby, User: "second", Grant: granted, Publish: true}
			change(&q)
			runs(29 * time.Second)
			if _, _, err := n.Enter(context.Background(), q); code(err) != terms.CodePublisherLimit {
				t.Fatalf("the place is taken: %v", err)
			}
			runs(3 * time.Second)
			s, _, err := n.Enter(context.Background(), q)
			if err != nil {
				t.Fatalf("after 32 s: %v", err)
			}
			if err := s.Exit(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestDeadEncoderGivesUpItsSeat: an encoder that comes back under another id is seen within seconds, by a
// player with a single seat too.
func TestDeadEncoderGivesUpItsSeat(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		player := n.watcher(1)
		_, dead := n.encoder("whip-1")
		runs(5*time.Second, player, dead)
		if !flows(dead, "cam", player, "v0") {
			t.Fatal("the first one is not seen")
		}
		runs(time.Second, player)
		_, next := n.encoder("whip-2")
		if flows(next, "cam", player, "v0") {
			t.Error("a pause of seconds costs the seat")
		}
		runs(3*time.Second, player, next)
		if !flows(next, "cam", player, "v0") {
			t.Error("the dead one keeps its seat")
		}
		runs(5*time.Second, player, next, dead) // it was only cut off
		if !flows(next, "cam", player, "v0") || flows(dead, "cam", player, "v0") {
			t.Error("who has the seat has lost it to one that came back")
		}
	})
}

// TestQuietEncoderKeepsItsSeatWhileNobodyWaits: a quiet encoder keeps its seat while nobody waits, and if
// another seat is free.
func TestQuietEncoderKeepsItsSeatWhileNobodyWaits(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		player := n.watcher(2)
		_, quiet := n.encoder("quiet")
		runs(10*time.Second, player)
		_, other := n.encoder("other")
		runs(5*time.Second, player, other)
		if !flows(quiet, "cam", player, "v0") || !flows(other, "cam", player, "v1") {
			t.Error("there are seats for both")
		}
	})
}

// TestEncoderThatComesBackUnderItsIDHasItsSeat: an encoder that comes back under its id has its seat at once.
func TestEncoderThatComesBackUnderItsIDHasItsSeat(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{CallPublishers: 1}}, func(n *node) {
		player := n.watcher(1)
		_, dead := n.encoder("ann")
		runs(2*time.Second, player, dead)
		runs(8*time.Second, player)
		n.feed.take()
		_, again := n.encoder("ann")
		if !flows(again, "cam", player, "v0") || flows(dead, "cam", player, "v0") {
			t.Error("it is not seen")
		}
		if got := n.feed.take(); !slices.Contains(got, "104 ann 4") {
			t.Errorf("the feed says %q", got)
		}
	})
}

// TestEncoderThatComesBackIsNotTakenForGone: an encoder that comes back has its seat again. The one that
// comes right after it does not get it.
func TestEncoderThatComesBackIsNotTakenForGone(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		player := n.watcher(1)
		_, dead := n.encoder("ann")
		runs(2*time.Second, player, dead)
		runs(8*time.Second, player)
		_, again := n.encoder("ann")
		_, other := n.encoder("bob")
		if !flows(again, "cam", player, "v0") || flows(other, "cam", player, "v0") {
			t.Error("the seat is another one's")
		}
	})
}
