package router

import (
	"math"

	"parlor/packet"
	"parlor/router/allocate"
	"parlor/router/bwe"
)

// What the network to a peer carries is divided among its pictures, layer by layer, and what does not fit is
// paused. Package allocate decides; here it is asked and obeyed.

// share is what the last division among the sinks of a peer has come to.
type share struct {
	need  float64 // bit/s that all that is wanted takes
	base  float64 // bit/s of the base temporal layers of what is sent
	at    int64   // when it was
	short bool    // some sink shows less than its receiver wants
}

// allowance is what a sink may show, as far as its peer's network goes. The zero value allows everything.
type allowance struct {
	state     allocate.State
	layers    uint8 // how many of the track's, from the lowest on; 0: all
	temporals uint8 // how many temporal layers of the highest of them; 0: all
	wanted    uint8 // how many it may want, also while they do not come; 0: all
	paused    bool  // not even one
	tellAt    int64 // when the pause is told, if it is still so
}

// division is the memory that one division takes.
type division struct {
	seats   []allocate.Seat
	states  []allocate.State
	sinks   []*sink
	rungs   []allocate.Rung
	scratch allocate.Scratch
	top     float64 // bit/s of all that is wanted
	now     float64 // bit/s of what is sent, all of its frames
	base    float64 // of its base temporal layers
}

// maxResent bounds how many bits are expected to be sent again for each bit of pictures.
const maxResent = 4

// cutAbove bounds what is sent, as a multiple of the estimate. Above it, a layer ends before its successor
// has begun. Lower has pictures stand still for a moment although the queue would have been bearable.
const cutAbove = 1.25

// divide divides what the network to a peer carries.
func (c *core) divide(p *peer) {
	n, d := p.down.net, &c.nets.division
	e := n.estimate(c.now)
	least := n.least.of(c.now, e.Capacity)
	failed := n.failed
	n.failed = 0
	c.seats(p, false)
	c.pausedFor(n)
	resent := n.resends(&e)
	n.share.need, n.share.base = n.sound.rate+d.top*(1+resent), d.base
	if !n.share.short && e.Budget >= n.share.need {
		d.enough()
		return
	}
	shown := n.guarded.shown()
	cut := d.now > cutAbove*e.Capacity
	n.share.short = c.share(allocate.Network{
		Now: c.now, Budget: uint32(max(e.Budget, shown)), Keep: uint32(n.keeps(c.now, &e, n.sound.rate+d.now*(1+resent))),
		Carry: uint32(max(e.Capacity, shown)), Least: uint32(max(min(0.95*least, e.Budget), shown)),
		Audio: uint32(n.sound.rate), Repair: resent, Failed: failed, Full: e.Queue > fullQueue,
	})
	if cut {
		c.cut(d.sinks)
	}
}

// enough notes that there is enough for all seats.
func (d *division) enough() {
	for _, s := range d.sinks {
		s.allowed.state.Enough()
	}
}

// share divides a network among the seats, and says whether some get less than they want.
func (c *core) share(n allocate.Network) (short bool) {
	d := &c.nets.division
	allocate.Allocate(n, d.seats, d.states, &d.scratch)
	for i, s := range d.sinks {
		c.allow(s, d.states[i], d.seats[i].Rungs)
		short = short || s.allowed.bounds()
	}
	return short
}

// Queues are in ns. A queue up to calmQueue says that what is sent gets through, whatever the estimate is. It
// does not say so if loss depends on the rate or looks like it. A share of loss from muchLost on looks like
// it if it is not known to be random. A queue up to keepQueue is emptied without a change of what is shown:
// pictures take keepShare of the estimate. Longer queues and a lower share have pictures change less often,
// and wait for longer.
const (
	calmQueue = 30e6
	muchLost  = 0.75
	keepQueue = 150e6
	keepShare = 0.85
	// fullQueue is the queue, in ns, above which a link is taken to be full rather than a machine to be busy.
	// Lower pauses pictures also if a machine is busy.
	fullQueue = 200e6
)

