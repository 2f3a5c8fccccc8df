// Package cluster is a node's part in a cluster. It keeps the node's lease, knows which node has which room,
// and sees to it that no two nodes ever have the same one. It learns that from key-value buckets of NATS
// JetStream. There is no registry, election or broker of its own.
//
//	cluster.go   Options, Cluster, Run; what others may ask
//	record.go    what stands in the buckets
//	seal.go      MACs of records, by keys that the nodes share; rekey.go gives it others
//	store.go     the buckets: compare and set, bounded in time
//	view.go      what a node believes of the cluster, kept by watches
//	lease.go     lease: until when this node may take entries
//	register.go  registering, renewing, registering anew
//	reclaim.go   taking up one's rooms after registering anew; handing over those that others have
//	restore.go   writing an entry again that somebody has taken away
//	claim.go     Claim: a room for this node, found, placed or taken over
//	prove.go     proving that rooms can be placed, and that the buckets hold what this node has written
//	bury.go      proving that an incarnation is dead
//	sweep.go     entries that nobody has in hand
//	marks.go     bans and blocks, which go with their room; markstore.go is their bucket
//	owed.go      commands for a node that cannot be reached, until it is back
//	drain.go     moving rooms away; Arriving, Locate
//	placing/     which node a new room is placed on: pure rules
//
// # Who has a room
//
//  1. A node is alive while its key is in SFU_NODES, whose entries live for a lease. The node renews its key
//     by compare and set.
//  2. A node may take entries for nine tenths of the lease, by its own monotonic clock. They count from the
//     moment before it sent the last renewal that was acknowledged. NATS forgets the key a whole lease after
//     it got that renewal, which is later.
//  3. A room is on the node that its entry in SFU_ROOMS names, if the entry's incarnation is that of the
//     node's key. Every hold on a room was written by compare and set.
//  4. Rooms may be taken over from a node whose key is not there, after fencing: creating its key. Fencing
//     fails if the node is alive. If it is not, fencing makes its next renewal fail. Then it registers anew,
//     under another incarnation, and writes the entries of all its rooms anew before it takes entries again.
//     Of that write and a taker's only one can succeed. If a node has registered anew, rooms of its earlier
//     incarnations are free, once a write to its key has proven that.
//  5. A bucket that is younger than a lease proves nothing about nodes that have written into the one before
//     it. Until it is that old nobody is fenced. No room is placed either, unless it is the first bucket of a
//     NATS server in this process.
//  6. Each node has a key of its own in SFU_ROOMS, which it writes by compare and set with every renewal. If
//     that key is no longer there, the bucket is another one. Then the node registers anew and writes its
//     rooms again, before it takes entries, and so before anybody places a room there. It does the same if the
//     bucket was made at another time than the one for which it had registered. If that writing fails
//     for a lease, no room can be placed, and Ready says so. An entry says for which bucket it was written.
//     In another one it is void: who has the room replaces it, and nobody else acts on it.
//  7. If a watch tells that the entry of a room is gone or another's, the node that has the room writes it
//     again at once. If another node that lives has the room by then, those inside are sent there.
//
// # Bans and blocks
//
// Bans and blocks are in SFU_MARKS. The node that has the room writes them. A node that claims a room reads
// them before it lets anybody in. Bans end by their time to live. Blocks are deleted before the room's entry
// in SFU_ROOMS is, while that entry is still in this node's hands. So a room that is made anew finds none. A
// room that is given to another node keeps them. All that is still to be written of it is written before.
//
// A node that was cut off reads them again for the rooms that are still its own, before anybody enters.
// Commands on them may have been given elsewhere. A user that was banned meanwhile is put out.
//
// RemoveUser and DismissRoom end something. If the node of the room cannot be reached when one is given, it
// waits in SFU_MARKS for Options.Forget (Owe). The node carries it out before anybody enters, and before
// those inside are sent to another node that has the room by then. If the node has kept its lease, it does so
// within a third of the lease. The command is void for another node that gets the room, and for a room that
// is made anew. Its bans hold there, too.
//
// # Who is believed
//
// If there are keys (SetKeys), records in SFU_NODES and SFU_ROOMS have a MAC. A node without a good one
// counts as there, so that its rooms are not taken from it. But nobody is sent to it, no room is placed on
// it, and its origin is not trusted. A room's entry without a good MAC counts only if its node is dead: then
// the room is taken over. Bans, blocks and events have no MAC: whoever can write them can give commands, too.
//
// Servers of a NATS cluster must agree about the time, as NTP makes them. If a leader's clock is ahead of
// that of the leader before, it forgets keys too early by the difference. That may be a tenth of the lease.
package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/cluster/placing"
	"parlor/control/feed"
	"parlor/session/terms"
)

