package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// TestMediaCountersOutliveTheirRooms: a number that Prometheus takes for a counter must not fall when a room
// ends.
func TestMediaCountersOutliveTheirRooms(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		for round := uint64(1); round <= 2; round++ {
			s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: "ann", Grant: granted})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Negotiate(context.Background(), session.OfferPlan{
				SDP:     fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video, Send: true}),
				Publish: map[string]terms.Source{"0": terms.Camera},
			})
			if err != nil {
				t.Fatal(err)
			}
			n.wire.Last().Connect()
			synctest.Wait()
			n.wire.Last().Publish(time.Now(), "0", 5)
			synctest.Wait()
			if got := n.Media().PacketsIn; got != 5*round {
				t.Errorf("round %d, in the room: %d packets", round, got)
			}
			if err := s.Exit(context.Background()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := n.Media().PacketsIn; got != 5*round {
				t.Errorf("round %d, after the room: %d packets", round, got)
			}
		}
	})
}

// TestJoinsAndLeavesAreCounted: joins and leaves are counted by what came of them. Clients that a door has
// turned away are included.
func TestJoinsAndLeavesAreCounted(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		enter := func(user string, role terms.Role) *session.Session {
			s, _, _ := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: user, Grant: granted, Role: role, Scene: terms.Call})
			return s
		}
		ann := enter("ann", terms.Anchor)
		enter("bob", terms.Anchor)
		enter("bob", terms.Anchor)
		enter("", terms.Anchor)
		enter("joe", terms.Audience)
		n.Refused(terms.Errorf(terms.CodeTokenInvalid, "token", "no"))
		n.Refused(context.Canceled)
		synctest.Wait()
		if err := ann.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.RemoveUsers(context.Background(), lobby, []string{"bob"}, "", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for name, one := range map[string]struct{ got, want map[string]uint64 }{
			"joins":  {n.Joins(), map[string]uint64{"entered": 3, "bad_request": 2, "token_invalid": 1, "gone": 1}},
			"leaves": {n.Leaves(), map[string]uint64{"exit": 1, "replaced": 1, "removed": 1}},
		} {
			for label, got := range one.got {
				if got != one.want[label] {
					t.Errorf("%s %s: %d, want %d", name, label, got, one.want[label])
				}
			}
		}
	})
}