// keeps returns what pictures that are shown may take, in bit/s, if all that is sent takes so much. If that
// cannot stay as it is, what comes in its place fits what may be sent now. If more is sent than gets through,
// a short queue counts as one that grows.
func (n *path) keeps(now int64, e *bwe.Estimate, takes float64) float64 {
	switch {
	case now < n.doubted, e.Grows && takes > cutAbove*e.Capacity:
		return e.Budget
	case e.Cause == bwe.Silence: // nobody tells whether there is a queue
		return e.Budget
	case e.Queue <= calmQueue && !e.Depends && (e.Random || e.Lost < muchLost):
		return math.MaxUint32
	case e.Queue > keepQueue, takes > keepShare*e.Capacity:
		return e.Budget
	}
	return max(e.Budget, keepShare*e.Capacity)
}

// seats collects the pictures that a peer is to be shown: those that the estimate is of, or with apart the
// others.
func (c *core) seats(p *peer, apart bool) {
	d := &c.nets.division
	d.seats, d.states, d.sinks, d.rungs, d.top, d.now, d.base = d.seats[:0], d.states[:0], d.sinks[:0], d.rungs[:0], 0, 0, 0
	for _, s := range p.down.sinks {
		if s.section.Kind != packet.Video || !s.active || s.measured() == apart && (apart || p.down.net.apart != nil) {
			continue
		}
		t := c.shown(s)
		if t == nil || s.want.Hidden || !s.measured() && !apart {
			c.unbound(s)
			continue
		}
		if s.cur != nil {
			d.now += float64(s.load(whole))
			d.base += float64(s.load(0))
		}
		from := len(d.rungs)
		live := c.ladder(s, t)
		if rungs := d.rungs[from:]; !live {
			c.unbound(s)
		} else {
			d.sinks, d.states = append(d.sinks, s), append(d.states, s.stateIn(t, len(rungs)))
			d.seats = append(d.seats, allocate.Seat{ID: s.ssrc, Screen: t.key.Source == Screen, Area: s.want.Area, Rungs: rungs})
			d.top += float64(rungs[len(rungs)-1].Rate)
		}
	}
}

// stateIn is the state of a seat with so many rungs, of a track. If nothing was decided yet of what a sink
// shows, that does not count as new.
func (s *sink) stateIn(t *track, rungs int) allocate.State {
	if s.allowed.state == (allocate.State{}) && s.cur != nil && s.cur.track == t {
		return allocate.Showing(min(s.layerOf()*temporals+int(whole), rungs-1))
	}
	return s.allowed.state
}

// measured says whether the estimate is also of what the sink is sent.
func (s *sink) measured() bool { return s.tmpl.TransportCC() || s.peer.down.isBounded() }

// ladder appends the layers of a track up to the one that a sink wants, each with its temporal layers. It
// reports whether any of them can be sent. Rungs keep their places: there are always as many for each layer.
func (c *core) ladder(s *sink, t *track) (live bool) {
	d := &c.nets.division
	var buf [8]Layer
	layers, scales := t.describe(buf[:0], s.formats), s.repeatsAsOther()
	top, inside := c.wantedRank(s, t, true), t.layering()
	if s.onlyBaseOf(t) {
		top = 0
	}
	if inside != nil && !scales { // all of it, whatever is wanted
		layers, inside, top = layers[len(layers)-1:], nil, 0
	}
	for i := range top + 1 {
		st := t.layers[t.order[min(i, len(t.layers)-1)]]
		r := allocate.Rung{Layer: uint8(i), Area: uint32(min(pictureArea(layers, i), math.MaxUint32))}
		for r.Temporal = range uint8(temporals) {
			if r.FPS = st.in.rated.frames[r.Temporal]; inside != nil {
				r.Rate, r.None = inside.rung(i, r.Temporal, s.cur == st && s.layerOf() == i)
			} else {
				r.Rate, r.None = st.load(st == s.cur, r.Temporal), r.Temporal < whole && r.Temporal >= st.top()
			}
			r.Live = !r.None && r.Rate != 0 && (layers[i].Live || len(layers) == 1) && !st.shed.muted && st.fits(s.formats)
			if n := len(d.rungs); i+int(r.Temporal) > 0 && r.Rate < d.rungs[n-1].Rate {
				r.Rate = d.rungs[n-1].Rate // a ladder goes up
			}
			d.rungs = append(d.rungs, r)
			live = live || r.Live
		}
	}
	return live
}

