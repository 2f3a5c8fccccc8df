package feed

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"parlor/session/terms"
)

// told reads "i.1 101 lobby|i.2 103 lobby ann".
func told(t *testing.T, text string) []terms.FeedEvent {
	t.Helper()
	var l []terms.FeedEvent
	for one := range strings.SplitSeq(text, "|") {
		var e terms.FeedEvent
		var room string
		if n, _ := fmt.Sscan(one, &e.ID, &e.Type, &room, &e.User); n < 3 {
			t.Fatalf("%q", one)
		}
		var err error
		if e.Room, err = terms.StringRoom(room); err != nil {
			t.Fatal(err)
		}
		l = append(l, e)
	}
	return l
}

func TestRemains(t *testing.T) {
	for name, tt := range map[string]struct{ events, want string }{
		"nobody is in":          {"i.1 101 lobby|i.2 103 lobby ann|i.3 104 lobby ann|i.4 102 lobby", ""},
		"two are in":            {"i.1 101 lobby|i.2 103 lobby ann|i.3 103 lobby bob|i.4 201 lobby ann", "i.5 104 lobby ann|i.6 104 lobby bob|i.7 102 lobby "},
		"one has left":          {"i.1 101 lobby|i.2 103 lobby ann|i.3 103 lobby bob|i.4 104 lobby ann", "i.5 104 lobby bob|i.6 102 lobby "},
		"in the order of entry": {"i.1 101 lobby|i.2 103 lobby ann|i.3 103 lobby bob|i.4 104 lobby ann|i.5 103 lobby ann", "i.6 104 lobby bob|i.7 104 lobby ann|i.8 102 lobby "},
		"without anybody":       {"i.1 101 lobby|i.2 103 lobby ann|i.3 104 lobby ann", "i.4 102 lobby "},
		"while it is dismissed": {"i.1 101 lobby|i.2 103 lobby ann|i.3 103 lobby bob|i.4 102 lobby|i.5 104 lobby bob", "i.6 104 lobby ann"},
		"replaced":              {"i.1 101 lobby|i.2 103 lobby ann|i.3 104 lobby ann|i.4 103 lobby ann", "i.5 104 lobby ann|i.6 102 lobby "},
		"one room after another": {"i.1 101 lobby|i.2 103 lobby ann|i.3 102 lobby|j.1 101 lobby|j.2 103 lobby ann",
			"i.4 104 lobby ann|j.3 104 lobby ann|j.4 102 lobby "},
		"two rooms":                  {"i.1 101 lobby|j.1 101 hall|j.2 103 hall bob|i.2 103 lobby ann", "i.3 104 lobby ann|i.4 102 lobby |j.3 104 hall bob|j.4 102 hall "},
		"repeats":                    {"i.1 101 lobby|i.2 103 lobby ann|i.2 103 lobby ann|i.3 104 lobby ann|i.2 103 lobby ann|i.3 104 lobby ann|i.4 102 lobby|i.4 102 lobby", ""},
		"the beginning is lost":      {"i.7 103 lobby ann|i.8 104 lobby bob", "i.9 104 lobby ann|i.10 102 lobby "},
		"only the end is there":      {"i.8 104 lobby bob|i.9 102 lobby|j.8 102 lobby|j.9 104 lobby ann", ""},
		"what is no event of a node": {"i 103 lobby ann|i.x 103 lobby ann|i.-1 103 lobby ann|i.0 103 lobby ann|i.1.2 103 lobby ann", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var r remains
			for _, e := range told(t, tt.events) {
				r.apply(e)
			}
			var got []string
			for _, e := range r.ends("dead", "b", time.UnixMilli(5)) {
				if e.Node != "dead" || e.By != "b" || e.Reason != terms.FeedTimeout || e.TimeMS != 5 {
					t.Errorf("%+v", e)
				}
				got = append(got, fmt.Sprintf("%s %d %s %s", e.ID, e.Type, e.Room, e.User))
				r.apply(e)
			}
			if len(r.open) != 0 {
				t.Errorf("%d rooms are still open", len(r.open))
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("%q, not %q", s, tt.want)
			}
		})
	}
}

// TestRemainsAreWhatIsOpen: rooms that have ended take no memory, however many there were.
func TestRemainsAreWhatIsOpen(t *testing.T) {
	var r remains
	for i := range 10_000 {
		for _, e := range told(t, strings.ReplaceAll("i.1 101 lobby|i.2 103 lobby ann|i.3 104 lobby ann|i.4 102 lobby", "i.", fmt.Sprint(i, "."))) {
			r.apply(e)
		}
	}
	if len(r.open) != 0 || len(r.order) > 100 {
		t.Errorf("%d open, %d in order", len(r.open), len(r.order))
	}
}

// FuzzRemains: the events that are told of a stream leave nothing open, whatever stands in it.
func FuzzRemains(f *testing.F) {
	f.Add([]byte(`{"id":"i.1","type":101,"room":"lobby"}{"id":"i.2","type":103,"room":"lobby","user":"ann"}`))
	f.Add([]byte(`{"id":"i.9223372036854775807","type":103,"room":5,"user":"ann"}{"id":".1","type":102}`))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var r remains
		d := json.NewDecoder(strings.NewReader(string(stream)))
		for {
			var e terms.FeedEvent
			if d.Decode(&e) != nil {
				break
			}
			r.apply(e)
		}
		for _, e := range r.ends("dead", "b", time.UnixMilli(5)) {
			r.apply(e)
		}
		if len(r.open) != 0 {
			t.Errorf("%d rooms are still open", len(r.open))
		}
	})
}

func TestCompare(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	keys := func(revisions ...uint64) map[string]sighting {
		m := map[string]sighting{}
		for i, r := range revisions {
			if r > 0 {
				m[string(rune('a'+i))] = sighting{record: feedRecord{Node: string(rune('a' + i))}, revision: r}
			}
		}
		return m
	}
	s := sightings{}
	for _, step := range []struct {
		at   int
		all  map[string]sighting
		want string
	}{
		{0, keys(1, 2), ""},
		{30, keys(1, 3), ""},
		{59, keys(1, 3), ""},
		{60, keys(1, 3), "a"},
		{61, keys(1, 3), ""}, // it had its turn
		{90, keys(0, 3), "b"},
		{91, keys(1, 4), ""}, // both are back
		{150, keys(1, 4), ""},
		{151, keys(1, 4), "ab"},
	} {
		var got string
		for _, one := range s.compare(step.all, at(step.at), time.Minute) {
			got += one.record.Node
			if one.revision != step.all[one.record.Node].revision {
				t.Errorf("%+v", one)
			}
		}
		if got != step.want && !(len(got) == 2 && len(step.want) == 2) {
			t.Errorf("at %d s: %q, not %q", step.at, got, step.want)
		}
	}
}
