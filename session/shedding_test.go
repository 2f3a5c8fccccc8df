package session_test

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"parlor/session"
	"parlor/session/terms"
)

// TestARoomThatDoesNotKeepUpIsShown: the operator is shown such a room by commands, by a count and in the
// log, as long as it does not keep up.
func TestARoomThatDoesNotKeepUpIsShown(t *testing.T) {
	var log bytes.Buffer
	inNode(t, session.Options{Log: zerolog.New(&log)}, func(n *node) {
		ann := n.enter("ann")
		camera := ann.negotiate(map[string]terms.Source{"cam": terms.Camera}, 0, false)
		publish := func(late time.Duration, times int) {
			for range times {
				camera.Publish(time.Now().Add(-late), "cam", 1)
				time.Sleep(20 * time.Millisecond)
			}
		}
		shown := func(what, want string) {
			t.Helper()
			d, l := must(n.DescribeRoom(lobby, terms.Page{})), must(n.ListRooms(terms.RoomFilter{}, terms.Page{}))
			overloaded := 0
			if want != "" {
				overloaded = 1
			}
			if d.Shedding != want || l.Rooms[0].Shedding != want || n.Stats().Overloaded != overloaded {
				t.Errorf("%s: it shows %q, and %q in the list, and %d rooms are counted, not %q", what, d.Shedding, l.Rooms[0].Shedding, n.Stats().Overloaded, want)
			}
		}
		publish(0, 50)
		shown("it keeps up", "")
		publish(500*time.Millisecond, 100)
		shown("it does not", "video")
		time.Sleep(2 * time.Second)
		shown("nothing comes", "")
		publish(500*time.Millisecond, 1)
		shown("as before", "video")
		publish(0, 1000)
		shown("it keeps up again", "")
	})
	lines := regexp.MustCompile(`(?m)^\{"level":"(warn|info)","room":"s:lobby",("level":"\w+",)?.*"message":"the room (does not keep up|keeps up again), .*"\}$`)
	if got := lines.FindAllString(log.String(), -1); len(got) != 2 {
		t.Errorf("the log has not one line of its begin and one of its end: %s", log.String())
	}
}
