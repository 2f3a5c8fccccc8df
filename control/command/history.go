package command

import (
	"cmp"
	"context"
	"slices"
)

// History is what a node remembers of its last quarter of an hour.
type History struct {
	Node    string         `json:"Node"`
	EveryMS int64          `json:"EveryMs" jsonschema:"time from one point to the next"`
	Points  []HistoryPoint `json:"Points" jsonschema:"oldest first"`
}

// HistoryPoint is a node at one moment, and what it has done since the point before.
type HistoryPoint struct {
	TimeMS       int64   `json:"TimeMs" jsonschema:"Unix time"`
	CPU          float64 `json:"Cpu" jsonschema:"of the cores that the process may use, 0–1"`
	MemoryBytes  uint64  `json:"MemoryBytes" jsonschema:"resident"`
	Rooms        int     `json:"Rooms"`
	Participants int     `json:"Participants"`
	Publishers   int     `json:"Publishers"`

	PacketsIn  float64 `json:"PacketsInPerSecond"`
	PacketsOut float64 `json:"PacketsOutPerSecond"`
	BitsIn     float64 `json:"BitsInPerSecond"`
	BitsOut    float64 `json:"BitsOutPerSecond"`

	ExpectedUp   uint64 `json:"ExpectedUp" jsonschema:"packets that users should have got to the node"`
	LostUp       uint64 `json:"LostUp" jsonschema:"of them, those that were lost, before repair"`
	ExpectedDown uint64 `json:"ExpectedDown" jsonschema:"packets to users of which they have reported"`
	LostDown     uint64 `json:"LostDown" jsonschema:"of them, those that were lost, before repair"`

	Qualities []int             `json:"Qualities" jsonschema:"users by quality, 0 unknown to 6 down, in the worse of both directions"`
	Joins     map[string]uint64 `json:"Joins,omitempty" jsonschema:"enterings by result, as of the metric parlor_joins_total"`
	Leaves    map[string]uint64 `json:"Leaves,omitempty" jsonschema:"ends of sessions by reason, as of parlor_leaves_total"`
	Drops     map[string]uint64 `json:"Drops,omitempty" jsonschema:"packets of media dropped by reason, as of parlor_media_dropped_total"`
	WireDrops map[string]uint64 `json:"WireDrops,omitempty" jsonschema:"packets dropped on the wire by reason, as of parlor_transport_dropped_total"`
}

// DescribeHistoryRequest asks for what one node remembers, or all.
type DescribeHistoryRequest struct {
	NodeID  string `json:"NodeId,omitempty" jsonschema:"the node's name; without it all nodes"`
	AfterMS int64  `json:"AfterMs,omitempty" jsonschema:"only points that are later, in Unix time"`
}

// DescribeHistoryResponse has the nodes asked for, in the order of their names.
type DescribeHistoryResponse struct {
	Nodes   []History `json:"Nodes"`
	Missing []string  `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered"`
}

func describeHistory(c *Commands, q DescribeHistoryRequest) (j job[DescribeHistoryResponse], err error) {
	if err := checkNode(q.NodeID); err != nil {
		return j, err
	}
	j.here = func(context.Context) (DescribeHistoryResponse, error) {
		if err := c.mine(q.NodeID); err != nil {
			return DescribeHistoryResponse{}, err
		}
		h := c.o.Node.History()
		points := slices.DeleteFunc(h.Points, func(p HistoryPoint) bool { return p.TimeMS <= q.AfterMS })
		if points == nil {
			points = []HistoryPoint{}
		}
		h.Points = points
		return DescribeHistoryResponse{Nodes: []History{h}}, nil
	}
	if j.node = q.NodeID; j.node == "" {
		j.all = func(ctx context.Context, request []byte) (DescribeHistoryResponse, error) {
			return everywhere(ctx, c, DescribeHistory, request, j.here, func(l []DescribeHistoryResponse) (a DescribeHistoryResponse) {
				for _, one := range l {
					a.Nodes = append(a.Nodes, one.Nodes...)
				}
				slices.SortFunc(a.Nodes, func(a, b History) int { return cmp.Compare(a.Node, b.Node) })
				return a
			}, func(a *DescribeHistoryResponse, missing []string) { a.Missing = missing })
		}
	}
	return j, nil
}