// Options of a node's part in the cluster.
type Options struct {
	Node     string        // the node's id, [A-Za-z0-9_-]; no other node may have it
	Region   string        // may be empty
	Version  string        // of the program
	Lease    time.Duration // of a new bucket; if there is one, its lease holds for all; 0: 5 s
	Forget   time.Duration // for how long rooms of a node that is not there count as its own; 0: 3 min
	Replicas int           // of new buckets; 0: 1
	// Own says that the NATS server is in this process: nobody was in a cluster with it before, see rule 5.
	Own      bool
	Place    placing.Rule // nil: placing.Load
	Unsealed bool         // records without a MAC are believed; forged ones are not
	Log      zerolog.Logger
	Now      func() time.Time // nil: time.Now; must be monotonic
}

// Report is what a node says about itself in its record.
type Report struct {
	URL  string // base URL for clients, without a slash at the end
	Load Load
}

// Node is what a cluster calls in its node.
type Node interface {
	Rooms
	// Report is called with every renewal, on one goroutine.
	Report() Report
	// Obey carries out a command on a room of this node that was owed (Cluster.Owe). Nobody enters the room
	// meanwhile, unless the node has kept its lease. A command that fails is not tried again.
	Obey(context.Context, Owed) error
}

// Rooms are the node's rooms, as far as they are moved. *session.Rooms is one.
type Rooms interface {
	// Move puts everybody out of a room with `exited` 4. It closes the room for entries, calls next, and
	// tells everybody the URL to go to, which next returned.
	Move(ctx context.Context, room terms.RoomID, text string, next func(context.Context) string) (users int, err error)
	// Marks returns the bans and blocks that are in force on this node.
	Marks() map[terms.RoomID][]terms.Mark
	// Heed puts marks in force that others have written meanwhile, each if stands is true for it then. It
	// returns when that is done.
	Heed(ctx context.Context, room terms.RoomID, marks []terms.Mark, stands func(terms.Mark) bool) error
}

// Cluster is a node's part. Its methods may be called from any goroutine.
type Cluster struct {
	o       Options
	nc      *nats.Conn
	store   *store
	seal    *sealer
	lease   *lease
	proof   proof
	marks   marks
	count   counters
	public  atomic.Pointer[public]
	renewal renewal
	rewatch map[string]chan struct{} // buffered, by bucket: watch anew
	node    Node                     // set by Run

	mu     sync.Mutex
	me     self
	view   *view
	claims map[string]*claim // by the room's token: what this node has, or has under work
	buried map[string]bool   // incarnations that are dead for good
	life   lifetime
}

// lifetime is how long the node is in the cluster. No work is begun once it is over, which Cluster.mu guards.
type lifetime struct {
	context.Context
	end  context.CancelFunc
	work sync.WaitGroup // what is still to be written
}

// self is this node as it stands in SFU_NODES. Under Cluster.mu; changed by the renewing goroutine and Drain.
type self struct {
	incarnation string          // of the last registration; "" before the first
	revision    uint64          // of the node's key; 0: not registered
	next        string          // incarnation of the registration under way
	mine        map[string]bool // all incarnations of this process
	bucket      string          // the SFU_ROOMS that it last registered for, see RoomRecord
	lost        bool            // SFU_ROOMS does not hold this node's rooms: it has to register anew
	claiming    bool            // rooms are being taken up
	draining    bool
}

// public is what is read often, and without a lock. It is never changed, only replaced.
type public struct {
	others  []string
	origins map[string]time.Time // of nodes' pages, and when the node was last seen
}

// trustFor is for how long pages of a node are trusted after it has gone: they then go on at other nodes.
// Higher helps pages that come back late. Lower bounds what somebody can do with the address of a node that
// has gone.
const trustFor = 24 * time.Hour

