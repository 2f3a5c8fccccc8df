package router

import (
	"parlor/router/allocate"
	"parlor/router/bwe"
	"parlor/router/remb"
)

// A peer whose receiving sections have no transport-wide numbers tells little of its network. It may tell a
// rate (REMB), and its receiver reports tell what is lost. That bounds what it is sent; until then it is sent
// all that it asks for. Package remb decides. If other sections have such numbers, those without are bounded
// only by what is reported to be lost of them. The estimate is of what they leave.

// bounded is what bounds what a peer is sent.
type bounded struct {
	remb.Bound
	at   int64    // of the last look at what it has reported
	then received // what was known then
}

// received is what a peer has received, as it reports, and what it was sent.
type received struct {
	expected, arrived uint64 // packets, as reported
	exact, repairs    uint64 // packets that were sent again, under their own numbers and under others
	packets, bytes    uint64 // sent for the first time
}

// Reports are looked at together if they are of lookEvery at least, in ns, and of lookPackets packets. Fewer
// take chance for loss, and more notice it later.
const (
	lookEvery   = 900e6
	lookPackets = 20
)

// apart is what bounds the sections of a peer that have no transport-wide numbers, if others have them.
type apart struct {
	bounded
	least  least
	failed int64 // when the bound fell since the last allocation; 0: it has not
	short  bool  // something is wanted that does not fit
}

func (a *apart) isShort() bool { return a != nil && a.short }

// apartOf returns what bounds sections without numbers beside others with them, once feedback of those has
// come; nil if there are none.
func (d *downlink) apartOf() *apart {
	if d.net == nil {
		return nil
	}
	numbered, others := false, false
	for _, s := range d.sinks {
		numbered, others = numbered || s.tmpl.TransportCC(), others || !s.tmpl.TransportCC()
	}
	switch {
	case !numbered || !others:
		d.net.apart = nil
	case d.net.apart == nil:
		d.net.apart = new(apart)
	}
	return d.net.apart
}

// boundOf returns what bounds a peer. It is nil if there is transport-wide feedback, or will be, or if
// nothing is sent.
func (d *downlink) boundOf() *bounded {
	if d.net == nil {
		if len(d.sinks) == 0 {
			return nil
		}
		for _, s := range d.sinks {
			if s.tmpl.TransportCC() {
				return nil
			}
		}
		d.pathOf().bound = &bounded{}
	}
	return d.net.bound
}

func (d *downlink) isBounded() bool { return d.net != nil && d.net.bound != nil }

// unbound has the estimate rule: there is transport-wide feedback after all.
func (n *path) unbound() {
	if n.bound != nil {
		n.bound = nil
		n.least.clear()
	}
}

// onREMB takes a rate that a receiver tells, which is for all that it is sent; false if it cannot be read.
func (c *core) onREMB(p *peer, fci []byte, x *compound) bool {
	m, ok := remb.Parse(fci)
	if !ok {
		return false
	}
	b := p.down.boundOf()
	switch {
	case b == nil:
		return true
	case !p.down.names(m):
		c.drop(DropREMB)
		return true
	case m.Rate == 0 || m.Rate > remb.Most:
		c.drop(DropREMB)
	}
	x.told = true
	b.Told(x.at, m.Rate)
	return true
}

// names says whether a rate is of anything that the peer is sent.
func (d *downlink) names(m remb.Message) bool {
	for i := range m.Len() {
		if d.sinkOf[m.SSRC(i)] != nil {
			return true
		}
	}
	return m.Len() == 0
}

// toldBound learns from what a peer has reported, or from a rate that it has told.
func (c *core) toldBound(p *peer, at int64) {
	b, failed := p.down.boundOf(), (*int64)(nil)
	if b != nil {
		failed = &p.down.net.failed
	} else if a := p.down.apartOf(); a != nil {
		b, failed = &a.bounded, &a.failed
	} else {
		return
	}
	c.follow(p)
	now := p.down.received()
	x := now.since(&b.then)
	switch {
	case b.at == 0 || !now.follows(&b.then):
		b.at, b.then = at, now
	case at-b.at >= lookEvery && x.expected >= lookPackets:
		if b.Report(x.over(b.at, at)) {
			*failed = c.now
		}
		b.at, b.then = at, now
	}
	c.at(dueNetworks, c.now)
}

