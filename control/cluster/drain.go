package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"parlor/control/bus"
	"parlor/session/terms"
)

// movers is how many rooms are moved at a time. Higher empties the node sooner; then more people come to the
// other nodes at once.
const movers = 256

// Drain says that this node takes no new rooms from now on, which is not taken back. Those that it has go on.
func (c *Cluster) Drain() {
	c.mu.Lock()
	c.me.draining = true
	if n, ok := c.view.nodes[c.o.Node]; ok {
		n.record.Draining = true
		c.view.nodes[c.o.Node] = n
	}
	c.mu.Unlock()
	signal(c.renewal.kick)
}

// Draining reports whether Drain was called.
func (c *Cluster) Draining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me.draining
}

// MoveAll moves every room to another node and tells those inside where to go, as far as there is a node that
// takes it. It returns when nobody is left inside, or when ctx is done. What this node owes of a room is
// carried out first, as it is void for the other nodes.
func (c *Cluster) MoveAll(ctx context.Context) {
	owing := c.owing(ctx)
	c.mu.Lock()
	claims := make([]*claim, 0, len(c.claims))
	for _, cl := range c.claims {
		if !cl.room.IsZero() { // the sweep's have none
			claims = append(claims, cl)
		}
	}
	c.mu.Unlock()
	slots := make(chan struct{}, movers)
	var all sync.WaitGroup
	for _, cl := range claims {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			if owing[cl.token] {
				c.obeyLast(ctx, cl)
			}
			c.moveOne(ctx, cl)
			<-slots
		})
	}
	all.Wait()
}

func (c *Cluster) moveOne(ctx context.Context, cl *claim) {
	_, err := c.node.Move(ctx, cl.room, "the node is shutting down", func(ctx context.Context) string { return c.moveAway(ctx, cl) })
	if err != nil && ctx.Err() == nil {
		c.o.Log.Debug().Err(err).Str("room", cl.room.Key()).Msg("moving a room") // it has ended meanwhile
	}
}

// moveAway gives a room to another node and returns that node's URL. If that does not succeed, it returns the
// URL of some other node, or "".
func (c *Cluster) moveAway(ctx context.Context, cl *claim) string {
	if !c.seize(ctx, cl, func() bool { return true }) {
		return c.anyOther()
	}
	c.mu.Lock()
	candidates := c.view.candidates()
	for i := range candidates {
		candidates[i].Draining = candidates[i].Draining || candidates[i].ID == c.o.Node
	}
	target := c.o.Place(candidates, c.o.Node, cl.token)
	to := c.view.nodes[target].record
	c.mu.Unlock()
	if target == "" || to.URL == "" {
		c.keepOn(cl)
		return c.anyOther()
	}
	if err := c.flushLast(ctx, cl.token, false); err != nil {
		c.o.Log.Warn().Err(err).Str("room", cl.room.Key()).Msg("bans and blocks of a room that is moved could not be kept")
	}
	bucket, _ := c.store.roomsBucket(false)
	record := roomRecord(target, to.Incarnation, c.o.Now(), bucket).after(c.o.Node)
	revision, err := put(ctx, c.store, RoomsBucket, cl.token, record, cl.revision)
	if err != nil {
		c.o.Log.Warn().Err(err).Str("room", cl.room.Key()).Msg("a room could not be given to another node; it is placed anew by who comes first")
		c.keepOn(cl)
		return c.anyOther()
	}
	c.count.moved.Add(1)
	c.mu.Lock()
	c.view.setRoom(cl.token, entry[RoomRecord]{record, revision})
	c.mu.Unlock()
	c.drop(cl, false)
	return to.URL
}

func (c *Cluster) anyOther() string {
	if l := c.Others(); len(l) > 0 {
		return l[0]
	}
	return ""
}

// arriving is for how long people may come to a room, after it was given to this node and after the first has
// come. Higher makes commands on users that are not there wait for longer. Lower makes commands miss users
// that come late.
const arriving = 4 * time.Second

// Arriving returns for how long people may yet come to a room of this node from another one. That node has
// sent them here, or has died.
func (c *Cluster) Arriving(ctx context.Context, room terms.RoomID) time.Duration {
	token := bus.RoomToken(room)
	c.mu.Lock()
	claimed := c.claims[token] != nil
	c.mu.Unlock()
	if !claimed { // what the watch has not told yet
		_, _ = c.look(ctx, token, false)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.view.rooms[token]
	if s == nil || s.record.Node != c.o.Node || s.record.doubt != trusted || s.record.From == "" {
		return 0
	}
	return max(0, arriving-c.o.Now().Sub(s.seen))
}

// Locate says which node has a room, "" for none. It also names a node that is not there at the moment. Such
// a node may be cut off, with people in the room, until another one takes the room over. It asks NATS, unless
// the room is here. If NATS does not answer, what was last heard has to do. If nothing was heard either, the
// error says why.
func (c *Cluster) Locate(ctx context.Context, room terms.RoomID) (node string, err error) {
	token := bus.RoomToken(room)
	c.mu.Lock()
	cl := c.claims[token]
	here := cl != nil && cl.users > 0
	c.mu.Unlock()
	if here {
		return c.o.Node, nil
	}
	e, err := c.look(ctx, token, false)
	if errors.Is(err, errAbsent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.view.nodes[e.record.Node]; n.record.Incarnation != "" && c.judgeLocked(e.record) == stale {
		return "", nil
	}
	return e.record.Node, nil // also if it was fenced off
}
