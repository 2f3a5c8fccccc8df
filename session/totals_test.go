package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
)

// TestMediaCountersOutliveTheirRooms: what Prometheus takes for a counter must not fall when a room ends.
func TestMediaCountersOutliveTheirRooms(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		for round := uint64(1); round <= 2; round++ {
			s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: "ann", Grant: granted})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Negotiate(context.Background(), session.OfferPlan{
				SDP:     fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video, Send: true}),
				Publish: map[string]session.Source{"0": session.Camera},
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
