package signal

import (
	"encoding/json"
	"errors"
	"testing"

	"parlor/session"
)

// FuzzDecode reads any text as every message there is: it either fits or is a bad_request that can be sent back.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"enter","id":1,"room":"lobby","user":"ann","token":"x","role":"anchor","scene":"call"}`,
		`{"type":"enter","id":1,"room":4294967294,"user":"ann"}`,
		`{"type":"resume","id":2,"session":"s","key":"k","lastSeq":18446744073709551615}`,
		`{"type":"offer","id":3,"sdp":"v=0","publish":{"0":"camera"},"seats":[{"id":"a","video":"1","audio":null}],"fresh":true}`,
		`{"type":"seat","id":4,"seat":"a","user":null,"video":"screen","audio":"screen-audio","quality":"mid"}`,
		`{"type":"publish","id":5,"source":"mic","on":false}`,
		`{"type":"ping","id":-9223372036854775808,"ack":7}`,
		`{"id":1e5}`, `{"room":1.0}`, `{"room":null}`, `{}`, ` [`, `nul`, "{\"type\":\"\\ud800\"}", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, into := range []any{
			&envelope{}, &enterRequest{}, &resumeRequest{}, &offerRequest{}, &seatRequest{}, &publishRequest{}, &roleRequest{},
			&pingRequest{}, &exitBeacon{},
		} {
			err := decode(raw, into)
			if err == nil {
				if raw[0] != '{' && raw[0] > ' ' {
					t.Fatalf("%q was taken for an object", raw)
				}
				continue
			}
			if !errors.Is(err, session.CodeBadRequest) {
				t.Fatalf("%q as %T: %v", raw, into, err)
			}
			e := session.AsError(err)
			if _, err := json.Marshal(errorAnswer{answer{"error", nil}, e.Code, e.Field, e.Text}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
