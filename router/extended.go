package router

import (
	"encoding/binary"

	"github.com/pion/rtcp"

	"parlor/router/clock"
)

// Extended reports (RFC 3611) tell the round trip to peers that only publish, and to receivers that want to
// know it. One side tells its time (RRTR, section 4.4), the other how long ago it has heard that (DLRR,
// section 4.5). Browsers answer without having agreed on it.

const (
	referenceTime = 4 // block type RRTR
	sinceThat     = 5 // block type DLRR
)

// heard is the last time that a peer has told.
type heard struct {
	ssrc   uint32 // who
	middle uint32 // the middle bits of its NTP time, 0: none
	at     int64  // its arrival
}

// onExtendedReport takes in an extended report; false if it cannot be read. Blocks of other types are
// skipped.
func (c *core) onExtendedReport(p *peer, b []byte, at int64) bool {
	if len(b) < 8 {
		return false
	}
	ssrc, echoed := binary.BigEndian.Uint32(b[4:]), false
	for b = b[8:]; len(b) >= 4; { // the compound was split at full words
		kind, n := b[0], 4*(int(binary.BigEndian.Uint16(b[2:]))+1)
		if n > len(b) {
			return false
		}
		block := b[4:n]
		switch {
		case kind == referenceTime && len(block) == 8:
			p.reports.heard = heard{ssrc, clock.Middle(binary.BigEndian.Uint64(block)), at}
		case kind == sinceThat && !echoed: // one is enough, however many there are
			echoed = c.onDelays(p, block, at)
		}
		b = b[n:]
	}
	return true
}

// onDelays takes in the first of the sub-blocks of a DLRR that echoes the node's time. It says whether there
// was one.
func (c *core) onDelays(p *peer, b []byte, at int64) (echoed bool) {
	for ; len(b) >= 12; b = b[12:] {
		ssrc, told, delay := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		if ssrc == c.ssrc && told != 0 {
			c.roundTrip(p, told, delay, at)
			return true
		}
	}
	return false
}

// extendedReport returns what a peer is told beside its other reports; nil: nothing.
func (c *core) extendedReport(p *peer) rtcp.Packet {
	x := &rtcp.ExtendedReport{SenderSSRC: c.ssrc}
	if len(p.tracks) > 0 {
		x.Reports = append(x.Reports, &rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: clock.ToNTP(c.now)})
	}
	if h := &p.reports.heard; h.middle != 0 {
		x.Reports = append(x.Reports, &rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{
			{SSRC: h.ssrc, LastRR: h.middle, DLRR: uint32(clock.Ticks(c.now-h.at, 1<<16))},
		}})
		h.middle = 0
	}
	if len(x.Reports) == 0 {
		return nil
	}
	return x
}
