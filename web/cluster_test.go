package web_test

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

// startNodes starts nodes of one cluster, by their ids. The first has NATS inside.
func startNodes(t *testing.T, ids ...string) []*node {
	t.Helper()
	var nodes []*node
	var server string
	for _, id := range ids {
		cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
		cfg.Node.ID, cfg.NATS.URL = id, server
		n := runNode(t, cfg, nil)
		server = n.nats.ConnectedUrl()
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			list, _ := n.command("DescribeNode", map[string]any{})["Nodes"].([]any)
			return len(list) == len(ids)
		}, limit, 50*time.Millisecond, "the nodes know each other")
	}
	return nodes
}

// TestRoomMovesWithItsPeople: ben's page is of another node than ann's room, which it follows; then the
// room's node stops, and both go on at another one without their pages doing anything, or noticing that the
// other was away. What they are called comes along, by whomever it was said.
func TestRoomMovesWithItsPeople(t *testing.T) {
	nodes := startNodes(t, "hub", "x", "y")
	hub, x, y := nodes[0], nodes[1], nodes[2]
	b := shared.get(t)
	ann := join(t, b, x, "moving", "ann")
	ben := join(t, b, y, "moving", "ben")
	ann.sees("ben")
	ben.sees("ann")
	require.Equal(t, []string{"ann", "ben"}, hub.users("moving"))

	ann.eval("probe.parlor.setProfile({ name: 'Ann Müller' })", nil)
	hub.command("UpdateUser", map[string]any{"StrRoomId": "moving", "UserId": "ben", "Name": "Guest 1"})
	named := func() {
		t.Helper()
		ann.await("ben is called as the command says", "probe.parlor.getRemoteUser('ben').name === 'Guest 1' && probe.parlor.profile.name === 'Ann Müller'")
		ben.await("ann is called as she says", "probe.parlor.getRemoteUser('ann').name === 'Ann Müller' && probe.parlor.profile.name === 'Guest 1'")
	}
	named()
	since := ann.now()
	x.stop()
	require.Eventually(t, func() bool { // there is no such room until the first of them is in again
		m, err := hub.nats.Request("sfu.v1.DescribeRoom", []byte(`{"StrRoomId":"moving"}`), 5*time.Second)
		var room struct{ Users int }
		return err == nil && json.Unmarshal(m.Data, &room) == nil && room.Users == 2
	}, limit, 100*time.Millisecond, "both are in again")
	for p, other := range map[*person]*person{ann: ben, ben: ann} {
		// Who is in again last finds the other one's picture as it was, and is told nothing of it.
		p.toldSince(since, "connection-state-changed", map[string]any{"state": "CONNECTED"})
		p.sees(other.name)
		p.frames(other.name, p.received(other.name), 15)
	}
	named()
	for _, p := range []*person{ann, ben} {
		var states []string
		for _, e := range p.events() {
			if e.At < since {
				continue
			}
			require.NotContains(t, []string{"remote-user-enter", "remote-user-exit", "kicked-out", "exit-room", "error"}, e.Name, "%s: %+v", p.name, e)
			if e.Name == "connection-state-changed" {
				states = append(states, e.State)
			}
		}
		require.Equal(t, []string{"RECONNECTING", "CONNECTED"}, states, p.name)
	}
}

// TestANodeThatRestarts: the only node is stopped and started anew at the same address. Both who were in a room
// meet there again by themselves, and no application was told that it was over.
func TestANodeThatRestarts(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	n := runNode(t, cfg, nil)
	b := shared.get(t)
	ann, ben := join(t, b, n, "again", "ann"), join(t, b, n, "again", "ben")
	ann.sees("ben")
	ben.sees("ann")

	since := ann.now()
	at, err := url.Parse(n.url)
	require.NoError(t, err)
	n.stop()
	ann.toldSince(since, "connection-state-changed", map[string]any{"state": "RECONNECTING"})
	cfg.HTTP.Listen = config.Address(at.Host)
	n = runNode(t, cfg, nil)
	for p, other := range map[*person]*person{ann: ben, ben: ann} {
		// Who is in again last finds the other one's picture as it was, and is told nothing of it.
		p.toldSince(since, "connection-state-changed", map[string]any{"state": "CONNECTED"})
		p.sees(other.name)
		p.frames(other.name, p.received(other.name), 15)
		for _, e := range p.events() {
			require.NotContains(t, []string{"kicked-out", "exit-room", "remote-user-exit", "error"}, e.Name, "%s: %+v", p.name, e)
		}
	}
	require.Equal(t, []string{"ann", "ben"}, n.users("again"))
}
