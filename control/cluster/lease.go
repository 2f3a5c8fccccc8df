package cluster

import (
	"sync/atomic"
	"time"

	"parlor/session/terms"
)

// lease says until when this node may take entries, and whether it has all its rooms in hand. It is read for
// everybody that enters, so it has no lock.
type lease struct {
	base  time.Time
	until atomic.Int64 // nanoseconds after base; 0: there is none
	ready atomic.Bool  // this incarnation's rooms are taken up

	opened chan struct{} // closed when entries are taken for the first time
}

// newLease returns a lease that does not hold yet. Its clock counts from now.
func newLease(now time.Time) *lease { return &lease{base: now, opened: make(chan struct{})} }

// allow lets entries be taken while the lease runs: this incarnation's rooms are taken up. The caller holds
// Cluster.mu.
func (l *lease) allow() {
	l.ready.Store(true)
	select {
	case <-l.opened:
	default:
		close(l.opened)
	}
}

// extend prolongs the lease after a renewal was acknowledged; sent is when it was about to be sent. The
// margin of a tenth is for clocks that run at different speeds and for what is under way when the end comes.
func (l *lease) extend(sent time.Time, length time.Duration) {
	l.until.Store(int64(sent.Add(length - length/10).Sub(l.base)))
}

// holds reports whether entries may be taken at that time.
func (l *lease) holds(now time.Time) bool { return l.ready.Load() && l.running(now) }

// running reports whether the lease has not run out.
func (l *lease) running(now time.Time) bool { return int64(now.Sub(l.base)) < l.until.Load() }

// close ends the lease.
func (l *lease) close() {
	l.ready.Store(false)
	l.until.Store(0)
}

// Open says why the node takes no users now, with code node_draining; nil: it takes users. It costs next to
// nothing.
func (c *Cluster) Open() error {
	switch now := c.o.Now(); {
	case c.lease.holds(now):
		return nil
	case c.lease.running(now):
		return terms.Errorf(terms.CodeNodeDraining, "", "this node is taking up its rooms again")
	case c.lease.until.Load() == 0:
		return terms.Errorf(terms.CodeNodeDraining, "", "this node is not registered in the cluster")
	}
	return terms.Errorf(terms.CodeNodeDraining, "",
		"this node cannot renew its lease in the cluster, so it takes no new users; those inside go on")
}
