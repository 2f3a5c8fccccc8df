package router

import (
	"github.com/pion/rtcp"

	"parlor/router/clock"
)

// onRTCP takes in a compound RTCP packet of a peer.
func (c *core) onRTCP(p *peer, b []byte, at int64) {
	c.totals.RTCPIn++
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		c.drop(DropMalformed)
		return
	}
	for _, pkt := range packets {
		switch r := pkt.(type) {
		case *rtcp.SenderReport:
			c.onSenderReport(p, r, at)
			c.onReports(p, r.Reports, at)
		case *rtcp.ReceiverReport:
			c.onReports(p, r.Reports, at)
		case *rtcp.TransportLayerNack:
			c.onNACK(p, r)
		case *rtcp.PictureLossIndication:
			c.onPictureLoss(p, r.MediaSSRC)
		case *rtcp.FullIntraRequest:
			for _, e := range r.FIR {
				c.onPictureLoss(p, e.SSRC)
			}
		case *rtcp.TransportLayerCC:
			c.onTransportCC(r)
		}
	}
}

// onSenderReport learns how the publisher's RTP timestamps and clock lie. A report without a wall clock (RFC 3550 section
// 6.4.1 allows 0) says nothing.
func (c *core) onSenderReport(p *peer, r *rtcp.SenderReport, at int64) {
	b, ok := p.bySSRC[r.SSRC]
	if !ok || b.repair || r.NTPTime == 0 {
		return
	}
	st := b.stream
	st.in.srNTP, st.in.srAt = clock.Middle(r.NTPTime), at
	if st.format == nil {
		return
	}
	sent := clock.FromNTP(r.NTPTime)
	p.offset.Observe(sent, at)
	st.in.line = clock.NewLine(sent, r.RTPTime, st.format.Clock)
}

// onReports takes in what a receiver says of the node's streams.
func (c *core) onReports(p *peer, reports []rtcp.ReceptionReport, at int64) {
	for i := range reports {
		r := &reports[i]
		s := p.sinkOf[r.SSRC]
		if s == nil {
			continue
		}
		s.acked = true
		s.count.fraction, s.count.lost, s.count.jitter = r.FractionLost, r.TotalLost, r.Jitter
		if r.LastSenderReport == 0 {
			continue
		}
		// In units of 2^-16 s (RFC 3550 section 6.4.1); negative where clocks jitter.
		units := int32(clock.Middle(clock.ToNTP(at)) - r.LastSenderReport - r.Delay)
		if rtt := int64(units) * 1e9 >> 16; rtt >= 0 && rtt < 10e9 {
			p.smoothRTT(max(rtt, 1))
		}
	}
}

// smoothRTT follows the round trip, 1/8 of the way each time as in RFC 6298.
func (p *peer) smoothRTT(rtt int64) {
	if p.rtt == 0 {
		p.rtt = rtt
		return
	}
	p.rtt += (rtt - p.rtt) / 8
}

// onPictureLoss passes a receiver's request for a keyframe on to who feeds it.
func (c *core) onPictureLoss(p *peer, ssrc uint32) {
	s := p.sinkOf[ssrc]
	if s == nil {
		return
	}
	if s.cur != nil {
		c.askKeyframe(s.cur)
	} else if s.next != nil {
		c.askKeyframe(s.next)
	}
}

// onTransportCC counts what a receiver's transport-wide feedback tells of.
func (c *core) onTransportCC(r *rtcp.TransportLayerCC) {
	received := uint64(len(r.RecvDeltas))
	total := max(uint64(r.PacketStatusCount), received)
	c.totals.TransportReported += total
	c.totals.TransportReportedLost += total - received
}
