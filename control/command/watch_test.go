package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/control/command"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/refusal"
	"parlor/session/terms"
)

// watched is a node with all that operators look at.
type watched struct {
	*command.Commands
	rooms    *session.Rooms
	recent   *command.Recent
	refusals *refusal.Log
	node     *fakeNode
}

func watch(id string, among command.Elsewhere) watched {
	w := watched{recent: command.NewRecent(session.NoEvents{}), refusals: refusal.New(zerolog.Nop()), node: &fakeNode{id: id}}
	w.node.history = command.History{Node: id}
	w.rooms = session.New(session.Options{Node: id}, &fakewire.Transport{}, w.recent)
	w.Commands = command.New(command.Options{
		Rooms: w.rooms, Node: w.node, Elsewhere: among, Recent: w.recent, Refusals: w.refusals,
	})
	return w
}

func (w watched) enter(t *testing.T, room string, users int) {
	t.Helper()
	id, err := terms.StringRoom(room)
	require.NoError(t, err)
	for i := range users {
		_, _, err = w.rooms.Enter(context.Background(), session.EnterRequest{
			Room: id, User: fmt.Sprint("user", i), Grant: terms.Grant{Rights: terms.AllRights()},
		})
		require.NoError(t, err)
	}
}

// two are two nodes that know of each other, n1 first.
func two() (watched, watched) {
	f := &fleet{self: "n1", nodes: map[string]*command.Commands{}, hung: map[string]bool{}}
	a, b := watch("n1", f), watch("n2", f)
	f.nodes["n1"], f.nodes["n2"] = a.Commands, b.Commands
	return a, b
}

// do carries out a command and reads its answer.
func do[A any](t *testing.T, c *command.Commands, a command.Action, request string) (into A) {
	t.Helper()
	answer, err := c.Do(t.Context(), a, []byte(request))
	require.NoError(t, err)
	b, err := json.Marshal(answer)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &into))
	return into
}

// TestRoomsComeInTheOrderAskedFor: the pages of a list have all rooms of all nodes once, the largest first, and
// those alone that are looked for.
func TestRoomsComeInTheOrderAskedFor(t *testing.T) {
	a, b := two()
	for i, users := range []int{3, 12, 1, 7, 7} {
		a.enter(t, fmt.Sprintf("Lobby-%d", i), users)
	}
	for i, users := range []int{5, 12, 2} {
		b.enter(t, fmt.Sprintf("hall-%d", i), users)
	}
	list := func(request string) (found []string) {
		for after := ""; ; {
			l := do[command.ListRoomsResponse](t, a.Commands, command.ListRooms, fmt.Sprintf(request, after))
			for _, r := range l.Rooms {
				found = append(found, fmt.Sprint(*r.StrRoomID, " ", r.Users))
			}
			require.LessOrEqual(t, len(found), l.Total)
			if after = l.Next; after == "" {
				require.Len(t, found, l.Total)
				return found
			}
		}
	}
	want := []string{"Lobby-1 12", "hall-1 12", "Lobby-3 7", "Lobby-4 7", "hall-0 5", "Lobby-0 3", "hall-2 2", "Lobby-2 1"}
	for limit := 1; limit <= 9; limit++ {
		require.Equal(t, want, list(fmt.Sprintf(`{"Order":"users","Limit":%d,"After":%%q}`, limit)), "pages of %d", limit)
	}
	require.Equal(t, []string{"Lobby-1 12", "Lobby-3 7", "Lobby-4 7", "Lobby-0 3", "Lobby-2 1"}, list(`{"Contains":"OBBY","Order":"users","Limit":2,"After":%q}`))
	require.Equal(t, []string{"hall-0 5", "hall-1 12", "hall-2 2"}, list(`{"Prefix":"hall","After":%q}`))
	_, err := a.Do(t.Context(), command.ListRooms, []byte(`{"Order":"size"}`))
	require.ErrorContains(t, err, "Order")
}

