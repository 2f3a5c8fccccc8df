package session_test

import (
	"context"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/terms"
	"parlor/transport/clocktest"
)

// TestSettingTheClockPutsNobodyOut: the machine's wall clock is set under a node. A user that shows life, in
// signalling or in media, is in. A user that shows none is gone after 90 s, not sooner and not later. Bans
// last for as long as was said.
func TestSettingTheClockPutsNobodyOut(t *testing.T) {
	for _, by := range []time.Duration{120 * time.Second, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			var clock clocktest.Clock
			inNode(t, session.Options{Now: clock.Now}, func(n *node) {
				ann, bob, cid := n.enter("ann"), n.enter("bob"), n.enter("cid")
				peer := bob.publishMic(0)
				bob.cut()
				if _, err := n.RemoveUsers(context.Background(), lobby, []string{"dan"}, "", 100*time.Second); err != nil {
					t.Fatal(err)
				}
				n.living = []*client{ann}
				ann.saw()
				live := func(seconds int) {
					for range seconds {
						time.Sleep(time.Second)
						n.touchAll()
						peer.Heard(clock.Now())
					}
				}
				live(1)
				cid.cut()
				clock.Set(by)
				live(88)
				n.expect("ann saw while cid may come back", ann.saw())
				if d := describedLife(t, n, "ann"); d < 0 || d > time.Second {
					t.Errorf("ann is said to have shown life %v ago", d)
				}
				if _, _, err := n.Enter(context.Background(), n.request("dan")); code(err) != terms.CodeBanned {
					t.Errorf("dan, 11 s before his ban ends: %v", err)
				}
				live(3)
				n.expect("ann saw after 91 s", ann.saw(), "user_left cid 1")
				live(10)
				n.enter("dan")
			})
		})
	}
}

// describedLife returns how long ago a user last showed life by the times of an answer.
func describedLife(t *testing.T, n *node, user string) time.Duration {
	t.Helper()
	d, err := n.DescribeUser(lobby, user, terms.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(d.Time.UnixNano() - d.List[0].LastHeard.UnixNano())
}
