package cluster

import (
	"context"
	"errors"

	"parlor/control/cas"
)

// maxBuried bounds what is remembered of dead incarnations. Beyond it all are forgotten and have to be proven dead again.
const maxBuried = 4096

// bury makes sure that the incarnation which a room's entry names is dead for good, as the view says. The view alone will
// not do: it may be older than the entry. So it is proven by a write to the node's key, which the leader of the bucket
// checks: the entry was read before, its incarnation has registered before it wrote the entry, and what is replaced now is
// not that registration. Once proven it is true for ever, because no incarnation registers twice.
func (c *Cluster) bury(ctx context.Context, r RoomRecord) error {
	c.mu.Lock()
	known := c.buried[r.Incarnation] || r.Node == c.o.Node || r.Node == "" // this one's own lease is proof enough; and what is no record is nobody's
	n, registered := c.view.nodes[r.Node]
	c.mu.Unlock()
	if known {
		return nil
	}
	record := n.record // written again as it is, where the node has registered anew
	switch {
	case !registered && !c.store.settled(NodesBucket):
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
