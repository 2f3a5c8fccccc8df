package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// The tests of this file hold the wire. So a leaving stays between its second and its third step while
// something else happens.

// entry is an Enter under way.
type entry struct {
	s   *session.Session
	e   terms.Entered
	err error
	end chan struct{}
}

// entering begins to enter. It returns when that waits, or is done.
func (n *node) entering(user string, change ...func(*session.EnterRequest)) *entry {
	q := n.request(user)
	for _, c := range change {
		c(&q)
	}
	x := &entry{end: make(chan struct{})}
	go func() {
		defer close(x.end)
		x.s, x.e, x.err = n.Enter(n.t.Context(), q)
	}()
	synctest.Wait()
	return x
}

type removal struct {
	results []session.RemoveResult
	err     error
	end     chan struct{}
}

func (n *node) removing(ban time.Duration, users ...string) *removal {
	x := &removal{end: make(chan struct{})}
	go func() {
		defer close(x.end)
		x.results, x.err = n.RemoveUsers(n.t.Context(), lobby, users, "spam", ban)
	}()
	synctest.Wait()
	return x
}

// TestBannedWhileBeingReplaced: the ban comes when the older session is already stopped for a newer one.
func TestBannedWhileBeingReplaced(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		bob.saw()
		n.feed.take()
		release := n.wire.Hold()
		again := n.entering("ann")
		command := n.removing(time.Minute, "ann")
		release()
		<-again.end
		<-command.end
		if code(again.err) != terms.CodeBanned {
			t.Errorf("the newer session: %v", again.err)
		}
		if command.err != nil || !command.results[0].Removed {
			t.Errorf("the command: %+v, %v", command.results, command.err)
		}
		n.expect("ann", ann.saw(), "user_entered bob", "exited 1")
		n.expect("bob", bob.saw(), "user_left ann 2")
		n.expect("feed", n.feed.take(), "104 ann 3")
		if n.Stats().Users != 1 {
			t.Error("ann is still in")
		}
	})
}

// TestRemovedWhileBeingReplaced: without a ban, the session that comes is put out as soon as it is in.
func TestRemovedWhileBeingReplaced(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		bob.saw()
		release := n.wire.Hold()
		again := n.entering("ann")
		command := n.removing(0, "ann")
		release()
		<-again.end
		if again.err != nil {
			t.Fatal(again.err)
		}
		newer := n.client(again.s, again.e)
		<-command.end
		if command.err != nil || !command.results[0].Removed {
			t.Errorf("the command: %+v, %v", command.results, command.err)
		}
		n.expect("the newer ann", newer.saw(), "exited 1")
		n.expect("bob", bob.saw(), "streams ann", "user_left ann 2")
	})
}

// TestRemovingTwiceAtOnce: both commands say the same.
func TestRemovingTwiceAtOnce(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann").publishMic(0)
		n.enter("bob")
		release := n.wire.Hold()
		first, second := n.removing(0, "ann"), n.removing(0, "ann", "ann")
		release()
		<-first.end
		<-second.end
		for _, r := range append(first.results, second.results...) {
			if !r.Removed {
				t.Errorf("%+v, %+v", first.results, second.results)
			}
		}
	})
}

// TestEnteringWhileTheRoomIsBeingDismissed: the new room of that name begins when the old one is empty.
func TestEnteringWhileTheRoomIsBeingDismissed(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann").publishMic(0)
		n.feed.take()
		release := n.wire.Hold()
		dismissed := make(chan int, 2)
		dismiss := func() {
			users, err := n.DismissRoom(n.t.Context(), lobby, "")
			if err != nil {
				t.Error(err)
			}
			dismissed <- users
		}
		go dismiss()
		synctest.Wait()
		again := n.entering("ann")
		late := n.request("bob")
		ctx, cancel := context.WithTimeout(n.t.Context(), time.Second)
		defer cancel()
		if _, _, err := n.Enter(ctx, late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("bob, who does not wait: %v", err)
		}
		go dismiss() // a second time, of the same room
		synctest.Wait()
		if len(dismissed) != 0 {
			t.Error("a command is answered while ann is in")
		}
		release()
		<-again.end
		if again.err != nil {
			t.Fatal(again.err)
		}
		if a, b := <-dismissed, <-dismissed; a != 1 || b != 1 {
			t.Errorf("%d and %d users were put out", a, b)
		}
		n.expect("feed", n.feed.take(), "102 3", "104 ann 3", "101", "103 ann 1")
	})
}

// TestAnchorsPlaceIsKeptWhileBeingReplaced: the last place goes to the user that came first.
func TestAnchorsPlaceIsKeptWhileBeingReplaced(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{LiveAnchors: 1}}, func(n *node) {
		n.enter("ann", live(terms.Audience)).negotiate(nil, 1, false)
		release := n.wire.Hold()
		ann := n.entering("ann", live(terms.Anchor))
		bob := n.entering("bob", live(terms.Anchor))
		release()
		<-ann.end
		<-bob.end
		if ann.err != nil || code(bob.err) != terms.CodePublisherLimit {
			t.Errorf("ann: %v, bob: %v", ann.err, bob.err)
		}
	})
}

// TestPublishersPlaceIsKeptWhileBeingReplaced is the same in a call room.
func TestPublishersPlaceIsKeptWhileBeingReplaced(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{CallPublishers: 1}}, func(n *node) {
		n.enter("ann").publishMic(0)
		publishes := func(q *session.EnterRequest) { q.Publish = true }
		release := n.wire.Hold()
		ann := n.entering("ann", publishes)
		bob := n.entering("bob", publishes)
		release()
		<-ann.end
		<-bob.end
		if ann.err != nil || code(bob.err) != terms.CodePublisherLimit {
			t.Fatalf("ann: %v, bob: %v", ann.err, bob.err)
		}
		if bob = n.entering("bob", publishes); code(bob.err) != terms.CodePublisherLimit {
			t.Errorf("before ann has negotiated, bob: %v", bob.err)
		}
		n.client(ann.s, ann.e).publishMic(0)
	})
}
