package cluster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// reclaimers is how many rooms are taken up at a time. Raising it makes a node with very many rooms take entries sooner
// after it was cut off, and NATS answer others later meanwhile.
const reclaimers = 16

// reclaim writes the entries of all rooms of this node for a new incarnation, hands on the rooms that others have taken,
// and opens the node. It gives up where there is another incarnation by then.
func (c *Cluster) reclaim(ctx context.Context, incarnation string) {
	began := c.o.Now()
	current := func() bool { return ctx.Err() == nil && c.current(incarnation) }
	for {
		work := c.unclaimed(incarnation)
		if len(work) == 0 {
			break
		}
		places := make(chan struct{}, reclaimers)
		var all sync.WaitGroup
		for _, cl := range work {
			places <- struct{}{}
			all.Go(func() {
				c.reclaimOne(ctx, cl, incarnation, current)
				<-places
			})
		}
		all.Wait()
		if !current() {
			return
		}
	}
	c.mu.Lock()
	if c.me.incarnation != incarnation || c.me.revision == 0 {
		c.mu.Unlock()
		return
	}
	claimed := c.me.claiming
	c.me.claiming = false
	c.lease.ready.Store(true)
	select {
	case <-c.opened:
	default:
		close(c.opened)
	}
	c.mu.Unlock()
	if claimed {
		c.o.Log.Info().Stringer("took", c.o.Now().Sub(began).Round(time.Millisecond)).Msg("rooms taken up again")
		signal(c.kick) // the others are to know
	}
}

// unclaimed returns the claims that were written for another incarnation.
func (c *Cluster) unclaimed(incarnation string) []*claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []*claim
	for _, cl := range c.claims {
		if cl.busy != nil || cl.incarnation != incarnation { // a busy one is looked at when it no longer is
			l = append(l, cl)
		}
	}
	return l
}

func (c *Cluster) reclaimOne(ctx context.Context, cl *claim, incarnation string, current func() bool) {
	if !c.seize(ctx, cl, func() bool { return cl.incarnation != incarnation }) {
		return
	}
	for current() {
		owner, err := c.rewrite(ctx, cl, incarnation)
		switch {
		case err != nil:
			pause(ctx, tryEvery)
			continue
		case owner != "":
			c.handOn(ctx, cl, owner)
		default:
			c.keepOn(cl)
		}
		return
	}
	c.keepOn(cl)
}

// rewrite writes a room's entry for the present incarnation, or returns who has the room now.
func (c *Cluster) rewrite(ctx context.Context, cl *claim, incarnation string) (owner string, err error) {
	revision := cl.revision
	next, err := put(ctx, c.store, RoomsBucket, cl.token, roomRecord(c.o.Node, incarnation, c.o.Now()), revision)
	if errors.Is(err, errConflict) {
		e, lookErr := get[RoomRecord](ctx, c.store, RoomsBucket, cl.token)
		switch {
		case errors.Is(lookErr, errAbsent):
			revision = 0
		case lookErr != nil:
			return "", lookErr
		case e.record.Node != c.o.Node || !c.isMine(e.record.Incarnation):
			return e.record.Node, nil
		default:
			revision = e.revision // an answer was lost, or it is another bucket
		}
		next, err = put(ctx, c.store, RoomsBucket, cl.token, roomRecord(c.o.Node, incarnation, c.o.Now()), revision)
	}
	if err != nil {
		return "", err
	}
	cl.revision, cl.incarnation = next, incarnation
	c.mu.Lock()
	c.view.setRoom(cl.token, entry[RoomRecord]{roomRecord(c.o.Node, incarnation, c.o.Now()), next})
	c.mu.Unlock()
	return "", nil
}

func (c *Cluster) isMine(incarnation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me.mine[incarnation]
}

// handOn sends those inside a room that another node has taken over to it.
func (c *Cluster) handOn(ctx context.Context, cl *claim, owner string) {
	c.count.handedOn.Add(1)
	c.o.Log.Warn().Str("room", cl.room.Key()).Str("to", owner).Msg("room was taken over while this node was cut off: those inside are sent there")
	c.drop(cl, false)
	_, err := c.rooms.Move(ctx, cl.room, "the room has moved to another node", func(context.Context) string {
		url, _ := c.NodeURL(owner)
		return url
	})
	if err != nil && ctx.Err() == nil {
		c.o.Log.Debug().Err(err).Str("room", cl.room.Key()).Msg("handing a room on") // it has ended meanwhile
	}
}
