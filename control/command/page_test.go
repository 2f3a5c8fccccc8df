package command

import (
	"strings"
	"testing"
)

func TestShorterPages(t *testing.T) {
	for name, c := range map[string]struct {
		action      Action
		request     string
		bytes, most int
		want        string // "": it cannot be shorter
	}{
		"it fits":                     {ListRooms, `{"Limit":100}`, 10, 10, ""},
		"by share, less a tenth":      {ListRooms, `{"Limit":1000}`, 100, 40, `{"Limit":360}`},
		"at most half":                {ListRooms, `{"Limit":100}`, 100, 99, `{"Limit":50}`},
		"the default":                 {ListRooms, ``, 100, 99, `{"Limit":50}`},
		"all else stays":              {DescribeRoom, `{"StrRoomId":"lobby","After":"x"}`, 100, 99, `{"After":"x","Limit":50,"StrRoomId":"lobby"}`},
		"one is the least":            {ListRooms, `{"Limit":3}`, 1000, 1, `{"Limit":1}`},
		"one entry is too large":      {ListRooms, `{"Limit":1}`, 1000, 1, ""},
		"a command without pages":     {DescribeNode, `{}`, 1000, 1, ""},
		"no command":                  {"Nothing", `{}`, 1000, 1, ""},
		"what nobody could have read": {ListRooms, `{"Limit":"x"}`, 1000, 1, ""},
	} {
		got, ok := Shorten(c.action, []byte(c.request), c.bytes, c.most)
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: %s, %v", name, got, ok)
		}
	}
}

// TestPagesOfUnequalLength: a page of a node may be shorter than asked for. Then the node has entries after
// it that nobody has told yet.
func TestPagesOfUnequalLength(t *testing.T) {
	for name, c := range map[string]struct {
		all, next string
		nexts     []string
		limit     int
	}{
		"one ends early":    {"ab", "b", []string{"b", ""}, 10},
		"both do":           {"a", "a", []string{"b", "a"}, 10},
		"neither":           {"abxy", "", []string{"", ""}, 10},
		"full pages":        {"ab", "b", []string{"x", "y"}, 2},
		"the limit decides": {"a", "a", []string{"b", ""}, 1},
	} {
		page, next := mergePage(strings.Split("axby", ""), c.nexts, c.limit, func(s string) string { return s })
		if strings.Join(page, "") != c.all || next != c.next {
			t.Errorf("%s: %q, next %q", name, page, next)
		}
	}
}