// Counters are counts since the start.
type Counters struct {
	LeaseHeld   bool   // entries are taken
	LeaseLost   uint64 // times that the lease ran out before it was renewed
	Renewals    uint64
	Failed      uint64 // renewals that did not succeed
	Nodes       int    // registered, this one included
	Rooms       int    // that this node has
	Here        uint64 // rooms placed on this node by it
	Elsewhere   uint64 // rooms placed on other nodes by this one
	Redirects   uint64 // users told to go to another node
	Takeovers   uint64 // rooms taken over from nodes that had died
	Moved       uint64 // rooms moved to another node
	HandedOn    uint64 // rooms that others had taken over
	Placeable   bool   // a new room can be placed
	Restored    uint64 // rooms whose entry was gone, or nobody's, and was written again
	LostBuckets uint64 // times that a bucket was gone, or another one

	RefusedNodes map[string]uint64 // records in SFU_NODES that were not believed, by reason: unsealed, forged
	RefusedRooms map[string]uint64 // the same of SFU_ROOMS

	MarksWritten uint64 // bans and blocks written
	MarksLate    uint64 // times that they could not be written at once
	MarksWaiting int    // that are to be written
}

type counters struct {
	lost, renewals, failed, here, elsewhere, redirects, takeovers, moved, handedOn, restored, lostBuckets atomic.Uint64
}

// New returns a node's part in the cluster that nc's NATS server belongs to. The connection stays the
// caller's, and should be made with the options of Connection. New starts nothing.
func New(nc *nats.Conn, o Options) (*Cluster, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if o.Lease <= 0 {
		o.Lease = 5 * time.Second
	}
	if o.Forget <= 0 {
		o.Forget = feed.DefaultForget
	}
	if o.Place == nil {
		o.Place = placing.Load
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = o.Log.With().Str("part", "cluster").Logger()
	seal := newSealer(o.Unsealed)
	c := &Cluster{
		o: o, nc: nc, seal: seal,
		store: &store{
			js: js, lease: o.Lease, ttl: o.Lease, replicas: o.Replicas, timeout: o.Lease / 3,
			now: o.Now, log: o.Log, seal: seal,
		},
		lease:   newLease(o.Now()),
		proof:   proof{kick: make(chan struct{}, 1)},
		renewal: renewal{kick: make(chan struct{}, 1)},
		rewatch: map[string]chan struct{}{
			NodesBucket: make(chan struct{}, 1), RoomsBucket: make(chan struct{}, 1),
		},
		marks: marks{
			rooms: map[string]*unwritten{}, carried: map[string]version{}, since: map[string]map[string]bool{}, kick: make(chan struct{}, 1),
		},
		view: newView(o.Now), claims: map[string]*claim{}, buried: map[string]bool{}, me: self{mine: map[string]bool{}},
	}
	c.life.Context, c.life.end = context.WithCancel(context.Background())
	c.store.gone = func() { signal(c.proof.kick) }
	c.public.Store(&public{})
	return c, nil
}

// Connection returns the options that the connection of a Cluster is to be made with. With them, what cannot
// be sent now fails now. It is not sent later, when it is no longer true.
func Connection() []nats.Option { return []nats.Option{nats.ReconnectBufSize(-1)} }

// Run keeps the node in the cluster until ctx is done. Then it writes what is still to be written and takes
// the node out. All rooms must have ended before.
func (c *Cluster) Run(ctx context.Context, node Node) error {
	c.node = node
	var all sync.WaitGroup
	for name, restart := range c.rewatch {
		all.Go(func() { c.watch(ctx, name, restart) })
	}
	all.Go(func() { c.tend(ctx) })
	all.Go(func() { c.keep(ctx) })
	all.Go(func() { c.keepProving(ctx) })
	all.Go(func() { c.keepMarks(ctx) })
	all.Go(func() { c.keepObeying(ctx) })
	all.Wait()
	c.farewell()
	return nil
}

// farewell takes the node out of the cluster, so that others need not wait until its lease runs out.
func (c *Cluster) farewell() {
	c.mu.Lock()
	c.life.end()
	c.mu.Unlock()
	c.life.work.Wait() // every piece is bounded
	if n, _ := c.marks.waiting(); n > 0 {
		c.o.Log.Warn().Int("marks", n).Msg("bans and blocks that NATS has not taken end with this node")
	}
	c.lease.close()
	c.mu.Lock()
	revision := c.me.revision
	c.me.revision = 0
	c.mu.Unlock()
	if revision == 0 || !c.nc.IsConnected() { // without NATS the lease runs out by itself
		return
	}
	if at := c.proof.revision; at != 0 { // else it ends by itself
		_ = c.store.purge(context.Background(), RoomsBucket, proofPrefix+c.o.Node, at)
	}
	if err := c.store.purge(context.Background(), NodesBucket, c.o.Node, revision); err != nil {
		c.o.Log.Debug().Err(err).Msg("leaving the cluster; the lease runs out by itself")
	}
}

// background runs f on a goroutine that the end of Run waits for; f must be bounded in time. It returns
// false, and does not run f, if the node is leaving the cluster.
func (c *Cluster) background(f func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return false
	}
	c.life.work.Go(func() { f(context.Background()) })
	return true
}