// received adds up what the sinks of a peer know that have no transport-wide numbers.
func (d *downlink) received() (r received) {
	for _, s := range d.sinks {
		if s.tmpl.TransportCC() {
			continue
		}
		n := &s.count
		r.expected, r.arrived = r.expected+n.expected, r.arrived+n.received
		r.packets, r.bytes = r.packets+n.packets, r.bytes+n.bytes
		if s.repeatsAsOther() {
			r.repairs += n.resent
		} else {
			r.exact += n.resent
		}
	}
	return r
}

// follows says whether r is of the same sinks as before. Otherwise counting begins anew.
func (r *received) follows(before *received) bool {
	return r.expected >= before.expected && r.arrived >= before.arrived && r.exact >= before.exact && r.repairs >= before.repairs &&
		r.packets >= before.packets && r.bytes >= before.bytes
}

func (r *received) since(before *received) received {
	return received{r.expected - before.expected, r.arrived - before.arrived, r.exact - before.exact, r.repairs - before.repairs,
		r.packets - before.packets, r.bytes - before.bytes}
}

// headers is about what the network carries of a packet beside its payload, in bytes.
const headers = wireOverhead + 24

// over returns what that says of a time. What was sent again under other numbers is taken to get through like
// the rest.
func (r *received) over(from, to int64) remb.Reported {
	expected, repairs := float64(r.expected+r.exact), float64(r.repairs)
	lost := float64(missing(r.expected+r.exact, r.arrived)) / expected
	rate := (float64(r.bytes)/max(float64(r.packets), 1) + headers) * 8e9 / float64(to-from) // of a packet
	return remb.Reported{From: from, To: to, Lost: lost, Sent: (expected + repairs) * rate, Arrived: (expected + repairs) * (1 - lost) * rate}
}

// stepBounded divides what a bounded peer may be sent, and tries whether that could be more.
func (c *core) stepBounded(p *peer) {
	n := p.down.net
	if n.share.short && n.bound.Try(c.now, enough*n.share.need) {
		n.least.clear()
	}
	c.divide(p)
}

// stepApart does the same for the sections without transport-wide numbers of a peer that has others. Their
// sound is part of what is bounded, but what goes to it is not known: pictures get all.
func (c *core) stepApart(p *peer) {
	a := p.down.net.apart
	if a == nil {
		return
	}
	d := &c.nets.division
	c.seats(p, true)
	if a.short && a.Try(c.now, enough*d.top) {
		a.least.clear()
	}
	rate, failed := a.Rate(), a.failed
	least := a.least.of(c.now, rate)
	a.failed = 0
	if !a.short && rate >= d.top {
		d.enough()
		return
	}
	a.short = c.share(allocate.Network{Now: c.now, Budget: uint32(rate), Least: uint32(0.95 * least), Failed: failed})
}

// estimate is what the network of a peer carries, as far as that is known.
func (n *path) estimate(now int64) bwe.Estimate {
	if n.bound == nil {
		return n.est.Estimate()
	}
	rate := n.bound.Rate()
	e := bwe.Estimate{Capacity: rate, Budget: rate, Trusted: rate, Lost: n.bound.Inherent(now), Depends: true, Cause: bwe.Loss}
	if !n.bound.ByLoss() {
		e.Cause, e.Depends, e.Queue = bwe.Delay, false, calmQueue+1 // the receiver has seen one
	}
	return e
}

// carries is what a peer may be sent, in bit/s; 0: as much as it asks for.
func (b *bounded) carries() uint64 {
	if rate := b.Rate(); rate < remb.Unlimited {
		return uint64(rate)
	}
	return 0
}
