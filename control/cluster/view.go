package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/cluster/placing"
)

// view is what this node believes of the cluster, as the watches tell it. It may be late, and it goes on
// answering while NATS is away. Nothing is decided by it alone: whoever acts on it compares and sets. It is
// under Cluster.mu.
type view struct {
	now    func() time.Time
	nodes  map[string]entry[NodeRecord]
	rooms  map[string]*seenRoom
	placed map[string]int // rooms seen to be placed on a node since its last report

	doubted map[string]doubt // registered nodes that are not believed, as was logged last
}

// seenRoom is an entry of SFU_ROOMS as it was last seen.
type seenRoom struct {
	entry[RoomRecord]
	seen time.Time // when it was first
	idle time.Time // since when nobody has it in hand, as the sweep noticed; zero: somebody has
}

func newView(now func() time.Time) *view {
	return &view{
		now: now, nodes: map[string]entry[NodeRecord]{}, rooms: map[string]*seenRoom{},
		placed: map[string]int{},
	}
}

// setNode takes what is known of a node's key. Older news than what is known is ignored.
func (v *view) setNode(id string, e entry[NodeRecord]) {
	if e.revision > v.nodes[id].revision {
		e.record.URL = baseURL(e.record.URL) // users are sent there
		if e.record.doubt != trusted {
			e.record.URL = ""
		}
		v.nodes[id] = e
		v.placed[id] = 0
	}
}

// endNode notes that a node's key has ended, at that revision.
func (v *view) endNode(id string, revision uint64) {
	if revision > v.nodes[id].revision {
		delete(v.nodes, id)
		delete(v.placed, id)
	}
}

func (v *view) setRoom(token string, e entry[RoomRecord]) {
	old := v.rooms[token]
	if old != nil && e.revision <= old.revision {
		return
	}
	if old == nil || old.record.Node != e.record.Node {
		v.placed[e.record.Node]++
	}
	v.rooms[token] = &seenRoom{entry: e, seen: v.now()}
}

func (v *view) endRoom(token string, revision uint64) {
	if old := v.rooms[token]; old != nil && revision > old.revision {
		delete(v.rooms, token)
	}
}

// standing is what an entry of SFU_ROOMS is worth.
type standing uint8

const (
	valid   standing = iota // its node has registered with that incarnation, or is taking up its rooms
	stale                   // its node has registered anew since and has no claim to it: free for the taking
	orphan                  // its node is not registered: free once it is fenced
	pending                 // as valid, but its node is still taking up its rooms
	void                    // written for another SFU_ROOMS: its node takes it back, or has not noticed yet
)

// judgeLocked says what an entry is worth, as far as this node knows.
func (c *Cluster) judgeLocked(r RoomRecord) standing {
	if bucket, _ := c.store.roomsBucket(false); r.Bucket != "" && r.Bucket != bucket {
		return void
	}
	return c.view.judge(r)
}

// judge says what an entry of this SFU_ROOMS is worth, as far as the view goes.
func (v *view) judge(r RoomRecord) standing {
	n, ok := v.nodes[r.Node]
	switch {
	case !ok:
		return orphan
	case n.record.Incarnation == r.Incarnation:
		return valid
	case n.record.Claiming:
		return pending
	}
	return stale // a fence, too
}

// candidates returns the registered nodes as the placing rules want them.
func (v *view) candidates() []placing.Node {
	var l []placing.Node
	for id, n := range v.nodes {
		if n.record.Incarnation == "" || n.record.doubt != trusted {
			continue
		}
		l = append(l, placing.Node{
			ID: id, Region: n.record.Region, Busy: n.record.Load.Busy, Rooms: n.record.Load.Rooms, Placed: v.placed[id],
			Draining: n.record.Draining,
		})
	}
	return l
}

// maxOthers is how many other nodes a client is told of, in case its own dies.
const maxOthers = 4

