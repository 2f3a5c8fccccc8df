// Package placing chooses the node that a new room is placed on. The rules are pure functions of plain
// values: no clocks, no network, no chance. So all nodes that know the same choose the same.
package placing

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Node is what a rule knows of a node.
type Node struct {
	ID       string
	Region   string  // may be empty
	Busy     float64 // how busy it said it is: from 0, idle, to 1, at the limit of what it takes
	Rooms    int     // rooms that it said it has
	Placed   int     // rooms placed on it since it said so
	Draining bool    // takes no new rooms
}

// Rule returns the id of the node for a new room, or "" if none takes rooms. origin is the id of the node
// that a user has come to; it may be missing in nodes. The order of nodes does not matter.
type Rule func(nodes []Node, origin, room string) string

const (
	// margin is how much busier than the least busy node the origin may be and still get the room. Higher
	// saves redirects and lets nodes drift apart by as much.
	margin = 0.05
	// perRoom is by how much a room that was placed since the node's last report is taken to make it busier.
	// Higher spreads a storm of new rooms more evenly. Lower trusts the reports, which come every other
	// second.
	perRoom = 0.01
)

// rules are the rules by their names in the configuration.
var rules = map[string]Rule{"load": Load, "region": Region, "spread": Spread}

// ByName returns the rule of that name: load, region or spread.
func ByName(name string) (Rule, error) {
	rule, ok := rules[name]
	if !ok {
		return nil, fmt.Errorf("there is no rule %.32q, only %s", name, strings.Join(Names(), ", "))
	}
	return rule, nil
}

// Names lists the rules.
func Names() []string { return []string{"load", "region", "spread"} }

// Load places on the least busy node, or on the origin if that is about as good.
func Load(nodes []Node, origin, room string) string {
	return least(takers(nodes), origin, room)
}

// Region is Load among the nodes of the origin's region; if none of them takes rooms, among all.
func Region(nodes []Node, origin, room string) string {
	at := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == origin })
	all := takers(nodes)
	if at < 0 || nodes[at].Region == "" {
		return least(all, origin, room)
	}
	near := slices.DeleteFunc(slices.Clone(all), func(n Node) bool { return n.Region != nodes[at].Region })
	if len(near) == 0 {
		near = all
	}
	return least(near, origin, room)
}

// Spread places on the node with the fewest rooms, wherever the user has come to and however busy it is.
func Spread(nodes []Node, _, room string) string {
	return first(takers(nodes), func(n Node) float64 { return float64(n.Rooms + n.Placed) }, room)
}

func takers(nodes []Node) []Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.Draining })
}

func (n Node) load() float64 { return n.Busy + perRoom*float64(n.Placed) }

func least(nodes []Node, origin, room string) string {
	best := first(nodes, Node.load, room)
	var low, own float64
	here := false
	for _, n := range nodes {
		if n.ID == best {
			low = n.load()
		}
		if n.ID == origin {
			own, here = n.load(), true
		}
	}
	if here && own <= low+margin {
		return origin
	}
	return best
}

// first returns the node with the smallest value. Equals are told apart by a hash of room and node, so that
// rooms are spread over them.
func first(nodes []Node, value func(Node) float64, room string) string {
	if len(nodes) == 0 {
		return ""
	}
	return slices.MinFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(value(a), value(b)), cmp.Compare(rank(room, a.ID), rank(room, b.ID)), cmp.Compare(a.ID, b.ID))
	}).ID
}

func rank(room, node string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(room + "\x00" + node)) // a hash takes everything
	x := h.Sum64()
	x ^= x >> 33 // FNV's high bits hardly depend on the last bytes (splitmix64's finaliser)
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}
