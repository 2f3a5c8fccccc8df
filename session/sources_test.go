package session

import (
	"encoding/json"
	"strings"
	"testing"

	"parlor/router"
)

func TestSourcesAreTheRouters(t *testing.T) {
	for s := Camera; s <= ScreenAudio; s++ {
		if r := routerSource(s); r.String() != s.String() || r.Kind() != kindOf(s) {
			t.Errorf("%v is %v to the router", s, r)
		}
		if back := sourceOf(routerSource(s)); back != s {
			t.Errorf("%v comes back as %v", s, back)
		}
	}
	for q, want := range map[Quality]router.Quality{High: router.High, Mid: router.Mid, Low: router.Low} {
		if r := routerQuality(q); r != want {
			t.Errorf("%d is %v to the router", q, r)
		}
	}
}

// TestSharedEventIsNotChanged: what was encoded for others is not taken for what becomes of the event.
func TestSharedEventIsNotChanged(t *testing.T) {
	ann := UserState{User: "ann", Streams: []StreamState{{Source: Mic, On: true}}}
	e := Event{Type: EventStreams, Seq: 7, User: ann}.Shared()
	if _, err := json.Marshal(e); err != nil {
		t.Fatal(err)
	}
	net := coalesce([]Event{{Type: EventUserEntered, User: ann}, e})
	if got, err := json.Marshal(net[0]); err != nil || net[0].Type != EventUserEntered || !strings.HasPrefix(string(got), `{"type":"user_entered","seq":7,"user":{`) {
		t.Errorf("%s, %v", got, err)
	}
}
