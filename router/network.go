package router

import (
	"slices"

	"parlor/router/bwe"
)

// estimate is what the network to a peer carries, by its transport-wide feedback. It is told, and nothing is decided by it yet.
type estimate struct {
	est    bwe.Estimator
	listed bool // on core.reports.estimates
}

// netStep is how often estimates age, in ns, and netIdle for how long after the last packet. Lower follows reports that stop sooner, and
// wakes the room more often.
const (
	netStep = 100e6
	netIdle = 3e9
)

// fed begins the feedback of a compound that has come from a peer.
func (c *core) fed(p *peer, at int64) {
	d := &p.down
	d.sent.Begin(at)
	if d.net == nil {
		d.net = new(estimate)
	}
	d.net.est.Begin(at, p.rtt)
	c.tend(p)
}

// tend has the estimate of a peer age while something is sent to it.
func (c *core) tend(p *peer) {
	if n := p.down.net; !n.listed {
		n.listed = true
		c.reports.estimates = append(c.reports.estimates, p)
		c.at(dueNetworks, c.now+netStep)
	}
}

// stepNetworks has estimates age, and comes back while there is something to see.
func (c *core) stepNetworks() {
	c.reports.estimates = slices.DeleteFunc(c.reports.estimates, func(p *peer) bool {
		n := p.down.net
		p.down.book(c.now)
		n.est.Tick(c.now)
		n.listed = c.now-n.est.LastSent() < netIdle
		return !n.listed
	})
	if len(c.reports.estimates) > 0 {
		c.at(dueNetworks, c.now+netStep)
	}
}

// noteLoad notes a packet of so many bytes to a peer.
func (c *core) noteLoad(p *peer, size int) {
	n := p.down.net
	if n == nil {
		return
	}
	n.est.Sent(c.now, size)
	if !n.listed {
		c.tend(p)
	}
}
