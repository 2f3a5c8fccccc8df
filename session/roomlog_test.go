package session

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"parlor/session/terms"
)

// TestRoutersNameTheirRoom: each line that a room's router logs, as of overload, names the room.
func TestRoutersNameTheirRoom(t *testing.T) {
	var b bytes.Buffer
	rooms := New(Options{Log: zerolog.New(&b)}, nil, nil)
	id, err := terms.StringRoom("lobby")
	if err != nil {
		t.Fatal(err)
	}
	o := newRoom(rooms, id).routerOptions()
	if o.Log.Info().Msg("x"); !strings.Contains(b.String(), `"room":"s:lobby"`) {
		t.Errorf("logged %s", b.String())
	}
}
