package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parlor/control/command"
	"parlor/session/terms"
)

// fleet is some nodes, as one of them sees the others.
type fleet struct {
	mu      sync.Mutex
	self    string
	nodes   map[string]*command.Commands
	holders map[string]string // by the room's key
	hung    map[string]bool   // nodes that do not answer
	wander  func() string     // says where any room is, if it is not nil
	moved   map[string]string // by the room's key: where it is after it was first asked for
	owed    []string          // what is kept for nodes that are away
	full    bool              // nothing more is kept
	asked   string            // the id of what was last asked of another node
	until   time.Time         // people may come to rooms that were moved until then
}

func (f *fleet) Arriving(context.Context, terms.RoomID) time.Duration {
	return max(0, time.Until(f.until))
}

func (f *fleet) Owe(_ context.Context, node string, o command.Owed) (time.Duration, error) {
	if f.full {
		return 0, errors.New("nothing is kept")
	}
	line := fmt.Sprint(node, " ", o.Room.Key(), " ", o.Action, " ", string(o.Request))
	if o.Ban.For != 0 {
		line += fmt.Sprint(" ban ", o.Ban.Users, " ", o.Ban.For, " ", o.Ban.Text)
	}
	if o.ID == "" || o.ID != f.asked {
		line += ", which the node cannot tell from what it was asked"
	}
	f.owed = append(f.owed, line)
	return 3 * time.Minute, nil
}

func (f *fleet) Holder(_ context.Context, room terms.RoomID) (string, error) {
	if f.wander != nil {
		return f.wander(), nil
	}
	at := f.holders[room.Key()]
	if next, ok := f.moved[room.Key()]; ok {
		f.holders[room.Key()] = next
	}
	return at, nil
}

func (f *fleet) Nodes(context.Context) ([]string, error) {
	var l []string
	for n := range f.nodes {
		if n != f.self {
			l = append(l, n)
		}
	}
	return l, nil
}

func (f *fleet) Ask(ctx context.Context, node string, a command.Action, request []byte) (json.RawMessage, error) {
	f.mu.Lock()
	f.asked = command.IDOf(ctx)
	f.mu.Unlock()
	switch c := f.nodes[node]; {
	case c == nil:
		return nil, command.ErrNoNode
	case f.hung[node]:
		return nil, errors.New("no answer")
	default:
		answer, err := c.DoHere(ctx, a, request)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	}
}

// cluster is nodes with the named rooms, each with ann in it, and the commands of n1.
func cluster(t *testing.T, rooms map[string][]string) (*command.Commands, *fleet) {
	t.Helper()
	f := &fleet{self: "n1", nodes: map[string]*command.Commands{}, holders: map[string]string{}, hung: map[string]bool{}}
	var own *command.Commands
	for node, names := range rooms {
		o := command.Options{Rooms: roomsOf(t, node, names...), Node: &fakeNode{id: node}, Elsewhere: f}
		f.nodes[node] = command.New(o)
		for _, n := range names {
			f.holders["s:"+n] = node
		}
		if node == f.self {
			own = f.nodes[node]
		}
	}
	return own, f
}

