package sfu

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"parlor/control/cluster"
	"parlor/control/command"
)

const (
	// drainTime is how long a node drains if the command does not say. Higher lets more calls come to their
	// own end. Lower has a node that is to be replaced gone sooner.
	drainTime = 10 * time.Minute
	// drainLook is how often a draining node looks whether it has rooms left.
	drainLook = 100 * time.Millisecond
)

// drain waits for the last room of a node that takes no new ones.
type drain struct {
	left  func() int    // rooms
	lead  time.Duration // how long before its end those that are left are moved
	begun chan struct{} // closed when draining begins
	over  chan struct{} // closed when there is nothing to wait for any more

	leaving atomic.Bool // shutting down, or about to once the rooms have ended

	mu    sync.Mutex
	until time.Time // zero: not draining
}

func newDrain(left func() int, lead time.Duration) *drain {
	return &drain{left: left, lead: lead, begun: make(chan struct{}), over: make(chan struct{})}
}

// within begins draining, or sets anew when it ends. If t is 0, that is drainTime for a node that does not
// drain yet. For one that drains, 0 changes nothing, so that asking how it goes on puts nothing off. It says
// whether something has changed.
func (d *drain) within(t time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	begins := d.until.IsZero()
	switch {
	case begins:
		close(d.begun)
		if t == 0 {
			t = drainTime
		}
	case t == 0:
		return false
	}
	d.until = time.Now().Add(t)
	return true
}

// ends returns when draining ends at the latest; zero: the node does not drain.
func (d *drain) ends() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.until
}

func (d *drain) run(ctx context.Context) error {
	select {
	case <-d.begun:
	case <-ctx.Done():
		return nil
	}
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for d.left() > 0 && time.Now().Before(d.ends().Add(-d.lead)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	close(d.over)
	<-ctx.Done()
	return nil
}

// steered is the node as commands see it.
type steered struct {
	id      string
	log     zerolog.Logger
	started time.Time
	cluster *cluster.Cluster
	media
}

// ID returns the node's name.
func (s steered) ID() string { return s.id }

// Describe returns how the node is.
func (s steered) Describe() command.NodeInfo {
	count, load := s.rooms.Stats(), s.load.rates()
	i := command.NodeInfo{
		Node: s.id, Version: Version(), StartedMS: s.started.UnixMilli(), Draining: s.drain.leaving.Load(),
		Rooms: count.Rooms, Participants: count.Users, Publishers: count.Publishers, Connections: s.endpoint.Stats().Peers,
		CPU: load.cpu, PacketsIn: load.packetsIn, PacketsOut: load.packetsOut, BitsIn: load.bitsIn, BitsOut: load.bitsOut,
		DropsPerSec: load.drops, Overloaded: count.Overloaded, MemoryBytes: resident(),
	}
	if ends := s.drain.ends(); !ends.IsZero() {
		i.DrainEndsMS = time.Now().Add(time.Until(ends)).UnixMilli() // the wall clock may have been set since
	}
	return i
}

// History returns what the node remembers of its last quarter of an hour.
func (s steered) History() command.History {
	return command.History{Node: s.id, EveryMS: historyEvery.Milliseconds(), Points: s.history.all()}
}

// Drain takes no new rooms from here on, and ends the node once it has none, or after d.
func (s steered) Drain(_ context.Context, d time.Duration) error {
	s.rooms.Drain()
	s.cluster.Drain()
	s.drain.leaving.Store(true)
	if s.drain.within(d) {
		s.log.Info().Time("until", s.drain.ends()).Msg("draining: no new rooms; the node ends with its last one")
	}
	return nil
}
