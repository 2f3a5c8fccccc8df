package command

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parlor/session/terms"
)

// maxNodeID is the length in bytes of the longest name of a node that is looked for.
const maxNodeID = 64

func drainNode(c *Commands, q DrainNodeRequest) (j job[DrainNodeResponse], err error) {
	if limit := int64(MaxDrain / time.Second); q.DeadlineSeconds < 0 || q.DeadlineSeconds > limit {
		return j, bad("DeadlineSeconds", "a node drains for 0 to %d seconds, not %d", limit, q.DeadlineSeconds)
	}
	if err := checkNode(q.NodeID); err != nil {
		return j, err
	}
	j.here = func(ctx context.Context) (DrainNodeResponse, error) {
		if err := c.mine(q.NodeID); err != nil {
			return DrainNodeResponse{}, err
		}
		if err := c.o.Node.Drain(ctx, time.Duration(q.DeadlineSeconds)*time.Second); err != nil {
			return DrainNodeResponse{}, err
		}
		i := c.o.Node.Describe()
		return DrainNodeResponse{Node: i.Node, Draining: i.Draining, DrainEndsMS: i.DrainEndsMS, Rooms: i.Rooms, Participants: i.Participants}, nil
	}
	if j.node = q.NodeID; j.node == "" {
		j.all = func(ctx context.Context, _ []byte) (DrainNodeResponse, error) { return c.drainOnly(ctx, j.here) }
	}
	return j, nil
}

// drainOnly drains this node if there is no other that could be meant.
func (c *Commands) drainOnly(ctx context.Context, here func(context.Context) (DrainNodeResponse, error)) (DrainNodeResponse, error) {
	others, err := c.o.Elsewhere.Nodes(ctx)
	if err == nil && len(others) > 0 {
		err = bad("NodeId", "which node? There are %d others beside %s", len(others), c.o.Node.ID())
	}
	if err != nil {
		return DrainNodeResponse{}, err
	}
	return here(ctx)
}

func describeNode(c *Commands, q DescribeNodeRequest) (j job[DescribeNodeResponse], err error) {
	if err := checkNode(q.NodeID); err != nil {
		return j, err
	}
	j.here = func(context.Context) (DescribeNodeResponse, error) {
		if err := c.mine(q.NodeID); err != nil {
			return DescribeNodeResponse{}, err
		}
		return DescribeNodeResponse{Nodes: []NodeInfo{c.o.Node.Describe()}}, nil
	}
	if j.node = q.NodeID; j.node == "" {
		j.all = func(ctx context.Context, request []byte) (DescribeNodeResponse, error) {
			return everywhere(ctx, c, DescribeNode, request, j.here, func(l []DescribeNodeResponse) (a DescribeNodeResponse) {
				for _, one := range l {
					a.Nodes = append(a.Nodes, one.Nodes...)
				}
				slices.SortFunc(a.Nodes, func(a, b NodeInfo) int { return cmp.Compare(a.Node, b.Node) })
				return a
			}, func(a *DescribeNodeResponse, missing []string) { a.Missing = missing })
		}
	}
	return j, nil
}

func checkNode(id string) error {
	if len(id) > maxNodeID {
		return bad("NodeId", "a node's name has at most %d bytes, this one has %d", maxNodeID, len(id))
	}
	return nil
}

// mine returns an error if another node is meant than this one.
func (c *Commands) mine(id string) error {
	if id == "" || id == c.o.Node.ID() {
		return nil
	}
	return noNode(id)
}

func noNode(id string) *terms.Error { return bad("NodeId", "there is no node %q", id) }
