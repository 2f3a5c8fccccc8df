package router

import (
	"slices"

	"github.com/pion/rtcp"

	"parlor/router/clock"
	"parlor/router/nack"
)

const (
	// earlyReports is how many reports a peer gets at shorter intervals: receivers need two to know what is
	// in sync.
	earlyReports = 4
	// earlyInterval is that shorter interval, in ns.
	earlyInterval = 150e6
	// maxReports bounds the reports in one compound packet, so that it stays below 1200 bytes.
	maxReports = 16
	// maxNACKs bounds the pairs of one NACK likewise.
	maxNACKs = 250
	// unknownRTT stands for a publisher's round trip as long as it is not known, in ns.
	unknownRTT = 100e6
)

// reporting is the peers to which something is due sometime.
type reporting struct {
	due       []*peer // reports
	spare     []*peer // emptied memory for the next such list
	recording []*peer // transport-wide feedback
	flowing   int64   // when media flowed to or from any peer, as flows knows it
}

// peerReports is what a peer is to be told.
type peerReports struct {
	at         int64 // 0: nothing to report
	early      int   // reports that are sent before their time, so that receivers learn soon what is in sync
	arrivals   arrivals
	feedbackAt int64 // 0: nothing recorded
	heard      heard
}

// losses is what publishers are to be asked for.
type losses struct {
	streams []*stream // that miss packets
	seqs    []uint16  // memory for a request
}

// sendRTCP sends a compound packet to a peer.
func (c *core) sendRTCP(p *peer, packets ...rtcp.Packet) {
	if !p.ready || len(packets) == 0 {
		return
	}
	b, err := rtcp.Marshal(packets)
	if err != nil {
		c.o.Log.Error().Err(err).Uint64("peer", uint64(p.id)).Msg("RTCP packet cannot be written")
		return
	}
	c.totals.RTCPOut++
	p.out.SendRTCP(b)
}

// armReport sets the time of the peer's next report; as long as nothing is sent or received there is none.
func (c *core) armReport(p *peer) {
	if p.reports.at != 0 {
		return
	}
	c.flows(p)
	wait := ns(c.o.ReportInterval)
	if p.reports.early > 0 {
		p.reports.early--
		wait = min(wait, earlyInterval)
	}
	wait += wait / 64 * int64(p.id%16) // not all peers of a room at once
	c.reportAt(p, onGrid(c.now+wait))
}

// reportAt has the peer get its reports at t.
func (c *core) reportAt(p *peer, t int64) {
	if p.reports.at == 0 {
		c.reports.due = append(c.reports.due, p)
	}
	p.reports.at = t
	c.at(dueReport, t)
}

// grid is what the times of reports and feedback are rounded up to, in ns, so that one wake-up serves many
// peers. Higher costs less in large rooms and makes feedback less even.
const grid = 20e6

func onGrid(t int64) int64 { return (t + grid - 1) / grid * grid }

// reportSoon has the peer told how the timestamps of a new occupant of one of its seats lie. By those of the
// occupant before, sound and picture would be apart. The next report, which tells what the publisher has said
// meanwhile, comes early too.
func (c *core) reportSoon(p *peer) {
	p.reports.early = max(p.reports.early, 1)
	c.reportAt(p, c.now)
}

// sendReports sends the reports that are due.
func (c *core) sendReports() {
	all := c.reports.due
	c.reports.due = c.reports.spare[:0] // a report may arm the next one
	for _, p := range all {
		if c.now < p.reports.at {
			c.reports.due = append(c.reports.due, p)
			c.at(dueReport, p.reports.at)
			continue
		}
		p.reports.at = 0
		c.report(p)
		c.expire(p)
	}
	clear(all)
	c.reports.spare = all[:0]
}

// report sends sender reports for what went to the peer since the last time, and receiver reports for what
// came from it.
func (c *core) report(p *peer) {
	var packets []rtcp.Packet
	sdes := &rtcp.SourceDescription{}
	for _, s := range p.down.sinks {
		sr := c.senderReport(s)
		if sr == nil {
			continue
		}
		packets = append(packets, sr)
		sdes.Chunks = append(sdes.Chunks, rtcp.SourceDescriptionChunk{Source: s.ssrc,
			Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: c.o.CNAME}}})
		if len(packets) == maxReports {
			c.sendRTCP(p, append(packets, sdes)...)
			packets, sdes = nil, &rtcp.SourceDescription{}
		}
	}
	if len(packets) > 0 {
		c.sendRTCP(p, append(packets, sdes)...)
	}
	extended := c.extendedReport(p)
	for reports := range slices.Chunk(c.receptionReports(p), maxReports) {
		packets = append(packets[:0], &rtcp.ReceiverReport{SSRC: c.ssrc, Reports: reports})
		if extended != nil {
			packets, extended = append(packets, extended), nil
		}
		c.sendRTCP(p, packets...)
	}
	if extended != nil {
		c.sendRTCP(p, &rtcp.ReceiverReport{SSRC: c.ssrc}, extended)
	}
}

