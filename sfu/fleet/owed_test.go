package fleet

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// owed gives a command on a room whose node is cut off: the answer says so, and that the node will carry it
// out.
func (f *fleet) owed(t *testing.T, home *node, action string, request any) {
	t.Helper()
	r := &refused{}
	eventually(t, "NATS knows that the node is gone", 5*time.Second, func() bool {
		began := time.Now()
		require.ErrorAs(t, f.command(t, action, request, nil), &r)
		return time.Since(began) < 2*time.Second
	})
	require.Equal(t, "internal", r.Code)
	require.Contains(t, r.Message, "node "+home.id+" does not answer")
	require.Contains(t, r.Message, "carries the command out if it is back within 3m0s")
}

// TestCommandsForANodeThatIsCutOff: it carries them out when it is back, before anybody enters, also where it
// is back before its lease has run out.
func TestCommandsForANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	f := &fleet{brokers: brokers(t, 1)}
	f.dial(t, f.brokers[0].url())
	var links []*link
	for _, id := range []string{"a", "b"} {
		l := newLink(t, strings.TrimPrefix(f.brokers[0].url(), "nats://"))
		links = append(links, l)
		f.nodes = append(f.nodes, startNode(t, id, l.url()))
	}
	all := f.crowd(t, "lobby", 4)
	home := f.home(t, all)
	i := slices.Index(f.nodes, home)
	links[i].set(true)
	f.owed(t, home, "RemoveUser", banning{removal{"lobby", []string{all[2].name}}, 60, "spam"})
	until := time.Now().Add(60 * time.Second)
	eventually(t, "its lease has run out", 20*time.Second, func() bool {
		return home.get("/readyz") == http.StatusServiceUnavailable && f.nodes[1-i].gauge(t, "parlor_cluster_nodes") == 1
	})
	f.owed(t, home, "RemoveUser", removal{"lobby", []string{all[3].name}})
	for _, p := range all {
		require.Equal(t, 3, p.sees(), "those inside go on")
	}
	links[i].set(false)
	eventually(t, "the node is ready again", 20*time.Second, func() bool { return home.get("/readyz") == http.StatusOK })
	for _, p := range all[2:] {
		p.putOut(t)
		require.Equal(t, 1, p.lastExit())
	}
	for _, p := range all[:2] {
		eventually(t, "they are gone for "+p.name, 5*time.Second, func() bool { return p.sees() == 1 })
		require.Equal(t, 1, p.entered(), "%s has noticed", p.name)
	}
	f.refuses(t, all[2].name)
	require.True(t, time.Now().Before(until))
	back := enter(t, f.nodes[1-i], "lobby", all[3].name) // who was not banned
	require.Equal(t, home.url, back.at())

	registered := strings.Count(home.said(), "registered in the cluster")
	links[i].set(true)
	f.owed(t, home, "DismissRoom", room{"lobby"})
	links[i].set(false)
	eventually(t, "commands reach the node again", 20*time.Second, func() bool {
		return f.ask(t, "sfu.v1.node."+home.id+".DescribeNode", struct{}{}, nil) == nil
	})
	for _, p := range []*person{all[0], all[1], back} {
		p.putOut(t)
		require.Equal(t, 2, p.lastExit())
		require.Empty(t, p.doubled, p.name)
	}
	t.Logf("the node has registered %d times more", strings.Count(home.said(), "registered in the cluster")-registered)
	var r *refused
	require.ErrorAs(t, f.command(t, "DismissRoom", room{"lobby"}, nil), &r)
	require.Equal(t, "room_not_found", r.Code)
	// A shorter ban in its place, which then is over.
	again := enter(t, home, "lobby", "dora")
	require.NoError(t, f.command(t, "RemoveUser", banning{removal{"lobby", []string{all[2].name}}, 1, ""}, nil))
	time.Sleep(3 * time.Second) // the node looks for what it owes meanwhile
	require.Equal(t, 1, again.entered())
	require.Equal(t, -1, again.lastExit(), "what was done is not done again to the next room")
	require.NoError(t, again.leave())
	f.nothingLeft(t)
	f.complete(t)
}
