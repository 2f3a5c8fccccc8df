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

// TestEntriesOfOneUserAreBounded: sockets of one token enter and exit as fast as they can. They are told when
// they may enter again. In other rooms, and for other users, nothing changes.
func TestEntriesOfOneUserAreBounded(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{Entries: 6}}, func(n *node) {
		watching := n.enter("watching")
		in := 0
		churn := func() (last error) {
			for range 50 {
				s, entered, err := n.Enter(context.Background(), n.request("ann"))
				if last = err; err == nil {
					in++
					c := n.client(s, entered)
					synctest.Wait() // the others have been told
					_ = c.Exit(context.Background())
				}
			}
			return last
		}
		err := churn()
		var e *terms.Error
		if in != 6 || !errors.As(err, &e) || e.Code != terms.CodeBanned || e.Field != "user" || e.RetryAfter != 10*time.Second {
			t.Fatalf("%d entries, then %v", in, err)
		}
		if got := n.Joins()["too_often"]; got != 44 {
			t.Errorf("%d are counted as too often", got)
		}
		n.enter("bob")
		q := n.request("ann")
		q.Room = must(terms.StringRoom("hall"))
		s, _, err := n.Enter(context.Background(), q)
		if err != nil {
			t.Fatalf("another room: %v", err)
		}
		_ = s.Exit(context.Background())
		watching.Touch()
		time.Sleep(e.RetryAfter)
		if err = churn(); in != 7 || err == nil {
			t.Errorf("%d entries after the time that was told, then %v", in, err)
		}
		if got := len(watching.saw()); got != 2*7+1 {
			t.Errorf("the others are told %d events", got)
		}
	})
}

// TestEntriesOfOneUserAreBoundedOverRooms: a token for every room does not make rooms without end.
func TestEntriesOfOneUserAreBoundedOverRooms(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{Entries: 2}}, func(n *node) {
		in := 0
		for i := range 40 {
			q := n.request("ann")
			q.Room = must(terms.NumberRoom(int64(i + 1)))
			s, entered, err := n.Enter(context.Background(), q)
			if err == nil {
				in++
				_ = n.client(s, entered).Exit(context.Background())
			}
		}
		if in != 20 {
			t.Errorf("%d rooms", in)
		}
	})
}

// TestWhoComesBackOftenIsLetIn: a player that tries every second is let in for an hour.
func TestWhoComesBackOftenIsLetIn(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{Entries: 60}}, func(n *node) {
		for i := range 3600 {
			s, entered, err := n.Enter(context.Background(), n.request("ann"))
			if err != nil {
				t.Fatalf("entry %d: %v", i, err)
			}
			_ = n.client(s, entered).Exit(context.Background())
			time.Sleep(time.Second)
		}
	})
}

// TestWhoHasGoneIsNotLetIn: a client that has gone is not let in, and does not end the session that it would
// have replaced.
func TestWhoHasGoneIsNotLetIn(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		q := n.request("ann")
		q.Gone = func() bool { return true }
		if _, _, err := n.Enter(context.Background(), q); !errors.Is(err, session.ErrGone) {
			t.Errorf("entering: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, _, err := n.Enter(ctx, n.request("ann")); !errors.Is(err, context.Canceled) {
			t.Errorf("entering with a context that is done: %v", err)
		}
		if got := n.Joins()["gone"]; got != 2 {
			t.Errorf("%d are counted as gone", got)
		}
		if got := ann.saw(); len(got) != 0 {
			t.Errorf("ann saw %q", got)
		}
	})
}

// TestWhoWasNotHandedTheAnswerLeaves: a client that was not handed the answer leaves at once. If that is in
// doubt it leaves soon, unless it resumes.
func TestWhoWasNotHandedTheAnswerLeaves(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob := n.enter("bob")
		ann := n.enter("ann")
		ann.cut()
		n.expect("gone", bob.saw(), "user_entered ann")
		ann.Gone()
		n.expect("gone", bob.saw(), "user_left ann 1")

		cat := n.enter("cat")
		cat.cut()
		cat.Doubt(0)
		time.Sleep(7 * time.Second)
		bob.Touch()
		n.expect("in doubt", bob.saw(), "user_entered cat")
		time.Sleep(2 * time.Second)
		n.expect("no longer", bob.saw(), "user_left cat 1")
		if _, err := n.Resume(context.Background(), cat.ID(), cat.Key(), 0); terms.AsError(err).Code != terms.CodeUserNotFound {
			t.Errorf("resuming: %v", err)
		}

		dan := n.enter("dan")
		dan.cut()
		dan.Doubt(0)
		s, err := n.Resume(context.Background(), dan.ID(), dan.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		dan.Gone() // of the attachment before
		dan.Doubt(0)
		n.client(s, terms.Entered{})
		time.Sleep(20 * time.Second)
		bob.Touch()
		n.expect("resumed", bob.saw(), "user_entered dan")
		if got := n.Leaves()["gone"]; got != 2 || n.Joins()["gone"] != 2 {
			t.Errorf("%d have left as gone, %d are counted", got, n.Joins()["gone"])
		}
	})
}

// TestWhoseMediaFlowIsNotInDoubt: the connection that entered has ended before a ping, but the client has got
// the answer.
func TestWhoseMediaFlowIsNotInDoubt(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		bob, ann := n.enter("bob"), n.enter("ann")
		peer := ann.publishMic(0)
		bob.saw()
		ann.cut()
		ann.Doubt(0)
		for range 20 {
			peer.Heard(time.Now())
			bob.Touch()
			time.Sleep(time.Second)
		}
		n.expect("while media are heard", bob.saw())
		time.Sleep(6 * time.Second)
		n.expect("for a while after", bob.saw())
		time.Sleep(2 * time.Second)
		n.expect("then", bob.saw(), "user_left ann 1")
	})
}

// TestWhoTimesOutOverAStandingSocketIsTold: a user that times out over a socket that stands is told why it is
// closed.
func TestWhoTimesOutOverAStandingSocketIsTold(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		silent, away := n.enter("silent"), n.enter("away")
		away.cut()
		time.Sleep(91 * time.Second)
		silent.isOut()
		n.expect("the silent one", silent.saw(), "user_entered away", "exited 6")
		if _, err := n.Resume(context.Background(), away.ID(), away.Key(), 0); terms.AsError(err).Code != terms.CodeUserNotFound {
			t.Errorf("whoever was away resumes: %v", err)
		}
	})
}
