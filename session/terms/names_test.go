package terms

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseRoomID(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, tt := range []struct {
		in  any
		key string // "": refused
	}{
		{"lobby", "s:lobby"}, {"123", "s:123"}, {long, "s:" + long}, {"a b", "s:a b"}, {roomSigns, "s:" + roomSigns},
		{1, "n:1"}, {int64(4294967294), "n:4294967294"}, {123.0, "n:123"}, {json.Number("7"), "n:7"}, {uint32(8), "n:8"},
		{"", ""}, {long + "x", ""}, {"a/b", ""}, {"a\x00", ""}, {"é", ""}, {"a'b", ""}, {"a\"", ""}, {"a*", ""}, {"a\\", ""}, {"`", ""}, {"a\tb", ""},
		{0, ""}, {-1, ""}, {int64(4294967295), ""}, {1.5, ""}, {math.NaN(), ""}, {math.Inf(1), ""}, {1e300, ""},
		{json.Number("1.0"), ""}, {json.Number("1e2"), ""}, {json.Number("99999999999999999999"), ""}, {nil, ""}, {true, ""}, {RoomID{}, ""},
	} {
		id, err := ParseRoomID(tt.in)
		if id.Key() != tt.key || (err == nil) != (tt.key != "") {
			t.Errorf("%v: %q, %v", tt.in, id.Key(), err)
		}
		if err != nil && (!errors.Is(err, CodeBadRequest) || AsError(err).Field != "room") {
			t.Errorf("%v: %v", tt.in, err)
		}
	}
}

