package router

import (
	"time"

	"parlor/packet"
	"parlor/router/bwe"
)

// Limit is what keeps a receiver from larger pictures.
type Limit uint8

// The limits. If there are several, the first one counts.
const (
	LimitUnknown     Limit = iota // no picture is to be sent
	LimitLoss                     // its network: if more were sent, more would be lost
	LimitDelay                    // its network: more would wait
	LimitPublisher                // a publisher sends less than is asked for
	LimitApplication              // smaller ones are asked for than are sent
	LimitNone                     // it gets all that is sent
)

var limitNames = [...]string{"unknown", "loss", "delay", "publisher", "application", "none"}

// String returns the name that the signalling protocol uses.
func (l Limit) String() string {
	if int(l) < len(limitNames) {
		return limitNames[l]
	}
	return limitNames[LimitUnknown]
}

// StreamState is how a picture that somebody is to be shown goes on.
type StreamState uint8

// The states.
const (
	StreamLive      StreamState = iota
	StreamSwitching             // the layer that is to be sent waits for its keyframe
	StreamPaused                // the receiver's network does not carry it
)

var stateNames = [...]string{"live", "switching", "paused"}

// String returns the name that the signalling protocol uses.
func (s StreamState) String() string { return stateNames[min(int(s), len(stateNames)-1)] }

// state says how the sink's picture goes on.
func (s *sink) state() StreamState {
	switch {
	case s.allowed.paused:
		return StreamPaused
	case s.next != nil && !s.unfit:
		return StreamSwitching
	}
	return StreamLive
}

// limit says what keeps a peer from larger pictures.
func (c *core) limit(p *peer) Limit {
	most := LimitUnknown
	for _, s := range p.down.sinks {
		if l := c.limitOf(s); l != LimitUnknown && (most == LimitUnknown || l < most) {
			most = l
		}
	}
	return most
}

// lossy is the share of lost packets from which on loss is what limits, if packets do not wait. Lower blames
// loss sooner.
const lossy = 0.1

// limitOf says what keeps a sink from a larger picture.
func (c *core) limitOf(s *sink) Limit {
	if s.section.Kind != packet.Video || !s.active || s.want.Hidden {
		return LimitUnknown
	}
	t := c.shown(s)
	if t == nil || s.unfit {
		return LimitUnknown
	}
	if s.onlyBase() {
		return LimitLoss
	}
	if s.allowed.bounds() {
		if e := s.peer.down.net.estimate(c.now); e.Cause == bwe.Loss || e.Depends || e.Lost > lossy && e.Queue <= calmQueue {
			return LimitLoss
		}
		return LimitDelay
	}
	return c.limitOfLayers(s, t)
}

// limitOfLayers says the same if the peer's network does not limit.
func (c *core) limitOfLayers(s *sink, t *track) Limit {
	if t.height() == 1 {
		return LimitNone
	}
	var buf [8]Layer
	layers := t.describe(buf[:0], s.formats)
	t.addObtainable(layers, s.formats, c.now)
	asked := askedLayer(layers, s.want.Quality, s.want.Area)
	if !layers[asked].Live {
		return LimitPublisher
	}
	for _, higher := range layers[asked+1:] {
		if higher.Live {
			return LimitApplication
		}
	}
	return LimitNone
}

// countChange counts that a sink may show so many layers, of all that there are, in place of others.
func (c *core) countChange(before, now, all uint8) {
	if before == 0 {
		before = all
	}
	if now == 0 {
		now = all
	}
	switch {
	case now > before:
		c.totals.LayersUp++
	case now < before:
		c.totals.LayersDown++
	}
}

// carries returns what the network to a peer carries, in bit/s, and how long packets wait there; 0: it is not
// known.
func (d *downlink) carries() (rate uint64, queue time.Duration) {
	if d.net == nil || !d.net.listed {
		return 0, 0
	}
	if b := d.net.bound; b != nil {
		return b.carries(), 0
	}
	e := d.net.est.Estimate()
	if e.Acked <= 0 {
		return 0, 0
	}
	return uint64(e.Trusted), time.Duration(e.Queue)
}

// measure counts how a peer's network is, once a sample.
func (c *core) measure(n *path) {
	e := n.estimate(c.now)
	c.totals.Estimate.observe(int64(e.Trusted), &estimateBounds)
	c.totals.Queue.observe(e.Queue, &queueBounds)
	if n.share.short && e.Budget > 0 {
		c.totals.Use.observe(int64(100*n.load.rate/e.Budget), &useBounds)
	}
}

// pausedFor counts the time since the last division for the sinks that are paused.
func (c *core) pausedFor(n *path) {
	passed := c.now - n.share.at
	n.share.at = c.now
	for _, s := range c.nets.division.sinks {
		if s.allowed.paused {
			c.totals.PausedTime += uint64(passed)
		}
	}
}
