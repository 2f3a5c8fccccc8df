package session

import (
	"encoding/json"
	"strings"
	"testing"

	"parlor/router"
	"parlor/session/terms"
)

func TestSourcesAreTheRouters(t *testing.T) {
	for s := terms.Camera; s <= terms.ScreenAudio; s++ {
		if r := routerSource(s); r.String() != s.String() || r.Kind() != kindOf(s) {
			t.Errorf("%v is %v to the router", s, r)
		}
		if back := sourceOf(routerSource(s)); back != s {
			t.Errorf("%v comes back as %v", s, back)
		}
	}
	for q, want := range map[terms.Quality]router.Quality{terms.High: router.High, terms.Mid: router.Mid, terms.Low: router.Low} {
		if r := routerQuality(q); r != want {
			t.Errorf("%d is %v to the router", q, r)
		}
	}
}

// TestSharedEventIsNotChanged: an event is encoded for others and then changes. The encoding is not taken for
// that of the changed event.
func TestSharedEventIsNotChanged(t *testing.T) {
	ann := terms.UserState{User: "ann", Streams: []terms.StreamState{{Source: terms.Mic, On: true}}}
	e := terms.Event{Type: terms.EventStreams, Seq: 7, User: ann}.Shared()
	if _, err := json.Marshal(e); err != nil {
		t.Fatal(err)
	}
	net := coalesce([]terms.Event{{Type: terms.EventUserEntered, User: ann}, e})
	if got, err := json.Marshal(net[0]); err != nil || net[0].Type != terms.EventUserEntered || !strings.HasPrefix(string(got), `{"type":"user_entered","seq":7,"user":{`) {
		t.Errorf("%s, %v", got, err)
	}
}
