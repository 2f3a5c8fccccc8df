package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// cluster is the other nodes as a test wants them.
type cluster struct {
	closed error            // what Open says
	at     map[string]error // where rooms are that are not here
	known  map[string]bool  // rooms that exist
	holds  int
	claims []string
	wait   []chan struct{} // the first Claim waits for the first, and so on
}

func (p *cluster) Open() error      { return p.closed }
func (p *cluster) Others() []string { return []string{"http://b"} }
func (p *cluster) Claim(_ context.Context, room terms.RoomID, create bool) (func(), error) {
	p.claims = append(p.claims, room.Key())
	if len(p.wait) > 0 {
		wait := p.wait[0]
		p.wait = p.wait[1:]
		<-wait
	}
	if err := p.at[room.Key()]; err != nil {
		return nil, err
	}
	if !create && !p.known[room.Key()] {
		return nil, terms.Errorf(terms.CodeRoomNotFound, "room", "there is none")
	}
	p.holds++
	done := false
	return func() {
		if !done {
			done = true
			p.holds--
		}
	}, nil
}

func TestARoomIsClaimedUntilItEnds(t *testing.T) {
	p := &cluster{}
	inNode(t, session.Options{Cluster: p}, func(n *node) {
		ann := n.enter("ann")
		if got := ann.entered.Nodes; len(got) != 1 || got[0] != "http://b" {
			t.Errorf("told of %q", got)
		}
		bob := n.enter("bob")
		n.expect("claimed once", p.claims, "s:lobby")
		if p.holds != 1 {
			t.Errorf("%d holds", p.holds)
		}
		_ = ann.Exit(context.Background())
		if p.holds != 1 {
			t.Error("given up with somebody inside")
		}
		_ = bob.Exit(context.Background())
		synctest.Wait()
		if p.holds != 0 {
			t.Errorf("%d holds after the end", p.holds)
		}
		// A user that is refused after the room was claimed leaves no hold behind.
		q := n.request("cid")
		q.Scene, q.Role, q.Grant.Role = terms.Live, terms.Anchor, terms.Audience
		if _, _, err := n.Enter(context.Background(), q); err == nil {
			t.Error("an audience came in as an anchor")
		}
		if p.holds != 0 {
			t.Errorf("%d holds after a refusal", p.holds)
		}
	})
}

// TestWhoAsksLaterWins: a client gives up waiting for a room's place and asks again. Its own first try does
// not replace it, whichever of the two gets its place first.
func TestWhoAsksLaterWins(t *testing.T) {
	p := &cluster{}
	inNode(t, session.Options{Cluster: p}, func(n *node) {
		first, second := make(chan struct{}), make(chan struct{})
		p.wait = []chan struct{}{first, second}
		results := make(chan error, 1)
		go func() {
			_, _, err := n.Enter(context.Background(), n.request("ann"))
			results <- err
		}()
		synctest.Wait() // it waits for its place
		close(second)
		ann := n.enter("ann")
		synctest.Wait()
		close(first)
		if err := <-results; !errors.Is(err, terms.CodeNotAllowed) || terms.AsError(err).Field != "user" {
			t.Errorf("the first try: %v", err)
		}
		synctest.Wait()
		if got := n.Stats().Users; got != 1 {
			t.Errorf("%d users", got)
		}
		if err := ann.Exit(context.Background()); err != nil {
			t.Errorf("the second is still in: %v", err)
		}
		synctest.Wait()
		if p.holds != 0 {
			t.Errorf("%d holds are left", p.holds)
		}
	})
}

func TestARefusedRoomIsGivenUp(t *testing.T) {
	p := &cluster{}
	inNode(t, session.Options{Cluster: p, Limits: session.Limits{Rooms: 1}}, func(n *node) {
		n.enter("ann")
		q := n.request("bob")
		q.Room = must(terms.StringRoom("another"))
		if _, _, err := n.Enter(context.Background(), q); !errors.Is(err, terms.CodeRoomFull) {
			t.Errorf("a second room: %v", err)
		}
		if p.holds != 1 {
			t.Errorf("%d holds", p.holds)
		}
	})
}

func TestARoomElsewhereIsNotEntered(t *testing.T) {
	there := &terms.ElsewhereError{Node: "b", URL: "http://b"}
	p := &cluster{at: map[string]error{"s:lobby": there}, known: map[string]bool{}}
	inNode(t, session.Options{Cluster: p}, func(n *node) {
		_, _, err := n.Enter(context.Background(), n.request("ann"))
		var e *terms.ElsewhereError
		if !errors.As(err, &e) || e != there {
			t.Errorf("entering: %v", err)
		}
		if n.Joins()["redirected"] != 1 {
			t.Errorf("counted as %v", n.Joins())
		}
		delete(p.at, "s:lobby")
		member := n.request("ann")
		member.Grant.Rights = must(terms.NewRights(terms.RightEnter))
		if _, _, err := n.Enter(context.Background(), member); !errors.Is(err, terms.CodeNotAllowed) {
			t.Errorf("making a room without the right: %v", err)
		}
		p.closed = terms.Errorf(terms.CodeNodeDraining, "", "no lease")
		if _, _, err := n.Enter(context.Background(), n.request("ann")); !errors.Is(err, terms.CodeNodeDraining) {
			t.Errorf("entering a node without a lease: %v", err)
		}
		if p.holds != 0 {
			t.Errorf("%d holds", p.holds)
		}
	})
}

