package router

import (
	"slices"

	"parlor/packet"
	"parlor/router/bwe"
	"parlor/router/bwe/probe"
	"parlor/router/header"
	"parlor/router/sent"
)

// Probes find out whether a network carries more than is sent over it: they are clusters of packets that go
// faster. Their packets are retransmissions that nobody has asked for (RFC 4588). They are without payload,
// or repeat what was sent last if the receiver can make use of it. More is sent in the same way for a moment
// to see whether loss depends on the rate: one cluster of number 0 after the other.

// prober sends clusters to one peer.
type prober struct {
	control probe.Controller
	cluster probe.Cluster // under way
	from    int64         // when it began
	bytes   int           // of it that were sent
	packets int
	back    uint64 // how many packets the next copy lies before the last one
	by      *sink  // whose SSRC of retransmissions carries it; nil: none is under way
}

// The comment of each says what changing it costs.
const (
	// enough is how many times what is wanted a network must carry for all of it. Higher probes although
	// nothing is missing.
	enough = 1.1
	// probeStep is the time between bursts of a cluster, in ns. Shorter ones measure better and wake the room
	// more often.
	probeStep = 5e6
	// copiesFrom is the rate of a cluster from which on it is made of copies, in bit/s. Below, packets of
	// 1,200 bytes are too few.
	copiesFrom = 1.5e6
	// maxCopies is how many of the last packets of a sink are sent as copies. More are later of use to the
	// receiver.
	maxCopies = 16
	// maxPadding is how many bytes of padding a packet can have (RFC 3550 section 5.1).
	maxPadding = 255
)

// probe begins a cluster to a peer if one is due.
func (c *core) probe(p *peer) {
	n := p.down.net
	by := p.prober()
	n.est.DelayOnly(by == nil)
	switch {
	case !p.ready:
		return
	case by == nil:
		if !c.overloaded() {
			n.trial.try(c.now, n)
		}
		return
	}
	e := n.est.Estimate()
	if e.Extra > 0 {
		c.beginCluster(p, by, probe.Cluster{Rate: e.Extra, Bytes: int(e.Extra / 8 * netStep / 1e9), Packets: 1})
		return
	}
	if c.overloaded() {
		return // a probe would measure how late the room is, and make it later
	}
	cluster, ok := n.probes.control.Next(c.now, probe.State{
		Capacity: e.Capacity, Need: enough * n.share.need, Sent: n.load.rate, Queue: e.Queue, RTT: p.rtt, Limited: e.Limited,
		// Loss of long ago is no reason never to find out. Loss bounds to a little more than what is sent,
		// and the next layer may be larger.
		Lossy: e.Loss < e.Delay && n.losses.fresh(c.now), Active: n.share.need > 0,
	})
	if !ok {
		return
	}
	c.totals.Probes++
	n.est.Probe(c.now, cluster)
	c.beginCluster(p, by, cluster)
}

// setbacks is when something was lost, of late.
type setbacks struct {
	queued, overflowed, dropped int64  // of the last queue, loss with a queue, and loss without
	told                        uint64 // packets that were lost by then
}

// Loss may bound the estimate. The network is then probed once nothing was lost for these times, in ns:
// overflowGone if queues overflowed, dropsGone if they did not. Lower has sound suffer more often if there is
// no room for a picture, and policers drop more. Losses are told up to queueGone, in ns, after the queue in
// which they happened.
const (
	overflowGone = 1e9
	dropsGone    = 10e9
	queueGone    = 1.5e9
)

// take takes a report, with the estimate that it has led to, and how many packets were lost in all.
func (l *setbacks) take(now int64, e *bwe.Estimate, lost uint64) {
	more := lost > l.told
	l.told = lost
	if e.Queue > calmQueue {
		l.queued = now
	}
	switch {
	case !more:
	case l.crowded(now):
		l.overflowed = now
	default:
		l.dropped = now
	}
}

// crowded says whether packets have waited of late.
func (l *setbacks) crowded(now int64) bool { return now-l.queued < queueGone }

// fresh says whether something was lost of late that may say that no more is carried.
func (l *setbacks) fresh(now int64) bool {
	return now-l.overflowed < overflowGone || now-l.dropped < dropsGone
}

// trial is of a network that cannot be probed, as its receiver takes no retransmissions. All that is wanted
// is sent to see what comes of it.
type trial struct {
	at   int64 // of the last one; 0: there was none
	wait int64 // for the next one, in ns
}

// The time between trials, in ns: the first one, and the longest if they fail. Lower shows sooner what a
// network carries by now. It has sound suffer more often if that is no more than before.
const (
	trialWait  = 15e9
	trialsWait = 120e9
	trialFails = 5e9 // a network that is full so soon after a trial is so by it
)

