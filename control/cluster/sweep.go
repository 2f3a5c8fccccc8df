package cluster

import (
	"context"
	"errors"
	"time"

	"parlor/control/cas"
	"parlor/session/terms"
)

const (
	// idleFor is how long an entry may stand that nobody has in hand: a room that was placed and that nobody
	// came to. Lower makes a slow client find its room placed elsewhere. Higher keeps entries of no use. An
	// entry of a node that is not there stands for Options.Forget: the node may only be cut off, with people
	// in the room.
	idleFor = 30 * time.Second
	// sweepEvery is how often such entries are looked for.
	sweepEvery = 5 * time.Second
)

// tend sweeps, now and then.
func (c *Cluster) tend(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, sweepEvery)
		c.sweep(ctx, c.o.Now())
	}
}

// sweep deletes entries that nobody has had in hand for long enough: this node's own, and those of nodes that
// have died. The latter only the first of the registered nodes deletes.
func (c *Cluster) sweep(ctx context.Context, now time.Time) {
	if c.Open() != nil {
		return
	}
	for _, cl := range c.idle(now) {
		if ctx.Err() != nil {
			return
		}
		c.clear(ctx, cl)
	}
}

// idle returns busy claims on entries that are to be deleted.
func (c *Cluster) idle(now time.Time) []*claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.firstLocked()
	var l []*claim
	for token, s := range c.view.rooms {
		worth, mine := c.judgeLocked(s.record), s.record.Node == c.o.Node
		switch {
		case c.claims[token] != nil, worth == pending, worth == valid && !mine, worth != valid && !mine && !first:
			s.idle = time.Time{}
		case s.idle.IsZero():
			s.idle = now
		case now.Sub(s.idle) >= idleFor && (mine || now.Sub(s.idle) >= c.o.Forget):
			cl := &claim{token: token, revision: s.revision, busy: make(chan struct{})}
			c.claims[token] = cl
			l = append(l, cl)
		}
	}
	return l
}

// firstLocked reports whether this node is the first of the registered ones, by name.
func (c *Cluster) firstLocked() bool {
	for id, n := range c.view.nodes {
		if n.record.Incarnation != "" && id < c.o.Node {
			return false
		}
	}
	return true
}

// clear deletes an entry, after making sure that its node is dead.
func (c *Cluster) clear(ctx context.Context, cl *claim) {
	c.mu.Lock()
	bucket, _ := c.store.roomsBucket(false)
	var record RoomRecord
	worth := valid
	if s := c.view.rooms[cl.token]; s != nil {
		record, worth = s.record, c.judgeLocked(s.record)
	}
	c.mu.Unlock()
	var err error
	switch worth {
	case orphan, stale:
		err = c.bury(ctx, record)
	case void:
		err = c.store.stillIn(ctx, bucket)
	case valid, pending:
	}
	if err == nil {
		err = c.flushLast(ctx, cl.token, true)
	}
	if err == nil {
		err = c.store.purge(ctx, RoomsBucket, cl.token, cl.revision)
	}
	var told *terms.Error
	if err != nil && !errors.Is(err, cas.ErrChanged) && !errors.Is(err, errAgain) && !errors.As(err, &told) {
		c.o.Log.Debug().Err(err).Str("entry", cl.token).Msg("clearing away an entry that nobody has in hand")
	}
	c.drop(cl, err == nil)
}