func FuzzRoomID(f *testing.F) {
	for _, s := range []string{`"lobby"`, `123`, `"123"`, `4294967294`, `4294967295`, `null`, `1e2`, `-0`, `00`, `"<&>"`, `"\u0041"`, `{}`, `"a/b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var id RoomID
		if json.Unmarshal([]byte(text), &id) != nil || id.IsZero() {
			return
		}
		b, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		var back RoomID
		if err := json.Unmarshal(b, &back); err != nil || back != id {
			t.Fatalf("%s reads back as %v, %v", b, back, err)
		}
		if back, err = ParseRoomKey(id.Key()); err != nil || back != id {
			t.Fatalf("key %q reads back as %v, %v", id.Key(), back, err)
		}
		if n, ok := id.Number(); ok && (n < 1 || n > MaxRoomNumber) || !ok && len(id.String()) > MaxRoomName {
			t.Fatalf("%q is out of bounds", id.Key())
		}
	})
}

func TestCheckUser(t *testing.T) {
	for user, ok := range map[string]bool{
		"ann": true, "a_b.c@d-9": true, strings.Repeat("u", 64): true,
		"": false, strings.Repeat("u", 65): false, "a b": false, "a/b": false, "ä": false, "a\n": false,
	} {
		if err := CheckUser(user); (err == nil) != ok {
			t.Errorf("%q: %v", user, err)
		}
	}
}

// TestEventJSON holds events to docs/protocol.md.
func TestEventJSON(t *testing.T) {
	ann := UserState{User: "ann", Role: Anchor, Streams: []StreamState{{Source: Camera, On: true}, {Source: ScreenAudio}}}
	quiet := UserState{User: "ann", Role: Anchor, Streams: []StreamState{}}
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{Event{Type: EventUserEntered, Seq: 1, User: ann}, `{"type":"user_entered","seq":1,"user":{"user":"ann","role":"anchor","streams":[{"source":"camera","on":true},{"source":"screen-audio","on":false}]}}`},
		{Event{Type: EventUserLeft, Seq: 2, User: UserState{User: "ann"}}, `{"type":"user_left","seq":2,"user":"ann","reason":0}`},
		{Event{Type: EventUserLeft, Seq: 2, User: UserState{User: "ann"}, Left: LeftBecameAudience}, `{"type":"user_left","seq":2,"user":"ann","reason":3}`},
		{Event{Type: EventStreams, Seq: 3, User: quiet}, `{"type":"streams","seq":3,"user":"ann","streams":[]}`},
		{Event{Type: EventRole, Seq: 4, Role: Audience}, `{"type":"role","seq":4,"role":"audience"}`},
		{Event{Type: EventStreams, Seq: 3, User: UserState{User: "ann", Streams: []StreamState{{Source: Mic, Blocked: true}}}},
			`{"type":"streams","seq":3,"user":"ann","streams":[{"source":"mic","on":false,"blocked":true}]}`},
		{Event{Type: EventBlocked, Seq: 4, Block: BlockVideo}, `{"type":"blocked","seq":4,"block":"video"}`},
		{Event{Type: EventTokenExpiring, Seq: 4, Remaining: 1500 * time.Millisecond}, `{"type":"token_expiring","seq":4,"inMs":1500}`},
		{Event{Type: EventTokenExpiring, Seq: 4}, `{"type":"token_expiring","seq":4,"inMs":0}`},
		{Event{Type: EventExited, Seq: 5, Exited: ExitedRemoved, Text: "spam"}, `{"type":"exited","seq":5,"reason":1,"text":"spam"}`},
		{Event{Type: EventExited, Seq: 6}, `{"type":"exited","seq":6,"reason":0}`},
	} {
		got, err := json.Marshal(tt.e)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s, %v\nnot %s", got, err, tt.want)
		}
	}
	seven, err := NumberRoom(7)
	if err != nil {
		t.Fatal(err)
	}
	e := Entered{Session: "s", Key: "k", User: "ann", Room: seven, Role: Anchor, Scene: Call, Users: []UserState{}, Node: "n", Candidates: []string{"c"}, Block: BlockNone}
	want := `{"session":"s","key":"k","user":"ann","room":7,"role":"anchor","scene":"call","rights":[],"users":[],"node":"n","timers":{"lostMs":0,"reconnectMs":0,"timeoutMs":0,"pingMs":0},"candidates":["c"],"block":"none"}`
	if got, err := json.Marshal(e); err != nil || string(got) != want {
		t.Errorf("%s, %v\nnot %s", got, err, want)
	}
}

func TestSourcesAndQualitiesReadBack(t *testing.T) {
	for s := NoSource; s <= ScreenAudio; s++ {
		if got, err := ParseSource(s.String()); got != s || err != nil {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	for q := High; q <= Low; q++ {
		b, _ := q.MarshalText()
		if got, err := ParseQuality(string(b)); got != q || err != nil {
			t.Errorf("%v: %v, %v", q, got, err)
		}
	}
	if _, err := ParseSource("tv"); err == nil {
		t.Error("there is a source tv")
	}
	if _, err := ParseQuality("best"); err == nil {
		t.Error("there is a quality best")
	}
}

// TestSharedEventIsEncodedOnce: the encodings of an event that many are told differ in the event's number
// only.
func TestSharedEventIsEncodedOnce(t *testing.T) {
	e := Event{Type: EventStreams, User: UserState{User: "ann", Streams: []StreamState{{Source: Mic, On: true}}}}.Shared()
	want, err := json.Marshal(Event{Type: e.Type, User: e.User, Seq: 7})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 0, 256)
	e.Seq = 1
	if _, err := e.AppendJSON(b); err != nil {
		t.Fatal(err)
	}
	e.Seq = 7
	if b, err = e.AppendJSON(b); err != nil || string(b) != string(want) {
		t.Errorf("%s, %v, not %s", b, err, want)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = e.AppendJSON(b[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFeedNames: every type and reason of the feed has a name of its own.
func TestFeedNames(t *testing.T) {
	source, err := os.ReadFile("feed.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range FeedTypes() {
		names[e.Name()] = true
	}
	for _, r := range FeedReasons() {
		names[r.Name()] = true
	}
	constants := regexp.MustCompile(`(?m)^\tFeed\w+ +Feed(Type|Reason) += \d+`).FindAll(source, -1)
	if len(constants) != len(names) {
		t.Errorf("%d types and reasons, %d names", len(constants), len(names))
	}
	if FeedType(999).Name() != "999" || FeedReason(99).Name() != "99" {
		t.Error("what is not known is a number")
	}
}