// try makes a trial if one is due, and something that is wanted is not sent.
func (x *trial) try(now int64, n *path) {
	e := n.est.Estimate()
	if !n.share.short || e.Queue > calmQueue || x.at != 0 && now-x.at < x.wait {
		return
	}
	if x.wait == 0 || now-x.at > 2*trialsWait {
		x.wait = trialWait
	}
	x.at = now
	n.est.Assume(now, enough*n.share.need)
	n.least.clear()
}

// congested notes that the network is full. What was sent until then was as good as a trial.
func (x *trial) congested(now int64) {
	switch {
	case x.at == 0:
		x.at, x.wait = now, trialWait
	case now-x.at < trialFails:
		x.wait = min(2*x.wait, trialsWait)
	}
}

// beginCluster begins to send a cluster to a peer, by one of its sinks. The cluster takes the place of one
// that is under way.
func (c *core) beginCluster(p *peer, by *sink, cluster probe.Cluster) {
	x := &p.down.net.probes
	if x.by == nil {
		c.nets.probing = append(c.nets.probing, p)
	}
	x.cluster, x.from, x.bytes, x.packets, x.by = cluster, c.now, 0, 0, by
	c.probeOn(p)
	c.at(dueProbes, c.now+probeStep)
}

// prober returns a sink of the peer that can carry probes, nil if there is none. It is the sink that has sent
// most, as its packets are newest.
func (p *peer) prober() *sink {
	var best *sink
	for _, s := range p.down.sinks {
		if s.active && s.section.Kind == packet.Video && s.measured() && s.section.RTXSSRC != 0 && s.retransmits() != 0 &&
			(best == nil || s.count.packets > best.count.packets || s.count.packets == best.count.packets && s.ssrc < best.ssrc) {
			best = s
		}
	}
	return best
}

// retransmits returns the payload type of retransmissions that carry nothing, 0 if there is none.
func (s *sink) retransmits() uint8 {
	if seg := s.seq.Current(); seg != nil && seg.State.rtx != 0 {
		return seg.State.rtx
	}
	for i := range s.section.Codecs {
		if rtx := s.section.Codecs[i].RTX; rtx != 0 {
			return rtx
		}
	}
	return 0
}

// stepProbes sends the next part of all clusters under way.
func (c *core) stepProbes() {
	c.nets.probing = slices.DeleteFunc(c.nets.probing, func(p *peer) bool { return !c.probeOn(p) })
	if len(c.nets.probing) > 0 {
		c.at(dueProbes, c.now+probeStep)
	}
}

// probeOn sends what of a cluster is due, and reports whether there is more.
func (c *core) probeOn(p *peer) bool {
	x := &p.down.net.probes
	s := x.by
	if s == nil || !p.ready || p.down.sinks[s.section.MID] != s || !s.active || s.retransmits() == 0 {
		x.by = nil
		return false
	}
	// due is the share of the cluster that should have been sent by the next step.
	due := min(x.cluster.Rate/8*float64(c.now-x.from+probeStep)/1e9/float64(x.cluster.Bytes), 1)
	for float64(x.bytes) < due*float64(x.cluster.Bytes) || float64(x.packets) < due*float64(x.cluster.Packets) {
		if x.cluster.ID != 0 && x.cluster.Rate < copiesFrom || !c.probeByCopy(s, x) {
			c.probeByPadding(s, x)
		}
	}
	if due < 1 {
		return true
	}
	x.by = nil
	return false
}

// took notes a packet of the cluster.
func (x *prober) took(bytes int) { x.bytes, x.packets = x.bytes+bytes, x.packets+1 }

// probeByCopy sends again what the sink has sent of late; false if there is nothing that is worth it.
func (c *core) probeByCopy(s *sink, x *prober) bool {
	for range maxCopies {
		out := s.last.seq - x.back
		x.back = (x.back + 1) % maxCopies
		if n := c.resendUnasked(s, uint16(out), x.cluster.ID); n > 0 {
			x.took(n + wireOverhead)
			c.totals.ProbeBytes += uint64(n)
			return true
		}
	}
	return false
}

// probeByPadding sends a retransmission without payload.
func (c *core) probeByPadding(s *sink, x *prober) {
	f := &c.out.fields
	*f = header.Fields{SSRC: s.section.RTXSSRC, PT: s.retransmits(), Seq: s.repair.seq, Timestamp: s.last.ts, MID: true,
		AbsSend: c.absSend, TransportCC: s.peer.down.sent.Next()}
	s.repair.seq++
	n := s.tmpl.Write(&c.out.hdr, f, &header.Packet{})
	c.out.hdr[0] |= 1 << 5 // padding follows
	size := min(max(x.cluster.Bytes/x.cluster.Packets-n-wireOverhead, 1), maxPadding)
	padding := c.out.padding[:size]
	padding[size-1] = byte(size)
	c.noteSent(s, &s.tmpl, n+size, sent.Padding, x.cluster.ID)
	s.out.SendRTP(c.out.hdr[:n], padding)
	padding[size-1] = 0
	x.took(n + size + wireOverhead)
	c.totals.ProbeBytes += uint64(n + size)
}
