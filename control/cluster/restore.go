package cluster

import (
	"context"
)

// told acts on a change of a bucket that a watch has told: an entry of this node's may be gone, or another's
// by now.
func (c *Cluster) told(name string, e change) {
	if name == NodesBucket {
		c.toldOfNode(e)
		return
	}
	c.mu.Lock()
	cl := c.claims[e.Key()]
	s := c.view.rooms[e.Key()]
	astray := cl != nil && c.astrayLocked(cl, s, e.Revision())
	c.mu.Unlock()
	if astray {
		c.background(func(ctx context.Context) { c.restore(ctx, cl, e.Revision()) })
	}
}

// toldOfNode registers anew at once if this node's key has ended or is another's. Renewals would find it,
// later.
func (c *Cluster) toldOfNode(e change) {
	if e.Key() != c.o.Node {
		return
	}
	c.mu.Lock()
	n, there := c.view.nodes[c.o.Node]
	foreign := c.me.revision != 0 && e.Revision() > c.me.revision && (!there || !c.me.mine[n.record.Incarnation])
	c.mu.Unlock()
	if foreign {
		signal(c.renewal.kick)
	}
}

// restoreMissing restores entries that a new watch has not told.
func (c *Cluster) restoreMissing(name string) {
	if name != RoomsBucket {
		return
	}
	c.mu.Lock()
	all := map[*claim]uint64{}
	for token, cl := range c.claims {
		if cl.busy == nil && c.astrayLocked(cl, c.view.rooms[token], cl.revision+1) {
			all[cl] = cl.revision + 1
		}
	}
	c.mu.Unlock()
	for cl, revision := range all {
		c.background(func(ctx context.Context) { c.restore(ctx, cl, revision) })
	}
}

// astrayLocked reports whether the entry of a room that this node has is not its own, as of that revision. A
// claim that is being worked on is judged whatever its revision; restore looks again when it has the claim.
func (c *Cluster) astrayLocked(cl *claim, s *seenRoom, revision uint64) bool {
	if cl.users == 0 || cl.busy == nil && (cl.incarnation != c.me.incarnation || revision <= cl.revision) {
		return false
	}
	return s == nil || s.record.Node != c.o.Node || !c.me.mine[s.record.Incarnation]
}

// restore writes the entry of a room again that somebody has deleted or replaced. If another node has the
// room by now, it sends those inside there.
func (c *Cluster) restore(ctx context.Context, cl *claim, revision uint64) {
	var incarnation string
	ours := c.seize(ctx, cl, func() bool {
		incarnation = c.me.incarnation
		s := c.view.rooms[cl.token]
		return cl.users > 0 && cl.incarnation == incarnation && revision > cl.revision &&
			(s == nil || s.record.Node != c.o.Node || !c.me.mine[s.record.Incarnation])
	})
	if !ours {
		return
	}
	e, err := c.store.roomNow(ctx, cl.token)
	if err == nil && e.revision == cl.revision { // the watch was late, not the entry gone
		c.mu.Lock()
		c.view.setRoom(cl.token, e)
		c.mu.Unlock()
		c.keepOn(cl)
		return
	}
	current := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.over() && c.me.incarnation == incarnation && c.me.revision != 0 && !c.me.lost
	}
	if c.restate(ctx, cl, incarnation, current) {
		c.count.restored.Add(1)
		c.o.Log.Warn().Str("room", cl.room.Key()).Msg("the room's entry in SFU_ROOMS was gone, or nobody's: it is written again")
	}
}
