package router

import (
	"parlor/router/bwe"
	"parlor/router/sent"
	"parlor/router/transportcc"
)

// downlink is what a peer receives, and what its transport-wide feedback says of that.
type downlink struct {
	sinks   map[string]*sink   // by MID
	sinkOf  map[uint32]*sink   // by SSRC
	retired map[uint32]numbers // SSRCs of former sections: numbers must never begin anew under one; nil: none
	credit  int64              // bytes that may be sent again now
	taken   map[TrackKey]int64 // up to when its take-ups of a track are paid for, see takesUp; nil: none

	sent  sent.Ring         // gives out transport-wide sequence numbers
	clock transportcc.Clock // of its feedback
	told  delivery
	net   *path  // nil: it has sent no feedback, nor what bounds it without
	guard *guard // of its sound; nil likewise

	expects float64  // bit/s that its network is expected to carry; 0: nothing is known
	chasing *chasing // nil: it gets no layers inside a stream
}

// delivery counts what has become of packets, as feedback tells. What arrives after it was counted as lost is
// taken back.
type delivery struct {
	arrived, lost uint64
	tallied       tallied
}

// wireOverhead is what the network carries of a packet beside its RTP header and payload, in bytes: the tag
// of AES-GCM, UDP and IPv4.
const wireOverhead = 16 + 8 + 20

// compound is what the packets of one compound RTCP packet share.
type compound struct {
	at       int64 // its arrival
	asked    int   // packets that were asked for again
	statuses int   // of transport-wide feedback that were read
	fed      bool  // it had such feedback
	told     bool  // it had receiver reports, or a rate that bounds what is sent
}

// onTransportCC takes in what a receiver's transport-wide feedback tells of; false if it cannot be read.
func (c *core) onTransportCC(p *peer, b []byte, x *compound) bool {
	d := &p.down
	packets, err := d.clock.Packets(b, max(transportcc.Bound-x.statuses, 0))
	if err != nil {
		return false
	}
	c.totals.TransportReported += uint64(packets.Packets)
	c.totals.TransportReportedLost += uint64(packets.Packets - packets.Received)
	if !x.fed {
		x.fed = true
		c.fed(p, x.at)
	}
	for s, ok := packets.Next(); ok; s, ok = packets.Next() {
		x.statuses++
		if !s.Received {
			d.sent.Missing(s.Seq)
			continue
		}
		d.arrived(s)
	}
	return true
}

// arrived books a packet that has arrived, the first time that it is told of. A packet that was sent again
// under its number was lost the first time if only the second one can have come. Then its way says nothing of
// delays. Nor does it if it cannot be told which one came.
func (d *downlink) arrived(s transportcc.Status) {
	p, fate := d.sent.Arrived(s.Seq)
	if fate != sent.First && fate != sent.Late {
		return
	}
	if fate == sent.First {
		d.chasing.told(&p, true)
	}
	at, which := s.Arrival*transportcc.Unit, bwe.FirstSending
	if p.Again != 0 {
		which = d.net.est.Which(p.At, p.Again, at)
	}
	switch {
	case which == bwe.SecondSending && fate == sent.First:
		d.told.lost++
		d.net.est.Lost(p.At, p.Size)
		d.lostSound(p)
		return
	case which == bwe.SecondSending:
		return
	case fate == sent.Late:
		d.told.lost--
		d.net.est.Found(p.At, p.Size)
	}
	d.told.arrived++
	if which == bwe.FirstSending {
		d.net.order.Packet(p.At, at, d.net.est.Packet(p.At, at, p.Size, p.Cluster))
	} else {
		d.net.est.Untimed(p.At, at, p.Size)
	}
}

// book books what is lost by now: of what feedback has left missing, or if none comes any more.
func (d *downlink) book(now int64) {
	for p, ok := d.sent.Lost(now); ok; p, ok = d.sent.Lost(now) {
		d.told.lost++
		d.net.est.Lost(p.At, p.Size)
		d.lostSound(p)
		d.chasing.told(&p, false)
	}
}

// sample returns how many packets feedback has told of since the last time, and how many of them as lost.
func (t *delivery) sample() (expected, lost uint64) {
	last := &t.tallied
	all := t.arrived + t.lost
	expected = all - last.expected
	lost = missing(expected, t.arrived-last.received)
	last.expected, last.received = all, t.arrived
	return expected, lost
}
