package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"parlor/control/cas"
)

// errTaken: the node's name is in use, at least until that lease runs out.
var errTaken = errors.New("another node of that name is registered, or was a moment ago")

// keep registers the node and renews its lease.
func (c *Cluster) keep(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		c.judgeBeat(err)
		wait := c.store.length() / 3
		if err != nil {
			wait = c.store.length() / 15 // two or three more tries before the lease runs out
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-c.renewal.kick:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// renewal is how the renewing of the lease goes. All fields but kick and fault belong to the renewing
// goroutine, which logs each fact once.
type renewal struct {
	kick  chan struct{}          // buffered: renew now
	fault atomic.Pointer[string] // why the last one failed, for people; nil: it did not

	failing  bool
	timeouts int
	open     bool
}

func (c *Cluster) judgeBeat(err error) {
	r := &c.renewal
	if err == nil {
		c.count.renewals.Add(1)
		r.fault.Store(nil)
		r.failing, r.timeouts = false, 0
	} else {
		c.count.failed.Add(1)
		why := err.Error()
		r.fault.Store(&why)
		if !r.failing {
			c.o.Log.Warn().Err(err).Msg("the lease in the cluster could not be renewed; trying again")
		}
		r.failing = true
		if errors.Is(err, context.DeadlineExceeded) {
			r.timeouts++
		}
		if r.timeouts >= 2 && c.nc.IsConnected() { // a connection that is dead and does not know it
			r.timeouts = 0
			_ = c.nc.ForceReconnect() // it is tried again anyway
		}
	}
	switch open := c.Open() == nil; {
	case r.open && !open && !c.lease.running(c.o.Now()):
		c.count.lost.Add(1)
		c.o.Log.Error().Msg("the lease in the cluster has run out: no new users are taken, those inside go on")
		r.open = false
	case !r.open && open:
		r.open = true
	}
}

// beat is one renewal or registration.
func (c *Cluster) beat(ctx context.Context) error {
	c.mu.Lock()
	registered, lost := c.me.revision != 0, c.me.lost
	c.mu.Unlock()
	if lost {
		c.expire()
		return c.register(ctx)
	}
	if registered {
		return c.renew(ctx)
	}
	return c.register(ctx)
}

// recordLocked is the node's record for the given incarnation.
func (c *Cluster) recordLocked(r Report, incarnation string) NodeRecord {
	return NodeRecord{
		ID: c.o.Node, Incarnation: incarnation, URL: r.URL, Version: c.o.Version, Region: c.o.Region, Load: r.Load.tidy(),
		Draining: c.me.draining, Claiming: c.me.claiming, Tells: true,
	}
}

// renew writes the node's record anew.
func (c *Cluster) renew(ctx context.Context) error {
	report := c.node.Report()
	c.mu.Lock()
	record, revision := c.recordLocked(report, c.me.incarnation), c.me.revision
	c.mu.Unlock()
	sent := c.o.Now()
	next, err := put(ctx, c.store, NodesBucket, c.o.Node, record, revision)
	if errors.Is(err, cas.ErrChanged) {
		// Either an answer was lost, or the lease has run out.
		e, lookErr := get[NodeRecord](ctx, c.store, NodesBucket, c.o.Node)
		own := lookErr == nil && e.record.Incarnation == record.Incarnation
		switch {
		case own && e.revision == revision: // what stands in the way has not been stored yet
			return err
		case own:
			sent = c.o.Now()
			next, err = put(ctx, c.store, NodesBucket, c.o.Node, record, e.revision)
		case lookErr == nil, errors.Is(lookErr, errAbsent):
			c.expire()
			return c.register(ctx)
		default:
			return lookErr
		}
	}
	if err != nil {
		return errors.Join(err, c.reopen(ctx))
	}
	c.renewed(record, next, sent)
	return nil
}

// reopen makes the buckets anew, if they are gone. Then the next renewal finds that there is no entry.
func (c *Cluster) reopen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.store.timeout)
	defer cancel()
	return c.store.open(ctx)
}

// renewed takes an acknowledged write of the node's record.
func (c *Cluster) renewed(record NodeRecord, revision uint64, sent time.Time) {
	c.mu.Lock()
	c.me.revision = revision
	c.view.setNode(c.o.Node, entry[NodeRecord]{record, revision})
	c.mu.Unlock()
	c.lease.extend(sent, c.store.length())
}

// expire notes that the node's key is no longer its own.
func (c *Cluster) expire() {
	c.lease.close()
	c.mu.Lock()
	c.me.revision, c.me.lost = 0, false
	c.mu.Unlock()
}

// register enters the node under a new incarnation, and takes up its rooms.
func (c *Cluster) register(ctx context.Context) error {
	if err := c.store.open(ctx); err != nil {
		return err
	}
	report := c.node.Report()
	bucket, _ := c.store.roomsBucket(false)
	c.mu.Lock()
	c.me.bucket = bucket
	if c.me.next == "" {
		c.me.next = newIncarnation()
		c.me.mine[c.me.next] = true
	}
	c.me.claiming = len(c.claims) > 0
	record := c.recordLocked(report, c.me.next)
	c.mu.Unlock()
	sent := c.o.Now()
	revision, err := put(ctx, c.store, NodesBucket, c.o.Node, record, 0)
	if errors.Is(err, cas.ErrChanged) {
		var free uint64
		if free, err = c.replaceable(ctx); err != nil {
			return err
		}
		sent = c.o.Now()
		revision, err = put(ctx, c.store, NodesBucket, c.o.Node, record, free)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.me.incarnation, c.me.next = record.Incarnation, ""
	// In another bucket revisions begin anew; what is known of this node's key is this.
	delete(c.view.nodes, c.o.Node)
	c.mu.Unlock()
	c.renewed(record, revision, sent)
	c.watchAnew()
	signal(c.proof.kick)
	c.o.Log.Info().Str("incarnation", record.Incarnation).Stringer("lease", c.store.length()).Msg("registered in the cluster")
	c.background(func(context.Context) { c.reclaim(ctx, record.Incarnation) }) // renewing goes on meanwhile
	return nil
}

// replaceable returns the revision of what stands in the place of the node's key, if that may be replaced. A
// fence may, and what this process has written.
func (c *Cluster) replaceable(ctx context.Context) (uint64, error) {
	e, err := get[NodeRecord](ctx, c.store, NodesBucket, c.o.Node)
	if err != nil {
		return 0, err // also if it has just run out: the next try makes it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.record.Incarnation != "" && !c.me.mine[e.record.Incarnation] {
		return 0, fmt.Errorf("node %s (at %s): %w", c.o.Node, e.record.URL, errTaken)
	}
	return e.revision, nil
}

// watchAnew starts the watches anew.
func (c *Cluster) watchAnew() {
	for _, restart := range c.rewatch {
		signal(restart)
	}
}

// signal sends on a buffered channel, unless something waits in it already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
