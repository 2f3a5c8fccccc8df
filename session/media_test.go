package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
	"parlor/transport"
)

func TestMuteStopsPackets(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false)
		bobPeer := bob.negotiate(nil, 1, false)
		bob.hear("ann")
		if !flows(annPeer, "mic", bobPeer, "a0") || !flows(annPeer, "cam", bobPeer, "v0") {
			t.Fatal("ann is not received")
		}
		bob.saw()
		n.feed.take()
		if err := ann.SetPublishing(terms.Camera, false); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw(), "streams ann camera=false,mic=true")
		if flows(annPeer, "cam", bobPeer, "v0") || !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("muting the camera did not stop it alone")
		}
		// A mute outlives a new offer, and a new connection.
		for _, fresh := range []bool{false, true} {
			annPeer = ann.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, fresh)
			if flows(annPeer, "cam", bobPeer, "v0") {
				t.Errorf("the camera is on after an offer (fresh=%t)", fresh)
			}
		}
		if err := ann.SetPublishing(terms.Camera, true); err != nil {
			t.Fatal(err)
		}
		n.expect("bob", bob.saw(), "streams ann camera=true,mic=true")
		if !flows(annPeer, "cam", bobPeer, "v0") {
			t.Error("the camera stays off")
		}
		ann.negotiate(map[string]terms.Source{"mic": terms.Mic}, 0, true)
		n.expect("bob", bob.saw(), "streams ann mic=true")
		n.expect("feed", n.feed.take(), "202 ann", "201 ann", "202 ann")
		if err := ann.SetPublishing(terms.Camera, true); code(err) != terms.CodeBadRequest {
			t.Errorf("a source that was not negotiated: %v", err)
		}
	})
}

// TestNewConnectionInOldSession: a new PeerConnection takes the place of the old one, seats and all.
func TestNewConnectionInOldSession(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(1), bob.publishMic(1)
		bob.hear("ann")
		ann.hear("bob")
		bob.saw()
		fresh := ann.negotiate(map[string]terms.Source{"m2": terms.Mic}, 1, true)
		if !annPeer.Closed() || flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("the old connection lives on")
		}
		if !flows(fresh, "m2", bobPeer, "a0") {
			t.Error("bob does not hear the new connection")
		}
		if !flows(bobPeer, "mic", fresh, "a0") {
			t.Error("ann's seat is empty on the new connection")
		}
		n.expect("bob", bob.saw())
	})
}

