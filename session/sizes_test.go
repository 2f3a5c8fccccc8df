package session_test

import (
	"testing"

	"parlor/session"
	"parlor/session/terms"
)

// TestWhatIsNotShownIsNotSent: a picture that is hidden stops alone, stays so over negotiations, and goes on
// when it is shown.
func TestWhatIsNotShownIsNotSent(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.negotiate(map[string]terms.Source{"mic": terms.Mic, "cam": terms.Camera}, 0, false)
		bobPeer := bob.negotiate(nil, 2, false)
		bob.hear("ann")
		shows := func(what string, want bool) {
			t.Helper()
			if got := flows(annPeer, "cam", bobPeer, "v0"); got != want {
				t.Errorf("%s: picture %t", what, got)
			}
			if !flows(annPeer, "mic", bobPeer, "a0") {
				t.Errorf("%s: no sound", what)
			}
		}
		size := func(width, height int) {
			t.Helper()
			if err := bob.SetSizes([]session.SeatSize{{Seat: "seat1"}, {Seat: "seat0", Width: width, Height: height}}); err != nil {
				t.Fatal(err)
			}
		}
		seat := func(z *session.Size) {
			t.Helper()
			q := session.SeatRequest{Seat: "seat0", User: "ann", Video: terms.Camera, Audio: terms.Mic, Size: z}
			if err := bob.SetSeat(q); err != nil {
				t.Fatal(err)
			}
		}
		shows("nothing was said", true)
		size(209, 156)
		shows("shown", true)
		size(0, 0)
		shows("hidden", false)
		bobPeer = bob.negotiate(nil, 2, false)
		shows("hidden, after an offer", false)
		bobPeer = bob.negotiate(nil, 2, true)
		shows("hidden, after another connection", false)
		size(1, 1)
		shows("shown again", true)
		seat(&session.Size{})
		shows("seated hidden", false)
		seat(nil)
		shows("seated without a size", true)
		size(0, 5)
		shows("without height", false)
	})
}

// TestSizesReachTheRouter: sizes reach the router in the form that it knows: an area, beside the quality.
func TestSizesReachTheRouter(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		n.enter("ann").negotiate(map[string]terms.Source{"cam": terms.Camera}, 0, false)
		bob := n.enter("bob")
		bob.negotiate(nil, 1, false)
		bob.hear("ann")
		calls := func(most int, width, height int) {
			t.Helper()
			before := n.wire.Flushes()
			if err := bob.SetSizes([]session.SeatSize{{Seat: "seat0", Width: width, Height: height}}); err != nil {
				t.Fatal(err)
			}
			if got := n.wire.Flushes() - before; got != most {
				t.Errorf("%d x %d: %d calls, want %d", width, height, got, most)
			}
		}
		calls(1, 320, 180)
		calls(0, 320, 180)
		calls(0, 180, 320)
		calls(1, session.MaxSide, session.MaxSide)
	})
}

func TestSetSizesRefuses(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		annPeer := ann.negotiate(map[string]terms.Source{"cam": terms.Camera}, 0, false)
		bobPeer := bob.negotiate(nil, 2, false)
		bob.hear("ann")
		hidden := session.SeatSize{Seat: "seat0"}
		for name, tt := range map[string]struct {
			sizes []session.SeatSize
			field string
		}{
			"no such seat": {[]session.SeatSize{hidden, {Seat: "x"}}, "seats"},
			"too wide":     {[]session.SeatSize{hidden, {"seat1", session.MaxSide + 1, 1}}, "width"},
			"negative":     {[]session.SeatSize{hidden, {"seat1", 1, -1}}, "height"},
			"too many":     {[]session.SeatSize{hidden, hidden, hidden}, "seats"},
		} {
			if err := bob.SetSizes(tt.sizes); code(err) != terms.CodeBadRequest || terms.AsError(err).Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
			if !flows(annPeer, "cam", bobPeer, "v0") {
				t.Errorf("%s: what was refused took effect", name)
			}
		}
		q := session.SeatRequest{Seat: "seat0", User: "ann", Video: terms.Camera, Size: &session.Size{Width: 1 << 40, Height: 1 << 40}}
		if err := bob.SetSeat(q); code(err) != terms.CodeBadRequest || terms.AsError(err).Field != "width" {
			t.Errorf("a seat of that size: %v", err)
		}
		q.User = "" // nobody is seated there
		if err := bob.SetSeat(q); code(err) != terms.CodeBadRequest || terms.AsError(err).Field != "width" {
			t.Errorf("a seat of that size: %v", err)
		}
		if err := ann.SetSizes([]session.SeatSize{hidden}); code(err) != terms.CodeBadRequest {
			t.Errorf("without seats: %v", err)
		}
		if err := bob.SetSizes(nil); err != nil {
			t.Errorf("nothing: %v", err)
		}
	})
}
