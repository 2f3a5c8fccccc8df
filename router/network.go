package router

import (
	"math"
	"slices"

	"parlor/packet"
	"parlor/router/bwe"
	"parlor/router/sent"
)

// networks is the peers whose estimates are followed.
type networks struct {
	followed []*peer
	probing  []*peer // to whom a cluster is being sent
	division division
	repeats  repeats
}

// path is what the network to a peer carries, by its transport-wide feedback, and what goes over it.
type path struct {
	est    bwe.Estimator
	order  bwe.Order
	listed bool // on core.nets.followed; never with Options.NoEstimate
	losses setbacks
	// failed says that the estimate has fallen since the last allocation: when the last packet was sent that
	// shows why. 0: it has not.
	failed  int64
	load    meter // all that is sent, but what nobody has asked for
	sound   meter // the sound in it
	least   least
	share   share
	guarded protection // of its pictures
	probes  prober
	trial   trial
	doubted int64    // until when what is shown must fit what was expected, although nothing waits yet
	bound   *bounded // in place of est, if there is no transport-wide feedback; else nil
	// apart is kept beside est, for sections without transport-wide numbers. nil: there are none, or nothing
	// was reported of them.
	apart *apart
}

// netStep is how often estimates age and are divided, in ns. netIdle is for how long after the last packet
// they are, in ns. Lower follows reports that stop, and what the estimate allows, sooner. It wakes the room
// more often.
const (
	netStep = 100e6
	netIdle = 3e9
)

// takenBack is the factor by which one report must raise an estimate for the estimate before to be taken for
// a mistake. Lower has pictures begin sooner, also if that was none.
const takenBack = 1.5

// startRate is what a network is taken for if nothing is known of it, in bit/s. Higher shows more at once,
// and queues longer on bad links.
const startRate = 2e6

// pathOf returns the network of a peer.
func (d *downlink) pathOf() *path {
	if d.net == nil {
		d.net = new(path)
		d.net.est.Start(d.expected())
		d.net.est.StepUp()
	}
	return d.net
}

// doubtedFor is for how long after the first feedback what was expected of a network is believed, in ns,
// although no queue has grown yet. Longer shows less for longer if the network carries more; shorter fills
// narrow ones.
const doubtedFor = 1e9

// expected is what the network to a peer is taken for as long as nothing is known of it, in bit/s.
func (d *downlink) expected() float64 {
	if d.expects != 0 {
		return d.expects
	}
	return startRate
}

// expectRate says what the network to a peer is expected to carry, in bit/s. That is believed until feedback
// says otherwise.
func (c *core) expectRate(id packet.PeerID, rate float64, now int64) error {
	c.setNow(now)
	p := c.peers[id]
	switch {
	case p == nil:
		return ErrUnknownPeer
	case p.down.net != nil || !(rate > 0):
		return nil
	}
	p.down.expects = rate
	return nil
}

// fed begins the feedback of a compound that has come from a peer.
func (c *core) fed(p *peer, at int64) {
	p.down.sent.Begin(at)
	first := p.down.net == nil
	n := p.down.pathOf()
	if first && p.down.expects != 0 {
		n.doubted = at + doubtedFor
	}
	n.unbound()
	n.est.Begin(at, p.rtt)
	c.follow(p)
}

// reported ends the feedback of a compound.
func (c *core) reported(p *peer, at int64) {
	n := p.down.net
	p.down.book(at)
	c.sendLost(p)
	before := n.est.Estimate().Capacity
	n.order.Turn(at)
	e, event := n.est.End()
	if e.Capacity > takenBack*before {
		n.least.clear() // it was not as little: what looked like a queue came all at once
	}
	n.losses.take(c.now, &e, p.down.told.lost)
	switch event {
	case bwe.Probed:
		n.probes.control.Succeeded(c.now)
		n.least.clear()
	case bwe.Failed:
		n.probes.control.Failed(c.now)
	case bwe.Recovered:
		n.probes.control.Dropped(c.now, e.Before)
	case bwe.Congested:
		n.probes.control.Dropped(c.now, e.Before)
		n.trial.congested(c.now)
		n.failed = max(n.failed, e.Shown)
		c.at(dueNetworks, c.now)
	}
}

// follow has the estimate of a peer age, and be divided, while something is sent to it.
func (c *core) follow(p *peer) {
	if n := p.down.net; !n.listed && !c.o.NoEstimate {
		n.listed = true
		n.load.at, n.sound.at = c.now, c.now
		c.nets.followed = append(c.nets.followed, p)
		c.at(dueNetworks, c.now+netStep)
	}
}

// stepNetworks has estimates age and be divided, and comes back while there is something to see.
func (c *core) stepNetworks() {
	c.nets.followed = slices.DeleteFunc(c.nets.followed, func(p *peer) bool {
		n := p.down.net
		n.load.pass(c.now)
		n.sound.pass(c.now)
		if n.bound != nil {
			c.stepBounded(p)
		} else {
			p.down.book(c.now)
			c.sendLost(p)
			e := n.est.Tick(c.now)
			n.est.Freeze(c.overloaded() || e.Capacity > enough*n.share.need)
			c.protect(p)
			c.stepApart(p)
			c.probe(p)
		}
		n.listed = c.now-n.est.LastSent() < netIdle || n.share.short || n.apart.isShort()
		return !n.listed
	})
	if len(c.nets.followed) > 0 {
		c.at(dueNetworks, c.now+netStep)
	}
}

// noteLoad notes a packet of so many bytes to a peer.
func (c *core) noteLoad(p *peer, size int, kind sent.Kind) {
	n := p.down.net
	if n == nil {
		return
	}
	n.est.Sent(c.now, size)
	if kind < sent.Copy {
		n.load.bytes += size
	}
	if kind == sent.Audio {
		n.sound.bytes += size
	}
	if !n.listed {
		c.follow(p)
	}
}

// meter is the rate of something that is sent, over the last second or so.
type meter struct {
	bytes int // since at
	at    int64
	rate  float64 // bits per second
}

// pass takes what was sent until now into the rate.
func (l *meter) pass(now int64) {
	span := float64(now - l.at)
	if span < netStep/2 {
		return
	}
	l.rate += (float64(l.bytes)*8e9/span - l.rate) * min(span/1e9, 1)
	l.bytes, l.at = 0, now
}

// leastSpan is the time over which the least estimate is looked for, in ns, in leastParts parts. That least
// pays for what is new. Longer has pictures get better later; shorter has them follow what an estimate shows
// for a moment.
const (
	leastSpan  = 2.5e9
	leastParts = 5
)

// least is the least estimate of late.
type least struct {
	parts [leastParts]float64
	part  int64 // number of the last one, counted since 1970
}

// clear forgets: the network has been measured anew.
func (l *least) clear() { l.part = 0 }

// of takes the estimate of now and returns the least.
func (l *least) of(now int64, rate float64) float64 {
	part := now / (leastSpan / leastParts)
	for i := max(l.part+1, part-leastParts+1); i <= part; i++ {
		l.parts[i%leastParts] = math.Inf(1)
	}
	l.part = part
	x := &l.parts[part%leastParts]
	*x = min(*x, rate)
	return slices.Min(l.parts[:])
}
