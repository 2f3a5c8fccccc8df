package sfu_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/control/command"
)

// ask gives a command and reads its answer.
func ask[A any](t *testing.T, do doorway, action, body string) (a A) {
	t.Helper()
	o := do(t, action, body)
	require.Empty(t, o.code, "%s %s: %+v", action, body, o)
	require.NoError(t, json.Unmarshal([]byte(o.body), &a))
	return a
}

// TestCommandsAtEveryNode gives commands at each of three nodes, wherever the rooms are: lists have what all
// nodes have.
func TestCommandsAtEveryNode(t *testing.T) {
	nodes := startCluster(t, 3)
	people, holders := map[string]*client.Client{}, map[string]bool{}
	for i := range 6 {
		room := fmt.Sprintf("room%d", i)
		people[room] = clusterEnter(t, nodes[i%3], client.Options{Room: room, User: "ann"})
		holders[people[room].Entered().Node] = true
	}
	require.Greater(t, len(holders), 1, "all rooms are on one node, so that nothing is shown")
	for i, l := range nodes {
		do := l.doors(t)["http"]
		var names []string
		for after := ""; ; {
			page := ask[command.ListRoomsResponse](t, do, "ListRooms", fmt.Sprintf(`{"Limit":4,"After":%q}`, after))
			require.Empty(t, page.Missing)
			for _, r := range page.Rooms {
				names = append(names, *r.StrRoomID)
				require.Equal(t, people[*r.StrRoomID].Entered().Node, r.Node)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		require.Equal(t, []string{"room0", "room1", "room2", "room3", "room4", "room5"}[2*i:], names, "at node %s", l.ID())
		require.Len(t, ask[command.DescribeUserResponse](t, do, "DescribeUser", `{"UserId":"ann"}`).Rooms, len(names))
		for _, room := range names {
			require.Equal(t, 1, ask[command.DescribeRoomResponse](t, do, "DescribeRoom", fmt.Sprintf(`{"StrRoomId":%q}`, room)).Users)
			require.Equal(t, 1, ask[command.SendMessageResponse](t, do, "SendMessage", fmt.Sprintf(`{"StrRoomId":%q,"CmdId":1,"Text":"x"}`, room)).Delivered)
			ask[command.SetUserBlockedResponse](t, do, "SetUserBlocked", fmt.Sprintf(`{"StrRoomId":%q,"UserId":"ann","Block":"audio"}`, room))
		}
		removed := ask[command.RemoveUserResponse](t, do, "RemoveUser", fmt.Sprintf(`{"StrRoomId":%q,"UserIds":["ann"]}`, names[0]))
		require.Equal(t, command.ResultRemoved, removed.Users[0].Result)
		require.Equal(t, 1, clusterAwait(t, people[names[0]], client.Exited).Reason)
		require.Equal(t, 1, ask[command.DismissRoomResponse](t, do, "DismissRoom", fmt.Sprintf(`{"StrRoomId":%q}`, names[1])).Users)
		require.Equal(t, 2, clusterAwait(t, people[names[1]], client.Exited).Reason)
		require.Equal(t, outcome{code: "room_not_found", field: "StrRoomId"}, do(t, "DismissRoom", fmt.Sprintf(`{"StrRoomId":%q}`, names[1])))
		require.Equal(t, outcome{code: "user_not_found", field: "UserId"}, do(t, "DescribeUser", `{"UserId":"zoe"}`))

		all := ask[command.DescribeNodeResponse](t, do, "DescribeNode", `{}`)
		require.Len(t, all.Nodes, 3)
		for k, n := range all.Nodes {
			require.Equal(t, nodes[k].ID(), n.Node)
			require.Equal(t, n.Node, ask[command.DescribeNodeResponse](t, do, "DescribeNode", fmt.Sprintf(`{"NodeId":%q}`, n.Node)).Nodes[0].Node)
		}
		require.Equal(t, outcome{code: "bad_request", field: "NodeId"}, do(t, "DrainNode", `{}`), "which one?")
		require.Equal(t, outcome{code: "bad_request", field: "NodeId"}, do(t, "DescribeNode", `{"NodeId":"x"}`))
	}
	do := nodes[0].doors(t)["http"]
	drained := ask[command.DrainNodeResponse](t, do, "DrainNode", `{"NodeId":"c","DeadlineSeconds":60}`)
	require.Equal(t, "c", drained.Node)
	require.True(t, drained.Draining)
	eventually(t, "the drained node has ended", func() bool {
		return len(ask[command.DescribeNodeResponse](t, do, "DescribeNode", `{}`).Nodes) == 2
	})
}