func TestBadOfferLeavesThingsAsTheyWere(t *testing.T) {
	inNode(t, session.Options{Limits: session.Limits{Seats: 2}}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer, bobPeer := ann.publishMic(1), bob.publishMic(1)
		bob.hear("ann")
		bob.saw()
		mic := map[string]terms.Source{"mic": terms.Mic}
		change := func(f func(*session.OfferPlan)) session.OfferPlan {
			p := plan(mic, 1, false)
			f(&p)
			return p
		}
		for name, tt := range map[string]struct {
			plan  session.OfferPlan
			field string
		}{
			"no SDP":             {change(func(p *session.OfferPlan) { p.SDP = "" }), "sdp"},
			"cut SDP":            {change(func(p *session.OfferPlan) { p.SDP = p.SDP[:100] }), "sdp"},
			"bad fingerprint":    {change(func(p *session.OfferPlan) { p.SDP = strings.ReplaceAll(p.SDP, "34:B4", "34") }), "sdp"},
			"bad, new":           {change(func(p *session.OfferPlan) { p.SDP, p.New = strings.ReplaceAll(p.SDP, "34:B4", "34"), true }), "sdp"},
			"unknown mid":        {change(func(p *session.OfferPlan) { p.Publish = map[string]terms.Source{"nope": terms.Mic} }), "publish"},
			"receiving section":  {change(func(p *session.OfferPlan) { p.Publish = map[string]terms.Source{"a0": terms.Mic} }), "publish"},
			"wrong kind":         {change(func(p *session.OfferPlan) { p.Publish = map[string]terms.Source{"mic": terms.Camera} }), "publish"},
			"no source":          {change(func(p *session.OfferPlan) { p.Publish = map[string]terms.Source{"mic": 0} }), "publish"},
			"no such source":     {change(func(p *session.OfferPlan) { p.Publish = map[string]terms.Source{"mic": 99} }), "publish"},
			"seat unknown mid":   {change(func(p *session.OfferPlan) { p.Seats[0].Video = "nope" }), "seats"},
			"seat sends":         {change(func(p *session.OfferPlan) { p.Publish, p.Seats[0].Audio = nil, "mic" }), "seats"},
			"seat without id":    {change(func(p *session.OfferPlan) { p.Seats[0].ID = "" }), "seats"},
			"seat of nothing":    {change(func(p *session.OfferPlan) { p.Seats[0] = session.SeatPlan{ID: "x"} }), "seats"},
			"seats share a mid":  {change(func(p *session.OfferPlan) { p.Seats = append(p.Seats, session.SeatPlan{ID: "x", Video: "v0"}) }), "seats"},
			"seats share an id":  {change(func(p *session.OfferPlan) { p.Seats = append(p.Seats, p.Seats[0]) }), "seats"},
			"more seats allowed": {plan(mic, 3, false), "seats"},
		} {
			_, err := ann.Negotiate(n.t.Context(), tt.plan)
			if e := terms.AsError(err); err == nil || e.Code != terms.CodeBadRequest || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
		n.wire.FailPeers(errors.New("no sockets"))
		if _, err := ann.Negotiate(n.t.Context(), plan(mic, 1, true)); code(err) != terms.CodeInternal {
			t.Errorf("no new connection can be made: %v", err)
		}
		for wire, want := range map[error]terms.Code{
			transport.ErrTooManyPeers: terms.CodeRoomFull, transport.ErrClosed: terms.CodeNodeDraining,
		} {
			n.wire.FailPeers(wire)
			if _, err := ann.Negotiate(n.t.Context(), plan(mic, 1, true)); code(err) != want {
				t.Errorf("%v: %v", wire, err)
			}
		}
		for _, wire := range []error{transport.ErrOtherClient, transport.ErrClosed} {
			n.wire.FailNegotiations(wire)
			_, err := ann.Negotiate(n.t.Context(), plan(mic, 1, false))
			if e := terms.AsError(err); err == nil || e.Code != terms.CodeBadRequest || e.Field != "fresh" {
				t.Errorf("%v: %v", wire, err)
			}
		}
		n.wire.FailNegotiations(nil)
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is no longer heard")
		}
		n.expect("bob", bob.saw())
		if open := n.wire.Open(); open != 2 {
			t.Errorf("%d connections are open", open)
		}
	})
}

// TestRightsAreCheckedWhenUsed: each step is tried without the one right that it needs.
func TestRightsAreCheckedWhenUsed(t *testing.T) {
	sources := map[terms.Source][2]terms.Right{
		terms.Camera:      {terms.RightSendVideo, terms.RightRecvVideo},
		terms.Mic:         {terms.RightSendAudio, terms.RightRecvAudio},
		terms.Screen:      {terms.RightSendScreen, terms.RightRecvScreen},
		terms.ScreenAudio: {terms.RightSendScreen, terms.RightRecvScreen},
	}
	all := terms.MemberRights().List()
	without := func(no terms.Right) func(*session.EnterRequest) {
		var l []terms.Right
		for _, r := range all {
			if r != no {
				l = append(l, r)
			}
		}
		return rights(l...)
	}
	inNode(t, session.Options{}, func(n *node) {
		other := n.enter("other")
		for s, need := range sources {
			p := plan(map[string]terms.Source{"x": s}, 0, false)
			may, mayNot := n.enter("may"), n.enter("not", without(need[0]))
			if _, err := may.Negotiate(n.t.Context(), p); err != nil {
				t.Errorf("%s with %s: %v", s, need[0], err)
			}
			other.saw()
			if _, err := mayNot.Negotiate(n.t.Context(), p); code(err) != terms.CodeNotAllowed {
				t.Errorf("%s without %s: %v", s, need[0], err)
			}
			n.expect("other", other.saw())

			q := session.SeatRequest{Seat: "seat0", User: "other", Video: s}
			if !s.IsVideo() {
				q.Video, q.Audio = terms.NoSource, s
			}
			may, mayNot = n.enter("may"), n.enter("not", without(need[1]))
			may.negotiate(nil, 1, false)
			mayNot.negotiate(nil, 1, false)
			if err := may.SetSeat(q); err != nil {
				t.Errorf("%s with %s: %v", s, need[1], err)
			}
			if err := mayNot.SetSeat(q); code(err) != terms.CodeNotAllowed {
				t.Errorf("%s without %s: %v", s, need[1], err)
			}
			other.saw()
		}
	})
}

