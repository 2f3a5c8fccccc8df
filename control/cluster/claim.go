package cluster

import (
	"context"
	"errors"
	"time"

	"parlor/control/bus"
	"parlor/control/cas"
	"parlor/session/terms"
)

// claim is a room that this node has, or that somebody is working on. It is under Cluster.mu. The goroutine
// that has made it busy may use the other fields without the lock until busy is closed.
type claim struct {
	room        terms.RoomID
	token       string
	users       int    // how many holds there are on it
	revision    uint64 // of its entry
	incarnation string // of this node, in its entry
	bucket      string // which SFU_ROOMS it is sought in, see RoomRecord
	marked      bool   // it may have blocks in SFU_MARKS; under Cluster.mu
	// theirs: another node has the room, and those inside are about to be sent there; under Cluster.mu.
	theirs bool
	// first is the entry's revision when the room was claimed; 0: in an earlier bucket; under Cluster.mu.
	first uint64
	busy  chan struct{}
}

const (
	// claimWithin bounds how long an entry into a room waits for a node to have it, in leases. In that time
	// a dead node's lease may run out, and a new bucket may become a lease old.
	claimWithin = 2
	// tryEvery is how often such an entry looks again. Lower asks NATS more often, higher lets users wait for
	// longer.
	tryEvery = 100 * time.Millisecond
)

// errAgain: the world was not as believed; look again.
var errAgain = errors.New("it is being decided elsewhere which node has the room")

// Claim makes sure that a room is on this node, by a hold that the caller releases when the room has ended.
// Releasing it twice does no harm. A room that is on no node is placed if create says so.
//
// The error is *terms.ElsewhereError if the room is on another node, now or from now on. It is *terms.Error
// with room_not_found if the room is nowhere and is not to be created. It is *terms.Error with node_draining
// if its node cannot be said or no node takes it. Otherwise it is ctx's.
func (c *Cluster) Claim(ctx context.Context, room terms.RoomID, create bool) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, claimWithin*c.store.length())
	defer cancel()
	token := bus.RoomToken(room)
	for {
		if err := c.Open(); err != nil {
			return nil, err
		}
		if err := c.away(ctx, token); err != nil {
			return nil, err
		}
		cl, had, busy := c.begin(room, token)
		switch {
		case busy != nil:
			select {
			case <-busy:
				continue
			case <-ctx.Done():
				return nil, c.undecided(ctx.Err())
			}
		case had:
			return c.releaser(cl), nil
		}
		err = c.take(ctx, cl, create)
		if err = c.finish(cl, err); err == nil {
			return c.releaser(cl), nil
		}
		if !errors.Is(err, errAgain) {
			return nil, err
		}
	}
}

// undecided returns the error for a user if it was not found out in time on which node its room is.
func (c *Cluster) undecided(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return terms.Errorf(terms.CodeNodeDraining, "", "it cannot be said yet on which node the room is; try again")
}

