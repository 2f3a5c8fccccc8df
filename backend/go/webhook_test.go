package backend

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzVerifyWebhook: whatever comes, it is no event unless the key has signed it.
func FuzzVerifyWebhook(f *testing.F) {
	key, now := []byte(strings.Repeat("k", 32)), time.Unix(1767225600, 0)
	f.Add("t=1767225600,v1=00", `{"id":"a.1","type":103,"room":"lobby"}`)
	f.Add("t=1767225600, v1="+strings.Repeat("0", 64)+",v1=x,t=,=", `{"room":123}`)
	f.Add(",,==", "")
	f.Fuzz(func(t *testing.T, header, body string) {
		if e, err := VerifyWebhook(header, []byte(body), now, key); err == nil {
			t.Fatalf("%+v is taken, and nobody has signed it", e)
		}
		var room RoomRef
		if json.Unmarshal([]byte(body), &room) == nil {
			text, err := json.Marshal(room)
			var same RoomRef
			if err != nil || json.Unmarshal(text, &same) != nil || same != room {
				t.Fatalf("%+v is written %s, and read as %+v", room, text, same)
			}
		}
		if _, err := ParseKey(header); err != nil && len(header) > 8 && strings.Contains(err.Error(), header) {
			t.Fatalf("the error tells the key: %v", err)
		}
	})
}
