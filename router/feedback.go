package router

import (
	"encoding/binary"

	"github.com/pion/rtcp"

	"parlor/router/clock"
	"parlor/router/remb"
)

// onRTCP takes in a compound RTCP packet of a peer. What it costs is bounded by its length: nothing in it is
// unfolded before that has been checked. All of its requests for lost packets share one budget.
func (c *core) onRTCP(p *peer, b []byte, at int64) {
	c.totals.RTCPIn++
	p.sampled.heardAt = at
	x := compound{at: at}
	for len(b) > 0 {
		var h rtcp.Header
		n := len(b) + 1
		if h.Unmarshal(b) == nil {
			n = 4 * (int(h.Length) + 1)
		}
		if n > len(b) || !c.onControl(p, h, b[:n], &x) {
			c.drop(DropMalformed)
			break
		}
		b = b[n:]
	}
	if x.fed {
		c.reported(p, at)
		p.down.watchLoss(at)
	}
	if x.told {
		c.toldBound(p, at)
	}
}

// onControl takes in one RTCP packet of a compound, b with its header; false if it cannot be read. Types that
// a node has no use for are skipped.
func (c *core) onControl(p *peer, h rtcp.Header, b []byte, x *compound) bool {
	switch h.Type {
	case rtcp.TypeSenderReport:
		var r rtcp.SenderReport
		if r.Unmarshal(b) != nil {
			return false
		}
		c.onSenderReport(p, &r, x.at)
		c.onReports(p, r.Reports, x)
		return true
	case rtcp.TypeReceiverReport:
		var r rtcp.ReceiverReport
		if r.Unmarshal(b) != nil {
			return false
		}
		c.onReports(p, r.Reports, x)
		return true
	case rtcp.TypeExtendedReport:
		return c.onExtendedReport(p, b, x.at)
	case rtcp.TypeTransportSpecificFeedback, rtcp.TypePayloadSpecificFeedback:
		return c.onFeedback(p, h, b, x)
	}
	return true
}

// onFeedback takes in a feedback packet (RFC 4585 section 6.1).
func (c *core) onFeedback(p *peer, h rtcp.Header, b []byte, x *compound) bool {
	if pad := int(b[len(b)-1]); h.Padding {
		b = b[:max(len(b)-pad, 0)]
	}
	if len(b) < 12 {
		return false
	}
	ssrc, fci := binary.BigEndian.Uint32(b[8:]), b[12:]
	payload := h.Type == rtcp.TypePayloadSpecificFeedback
	switch {
	case !payload && h.Count == rtcp.FormatTLN:
		c.onNACK(p, ssrc, fci, &x.asked)
	case !payload && h.Count == rtcp.FormatTCC:
		return c.onTransportCC(p, b, x)
	case payload && h.Count == rtcp.FormatPLI:
		c.onPictureLoss(p, ssrc)
	case payload && h.Count == rtcp.FormatFIR:
		for ; len(fci) >= 8; fci = fci[8:] {
			c.onPictureLoss(p, binary.BigEndian.Uint32(fci))
		}
	case payload && h.Count == rtcp.FormatREMB && remb.Is(fci):
		return c.onREMB(p, fci, x)
	}
	return true
}

// onSenderReport learns how the publisher's RTP timestamps and clock lie. A report without a wall clock (RFC
// 3550 section 6.4.1 allows 0) says nothing.
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
func (c *core) onReports(p *peer, reports []rtcp.ReceptionReport, x *compound) {
	for i := range reports {
		r := &reports[i]
		s := p.down.sinkOf[r.SSRC]
		if s == nil {
			continue
		}
		s.acked, x.told = true, true
		s.count.reportedLoss(r.LastSequenceNumber, r.TotalLost)
		s.count.fraction, s.count.lost, s.count.jitter = r.FractionLost, r.TotalLost, r.Jitter
		c.totals.Loss.observe(int64(r.FractionLost), &lossBounds)
		if r.LastSenderReport == 0 {
			continue
		}
		c.roundTrip(p, r.LastSenderReport, r.Delay, x.at)
	}
}

// roundTrip learns from an echo of a time that the node has told, after a delay there. Both are in units of
// 2^-16 s (RFC 3550 section 6.4.1, RFC 3611 section 4.5).
func (c *core) roundTrip(p *peer, told, delay uint32, at int64) {
	units := int32(clock.Middle(clock.ToNTP(at)) - told - delay) // negative if clocks jitter
	if rtt := int64(units) * 1e9 >> 16; rtt >= 0 && rtt < 10e9 {
		p.smoothRTT(max(rtt, 1))
		p.down.sent.RoundTrip(p.rtt)
		c.totals.RTT.observe(rtt, &rttBounds)
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
