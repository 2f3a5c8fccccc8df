package command

import (
	"context"
	"time"
)

// Node is what this package needs of the node that it runs on.
type Node interface {
	// ID returns the node's name.
	ID() string
	// Describe returns how the node is.
	Describe() NodeInfo
	// History returns what the node remembers. The points belong to the caller.
	History() History
	// Drain has the node take no new rooms, and end once it has none left, or after d whatever happens. If d
	// is 0, that is the node's own time, or for a node that drains already the time that it has. Doing it
	// again with another d sets the time anew. It returns at once.
	Drain(ctx context.Context, d time.Duration) error
}

// NodeInfo describes a node.
type NodeInfo struct {
	Node         string  `json:"Node"`
	Version      string  `json:"Version"`
	StartedMS    int64   `json:"StartedMs" jsonschema:"Unix time"`
	Draining     bool    `json:"Draining"`
	DrainEndsMS  int64   `json:"DrainEndsMs,omitempty" jsonschema:"Unix time at which a draining node ends at the latest"`
	Rooms        int     `json:"Rooms"`
	Participants int     `json:"Participants"`
	Publishers   int     `json:"Publishers" jsonschema:"users who publish something that is on"`
	Connections  int     `json:"Connections" jsonschema:"media connections"`
	CPU          float64 `json:"Cpu" jsonschema:"of the cores that the process may use, 0–1, of late"`
	PacketsIn    float64 `json:"PacketsInPerSecond"`
	PacketsOut   float64 `json:"PacketsOutPerSecond"`
	BitsIn       float64 `json:"BitsInPerSecond"`
	BitsOut      float64 `json:"BitsOutPerSecond"`
	DropsPerSec  float64 `json:"DropsPerSecond" jsonschema:"packets that were not taken from the network, or not sent, of late"`
	Overloaded   int     `json:"RoomsOverloaded" jsonschema:"rooms that leave media out as they do not keep up"`
	MemoryBytes  uint64  `json:"MemoryBytes" jsonschema:"resident"`
}

// MaxDrain is the longest time that a node can be given to drain.
const MaxDrain = 7 * 24 * time.Hour

// DrainNodeRequest drains a node. If there are several, NodeId has to say which.
type DrainNodeRequest struct {
	NodeID          string `json:"NodeId,omitempty" jsonschema:"the node's name; needed where there are several"`
	DeadlineSeconds int64  `json:"DeadlineSeconds,omitempty" jsonschema:"until the node ends whatever goes on in it; 0: ten minutes, or as was said before where it drains already"`
}

// DrainNodeResponse tells how far the draining is. Asking again tells how it goes on.
type DrainNodeResponse struct {
	Node         string `json:"Node"`
	Draining     bool   `json:"Draining"`
	DrainEndsMS  int64  `json:"DrainEndsMs" jsonschema:"Unix time at which it ends at the latest"`
	Rooms        int    `json:"Rooms" jsonschema:"that are left"`
	Participants int    `json:"Participants"`
}

// DescribeNodeRequest asks for one node, or for all.
type DescribeNodeRequest struct {
	NodeID string `json:"NodeId,omitempty" jsonschema:"the node's name; without it all nodes"`
}

// DescribeNodeResponse is the nodes asked for, in the order of their names.
type DescribeNodeResponse struct {
	Nodes   []NodeInfo `json:"Nodes"`
	Missing []string   `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered"`
}
