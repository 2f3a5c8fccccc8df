package session

import (
	"context"
	"testing"
	"time"

	"parlor/session/terms"
)

// TestNobodyListensAfterTheLastHasLeft: the router does not work on for listeners that have all left.
func TestNobodyListensAfterTheLastHasLeft(t *testing.T) {
	r := New(Options{}, nil, nil)
	enter := func(user string) *Session {
		room, err := terms.StringRoom("lobby")
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := r.Enter(context.Background(), EnterRequest{Room: room, User: user, Grant: terms.Grant{Rights: terms.MemberRights()}, Signal: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ann, bob := enter("ann"), enter("bob")
	listening := observer{ann.p.room}.Listening
	for _, s := range []*Session{ann, bob, bob} { // bob asks twice, for another interval
		if err := s.SetVolumeInterval(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range []*Session{ann, bob} {
		if !listening() {
			t.Fatalf("nobody listens after %d have left", i)
		}
		s.Detached()
		if err := s.Exit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if listening() {
		t.Error("somebody listens who has left")
	}
}
