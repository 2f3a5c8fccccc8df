package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"parlor/control/bus"
	"parlor/control/cas"
	"parlor/session/terms"
)

const (
	// proofPrefix begins the keys of SFU_ROOMS that are no rooms. Each registered node has one there, which
	// it writes with every renewal. So it knows that a room can be placed, and that the bucket is the one
	// into which it has written its rooms.
	proofPrefix = "node."
	// minProofTTL is for how long the key of a node that has died stays at least, see proofTTL.
	minProofTTL = time.Minute
	// proofGap is the least time between two proofs. Lower asks NATS more often while something is wrong.
	proofGap = 100 * time.Millisecond
)

// proof is what this node knows of whether SFU_ROOMS stores what is written. All fields but kick and fault
// belong to the proving goroutine.
type proof struct {
	kick  chan struct{}          // buffered: look now
	fault atomic.Pointer[string] // why no room can be placed, for people; nil: one can

	of       string    // the incarnation that has written the key
	revision uint64    // of the key; 0: not written yet
	failing  time.Time // since when; zero: it succeeds
	remade   time.Time // when SFU_ROOMS was last made anew because it stored nothing
}

// Ready says why new users should not be sent here, with code node_draining; nil: they can be. Beyond Open it
// says whether a room can be placed.
func (c *Cluster) Ready() error {
	if err := c.Open(); err != nil {
		if why := c.renewal.fault.Load(); why != nil {
			return terms.Errorf(terms.CodeNodeDraining, "", "%s (%s)", terms.AsError(err).Text, *why)
		}
		return err
	}
	return c.placeable()
}

// placeable says why no room can be placed; nil: as far as is known one can.
func (c *Cluster) placeable() error {
	if why := c.proof.fault.Load(); why != nil {
		return terms.Errorf(terms.CodeNodeDraining, "", "no new room can be placed: %s", *why)
	}
	return nil
}

// keepProving proves, for as long as the node is registered, that a room can be placed.
func (c *Cluster) keepProving(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.prove(ctx)
		if ctx.Err() != nil {
			return
		}
		c.judgeProof(ctx, err)
		wait := c.store.length() / 3
		if err != nil {
			wait = c.store.length() / 15
		}
		t := time.NewTimer(max(wait-proofGap, 0))
		select {
		case <-t.C:
		case <-c.proof.kick:
		case <-ctx.Done():
		}
		t.Stop()
		sleep(ctx, proofGap)
	}
}

// prove writes the node's key in SFU_ROOMS anew, and looks whether SFU_MARKS is still there.
func (c *Cluster) prove(ctx context.Context) error {
	c.mu.Lock()
	incarnation, bucket, registered := c.me.incarnation, c.me.bucket, c.me.revision != 0
	c.mu.Unlock()
	if !registered {
		return nil // Open says why
	}
	p := &c.proof
	if p.of != incarnation { // whose rooms are written into the bucket as it is
		p.of, p.revision = incarnation, 0
	}
	err := c.proveRooms(ctx, incarnation)
	if err == nil {
		err = c.proveSame(ctx, bucket)
	}
	if err == nil {
		err = c.proveMarks(ctx)
	}
	return err
}

// proveSame looks whether SFU_ROOMS is the bucket into which the node has written its rooms when it registered.
// Its key there does not tell if it was written later than another bucket was made. Nor does it if a copy was
// restored, whose entries name the bucket that was copied.
func (c *Cluster) proveSame(ctx context.Context, bucket string) error {
	err := c.store.stillIn(ctx, bucket)
	if !errors.Is(err, errGone) {
		return err
	}
	c.mu.Lock()
	lost := c.me.lost || c.me.bucket != bucket // the node is about to register, or has done so meanwhile
	c.mu.Unlock()
	if !lost {
		c.lose("it was made anew")
	}
	return nil
}

func (c *Cluster) proveRooms(ctx context.Context, incarnation string) error {
	p, key := &c.proof, proofPrefix+c.o.Node
	bucket, _ := c.store.roomsBucket(false)
	next, err := c.store.putProof(ctx, key, roomRecord(c.o.Node, incarnation, c.o.Now(), bucket), p.revision)
	switch {
	case err == nil:
		p.revision = next
		return nil
	case errors.Is(err, errGone):
		if p.revision != 0 {
			c.lose("it was deleted")
		}
		return errors.Join(err, c.reopen(ctx))
	case !errors.Is(err, cas.ErrChanged):
		return err
	}
	e, lookErr := get[RoomRecord](ctx, c.store, RoomsBucket, key)
	switch {
	// The key is of an earlier registration, or an answer was lost.
	case lookErr == nil && (p.revision == 0 || e.record.Incarnation == incarnation):
		p.revision = e.revision
		return nil
	case p.revision != 0 && (lookErr == nil || errors.Is(lookErr, errAbsent)):
		c.lose("it was made anew")
		return nil
	}
	return lookErr // what marks the end of an earlier key is gone in a moment
}

