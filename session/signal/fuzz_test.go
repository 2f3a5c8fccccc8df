package signal

import (
	"encoding/json"
	"errors"
	"testing"

	"parlor/session/terms"
)

// FuzzPing: the long way reads alike all that the short way takes.
func FuzzPing(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ping","id":1,"ack":7}`, `{"ack":0,"id":18,"type":"ping"}`, `{"type":"ping","id":5}`, `{"type":"ping"}`, `{"type":"ping","id":01}`,
		`{"type":"ping","id":1,"id":2}`, `{"type":"ping","id":-1}`, `{"type":"ping","id":1}x`, `{"type":"ping","id":1,}`, `{"type":"pong","id":1}`,
		`{"type":"ping","id":999999999999999999,"ack":999999999999999999}`, `{"type":"ping","id":18446744073709551616}`, `{}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, ack, ok := parsePing(raw)
		if !ok {
			return
		}
		var e envelope
		var q pingRequest
		if err := errors.Join(decode(raw, &e), decode(raw, &q)); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if e.Type != "ping" || e.ID == nil || *e.ID != id || q.Ack != ack {
			t.Fatalf("%q: %d %d, not %+v %+v", raw, id, ack, e, q)
		}
		var a answer
		if err := decode(appendPong(nil, id), &a); err != nil || a.Type != "pong" || a.Re == nil || *a.Re != id {
			t.Fatalf("%s: %v", appendPong(nil, id), err)
		}
	})
}

func TestPingsTakeTheShortWay(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"type":"ping","id":12,"ack":345}`: true, `{"type":"ping","id":0}`: true, `{"type":"ping", "id":0}`: false, `{"type":"ping"}`: false,
		`{"id":1}`: false, `{"type":"ping","id":1,"ack":-1}`: false, `{"type":"ping","id":1,"x":1}`: false,
	} {
		if _, _, ok := parsePing([]byte(raw)); ok != want {
			t.Errorf("%s: %t", raw, ok)
		}
	}
	if n := testing.AllocsPerRun(100, func() { parsePing([]byte(`{"type":"ping","id":12,"ack":345}`)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode reads any text as every message there is. The text either fits or is a bad_request that can be
// sent back.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"enter","id":1,"room":"lobby","user":"ann","token":"x","role":"anchor","scene":"call","downlinkKbps":400}`,
		`{"type":"enter","id":1,"room":4294967294,"user":"ann"}`,
		`{"type":"resume","id":2,"session":"s","key":"k","lastSeq":18446744073709551615}`,
		`{"type":"offer","id":3,"sdp":"v=0","publish":{"0":"camera"},"seats":[{"id":"a","video":"1","audio":null}],"fresh":true}`,
		`{"type":"seat","id":4,"seat":"a","user":null,"video":"screen","audio":"screen-audio","quality":"mid","width":209,"height":156}`,
		`{"type":"sizes","id":4,"seats":[{"seat":"a","width":1280,"height":720},{"seat":"b","width":0,"height":0},{"seat":"c","width":-1,"height":1e9}]}`,
		`{"type":"publish","id":5,"source":"mic","on":false}`,
		`{"type":"profile","id":6,"name":"Bob M\u00fcller","metadata":"{}"}`, `{"type":"profile","name":null,"metadata":7}`,
		`{"type":"token","id":6,"token":"a.b.c"}`,
		`{"type":"volume","id":6,"intervalMs":300}`,
		`{"type":"statistics","id":6,"on":false}`,
		`{"type":"ping","id":-9223372036854775808,"ack":7}`,
		`{"id":1e5}`, `{"room":1.0}`, `{"room":null}`, `{}`, ` [`, `nul`, "{\"type\":\"\\ud800\"}", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, into := range []any{
			&envelope{}, &opening{}, &offerRequest{}, &seatRequest{}, &sizesRequest{}, &publishRequest{}, &roleRequest{}, &volumeRequest{}, &statisticsRequest{}, &tokenRequest{}, &profileRequest{},
			&pingRequest{}, &exitBeacon{},
		} {
			err := decode(raw, into)
			if err == nil {
				if raw[0] != '{' && raw[0] > ' ' {
					t.Fatalf("%q was taken for an object", raw)
				}
				continue
			}
			if !errors.Is(err, terms.CodeBadRequest) {
				t.Fatalf("%q as %T: %v", raw, into, err)
			}
			e := terms.AsError(err)
			if _, err := json.Marshal(errorAnswer{answer{"error", nil}, e.Code, e.Field, e.Text, 0}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