// over reports whether the node is leaving the cluster.
func (c *Cluster) over() bool { return c.life.Err() != nil }

// untilOver returns a context that also ends when the node leaves the cluster. It is for work in the
// background that may be left undone then.
func (c *Cluster) untilOver(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.life.Context, cancel)
	return ctx, func() { stop(); cancel() }
}

// Opened returns a channel that is closed when the node takes entries for the first time.
func (c *Cluster) Opened() <-chan struct{} { return c.lease.opened }

// Others returns the URLs of a few other nodes. The slice is read-only.
func (c *Cluster) Others() []string { return c.public.Load().others }

// Trusts reports whether a web origin, such as https://a.example.org, is that of a node's pages. A node that
// has gone less than a day ago counts, too.
func (c *Cluster) Trusts(origin string) bool {
	seen, ok := c.public.Load().origins[origin]
	return ok && c.o.Now().Sub(seen) < trustFor
}

// NodeURL returns where another node that is registered can be reached.
func (c *Cluster) NodeURL(id string) (url string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.view.nodes[id]
	if !ok || id == c.o.Node || n.record.Incarnation == "" || n.record.URL == "" {
		return "", false
	}
	return n.record.URL, true
}

// OtherIDs returns the names of the other registered nodes, in no order.
func (c *Cluster) OtherIDs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for id, n := range c.view.nodes {
		if id != c.o.Node && n.record.Incarnation != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// OthersTell reports whether all other registered nodes tell which commands they got. Nodes of earlier
// versions do not. If a caller hears nothing of such a node, that does not mean that it hangs.
func (c *Cluster) OthersTell() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, n := range c.view.nodes {
		if id != c.o.Node && n.record.Incarnation != "" && !n.record.Tells {
			return false
		}
	}
	return true
}

// Nodes returns what is known of all registered nodes, in no order.
func (c *Cluster) Nodes() []NodeRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := make([]NodeRecord, 0, len(c.view.nodes))
	for _, n := range c.view.nodes {
		if n.record.Incarnation != "" {
			l = append(l, n.record)
		}
	}
	return l
}

// Counters returns the counts.
func (c *Cluster) Counters() Counters {
	nodes := len(c.Nodes())
	c.mu.Lock()
	rooms := len(c.claims)
	c.mu.Unlock()
	waiting, _ := c.marks.waiting()
	n := &c.count
	return Counters{
		LeaseHeld: c.Open() == nil, LeaseLost: n.lost.Load(), Renewals: n.renewals.Load(), Failed: n.failed.Load(),
		Nodes: nodes, Rooms: rooms, Here: n.here.Load(), Elsewhere: n.elsewhere.Load(), Redirects: n.redirects.Load(),
		Placeable: c.Ready() == nil, Restored: n.restored.Load(), LostBuckets: n.lostBuckets.Load(),
		Takeovers: n.takeovers.Load(), Moved: n.moved.Load(), HandedOn: n.handedOn.Load(),
		RefusedNodes: c.seal.counts(NodesBucket), RefusedRooms: c.seal.counts(RoomsBucket),
		MarksWritten: c.marks.written.Load(), MarksLate: c.marks.held.Load(), MarksWaiting: waiting,
	}
}

func newIncarnation() string { return strings.ToLower(rand.Text()[:13]) }
