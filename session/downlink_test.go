package session_test

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// TestExpectedDownlink: a client says what its network carries when it enters. A new connection of the same
// session is expected to carry nearly as much as the one before did.
func TestExpectedDownlink(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		wire := ann.publishMic(0)
		bob := n.enter("bob", func(q *session.EnterRequest) { q.DownlinkKbps = 400 })
		expected := func() (all []uint64) {
			for _, user := range []string{"ann", "bob"} {
				all = append(all, must(n.DescribeUser(lobby, user, terms.Page{})).List[0].Usage.Network.Expected)
			}
			return all
		}
		is := func(what string, a, b uint64) {
			t.Helper()
			if got := expected(); got[0] != a || got[1] != b {
				t.Errorf("%s: expected are %v, not %d and %d", what, got, a, b)
			}
		}
		bob.negotiate(nil, 1, false)
		bob.hear("ann")
		is("after entering", 0, 400e3)
		peer := bob.negotiate(nil, 1, true)
		bob.hear("ann")
		is("nothing more is known", 0, 400e3)
		speak(time.Second, 25, wire)
		tellRate(t, peer, 300e3)
		speak(time.Second, 25, wire)
		bob.negotiate(nil, 1, true)
		is("it was told", 0, 240e3)
	})
}

// tellRate has the client tell a rate, which bounds what it is sent as it gives no other feedback.
func tellRate(t *testing.T, p *fakewire.Peer, rate float32) {
	t.Helper()
	raw, err := (&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: rate}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	p.Report(time.Now(), raw)
}
