package session_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"parlor/session"
)

// TestRetell: a feed that is begun anew tells of rooms, users and what they have on. It does so under ids of
// its own and the new epoch, and goes on from there.
func TestRetell(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		ann.publishMic(0)
		synctest.Wait()
		before := n.feed.all()
		if got := n.feed.take(); !reflect.DeepEqual(got, []string{"101", "103 ann 1", "103 bob 1", "203 ann"}) {
			t.Fatalf("%q", got)
		}
		n.Retell(1)
		_ = bob.Exit(n.t.Context())
		synctest.Wait()
		after := n.feed.all()
		if got := n.feed.take(); !reflect.DeepEqual(got, []string{"101", "103 ann 1", "203 ann", "103 bob 1", "104 bob 1"}) {
			t.Errorf("%q", got)
		}
		instance, _, _ := strings.Cut(before[0].ID, ".")
		for i, e := range after {
			if strings.HasPrefix(e.ID, instance) || e.Epoch != 1 || !strings.HasSuffix(e.ID, "."+string(rune('1'+i))) {
				t.Errorf("event %d: %+v", i, e)
			}
		}
		n.enter("cat")
		n.Retell(1) // not twice
		if got := n.feed.take(); !reflect.DeepEqual(got, []string{"103 cat 1"}) {
			t.Errorf("%q", got)
		}
		if _, err := n.DismissRoom(n.t.Context(), lobby, ""); err != nil {
			t.Fatal(err)
		}
		n.feed.take()
		n.enter("dan")
		if e := n.feed.all(); len(e) != 2 || e[0].Epoch != 1 {
			t.Errorf("a room made after that: %+v", e)
		}
	})
}

// TestRetellOfARoomThatEnds: nothing more is told in the new epoch of a room that ends.
func TestRetellOfARoomThatEnds(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann")
		n.feed.take()
		_, err := n.Move(n.t.Context(), lobby, "", func(context.Context) string {
			n.Retell(1)
			return ""
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range n.feed.all() {
			if e.Epoch != 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}
