package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/control/command"
)

// busy are nodes whose order differs by what they are sorted by.
func busy() []command.NodeInfo {
	return []command.NodeInfo{
		{Node: "n1", CPU: 0.125, PacketsIn: 1234, PacketsOut: 98765, BitsIn: 1.5e6, BitsOut: 120e6, Rooms: 2, Participants: 40, Publishers: 7, MemoryBytes: 200e6},
		{Node: "n2", CPU: 0.9, PacketsIn: 10, PacketsOut: 20, BitsIn: 1000, BitsOut: 2000, Rooms: 9, Participants: 30, Publishers: 1, DropsPerSec: 3.5, Overloaded: 1, MemoryBytes: 100e6},
		{Node: "n3", Draining: true, Rooms: 1, Participants: 2},
	}
}

// TestTopShowsTheBusiestFirst.
func TestTopShowsTheBusiestFirst(t *testing.T) {
	for order, want := range map[string]string{
		"cpu": "n2 n1 n3", "packets": "n1 n2 n3", "bandwidth": "n1 n2 n3", "rooms": "n2 n1 n3", "users": "n1 n2 n3", "publishers": "n1 n2 n3",
		"drops": "n2 n1 n3", "memory": "n1 n2 n3", "name": "n1 n2 n3",
	} {
		var names []string
		for _, n := range byOrder(busy(), order) {
			names = append(names, n.Node)
		}
		require.Equal(t, want, strings.Join(names, " "), order)
	}
	require.Len(t, orders, 9)

	var out bytes.Buffer
	(&table{&out}).top(byOrder(busy(), "cpu"))
	require.Equal(t, strings.TrimPrefix(`
 NODE         STATE     CPU   PKT/S IN  PKT/S OUT  IN          OUT           ROOMS  USERS  PUBLISHING  DROPS/S  OVERLOADED  MEMORY   
 n2           serving   90 %  10        20         1.0 kbit/s  2.0 kbit/s        9     30           1  4                 1  100.0 MB 
 n1           serving   12 %  1.2 k     98.8 k     1.5 Mbit/s  120.0 Mbit/s      2     40           7  0                 0  200.0 MB 
 n3           draining  0 %   0         0          0 bit/s     0 bit/s           1      2           0  0                 0  0 B      
 all 3 nodes                  1.2 k     98.8 k     1.5 Mbit/s  120.0 Mbit/s     12     72           8  4                 1  300.0 MB 
`, "\n"), out.String())
}

// TestTopGoesOnUntilItIsStopped.
func TestTopGoesOnUntilItIsStopped(t *testing.T) {
	asked := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		_ = json.NewEncoder(w).Encode(command.DescribeNodeResponse{Nodes: busy(), Missing: []string{"n4"}})
	}))
	defer s.Close()
	out, err := watched(t, func(string) bool { return len(asked) > 1 }, "node", "top", "--watch=200ms", "--admin", s.URL)
	require.NoError(t, err)
	require.Regexp(t, `(?s)all 3 nodes.*have not answered: nodes n4.*all 3 nodes`, out)
	_, err = do("node", "top", "--sort", "cpuu", "--admin", s.URL)
	require.ErrorContains(t, err, "did you mean cpu?")
	require.Equal(t, exitUsage, exitCode(err))
}