// away says where the room is if it is on another node. If the view says so, NATS is asked, too, so that
// nobody is sent after a room that has just moved, perhaps to this node. If NATS does not answer, the view
// has to do.
func (c *Cluster) away(ctx context.Context, token string) error {
	c.mu.Lock()
	believed := c.claims[token] == nil && c.onAnotherLocked(c.view.rooms[token])
	c.mu.Unlock()
	if !believed {
		return nil
	}
	if _, err := c.look(ctx, token, false); err != nil {
		return nil // whoever works on the claim finds out more
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.view.rooms[token]; c.onAnotherLocked(s) {
		return c.elsewhereLocked(s.record.Node)
	}
	return nil
}

func (c *Cluster) onAnotherLocked(s *seenRoom) bool {
	return s != nil && s.record.Node != c.o.Node && s.record.doubt == trusted && c.judgeLocked(s.record) == valid
}

// begin finds who has the room in hand. If this node has it, it then has one more hold on it (had). If
// somebody is working on it, busy is closed when that is over. If nobody has it, the caller is to work on the
// new claim cl.
func (c *Cluster) begin(room terms.RoomID, token string) (cl *claim, had bool, busy <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl = c.claims[token]
	switch {
	case cl != nil && cl.busy != nil:
		return nil, false, cl.busy
	case cl != nil:
		cl.users++
		return cl, true, nil
	}
	cl = &claim{room: room, token: token, busy: make(chan struct{})}
	c.claims[token] = cl
	return cl, false, nil
}

// elsewhereLocked sends a user to another node.
func (c *Cluster) elsewhereLocked(node string) error {
	url := c.view.nodes[node].record.URL
	if url == "" {
		return terms.Errorf(terms.CodeNodeDraining, "", "the room is on node %s, which does not say where it can be reached", node)
	}
	c.count.redirects.Add(1)
	return &terms.ElsewhereError{Node: node, URL: url}
}

// finish ends the work on a claim: with a hold on it, or without it.
func (c *Cluster) finish(cl *claim, err error) error {
	open := c.Open()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && (open != nil || cl.incarnation != c.me.incarnation) {
		err = errAgain // written under a lease that has run out since
	}
	if err != nil {
		delete(c.claims, cl.token)
	} else {
		cl.users = 1
	}
	close(cl.busy)
	cl.busy = nil
	return err
}

// take gets the room's entry for this node, or places it elsewhere.
func (c *Cluster) take(ctx context.Context, cl *claim, create bool) error {
	for first := true; ; first = false {
		err := c.tryTake(ctx, cl, create, first)
		if !errors.Is(err, errAgain) && !errors.Is(err, cas.ErrChanged) {
			return err
		}
		if !first {
			sleep(ctx, tryEvery)
		}
		if ctx.Err() != nil {
			return c.undecided(ctx.Err())
		}
		if err := c.Open(); err != nil {
			return err
		}
	}
}

func (c *Cluster) tryTake(ctx context.Context, cl *claim, create, first bool) error {
	bucket, placeable := c.store.roomsBucket(c.o.Own)
	cl.bucket = bucket
	e, err := c.look(ctx, cl.token, first)
	switch {
	case errors.Is(err, errAbsent):
		return c.place(ctx, cl, 0, create, placeable)
	case err != nil:
		return c.unreachable(err)
	}
	c.mu.Lock()
	worth := c.judgeLocked(e.record)
	mine, draining := e.record.Node == c.o.Node, c.me.draining
	c.mu.Unlock()
	switch {
	case worth == void && first: // what the view has may be of the bucket before
		return errAgain
	case worth == void:
		return c.replaceVoid(ctx, cl, e.revision, create, placeable)
	case worth == orphan || worth == stale:
		if err := c.bury(ctx, e.record); err != nil {
			return err
		}
		return c.takeOver(ctx, cl, e)
	case mine && draining:
		return c.write(ctx, cl, e.revision, c.choose(cl.token), e.record.From)
	case mine: // somebody has placed it here
		return c.write(ctx, cl, e.revision, c.o.Node, e.record.From)
	case e.record.doubt != trusted && first: // it may have been sealed since
		return errAgain
	case e.record.doubt != trusted:
		return c.refuse(cl.token, e.record)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elsewhereLocked(e.record.Node)
}

// replaceVoid decides on a node for a room whose entry is void. That is as if there were none, once the nodes
// have had a lease to write their rooms into this bucket, if it is the one that this node knows.
func (c *Cluster) replaceVoid(ctx context.Context, cl *claim, revision uint64, create, placeable bool) error {
	if !placeable {
		return errAgain
	}
	if err := c.store.stillIn(ctx, cl.bucket); err != nil {
		return c.unreachable(err)
	}
	return c.place(ctx, cl, revision, create, placeable)
}

// refuse returns the error for a user who enters a room whose entry is not believed. The room is not taken
// from the node that the entry names: that node may have no keys, or others.
func (c *Cluster) refuse(token string, r RoomRecord) error {
	c.seal.tell.Do(func() {
		c.o.Log.Warn().Str("entry", token).Str("other", r.Node).Stringer("record", r.doubt).
			Msg("a room's entry in SFU_ROOMS has no MAC by a key of this node (auth.keys): nobody is sent there")
	})
	return terms.Errorf(terms.CodeNodeDraining, "", "it cannot be proven on which node the room is")
}

// takeOver places a room anew whose node has died.
func (c *Cluster) takeOver(ctx context.Context, cl *claim, e entry[RoomRecord]) error {
	to := c.choose(cl.token)
	err := c.write(ctx, cl, e.revision, to, e.record.Node)
	var elsewhere *terms.ElsewhereError
	if err == nil || errors.As(err, &elsewhere) {
		c.count.takeovers.Add(1)
		c.o.Log.Info().Str("room", cl.room.Key()).Str("dead", e.record.Node).Str("to", to).Msg("room taken over from a node that has died")
	}
	return err
}

// choose returns the node for a new room, or "".
func (c *Cluster) choose(token string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.o.Place(c.view.candidates(), c.o.Node, token)
}

// look returns a room's entry. If viewed, it is as the view has it, if that knows one. Otherwise it is as
// NATS has it, or as the view has it if NATS does not answer.
func (c *Cluster) look(ctx context.Context, token string, viewed bool) (entry[RoomRecord], error) {
	c.mu.Lock()
	s := c.view.rooms[token]
	c.mu.Unlock()
	if s != nil && viewed {
		return s.entry, nil
	}
	e, err := get[RoomRecord](ctx, c.store, RoomsBucket, token)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.view.setRoom(token, e)
	case errors.Is(err, errAbsent) && s != nil && c.view.rooms[token] == s:
		delete(c.view.rooms, token)
	case s != nil && !errors.Is(err, errAbsent):
		return s.entry, nil // NATS is away
	}
	return e, err
}

// place decides on a node for a room that is nowhere, and makes its entry in place of the void one of that
// revision; 0: there is none.
func (c *Cluster) place(ctx context.Context, cl *claim, revision uint64, create, placeable bool) error {
	switch {
	case !create:
		return terms.Errorf(terms.CodeRoomNotFound, "room", "there is no such room")
	case !placeable:
		return errAgain
	}
	return c.write(ctx, cl, revision, c.choose(cl.token), "")
}

// write gives the room to a node, in place of the entry of that revision; 0: there is none. Users of the node
// from come to it; "": no users come from elsewhere.
func (c *Cluster) write(ctx context.Context, cl *claim, revision uint64, target, from string) error {
	if target == "" {
		return terms.Errorf(terms.CodeNodeDraining, "", "no node takes new rooms at the moment")
	}
	if err := c.placeable(); err != nil {
		return err
	}
	c.mu.Lock()
	own := c.me.incarnation
	incarnation := own
	if target != c.o.Node {
		incarnation = c.view.nodes[target].record.Incarnation
	}
	c.mu.Unlock()
	record := roomRecord(target, incarnation, c.o.Now(), cl.bucket).after(from)
	next, err := c.store.take(ctx, cl.token, record, revision)
	if errors.Is(err, cas.ErrChanged) {
		return err
	}
	if err != nil {
		return c.unreachable(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view.setRoom(cl.token, entry[RoomRecord]{record, next})
	if target != c.o.Node {
		c.count.elsewhere.Add(1)
		return c.elsewhereLocked(target)
	}
	c.count.here.Add(1)
	cl.revision, cl.first, cl.incarnation = next, next, own
	return nil
}

// unreachable returns the error for a user who enters while NATS does not answer.
func (c *Cluster) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, errGone): // it is made anew
		return errAgain
	// Perhaps the answer is only late, and perhaps the write has happened: look again.
	case errors.Is(err, context.DeadlineExceeded):
		if err := c.placeable(); err != nil {
			return err
		}
		return errAgain
	}
	c.o.Log.Debug().Err(err).Msg("asking NATS which node has a room")
	return terms.Errorf(terms.CodeNodeDraining, "", "NATS does not answer, so it cannot be said on which node the room is")
}

