package session_test

import (
	"context"
	"fmt"
	"testing"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// BenchmarkPlayersJoin has 1000 players, as WHEP brings them, enter a live room with one anchor, and leave.
// It reports the time of one player.
func BenchmarkPlayersJoin(b *testing.B) {
	const players = 1000
	ctx := context.Background()
	recv := session.OfferPlan{Seats: []session.SeatPlan{{ID: "s", Video: "0", Audio: "1"}},
		SDP: fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video}, fakewire.Section{MID: "1", Kind: packet.Audio})}
	send := session.OfferPlan{Publish: map[string]terms.Source{"0": terms.Camera},
		SDP: fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video, Send: true})}
	enter := func(r *session.Rooms, user string, role terms.Role, plan session.OfferPlan) {
		s, _, err := r.Enter(ctx, session.EnterRequest{Room: lobby, User: user, Grant: granted, Scene: terms.Live, Role: role})
		if err == nil && role == terms.Audience {
			err = s.AutoSeats()
		}
		if err == nil {
			_, err = s.Negotiate(ctx, plan)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		r := session.New(session.Options{}, &fakewire.Transport{}, nil)
		enter(r, "host", terms.Anchor, send)
		for i := range players {
			enter(r, fmt.Sprintf("p%d", i), terms.Audience, recv)
		}
		if err := r.Shutdown(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/players, "µs/player")
}
