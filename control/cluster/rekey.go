package cluster

import (
	"context"
	"sync"
)

// resignTries bounds how often sealing a room's entry anew is tried. Entries that are left then are sealed
// when the node registers anew.
const resignTries = 50

// SetKeys has records sealed with these keys, the first maxSealed of them, and believes records that are
// sealed with any of them. Without keys nothing is sealed and all is believed. What this node has in the
// buckets is written anew. It may be called at any time.
func (c *Cluster) SetKeys(keys []RecordKey) {
	c.seal.keys.Store(&keys)
	c.watchAnew()
	signal(c.renewal.kick)
	c.background(c.resign)
}

// resign writes the entries of all rooms of this node again, under the keys of the moment.
func (c *Cluster) resign(ctx context.Context) {
	c.mu.Lock()
	incarnation := c.me.incarnation
	var work []*claim
	for _, cl := range c.claims {
		if !cl.room.IsZero() { // the sweep's have none
			work = append(work, cl)
		}
	}
	c.mu.Unlock()
	slots := make(chan struct{}, reclaimers)
	var all sync.WaitGroup
	for _, cl := range work {
		slots <- struct{}{}
		all.Go(func() {
			c.resignOne(ctx, cl, incarnation)
			<-slots
		})
	}
	all.Wait()
}

func (c *Cluster) resignOne(ctx context.Context, cl *claim, incarnation string) {
	// Those of another incarnation are just being written anew.
	if !c.seize(ctx, cl, func() bool { return cl.incarnation == incarnation }) {
		return
	}
	for range resignTries {
		owner, err := c.rewrite(ctx, cl, incarnation)
		switch {
		case err == nil && owner != "":
			c.handOn(ctx, cl, owner)
			return
		case err == nil:
			c.keepOn(cl)
			return
		case !c.current(incarnation): // registering anew does it
			c.keepOn(cl)
			return
		}
		sleep(ctx, tryEvery)
	}
	c.keepOn(cl)
	c.o.Log.Warn().Str("room", cl.room.Key()).Msg("a room's entry could not be sealed with the new keys: other nodes may send nobody here for it")
}

// current reports whether the node is still registered under that incarnation.
func (c *Cluster) current(incarnation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me.incarnation == incarnation && c.me.revision != 0
}