// others returns the URLs of other nodes that take users. The order differs from node to node, so that the
// clients of a node that dies are spread.
func (v *view) others(self string) []string {
	var ids []string
	for id, n := range v.nodes {
		if id != self && n.record.URL != "" && n.record.Incarnation != "" && !n.record.Draining {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	at, _ := slices.BinarySearch(ids, self)
	ids = append(ids[at:], ids[:at]...)
	urls := make([]string, 0, maxOthers)
	for _, id := range ids[:min(len(ids), maxOthers)] {
		urls = append(urls, v.nodes[id].record.URL)
	}
	return urls
}

// change is one change of a bucket; nil says that all that was there has been told.
type change = jetstream.KeyValueEntry

func ended(e change) bool {
	return e.Operation() == jetstream.KeyValueDelete || e.Operation() == jetstream.KeyValuePurge
}

// watch keeps one half of the view. It starts anew when the watch ends, or when restart says so. Then the old
// view stands until all that is in the bucket has been told.
func (c *Cluster) watch(ctx context.Context, name string, restart <-chan struct{}) {
	for ctx.Err() == nil {
		err := c.watchOnce(ctx, name, restart)
		if err != nil && ctx.Err() == nil {
			c.o.Log.Debug().Err(err).Str("bucket", name).Msg("watching the cluster")
		}
		sleep(ctx, c.store.timeout/2)
	}
}

func (c *Cluster) watchOnce(ctx context.Context, name string, restart <-chan struct{}) error {
	b, err := c.store.bucket(name)
	if err != nil {
		return err
	}
	w, err := b.WatchAll(ctx)
	if err != nil {
		return err
	}
	updates := w.Updates()
	defer endWatch(w)
	fresh := newView(c.o.Now)
	into := fresh // until all is told
	for {
		select {
		case e, ok := <-updates:
			switch {
			case !ok:
				return nil
			case e == nil:
				c.adopt(name, fresh)
				into = nil
				c.restoreMissing(name)
			case into != nil:
				c.apply(into, name, e)
			default:
				c.mu.Lock()
				c.apply(c.view, name, e)
				c.mu.Unlock()
				c.noticed(name)
				c.told(name, e)
			}
		case <-restart:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func endWatch(w jetstream.KeyWatcher) {
	_ = w.Stop() // it fails if the connection is gone, and then the watch is, too
	go func() {  // what hands over updates must not be left blocked
		for range w.Updates() {
		}
	}()
}

// apply takes one change into a view.
func (c *Cluster) apply(v *view, name string, e change) {
	key := e.Key()
	switch {
	case name == RoomsBucket && strings.HasPrefix(key, proofPrefix):
	case name == NodesBucket && ended(e):
		v.endNode(key, e.Revision())
	case name == NodesBucket:
		if r, err := unseal[NodeRecord](c.seal, name, key, e.Value()); err == nil {
			v.setNode(key, entry[NodeRecord]{r, e.Revision()})
		}
	case ended(e):
		v.endRoom(key, e.Revision())
	default:
		r, err := unseal[RoomRecord](c.seal, name, key, e.Value())
		if err != nil {
			r = RoomRecord{} // nobody's
		}
		v.setRoom(key, entry[RoomRecord]{r, e.Revision()})
	}
}

// adopt makes what a new watch has told the view.
func (c *Cluster) adopt(name string, fresh *view) {
	c.mu.Lock()
	if name == NodesBucket {
		c.view.nodes, c.view.placed = fresh.nodes, map[string]int{}
	} else {
		for token, s := range fresh.rooms {
			if old := c.view.rooms[token]; old != nil && old.revision == s.revision {
				s.seen = old.seen
			}
		}
		c.view.rooms = fresh.rooms
	}
	c.mu.Unlock()
	c.noticed(name)
}

// noticed follows from a change of the view.
func (c *Cluster) noticed(name string) {
	if name != NodesBucket {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now, before := c.o.Now(), c.public.Load().origins
	origins := make(map[string]time.Time, len(before)+1)
	for origin, seen := range before {
		if now.Sub(seen) < trustFor {
			origins[origin] = seen
		}
	}
	for _, n := range c.view.nodes {
		if n.record.URL != "" {
			origins[n.record.URL] = now
		}
	}
	c.public.Store(&public{others: c.view.others(c.o.Node), origins: origins})
	c.tellDoubtedLocked()
}

// tellDoubtedLocked logs which nodes are not believed, each once for as long as it is so.
func (c *Cluster) tellDoubtedLocked() {
	doubted := map[string]doubt{}
	for id, n := range c.view.nodes {
		if d := n.record.doubt; d != trusted {
			doubted[id] = d
			if c.view.doubted[id] != d {
				c.o.Log.Warn().Str("other", id).Stringer("record", d).
					Msg("a node's record in SFU_NODES has no MAC by a key of this node (auth.keys): nobody is sent there")
			}
		}
	}
	c.view.doubted = doubted
}

// sleep waits, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