// senderReport returns nil if there is nothing to report. Its NTP time is the node's. Its timestamp is what
// the sink's source has at that time by its own reports. The offset of clocks is the same for all streams of
// a publisher.
func (c *core) senderReport(s *sink) *rtcp.SenderReport {
	seg := s.seq.Current()
	if seg == nil || s.count.packets == s.count.reportedPackets {
		return nil
	}
	s.count.reportedPackets = s.count.packets
	rw := &seg.State
	offset, line := &rw.src.track.peer.offset, rw.src.in.line
	ts := s.last.ts + uint32(clock.Ticks(c.now-s.last.at, rw.format.Clock))
	if line.Known() && offset.Known() {
		ts = line.RTP(offset.Sender(c.now)) + rw.ts
	}
	return &rtcp.SenderReport{SSRC: s.ssrc, NTPTime: clock.ToNTP(c.now), RTPTime: ts,
		PacketCount: uint32(s.count.packets), OctetCount: uint32(s.count.bytes)}
}

// expire lets go of old packets of streams that have stopped, and comes back while there are more.
func (c *core) expire(p *peer) {
	for _, t := range p.tracks {
		for _, st := range t.layers {
			if st.ring == nil {
				continue
			}
			c.boundCache(st)
			if st.ring.Expire(c.now); !st.ring.Idle() {
				c.armReport(p)
			}
		}
	}
}

func (c *core) receptionReports(p *peer) []rtcp.ReceptionReport {
	var all []rtcp.ReceptionReport
	for _, t := range p.tracks {
		for _, st := range t.layers {
			if st.in.packets == st.in.reported || !st.in.stats.Began() {
				continue
			}
			st.in.reported = st.in.packets
			r := st.in.stats.Report()
			rr := rtcp.ReceptionReport{SSRC: st.ids.ssrc, FractionLost: r.Fraction, TotalLost: r.Lost,
				LastSequenceNumber: r.High, Jitter: r.Jitter, LastSenderReport: st.in.srNTP}
			if st.in.srNTP != 0 {
				rr.Delay = uint32(clock.Ticks(c.now-st.in.srAt, 1<<16))
			}
			all = append(all, rr)
		}
	}
	return all
}

// A packet of a picture is asked for patience times as long, and as often, if patientFrom of its stream has
// to be asked for. Higher patience ends more standstills without a keyframe, which comes no sooner over such a
// network. Chromium keeps packets for three seconds. A lower patientFrom asks longer for packets that do not
// exist.
const (
	patience    = 2
	patientFrom = 0.35
)

// askLost asks publishers for the packets that are due.
func (c *core) askLost() {
	c.lost.streams = slices.DeleteFunc(c.lost.streams, func(st *stream) bool {
		c.askLostOf(st)
		st.in.inLossy = st.loss.Len() > 0
		return !st.in.inLossy
	})
}

func (c *core) askLostOf(st *stream) {
	p := st.track.peer
	rtt := p.rtt
	if rtt == 0 {
		rtt = unknownRTT
	}
	age, tries := ns(c.history(st.track)), nack.Tries
	if st.in.mends.share >= patientFrom {
		age, tries = patience*age, patience*tries
	}
	c.lost.seqs = st.loss.Due(c.now, rtt, age, tries, c.lost.seqs[:0])
	if next := st.loss.Next(); next != 0 {
		c.at(dueLoss, next)
	}
	if len(c.lost.seqs) == 0 {
		return
	}
	c.totals.NACKsOut += uint64(len(c.lost.seqs))
	for pairs := range slices.Chunk(rtcp.NackPairsFromSequenceNumbers(c.lost.seqs), maxNACKs) {
		c.sendRTCP(p, &rtcp.TransportLayerNack{SenderSSRC: c.ssrc, MediaSSRC: st.ids.ssrc, Nacks: pairs})
	}
}