// releaser returns what gives up one hold on a claim.
func (c *Cluster) releaser(cl *claim) func() {
	done := false // under c.mu
	return func() {
		c.mu.Lock()
		if done || c.claims[cl.token] != cl { // moved away, or taken by another
			c.mu.Unlock()
			return
		}
		done = true
		cl.users--
		last := cl.users == 0
		c.mu.Unlock()
		if last {
			c.giveUp(cl)
		}
	}
}

// giveUp deletes the entry of a room that nobody holds any more.
func (c *Cluster) giveUp(cl *claim) {
	c.background(func(ctx context.Context) {
		if !c.seize(ctx, cl, func() bool { return cl.users == 0 }) {
			return
		}
		c.mu.Lock()
		marked := cl.marked
		c.mu.Unlock()
		err := c.flushLast(ctx, cl.token, marked)
		if err == nil {
			err = c.store.purge(ctx, RoomsBucket, cl.token, cl.revision)
		}
		if err != nil { // the sweep does it, if it is still this node's
			c.o.Log.Debug().Err(err).Str("room", cl.room.Key()).Msg("a room could not be given up yet")
		}
		c.drop(cl, err == nil)
	})
}

// seize makes a claim busy for the caller, once nobody else works on it. It reports false, and leaves it
// alone, if the claim is no longer this node's, the condition does not hold, or ctx is done.
func (c *Cluster) seize(ctx context.Context, cl *claim, still func() bool) bool {
	for {
		c.mu.Lock()
		busy := cl.busy
		if busy == nil {
			ok := c.claims[cl.token] == cl && still()
			if ok {
				cl.busy = make(chan struct{})
			}
			c.mu.Unlock()
			return ok
		}
		c.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return false
		}
	}
}

// drop takes away a claim that the caller has made busy: this node no longer has the room. purged says that
// no node has it.
func (c *Cluster) drop(cl *claim, purged bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.claims, cl.token)
	if s := c.view.rooms[cl.token]; purged && s != nil && s.revision <= cl.revision {
		delete(c.view.rooms, cl.token) // what the watch has not told yet
	}
	close(cl.busy)
	cl.busy = nil
}

// keepOn ends the work on a claim that this node keeps.
func (c *Cluster) keepOn(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(cl.busy)
	cl.busy = nil
}
