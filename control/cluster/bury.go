package cluster

import (
	"context"
	"errors"

	"parlor/control/cas"
)

// maxBuried bounds how many dead incarnations are remembered. When there are more, all are forgotten and have
// to be proven dead again. Higher takes more memory, lower asks NATS again more often.
const maxBuried = 4096

// bury makes sure that the incarnation which a room's entry names is dead for good, as the view says. The
// view alone is no proof: it may be older than the entry. The proof is a write to the node's key, which the
// leader of the bucket checks. The entry was read before that write, and its incarnation had registered
// before it wrote the entry. What the write replaces is another record than that registration. Once proven it
// is true for ever, because no incarnation registers twice.
func (c *Cluster) bury(ctx context.Context, r RoomRecord) error {
	c.mu.Lock()
	// If the entry names this node, its own lease is proof enough. If it names none, it is no record,
	// and nobody's.
	known := c.buried[r.Incarnation] || r.Node == c.o.Node || r.Node == ""
	n, registered := c.view.nodes[r.Node]
	c.mu.Unlock()
	if known {
		return nil
	}
	record := n.record // written again as it is, if the node has registered anew
	switch {
	case !registered && !c.store.olderThanLease(NodesBucket):
		return errAgain
	case !registered:
		record = NodeRecord{ID: r.Node, FencedBy: c.o.Node}
	case record.Incarnation == r.Incarnation, record.Claiming:
		return errAgain
	}
	revision, err := put(ctx, c.store, NodesBucket, r.Node, record, n.revision)
	if errors.Is(err, cas.ErrChanged) { // it is there: as what?
		if e, err := get[NodeRecord](ctx, c.store, NodesBucket, r.Node); err == nil {
			c.mu.Lock()
			c.view.setNode(r.Node, e)
			c.mu.Unlock()
		}
		return errAgain
	}
	if err != nil {
		return c.unreachable(err)
	}
	if !registered {
		c.o.Log.Warn().Str("dead", r.Node).Msg("a node's lease has run out: it is fenced off, its rooms are free")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.buried) >= maxBuried {
		clear(c.buried)
	}
	c.buried[r.Incarnation] = true
	c.view.setNode(r.Node, entry[NodeRecord]{record, revision})
	return nil
}
