package router

import (
	"math/rand/v2"
	"time"

	"parlor/packet"
	"parlor/router/clock"
	"parlor/router/codec"
	"parlor/router/header"
	"parlor/router/svc"
)

// core is a room without a goroutine. Its owner calls it with the time, in ns since 1970 as timeline counts
// them.
type core struct {
	o      Options
	peers  map[packet.PeerID]*peer
	tracks map[TrackKey][]*track // of all peers of the member, the newest last; only that one is forwarded
	off    map[TrackKey]bool     // switched off by SetPublishing
	wants  map[TrackKey][]*sink
	lists  []codecList
	totals Totals
	ssrc   uint32 // the node's own, in RTCP to publishers

	moment
	due [dues]int64

	// Each has a file of its own.
	keys   keyframes
	lost   losses
	pacing []*stream // streams of which packets are held, until the next step at least
	telling
	volumes volumes
	floors  floors
	reports reporting
	nets    networks
	over    overload

	out outgoing
}

// telling is what the observer may have to be told of.
type telling struct {
	doubts   []*sink  // sinks that could not take a stream, or of which the observer was told so
	demanded []*track // tracks of which other layers may be wanted than before
}

// moment is the time of the call in progress.
type moment struct {
	time    timeline
	now     int64
	absSend uint32 // now, as abs-send-time
}

// media is a packet with all that is known of it.
type media struct {
	header.Packet
	info   codec.Info
	frame  svc.Frame // if the stream has layers inside
	ext    uint64    // extended sequence number
	at     int64     // arrival
	format *format
	pid    uint16 // picture id, extended to 15 bits
	copied bool   // scratch number copy holds the payload, without descriptor
	copy   uint8
	red    redundancy // which scratch number copy holds
}

// dues are the kinds of things that come due.
const (
	dueLoss        = iota // ask publishers for lost packets
	dueKeyframe           // ask publishers for keyframes
	dueReport             // sender and receiver reports
	dueFeedback           // transport-wide feedback
	dueLayers             // layers that have stopped
	duePace               // packets of bursts that are held
	dueVolumes            // Volumes
	dueSamples            // Samples
	dueUndecodable        // Undecodable
	dueNetworks           // estimates of what networks carry, and their division
	dueProbes             // parts of probes
	dueDemand             // Demand
	dueRepeats            // copies of packets
	dues
)

func newCore(o Options) *core {
	c := &core{
		o: o, moment: moment{time: timeline{o.Now()}}, ssrc: rand.Uint32() | 1,
		peers: map[packet.PeerID]*peer{}, tracks: map[TrackKey][]*track{}, off: map[TrackKey]bool{},
		wants: map[TrackKey][]*sink{}, floors: floors{sizes: newFloors(o.Loudest)},
	}
	c.out.init()
	return c
}

// at says that something of the kind is due at t.
func (c *core) at(kind int, t int64) {
	if c.due[kind] == 0 || t < c.due[kind] {
		c.due[kind] = t
	}
}

// next returns when tick has something to do, 0 if never.
func (c *core) next() int64 {
	var first int64
	for _, t := range c.due {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

func (c *core) setNow(now int64) {
	c.now = now
	c.absSend = clock.AbsSend(now)
}

// tick does what is due. What batches have brought has been sent.
func (c *core) tick(now int64) {
	c.setNow(now)
	for kind, t := range c.due {
		if t == 0 || now < t {
			continue
		}
		c.due[kind] = 0
		switch kind {
		case dueLoss:
			c.askLost()
		case dueKeyframe:
			c.askKeyframes()
		case dueReport:
			c.sendReports()
		case dueFeedback:
			c.feedbacks()
		case dueLayers:
			c.checkLayers()
		case duePace:
			c.step()
		case dueVolumes:
			c.tellVolumes()
		case dueSamples:
			c.samples()
		case dueUndecodable:
			c.tellUndecodable()
		case dueNetworks:
			c.stepNetworks()
		case dueProbes:
			c.stepProbes()
		case dueDemand:
			c.stepDemand()
		case dueRepeats:
			c.stepRepeats()
		}
	}
}

// batch takes in the packets of b. b stays the caller's to release, after sendRuns. batch says whether there
// was media among the packets.
func (c *core) batch(b *packet.Batch, now int64) bool {
	c.setNow(now)
	at, before := c.arrived(b, now), c.totals.PacketsIn
	c.observe(b, now-at)
	var p *peer
	for i := range b.Items {
		it := &b.Items[i]
		if p == nil || p.id != it.Peer {
			if p = c.peers[it.Peer]; p == nil {
				c.drop(DropPeer)
				continue
			}
		}
		if it.RTCP {
			c.onRTCP(p, it.Buf.B, at)
		} else {
			c.onRTP(p, it.Buf, at)
		}
	}
	return c.totals.PacketsIn != before
}

// arrived returns when a batch was read. If that is not known, it returns now.
func (c *core) arrived(b *packet.Batch, now int64) int64 {
	if b.At.IsZero() {
		return now
	}
	return c.time.at(b.At)
}

// timeline counts time from its base on by the monotonic clock. So setting the wall clock neither stops
// timers nor makes all of them come due.
type timeline struct{ base time.Time }

// at returns t in ns since 1970.
func (l timeline) at(t time.Time) int64 {
	return l.base.UnixNano() + int64(t.Sub(l.base)) //nolint:forbidigo // the base alone is a time of day, and stays what it is
}

// close releases all packets.
func (c *core) close() {
	for _, p := range c.peers {
		for _, t := range p.tracks {
			for _, st := range t.layers {
				c.clear(st)
			}
		}
	}
}

// ns returns a duration as the core counts it.
func ns(d time.Duration) int64 { return int64(d) }