func TestSetSeatRefuses(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		n.enter("bob")
		ann.negotiate(nil, 1, false)
		for name, tt := range map[string]struct {
			q    session.SeatRequest
			code terms.Code
		}{
			"no such seat": {session.SeatRequest{Seat: "x"}, terms.CodeBadRequest},
			"no such user": {session.SeatRequest{Seat: "seat0", User: "zoe"}, terms.CodeUserNotFound},
			"oneself":      {session.SeatRequest{Seat: "seat0", User: "ann"}, terms.CodeUserNotFound},
			"mic as video": {session.SeatRequest{Seat: "seat0", User: "bob", Video: terms.Mic}, terms.CodeBadRequest},
			"cam as audio": {session.SeatRequest{Seat: "seat0", User: "bob", Audio: terms.Camera}, terms.CodeBadRequest},
		} {
			if err := ann.SetSeat(tt.q); code(err) != tt.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestSeatsChangeHands: a seat goes from one occupant to another and to nobody.
func TestSeatsChangeHands(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cid := n.enter("ann"), n.enter("bob"), n.enter("cid")
		annPeer, bobPeer := ann.publishMic(0), bob.publishMic(0)
		cidPeer := cid.negotiate(nil, 1, false)
		cid.hear("ann")
		if !flows(annPeer, "mic", cidPeer, "a0") || flows(bobPeer, "mic", cidPeer, "a0") {
			t.Error("not ann in the seat")
		}
		cid.hear("bob")
		if flows(annPeer, "mic", cidPeer, "a0") || !flows(bobPeer, "mic", cidPeer, "a0") {
			t.Error("not bob in the seat")
		}
		cid.hear("")
		if flows(annPeer, "mic", cidPeer, "a0") || flows(bobPeer, "mic", cidPeer, "a0") {
			t.Error("the seat is not free")
		}
	})
}

// TestRouterIsToldChangesOnly: the parts that a negotiation leaves as they are cost no hand-over to the
// room's goroutine.
func TestRouterIsToldChangesOnly(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob", func(q *session.EnterRequest) { q.DownlinkKbps = 400 })
		ann.publishMic(0)
		calls := func(what string, most int, do func()) {
			t.Helper()
			before := n.wire.Flushes()
			do()
			if got := n.wire.Flushes() - before; got > most {
				t.Errorf("%s: %d calls, more than %d", what, got, most)
			}
		}
		calls("eight free seats: attach, update, ready", 3, func() { bob.publishMic(8) })
		bob.hear("ann")
		calls("the same again: update, ready", 2, func() { bob.publishMic(8) })
		calls("the same in the seat", 0, func() { bob.hear("ann") })
		if err := bob.SetPublishing(terms.Mic, false); err != nil {
			t.Fatal(err)
		}
		calls("muted already", 0, func() { _ = bob.SetPublishing(terms.Mic, false) })
	})
}

