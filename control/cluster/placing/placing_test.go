package placing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/control/cluster/placing"
)

func TestRules(t *testing.T) {
	type nodes = []placing.Node
	for name, c := range map[string]struct {
		rule   placing.Rule
		nodes  nodes
		origin string
		want   string
	}{
		"nobody":                            {placing.Load, nil, "a", ""},
		"alone":                             {placing.Load, nodes{{ID: "a", Busy: 1}}, "a", "a"},
		"all drain":                         {placing.Load, nodes{{ID: "a", Draining: true}, {ID: "b", Draining: true}}, "a", ""},
		"the least busy":                    {placing.Load, nodes{{ID: "a", Busy: .5}, {ID: "b", Busy: .2}, {ID: "c", Busy: .3}}, "a", "b"},
		"the origin within the margin":      {placing.Load, nodes{{ID: "a", Busy: .24}, {ID: "b", Busy: .2}}, "a", "a"},
		"the origin beyond the margin":      {placing.Load, nodes{{ID: "a", Busy: .26}, {ID: "b", Busy: .2}}, "a", "b"},
		"the origin drains":                 {placing.Load, nodes{{ID: "a", Draining: true}, {ID: "b", Busy: .9}}, "a", "b"},
		"the least busy drains":             {placing.Load, nodes{{ID: "a", Busy: .5}, {ID: "b", Draining: true}}, "a", "a"},
		"the origin is not registered":      {placing.Load, nodes{{ID: "b", Busy: .9}}, "a", "b"},
		"rooms placed meanwhile count":      {placing.Load, nodes{{ID: "a", Busy: .2, Placed: 20}, {ID: "b", Busy: .3}}, "a", "b"},
		"region: near though busier":        {placing.Region, nodes{{ID: "a", Region: "x", Busy: .9}, {ID: "b", Region: "y"}, {ID: "c", Region: "x", Busy: .5}}, "a", "c"},
		"region: none near takes rooms":     {placing.Region, nodes{{ID: "a", Region: "x", Draining: true}, {ID: "b", Region: "y"}}, "a", "b"},
		"region: the origin has none":       {placing.Region, nodes{{ID: "a", Busy: .9}, {ID: "b", Region: "y"}}, "a", "b"},
		"region: all drain":                 {placing.Region, nodes{{ID: "a", Region: "x", Draining: true}}, "a", ""},
		"spread: the fewest rooms":          {placing.Spread, nodes{{ID: "a", Rooms: 3}, {ID: "b", Rooms: 2, Busy: .9}}, "a", "b"},
		"spread: with those placed":         {placing.Spread, nodes{{ID: "a", Rooms: 3}, {ID: "b", Rooms: 2, Placed: 2}}, "b", "a"},
		"spread: no preference of origin":   {placing.Spread, nodes{{ID: "a", Rooms: 1}, {ID: "b"}}, "a", "b"},
		"spread: draining ones do not take": {placing.Spread, nodes{{ID: "a", Rooms: 9}, {ID: "b", Draining: true}}, "a", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.rule(c.nodes, c.origin, "s-lobby"))
			rand.Shuffle(len(c.nodes), func(i, j int) { c.nodes[i], c.nodes[j] = c.nodes[j], c.nodes[i] })
			require.Equal(t, c.want, c.rule(c.nodes, c.origin, "s-lobby"), "in another order")
		})
	}
}

// TestEqualsAreSpread places many rooms from outside on nodes that are equally busy. Each node gets about its
// share.
func TestEqualsAreSpread(t *testing.T) {
	nodes := []placing.Node{{ID: "node-1"}, {ID: "node-2"}, {ID: "node-3"}}
	got := map[string]int{}
	for i := range 3000 {
		got[placing.Load(nodes, "", fmt.Sprintf("n-%d", i))]++
	}
	for _, n := range nodes {
		require.InDelta(t, 1000, got[n.ID], 150, "%v", got)
	}
}

func TestByName(t *testing.T) {
	for _, name := range placing.Names() {
		_, err := placing.ByName(name)
		require.NoError(t, err)
	}
	_, err := placing.ByName("dice")
	require.ErrorContains(t, err, "load, region, spread")
}