// allowAll forgets what a sink may show: what it is to show is another picture, or none.
func (c *core) allowAll(s *sink) {
	was := s.allowed.paused
	if s.allowed = (allowance{}); was {
		c.pauseChanged(s)
	}
	s.thinTo(whole)
}

// unbound has a sink show all that it wants, as there is nothing to divide for it. Nobody would ever look
// again at what was decided of it.
func (c *core) unbound(s *sink) {
	if s.allowed.bounds() {
		c.allowAll(s)
		c.retarget(s)
	}
}

// bounds says whether not everything is allowed.
func (a *allowance) bounds() bool { return a.paused || a.layers != 0 || a.temporals != 0 }

// pauseTold is how long a picture that was not shown yet must be paused until the pause is told, in ns. Lower
// tells of pauses that are over with the next report: what looks like a queue may have come all at once.
const pauseTold = 400e6

// allow has a sink show what was chosen for it, one of those rungs.
func (c *core) allow(s *sink, chosen allocate.State, rungs []allocate.Rung) {
	before := s.allowed
	s.allowed = allowance{state: chosen, paused: chosen.Rung == allocate.Paused, tellAt: before.tellAt}
	if s.allowed.paused && !before.paused {
		if s.allowed.tellAt = c.now; s.cur == nil {
			s.allowed.tellAt += pauseTold
		}
	}
	if highest := rungs[len(rungs)-1].Layer; !s.allowed.paused {
		s.allowed.upTo(&rungs[chosen.Rung], highest)
		if wanted := rungs[chosen.Want].Layer; wanted < highest {
			s.allowed.wanted = wanted + 1
		}
	}
	if chosen.HasFailed(&before.state) {
		c.totals.LayersFailed++
	}
	c.obey(s, &before, rungs[len(rungs)-1].Layer+1)
	switch {
	case s.cur == nil || s.allowed.paused:
	case s.allowed.bounds():
		s.thinTo(s.fitting(&rungs[chosen.Rung]))
	default:
		s.thinTo(whole)
	}
}

// obey has a sink take up what it is allowed now, of so many layers. before is what it was allowed.
func (c *core) obey(s *sink, before *allowance, layers uint8) {
	if s.allowed.paused == before.paused && s.allowed.layers == before.layers {
		if s.allowed.wanted != before.wanted {
			c.demands(s)
		}
		return
	}
	c.takeUp(s, byNetwork)
	if s.allowed.paused == before.paused {
		c.countChange(before.layers, s.allowed.layers, layers)
	} else {
		c.pauseChanged(s)
		if s.allowed.paused {
			c.totals.Pauses++
		}
	}
}

// upTo allows a rung, of layers up to highest.
func (a *allowance) upTo(r *allocate.Rung, highest uint8) {
	if r.Layer < highest {
		a.layers = r.Layer + 1
	}
	if r.Temporal < whole {
		a.temporals = r.Temporal + 1
	}
}

// fitting returns the temporal layer up to which a sink gets what feeds it, if it is to get a rung. If
// another layer feeds it, that one goes on until the keyframe of the right one is there. Of its temporal
// layers the base goes on, and as many as take no more than the rung.
func (s *sink) fitting(r *allocate.Rung) uint8 {
	if s.layerOf() == int(r.Layer) {
		return r.Temporal
	}
	for top := uint8(whole); top > 0; top-- {
		if s.load(top) <= r.Rate {
			return top
		}
	}
	return 0
}

// cut ends what is sent to sinks that wait for less, as all of it is far too much. Even its lowest temporal
// layer would be in the way of the keyframe that is to come.
func (c *core) cut(sinks []*sink) {
	for _, s := range sinks {
		if s.cur != nil && s.next != nil && (s.next == s.cur && s.goesDown(s.cur) || s.next.load(true, whole) < s.cur.load(true, whole)) {
			c.sendRuns()
			s.uncur()
			s.seq.Stop()
		}
	}
}