// TestSectionsWithoutSeatReceiveNothing: an offer states all seats, so a section that no seat names any more
// is free.
func TestSectionsWithoutSeatReceiveNothing(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.publishMic(0)
		bobPeer := bob.negotiate(nil, 2, false)
		bob.hear("ann")
		if !flows(annPeer, "mic", bobPeer, "a0") {
			t.Fatal("ann is not heard")
		}
		p := plan(nil, 2, false)
		p.Seats = p.Seats[1:]
		if _, err := bob.Negotiate(n.t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is heard in no seat")
		}
		p = plan(nil, 2, false)
		p.Seats[0].ID = "other" // takes over the sections, and nobody who sat there
		if _, err := bob.Negotiate(n.t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if flows(annPeer, "mic", bobPeer, "a0") {
			t.Error("ann is heard in a seat that nobody has given her")
		}
	})
}

// TestAutoSeats: the anchors are seated in the order in which they entered, later ones in seats that fall
// free.
func TestAutoSeats(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		viewer := n.enter("viewer", live(terms.Audience))
		peer := viewer.negotiate(nil, 2, false)
		users, peers := map[string]*client{}, map[string]*fakewire.Peer{}
		for _, u := range []string{"a", "b", "c"} {
			users[u] = n.enter(u, live(terms.Anchor))
		}
		for _, u := range []string{"c", "b", "a"} { // c publishes first, a entered first
			peers[u] = users[u].publishMic(0)
		}
		if err := viewer.AutoSeats(); err != nil {
			t.Fatal(err)
		}
		expect := func(when string, want map[string]string) {
			t.Helper()
			synctest.Wait()
			for u, p := range peers {
				for _, at := range []string{"a0", "a1"} {
					if got := flows(p, "mic", peer, at); got != (want[at] == u) {
						t.Errorf("%s: %s in %s: %t", when, u, at, got)
					}
				}
			}
		}
		expect("at first", map[string]string{"a0": "a", "a1": "b"})
		_ = users["a"].Exit(n.t.Context())
		delete(peers, "a")
		expect("a left", map[string]string{"a0": "c", "a1": "b"})
		users["d"] = n.enter("d", live(terms.Anchor))
		peers["d"] = users["d"].publishMic(0)
		expect("d came", map[string]string{"a0": "c", "a1": "b"})
		users["b"].negotiate(nil, 1, false)
		delete(peers, "b")
		expect("b publishes nothing", map[string]string{"a0": "c", "a1": "d"})
		if err := viewer.AutoSeatsFor("d"); err != nil {
			t.Fatal(err)
		}
		expect("only d", map[string]string{"a1": "d"})
	})
}

func TestRestartICE(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		if _, err := ann.RestartICE("u", "p"); code(err) != terms.CodeBadRequest {
			t.Errorf("before the first offer: %v", err)
		}
		ann.publishMic(0)
		if f, err := ann.RestartICE("u", "p"); err != nil || !strings.Contains(f, "node1") {
			t.Errorf("%q, %v", f, err)
		}
	})
}

// TestNothingIsForwardedToALostPeer: a client whose consent runs out may come back. Until then nothing may be
// numbered for it (see router.Room.Suspend).
func TestNothingIsForwardedToALostPeer(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		from := n.enter("ann").publishMic(0)
		bob := n.enter("bob")
		to := bob.publishMic(1)
		bob.hear("ann")
		if !flows(from, "mic", to, "a0") {
			t.Fatal("nothing flows")
		}
		for _, why := range []error{transport.ErrConsent, transport.ErrNoConnection} {
			to.Lose(why)
			synctest.Wait()
			if flows(from, "mic", to, "a0") {
				t.Errorf("packets to a peer lost by: %v", why)
			}
			to.Connect()
			synctest.Wait()
			if !flows(from, "mic", to, "a0") {
				t.Error("nothing flows to a peer that is back")
			}
		}
	})
}