// TestTheLatestEventsAreListed: of all nodes, newest first, of one room or user if that is asked for. The
// oldest are forgotten.
func TestTheLatestEventsAreListed(t *testing.T) {
	a, b := two()
	for i := range 3000 {
		e := terms.FeedEvent{ID: fmt.Sprint("n1.", i), Type: terms.FeedUserEntered, TimeMS: int64(2 * i), Node: "n1", User: "ann"}
		e.Room, _ = terms.NumberRoom(int64(1 + i%2))
		a.recent.Publish(e)
		e.ID, e.TimeMS, e.Node, e.User = fmt.Sprint("n2.", i), int64(2*i+1), "n2", "bob"
		b.recent.Publish(e)
	}
	ids := func(request string) (l []string) {
		for _, e := range do[command.ListEventsResponse](t, a.Commands, command.ListEvents, request).Events {
			l = append(l, e.ID)
		}
		return l
	}
	require.Equal(t, []string{"n2.2999", "n1.2999", "n2.2998", "n1.2998"}, ids(`{"Limit":4}`))
	require.Equal(t, []string{"n1.2999", "n1.2997"}, ids(`{"RoomId":2,"UserId":"ann","Limit":2}`))
	all := do[command.ListEventsResponse](t, a.Commands, command.ListEvents, `{"UserId":"ann","Limit":1000}`).Events
	require.Len(t, all, 1000)
	require.Empty(t, ids(`{"UserId":"zoe"}`))
	a.recent.Publish(terms.FeedEvent{ID: "last", User: "zoe"})
	require.Equal(t, []string{"last"}, ids(`{"UserId":"zoe"}`))
	_, err := a.Do(t.Context(), command.ListEvents, []byte(`{"UserId":"a b"}`))
	require.ErrorContains(t, err, "UserId")
}

// TestWhoWasRefusedIsListed: with the node, and newest first.
func TestWhoWasRefusedIsListed(t *testing.T) {
	synctest.Test(t, whoWasRefused)
}

func whoWasRefused(t *testing.T) {
	a, b := two()
	r := refusal.Refusal{Door: "whip", From: netip.MustParseAddr("192.0.2.7"), User: "ann", Err: terms.Errorf(terms.CodeTokenExpired, "token", "it is over")}
	r.Room, _ = terms.NumberRoom(7)
	b.refusals.Note(r)
	b.refusals.Note(r)
	time.Sleep(time.Second)
	a.refusals.Note(refusal.Refusal{Door: "admin", Err: terms.Errorf(terms.CodeBadRequest, "role", "not %q", "secret")})
	l := do[command.ListRefusalsResponse](t, a.Commands, command.ListRefusals, ``).Refusals
	require.Len(t, l, 2)
	l[1].TimeMS = 0
	require.Equal(t, command.Refusal{
		Node: "n2", Times: 2, Door: "whip", Reason: "token_expired", Address: "192.0.2.7", Room: "n:7", UserID: "ann", Field: "token", Why: "it is over",
	}, l[1])
	require.Equal(t, "bad_request", l[0].Reason)
	require.Empty(t, l[0].Why, "it may quote what was shown")
	one := do[command.ListRefusalsResponse](t, a.Commands, command.ListRefusals, `{"NodeId":"n2"}`).Refusals
	require.Len(t, one, 1)
}

// TestHistoryIsAskedForFromAMomentOn: of all nodes or one, and only what the caller does not have yet.
func TestHistoryIsAskedForFromAMomentOn(t *testing.T) {
	a, b := two()
	for i := range int64(4) {
		a.node.history.Points = append(a.node.history.Points, command.HistoryPoint{TimeMS: 1000 + i, Rooms: int(i)})
	}
	h := do[command.DescribeHistoryResponse](t, a.Commands, command.DescribeHistory, `{"AfterMs":1001}`)
	require.Len(t, h.Nodes, 2)
	require.Equal(t, "n1", h.Nodes[0].Node)
	require.Len(t, h.Nodes[0].Points, 2)
	require.Equal(t, 2, h.Nodes[0].Points[0].Rooms)
	require.NotNil(t, h.Nodes[1].Points)
	h = do[command.DescribeHistoryResponse](t, b.Commands, command.DescribeHistory, `{"NodeId":"n1"}`)
	require.Len(t, h.Nodes, 1)
	_, err := b.Do(t.Context(), command.DescribeHistory, []byte(`{"NodeId":"n3"}`))
	require.ErrorContains(t, err, "there is no node")
}