// text carries out a command and returns the answer as JSON, or the error.
func text(t *testing.T, c *command.Commands, a command.Action, request string) string {
	t.Helper()
	answer, err := c.Do(t.Context(), a, []byte(request))
	if err != nil {
		return err.Error()
	}
	b, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestACommandReachesTheRoomWhereverItIs(t *testing.T) {
	c, f := cluster(t, map[string][]string{"n1": {"a"}, "n2": {"b"}, "n3": {"c"}})
	f.holders["s:silent"] = "n9"                       // a node that cannot be reached, and has its lease yet
	f.holders["s:gone"], f.holders["s:c"] = "n9", "n2" // as it was a moment ago
	f.moved = map[string]string{"s:gone": "", "s:c": "n3"}
	f.holders["s:stale"] = "n2"   // which has it no longer
	f.holders["s:unknown"] = "n1" // placed here, but nobody is in yet
	for _, tt := range []struct {
		action        command.Action
		request, want string
	}{
		{command.RemoveUser, `{"StrRoomId":"a","UserIds":["ann"]}`, `{"Users":[{"UserId":"ann","Result":"removed"}]}`},
		{command.RemoveUser, `{"StrRoomId":"b","UserIds":["ann"]}`, `{"Users":[{"UserId":"ann","Result":"removed"}]}`},
		{command.DismissRoomByStrRoomID, `{"RoomId":"c"}`, `{"Users":1}`},
		{command.DismissRoom, `{"StrRoomId":"c"}`, `room_not_found: StrRoomId: there is no such room`},
		{command.DismissRoom, `{"StrRoomId":"nowhere"}`, `room_not_found: StrRoomId: there is no such room`},
		{command.DismissRoom, `{"StrRoomId":"gone"}`, `room_not_found: StrRoomId: there is no such room`},
		{command.DismissRoom, `{"StrRoomId":"silent"}`, `internal: node n9 does not answer (there is no such node); it carries the command out if it is back within 3m0s`},
		{command.DismissRoom, `{"StrRoomId":"stale"}`, `room_not_found: StrRoomId: there is no such room`},
		{command.DismissRoom, `{"StrRoomId":"unknown"}`, `room_not_found: StrRoomId: there is no such room`},
		{command.DrainNode, `{}`, `bad_request: NodeId: which node? There are 2 others beside n1`},
		{command.DrainNode, `{"NodeId":"n9"}`, `bad_request: NodeId: there is no node "n9"`},
		{command.DrainNode, `{"NodeId":"n2","DeadlineSeconds":60}`, `{"Node":"n2","Draining":true,"DrainEndsMs":0,"Rooms":0,"Participants":0}`},
		{command.DescribeUser, `{"UserId":"zoe"}`, `user_not_found: UserId: there is no such user`},
	} {
		if got := text(t, c, tt.action, tt.request); got != tt.want {
			t.Errorf("%s %s: %s, not %s", tt.action, tt.request, got, tt.want)
		}
	}
}

func TestDescribeNodeShowsAll(t *testing.T) {
	c, f := cluster(t, map[string][]string{"n1": nil, "n2": nil, "n3": nil})
	f.hung["n3"] = true
	answer, err := c.Do(t.Context(), command.DescribeNode, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := answer.(command.DescribeNodeResponse)
	if len(a.Nodes) != 2 || a.Nodes[0].Node != "n1" || a.Nodes[1].Node != "n2" || !slices.Equal(a.Missing, []string{"n3"}) {
		t.Errorf("%+v", a)
	}
	if got := text(t, c, command.DescribeNode, `{"NodeId":"n2"}`); !strings.Contains(got, `"Node":"n2"`) || strings.Contains(got, "n1") {
		t.Error(got)
	}
}

// TestListsAreMerged pages through rooms that lie scattered over nodes: each comes once, in order, whatever
// the page's size.
func TestListsAreMerged(t *testing.T) {
	rooms, want := map[string][]string{"n1": nil, "n2": nil, "n3": nil, "empty": nil}, []string{}
	for i := range 23 {
		name := fmt.Sprintf("room%02d", i)
		node := []string{"n1", "n2", "n3", "n2", "n2"}[i%5]
		if i > 15 {
			node = "n3" // the last pages come of one node alone
		}
		rooms[node] = append(rooms[node], name)
		want = append(want, name)
	}
	c, _ := cluster(t, rooms)
	for limit := 1; limit <= 24; limit++ {
		var listed, described []string
		for after := ""; ; {
			answer, err := c.Do(t.Context(), command.ListRooms, fmt.Appendf(nil, `{"Limit":%d,"After":%q,"Prefix":"room"}`, limit, after))
			if err != nil {
				t.Fatal(err)
			}
			a := answer.(command.ListRoomsResponse)
			if len(a.Rooms) > limit || a.Missing != nil {
				t.Fatalf("a page of %d: %+v", limit, a)
			}
			for _, r := range a.Rooms {
				listed = append(listed, *r.StrRoomID)
			}
			if after = a.Next; after == "" {
				break
			}
		}
		for after := ""; ; {
			answer, err := c.Do(t.Context(), command.DescribeUser, fmt.Appendf(nil, `{"Limit":%d,"After":%q,"UserId":"ann"}`, limit, after))
			if err != nil {
				t.Fatal(err)
			}
			a := answer.(command.DescribeUserResponse)
			for _, r := range a.Rooms {
				described = append(described, *r.StrRoomID)
			}
			if after = a.Next; after == "" {
				break
			}
		}
		if !reflect.DeepEqual(listed, want) || !reflect.DeepEqual(described, want) {
			t.Errorf("pages of %d: %q, %q", limit, listed, described)
		}
	}
}

// TestARoomOnTwoNodes: a room on two nodes is on one page, both times. A split cluster may have it twice for
// a moment.
func TestARoomOnTwoNodes(t *testing.T) {
	c, _ := cluster(t, map[string][]string{"n1": {"a", "b"}, "n2": {"b", "c"}})
	answer, err := c.Do(t.Context(), command.ListRooms, []byte(`{"Limit":2}`))
	if err != nil {
		t.Fatal(err)
	}
	a := answer.(command.ListRoomsResponse)
	if len(a.Rooms) != 3 || a.Next != "s:b" || a.Rooms[1].Node == a.Rooms[2].Node {
		t.Errorf("%+v", a)
	}
}

// TestSilentNodesAreNamed: a caller that waits for a list learns that a part of it is missing.
func TestSilentNodesAreNamed(t *testing.T) {
	c, f := cluster(t, map[string][]string{"n1": {"a"}, "n2": {"b"}})
	f.nodes["n9"] = nil // as it is registered, with nobody listening there
	if got := text(t, c, command.ListRooms, `{}`); !strings.Contains(got, `"StrRoomId":"b"`) || !strings.HasSuffix(got, `"NodesMissing":["n9"]}`) {
		t.Error(got)
	}
	delete(f.nodes, "n9")
	f.hung["n2"] = true
	if got := text(t, c, command.ListRooms, `{"Prefix":"a"}`); !strings.Contains(got, `"StrRoomId":"a"`) || !strings.HasSuffix(got, `"NodesMissing":["n2"]}`) {
		t.Error(got)
	}
	if got := text(t, c, command.DescribeUser, `{"UserId":"zoe"}`); !strings.Contains(got, `"Rooms":[]`) || !strings.HasSuffix(got, `"NodesMissing":["n2"]}`) {
		t.Error(got)
	}
	if got := text(t, c, command.DismissRoom, `{"StrRoomId":"b"}`); !strings.HasPrefix(got, "internal: node n2 does not answer") {
		t.Error(got)
	}
	const unknown = "internal: node n2 does not answer (no answer); whether the command was carried out is not known"
	if got := text(t, c, command.SendMessage, `{"StrRoomId":"b","CmdId":1,"Text":"hi"}`); got != unknown {
		t.Errorf("a message that may have been sent: %s", got)
	}
}

// TestARoomThatMovesOnAndOn: a room that moves on and on is not followed for ever.
func TestARoomThatMovesOnAndOn(t *testing.T) {
	c, f := cluster(t, map[string][]string{"n1": nil, "n2": nil, "n3": nil})
	looks := 0
	f.wander = func() string { looks++; return []string{"n2", "n3"}[looks%2] }
	if got := text(t, c, command.DismissRoom, `{"StrRoomId":"x"}`); !strings.HasPrefix(got, "room_not_found") || looks > 5 {
		t.Errorf("%s, looked for %d times", got, looks)
	}
}

// TestCommandsAreCountedOnce: commands are counted at the node that they are given to, not at those to which
// it passes them on.
func TestCommandsAreCountedOnce(t *testing.T) {
	f := &fleet{self: "n1", nodes: map[string]*command.Commands{}, holders: map[string]string{"s:b": "n2"}}
	counted := map[string][]string{}
	for node, rooms := range map[string][]string{"n1": nil, "n2": {"b"}} {
		f.nodes[node] = command.New(command.Options{Rooms: roomsOf(t, node, rooms...), Node: &fakeNode{id: node}, Elsewhere: f,
			Observe: func(a command.Action, _ time.Duration, err error) {
				counted[node] = append(counted[node], fmt.Sprint(a, " ", err))
			}})
	}
	text(t, f.nodes["n1"], command.DismissRoom, `{"StrRoomId":"b"}`)
	text(t, f.nodes["n1"], command.ListRooms, `{}`)
	text(t, f.nodes["n1"], command.ListRooms, `{"Limit":-1}`)
	text(t, f.nodes["n1"], "Nonsense", `{}`)
	want := map[string][]string{"n1": {"DismissRoom <nil>", "ListRooms <nil>", "ListRooms bad_request: Limit: a page has 1 to 1000 entries"}}
	if !reflect.DeepEqual(counted, want) {
		t.Errorf("%q", counted)
	}
}

// TestHereAsksNobody: a command that another node has asked for is not passed on.
func TestHereAsksNobody(t *testing.T) {
	c, f := cluster(t, map[string][]string{"n1": {"a"}, "n2": {"b"}})
	f.nodes = nil
	answer, err := c.DoHere(t.Context(), command.ListRooms, nil)
	if a, ok := answer.(command.ListRoomsResponse); err != nil || !ok || len(a.Rooms) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := c.DoHere(t.Context(), command.DismissRoom, []byte(`{"StrRoomId":"b"}`)); !errors.Is(err, terms.CodeRoomNotFound) {
		t.Error(err)
	}
}

// TestWithin: a caller that may command one room only gets nowhere else.
func TestWithin(t *testing.T) {
	all, _ := alone(t)
	lobby, err := terms.StringRoom("lobby")
	if err != nil {
		t.Fatal(err)
	}
	c := all.Within(lobby)
	for _, tt := range []struct {
		action  command.Action
		request string
		may     bool
	}{
		{command.DescribeRoom, `{"StrRoomId":"lobby"}`, true},
		{command.DescribeUser, `{"StrRoomId":"lobby","UserId":"ann"}`, true},
		{command.DescribeUser, `{"UserId":"ann"}`, false},
		{command.DescribeRoom, `{"StrRoomId":"hall"}`, false},
		{command.ListRooms, `{}`, false},
		{command.DescribeNode, `{}`, false},
		{command.DrainNode, `{}`, false},
	} {
		_, err := c.Do(t.Context(), tt.action, []byte(tt.request))
		if errors.Is(err, terms.CodeNotAllowed) == tt.may || tt.may && err != nil {
			t.Errorf("%s %s: %v", tt.action, tt.request, err)
		}
	}
	if _, err := all.Within(terms.RoomID{}).Do(t.Context(), command.ListRooms, nil); err != nil {
		t.Error(err)
	}
}

// TestTheDeadlineIsTheCallers: the answer to a command that cannot be complete in time says so, and that it
// may be repeated.
func TestTheDeadlineIsTheCallers(t *testing.T) {
	c, _ := alone(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Do(ctx, command.SendMessage, []byte(`{"StrRoomId":"lobby","CmdId":1,"Text":"x"}`))
	if !errors.Is(err, terms.CodeInternal) || !strings.Contains(err.Error(), "repeated") {
		t.Error(err)
	}
}

func TestUnknownActions(t *testing.T) {
	c, _ := alone(t)
	_, err := c.Do(t.Context(), "Nonsense", nil)
	if e := terms.AsError(err); e.Code != terms.CodeBadRequest || e.Field != "Action" {
		t.Error(err)
	}
}
