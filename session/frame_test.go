package session

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"parlor/session/terms"
)

// FuzzMessageFrame: a client's bytes on a data channel become a message that another client can read, or an
// error.
func FuzzMessageFrame(f *testing.F) {
	for _, seed := range [][]byte{nil, {0}, {1}, {10, 0, 255}, {11}, {255}, append([]byte{1}, make([]byte, terms.MaxMessage)...),
		append([]byte{1}, make([]byte, terms.MaxMessage+1)...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cmdID, data, err := parseFrame(b)
		m := terms.Message{CmdID: cmdID, Data: data}
		if err == nil {
			err = m.Check()
		}
		if valid := len(b) >= 1 && b[0] >= 1 && b[0] <= terms.MaxCmdID && len(b) <= terms.MaxMessage+1; valid != (err == nil) {
			t.Fatalf("%d bytes, %.1q: %v", len(b), b, err)
		}
		if err != nil {
			return
		}
		p := newPost("ann", m)
		if want := append([]byte{b[0], 3, 'a', 'n', 'n'}, b[1:]...); !bytes.Equal(p.frame, want) {
			t.Fatalf("%q, not %q", p.frame, want)
		}
		raw, err := json.Marshal(p.event)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Type, User string
			CmdID      int
			Data       *[]byte
		}
		if err := json.Unmarshal(raw, &e); err != nil || e.Type != "message" || e.User != "ann" || e.CmdID != cmdID ||
			e.Data == nil || !bytes.Equal(*e.Data, b[1:]) {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}

// TestRoomDeliveriesAreBounded: a room of many that all send costs no more than it may.
func TestRoomDeliveriesAreBounded(t *testing.T) {
	rm, now := &room{}, time.Unix(1, 0)
	if !rm.spendLocked(now, 10*maxDeliveries) {
		t.Error("the first message to a large audience is refused")
	}
	if rm.spendLocked(now, 1) {
		t.Error("more is let through")
	}
	if !rm.spendLocked(now.Add(time.Second/2), maxDeliveries/2) {
		t.Error("half a second later half of it is not there")
	}
}
