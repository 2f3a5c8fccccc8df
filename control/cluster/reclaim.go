package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"parlor/control/cas"
)

// reclaimers is how many rooms are taken up at a time. Higher lets a node with very many rooms take entries
// sooner after it was cut off. Meanwhile NATS answers others later.
const reclaimers = 16

// reclaim writes the entries of all rooms of this node for a new incarnation. It hands on the rooms that
// others have taken, and then opens the node. It gives up if there is another incarnation by then.
func (c *Cluster) reclaim(ctx context.Context, incarnation string) {
	began := c.o.Now()
	current := func() bool { return ctx.Err() == nil && c.current(incarnation) }
	for {
		work := c.unclaimed(incarnation)
		if len(work) == 0 {
			break
		}
		slots := make(chan struct{}, reclaimers)
		var all sync.WaitGroup
		for _, cl := range work {
			slots <- struct{}{}
			all.Go(func() {
				c.reclaimOne(ctx, cl, incarnation, current)
				<-slots
			})
		}
		all.Wait()
		if !current() {
			return
		}
	}
	if !c.reread(ctx, current) {
		return
	}
	c.mu.Lock()
	if c.me.incarnation != incarnation || c.me.revision == 0 {
		c.mu.Unlock()
		return
	}
	claimed := c.me.claiming
	c.me.claiming = false
	c.lease.allow()
	c.mu.Unlock()
	if claimed {
		c.o.Log.Info().Stringer("took", c.o.Now().Sub(began).Round(time.Millisecond)).Msg("rooms taken up again")
		signal(c.renewal.kick) // the others are to know
	}
}

// reread puts in force what others have written of this node's rooms while it was cut off, and carries out
// what the node owes. It writes the node's own blocks again if others have cleared them away with the room's
// entry. It reports whether that is done.
func (c *Cluster) reread(ctx context.Context, current func() bool) bool {
	c.mu.Lock()
	var rooms []*claim
	for _, cl := range c.claims {
		if !cl.room.IsZero() {
			rooms = append(rooms, cl)
		}
	}
	c.mu.Unlock()
	for len(rooms) > 0 && current() {
		err := c.rereadOnce(ctx, rooms)
		if err == nil {
			return current()
		}
		c.o.Log.Debug().Err(err).Msg("reading bans and blocks again")
		sleep(ctx, tryEvery)
	}
	return current()
}

func (c *Cluster) rereadOnce(ctx context.Context, rooms []*claim) error {
	marked, owing, err := c.store.marked(ctx, ">")
	if err != nil {
		return err
	}
	own := c.node.Marks()
	for _, cl := range rooms {
		if list := own[cl.room]; len(list) > 0 && !marked[cl.token] {
			c.marks.want(cl.token, list)
			signal(c.marks.kick)
		}
		if !marked[cl.token] && !owing[cl.token] {
			continue
		}
		if err := c.heed(ctx, cl); err != nil {
			return err
		}
	}
	return nil
}

// heed puts in force what others have written of a room, and carries out what is owed of it.
func (c *Cluster) heed(ctx context.Context, cl *claim) error {
	if !c.seize(ctx, cl, func() bool { return true }) {
		return ctx.Err()
	}
	defer c.keepOn(cl)
	within, cancel := context.WithTimeout(ctx, 2*c.store.timeout)
	defer cancel()
	stands, end := c.marks.reading(cl.token)
	defer end()
	list, owed, err := c.store.readMarks(within, cl.token)
	if err == nil {
		err = c.node.Heed(within, cl.room, list, stands)
	}
	if err != nil {
		return err
	}
	return c.obey(ctx, cl, owed)
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
	c.restate(ctx, cl, incarnation, current)
}

// restate writes the entry of a room that the caller has made busy, or hands the room on. It reports whether
// the entry is this node's.
func (c *Cluster) restate(ctx context.Context, cl *claim, incarnation string, current func() bool) bool {
	for current() {
		owner, err := c.rewrite(ctx, cl, incarnation)
		switch {
		case err != nil:
			sleep(ctx, tryEvery)
			continue
		case owner != "":
			c.handOn(ctx, cl, owner)
			return false
		}
		c.keepOn(cl)
		return true
	}
	c.keepOn(cl)
	return false
}

// rewrite writes a room's entry for the present incarnation, or returns the node that has the room now.
func (c *Cluster) rewrite(ctx context.Context, cl *claim, incarnation string) (owner string, err error) {
	bucket, _ := c.store.roomsBucket(false)
	record := roomRecord(c.o.Node, incarnation, c.o.Now(), bucket)
	next, err := put(ctx, c.store, RoomsBucket, cl.token, record, cl.revision)
	if errors.Is(err, cas.ErrChanged) {
		var free uint64
		if owner, free, err = c.occupant(ctx, cl.token); owner != "" || err != nil {
			return owner, err
		}
		next, err = put(ctx, c.store, RoomsBucket, cl.token, record, free)
	}
	if err != nil {
		return "", err
	}
	cl.revision, cl.incarnation = next, incarnation
	c.mu.Lock()
	// Revisions began anew: the bucket is another one. What is owed from now on names its revisions.
	if next < cl.first {
		cl.first = 0
	}
	c.view.setRoom(cl.token, entry[RoomRecord]{record, next})
	c.mu.Unlock()
	return "", nil
}

// occupant returns the node that lives and has the room, if it is another than this one. Otherwise it returns
// the revision of the entry that may be replaced; 0: there is none. That entry is this node's own, after an
// answer was lost or in another bucket, or a dead node's, or void.
func (c *Cluster) occupant(ctx context.Context, token string) (owner string, free uint64, err error) {
	e, err := c.store.roomNow(ctx, token)
	switch {
	case errors.Is(err, errAbsent):
		return "", 0, nil
	case err != nil:
		return "", 0, err
	case e.record.Node == c.o.Node && c.isMine(e.record.Incarnation):
		return "", e.revision, nil
	}
	c.mu.Lock()
	c.view.setRoom(token, e)
	worth := c.judgeLocked(e.record)
	c.mu.Unlock()
	switch worth {
	case valid, pending:
		return e.record.Node, 0, nil
	case void:
		return "", e.revision, nil
	}
	return "", e.revision, c.bury(ctx, e.record)
}

func (c *Cluster) isMine(incarnation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me.mine[incarnation]
}

// handOn sends those inside a room to the node that has taken it over, but not users that were to be put out
// before.
func (c *Cluster) handOn(ctx context.Context, cl *claim, owner string) {
	c.count.handedOn.Add(1)
	c.o.Log.Warn().Str("room", cl.room.Key()).Str("to", owner).Msg("room was taken over while this node was cut off: those inside are sent there")
	c.mu.Lock()
	cl.theirs = true
	c.mu.Unlock()
	c.obeyFirst(ctx, cl)
	c.drop(cl, false)
	_, err := c.node.Move(ctx, cl.room, "the room has moved to another node", func(context.Context) string {
		url, _ := c.NodeURL(owner)
		return url
	})
	if err != nil && ctx.Err() == nil {
		c.o.Log.Debug().Err(err).Str("room", cl.room.Key()).Msg("handing a room on") // it has ended meanwhile
	}
}