// lose is called when SFU_ROOMS no longer holds what this node has written. The node registers anew, and so
// writes all its rooms again before anybody enters.
func (c *Cluster) lose(why string) {
	c.proof.revision = 0
	c.mu.Lock()
	c.me.lost = true
	rooms := len(c.claims)
	for _, cl := range c.claims {
		cl.first = 0
	}
	c.mu.Unlock()
	c.count.lostBuckets.Add(1)
	c.o.Log.Warn().Str("bucket", RoomsBucket).Int("rooms", rooms).Msg(why + ": this node's rooms are written into the new one")
	signal(c.renewal.kick)
}

// proveMarks looks whether SFU_MARKS is the bucket into which the bans and blocks of this node were written.
// If it is not, they are written again.
func (c *Cluster) proveMarks(ctx context.Context) error {
	other, err := c.store.marksAnew(ctx)
	if err != nil || !other {
		return err
	}
	all := c.node.Marks()
	n := 0
	for room, list := range all {
		n += len(list)
		c.Keep(room, list)
	}
	c.count.lostBuckets.Add(1)
	c.o.Log.Warn().Str("bucket", MarksBucket).Int("marks", n).Msg("it was made anew: this node's bans and blocks are written again")
	return nil
}

// judgeProof acts on the outcome of a proof. One failure says nothing yet: a replicated bucket that elects
// its leader is back soon.
func (c *Cluster) judgeProof(ctx context.Context, err error) {
	p, now := &c.proof, c.o.Now()
	switch {
	case err == nil:
		p.failing = time.Time{}
		if p.fault.Swap(nil) != nil {
			c.o.Log.Info().Msg("new rooms can be placed again")
		}
		return
	case p.failing.IsZero():
		p.failing = now
	}
	lasts := now.Sub(p.failing)
	if lasts < c.store.length() {
		return
	}
	why := proofFault(err)
	if p.fault.Swap(&why) == nil {
		c.o.Log.Error().Err(err).Msg("no new room can be placed: NATS does not store what is written into SFU_ROOMS; those that there are go on")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		c.remake(ctx, lasts)
	}
}

// proofFault says for people why nothing is stored.
func proofFault(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "NATS does not store what is written into " + RoomsBucket + "; is its disk full?"
	}
	return err.Error()
}

// remake makes SFU_ROOMS anew if it no longer stores anything although NATS could. If a server's disk was
// full, it never again writes into a stream that has met with that, until it is restarted. The nodes write
// again what was in the bucket, see rule 6.
func (c *Cluster) remake(ctx context.Context, lasts time.Duration) {
	c.mu.Lock()
	first := c.firstLocked()
	c.mu.Unlock()
	p, length := &c.proof, c.store.length()
	if c.store.replicas > 1 || lasts < 2*length || !first && lasts < 4*length || c.o.Now().Sub(p.remade) < length {
		return
	}
	p.remade = c.o.Now()
	if err := bus.Stores(ctx, c.store.js, c.o.Node, c.store.timeout); err != nil {
		c.o.Log.Debug().Err(err).Msg("looking whether NATS stores anything")
		return
	}
	if err := c.store.remove(ctx, RoomsBucket); err != nil && !errors.Is(err, errGone) {
		c.o.Log.Debug().Err(err).Str("bucket", RoomsBucket).Msg("making a bucket anew that stores nothing")
		return
	}
	c.o.Log.Warn().Str("bucket", RoomsBucket).Msg("it was made anew, since it stored nothing any more although NATS can; " +
		"streams in the same state, such as that of events, wait for a restart of the NATS server")
	c.lose("it was made anew")
}

// proofTTL is for how long the key of a node that has died stays. It is longer than anything that a node
// lives through without registering anew.
func (s *store) proofTTL() time.Duration { return max(minProofTTL, 3*s.length()) }

// putProof writes a node's key in SFU_ROOMS: revision 0 makes it.
func (s *store) putProof(ctx context.Context, key string, r RoomRecord, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	revision, err := cas.PutFor(ctx, s.js, "$KV."+RoomsBucket+"."+key, encode(s.seal, RoomsBucket, key, r), revision, s.proofTTL())
	return revision, s.outcome(RoomsBucket, err)
}

// remove deletes a bucket.
func (s *store) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.outcome(name, s.js.DeleteKeyValue(ctx, name))
}