func TestWithoutALeaseThoseInsideGoOn(t *testing.T) {
	p := &cluster{}
	inNode(t, session.Options{Cluster: p}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.saw()
		p.closed = terms.Errorf(terms.CodeNodeDraining, "", "no lease")
		if _, _, err := n.Enter(context.Background(), n.request("cid")); !errors.Is(err, terms.CodeNodeDraining) {
			t.Errorf("cid enters: %v", err)
		}
		bob.cut()
		s, err := n.Resume(context.Background(), bob.ID(), bob.Key(), 0)
		if err != nil {
			t.Fatalf("resuming: %v", err)
		}
		bob.Session = s
		bob.connect()
		_ = bob.Exit(context.Background())
		n.expect("ann saw", ann.saw(), "user_left bob 0")
	})
}

// TestDismissingARoomThatIsBeingMoved: the room is dismissed if nobody was told where to go yet. Otherwise it
// has moved, and is to be found at its new place.
func TestDismissingARoomThatIsBeingMoved(t *testing.T) {
	for when, exited := range map[string]terms.ExitReason{"before": terms.ExitedDismissed, "after": terms.ExitedShutdown} {
		t.Run(when, func(t *testing.T) {
			inNode(t, session.Options{}, func(n *node) {
				ann := n.enter("ann")
				ann.publishMic(0)
				n.feed.take()
				dismissed := make(chan error, 1)
				dismiss := func() {
					go func() {
						users, err := n.DismissRoom(context.Background(), lobby, "over")
						if err == nil && users != 1 {
							err = fmt.Errorf("%d users were put out", users)
						}
						dismissed <- err
					}()
				}
				release := n.wire.Hold() // so that the room is not over
				go func() {
					_, err := n.Move(context.Background(), lobby, "", func(ctx context.Context) string {
						if when == "before" {
							dismiss()
							<-ctx.Done()
						}
						return "http://b"
					})
					if err != nil {
						t.Error(err)
					}
				}()
				synctest.Wait()
				if when == "after" {
					dismiss()
				}
				synctest.Wait()
				release()
				err := <-dismissed
				if when == "before" && err != nil || when == "after" && !errors.Is(err, terms.CodeRoomNotFound) {
					t.Errorf("it was dismissed: %v", err)
				}
				synctest.Wait()
				ann.mu.Lock()
				last := ann.events[len(ann.events)-1]
				ann.mu.Unlock()
				if last.Exited != exited || (last.Next == "") != (when == "before") || last.Text != map[string]string{"before": "over"}[when] {
					t.Errorf("ann was told %+v", last)
				}
				n.expect("feed", n.feed.take(), "102 5", map[string]string{"before": "104 ann 3", "after": "104 ann 5"}[when])
			})
		})
	}
}

// TestRemovingFromARoomThatHasMoved: a user that was told where to go is to be found at the new place. So is
// a user that is to be banned.
func TestRemovingFromARoomThatHasMoved(t *testing.T) {
	for name, d := range map[string]time.Duration{"without a ban": 0, "with a ban": time.Minute} {
		t.Run(name, func(t *testing.T) {
			k := &marks{}
			inNode(t, session.Options{Marks: k}, func(n *node) {
				n.enter("ann").publishMic(0)
				release := n.wire.Hold() // so that ann is not out yet
				go func() {
					_, _ = n.Move(context.Background(), lobby, "", func(context.Context) string { return "http://b" })
				}()
				k.took()
				removed := make(chan error, 1)
				go func() {
					_, err := n.RemoveUsers(context.Background(), lobby, []string{"ann", "bob"}, "", d)
					removed <- err
				}()
				synctest.Wait()
				release()
				if err := <-removed; !errors.Is(err, terms.CodeRoomNotFound) {
					t.Errorf("removing: %v", err)
				}
				n.expect("kept", k.took())
			})
		})
	}
}

// TestMoving: nobody enters a room while it is being moved. A user that comes meanwhile is sent after it, and
// all are told where it is.
func TestMoving(t *testing.T) {
	p := &cluster{at: map[string]error{}}
	inNode(t, session.Options{Cluster: p}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.saw()
		late := make(chan error, 1)
		users, err := n.Move(context.Background(), lobby, "moving", func(context.Context) string {
			go func() {
				_, _, err := n.Enter(context.Background(), n.request("cid"))
				late <- err
			}()
			synctest.Wait()
			select {
			case err := <-late:
				t.Errorf("somebody got through while the room was being moved: %v", err)
			default:
			}
			p.at["s:lobby"] = &terms.ElsewhereError{Node: "b", URL: "http://b"}
			return "http://b"
		})
		if users != 2 || err != nil {
			t.Errorf("moved %d: %v", users, err)
		}
		var e *terms.ElsewhereError
		if err := <-late; !errors.As(err, &e) {
			t.Errorf("who came meanwhile: %v", err)
		}
		for _, c := range []*client{ann, bob} {
			synctest.Wait()
			c.mu.Lock()
			last := c.events[len(c.events)-1]
			c.mu.Unlock()
			if last.Exited != terms.ExitedShutdown || last.Next != "http://b" || last.Text != "moving" {
				t.Errorf("%s was told %+v", c.User(), last)
			}
			c.isOut()
		}
		n.expect("the feed", n.feed.take(), "101", "103 ann 1", "103 bob 1", "102 5", "104 ann 5", "104 bob 5")
		if _, err := n.Move(context.Background(), lobby, "", func(context.Context) string { return "" }); !errors.Is(err, terms.CodeRoomNotFound) {
			t.Errorf("moving what has gone: %v", err)
		}
		if p.holds != 0 {
			t.Errorf("%d holds", p.holds)
		}
	})
}
