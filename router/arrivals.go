package router

import (
	"slices"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"parlor/packet"
	"parlor/router/uplink"
)

// Transport-wide feedback to publishers (draft-holmer-rmcat-transport-wide-cc-extensions-01). The numbers are
// the publisher's own. If they leap, what it costs to write them down grows with the leap. So leaps begin
// anew, and a feedback packet has no more than fits into one.

const (
	// maxTransportLeap is how far apart two numbers in a row may be, and how many may be missing in one
	// feedback. A second of what a publisher sends is a few hundred. Higher lets a publisher cost more, lower
	// tells less of long losses.
	maxTransportLeap = 1000
	// maxTransportHeld is how many packets are told of at once; feedback goes out early rather than larger.
	// Each takes 6 bytes at most.
	maxTransportHeld = 150
	// maxFeedback is how many bytes a feedback packet may have, to fit below every path MTU with what sealing
	// adds.
	maxFeedback = 1100
)

// arrivals is what a publisher is to be told of the packets that have come.
type arrivals struct {
	recorder *twcc.Recorder // nil: nothing has come since it began anew
	last     uint16
	missing  int    // numbers passed over since the last feedback
	epoch    int64  // from which recorded times count
	ssrc     uint32 // of the latest packet
	count    uint8  // feedback packets
	high     uint16 // the highest number
	loss     uplink.Loss
	account  uplink.Account
	heavy    bool // so much is lost that only the lowest layer comes through
	spares   bool // not all that is lost is told, and what is follows from account instead of recorder
}

// restart has numbers begin anew.
func (a *arrivals) restart(number uint16, at int64) {
	a.recorder, a.missing, a.spares = nil, 0, false
	a.account, a.loss = uplink.Account{}, uplink.Loss{}
	a.epoch = at - 1e9 // the wire has 24 bits of 64 ms
	a.high = number - 1
}

// leaps takes in a number and says whether it is too far from those before.
func (a *arrivals) leaps(number uint16) bool {
	step := int(int16(number - a.last))
	a.last = number
	a.missing += max(step-1, 0)
	return step > maxTransportLeap || step < -maxTransportLeap || a.missing > maxTransportLeap
}

// record notes the arrival of the packet in hand for transport-wide feedback.
func (c *core) record(p *peer, m *media, at int64) {
	a := &p.reports.arrivals
	began := a.epoch != 0
	if leapt := a.leaps(m.TransportCC); leapt && began {
		c.drop(DropTransportLeap)
		began = false
	}
	if !began {
		a.restart(m.TransportCC, at)
	}
	a.ssrc = m.SSRC
	if c.note(p, m.TransportCC, at) >= maxTransportHeld {
		c.feedback(p)
		return
	}
	if p.reports.feedbackAt == 0 {
		p.reports.feedbackAt = onGrid(c.now + ns(c.o.FeedbackInterval) - grid/2)
		c.reports.recording = append(c.reports.recording, p)
		c.at(dueFeedback, p.reports.feedbackAt)
	}
}

// note takes a number in, and returns of how many packets the publisher is to be told.
func (c *core) note(p *peer, number uint16, at int64) (untold int) {
	a := &p.reports.arrivals
	passed := int(int16(number-a.high)) - 1
	spare := a.loss.Arrived(at, max(passed, -1))
	if spares := a.loss.Random() != 0; spares != a.spares {
		c.feedback(p)
		a.spares, a.recorder = spares, nil
	}
	if passed >= 0 {
		a.high = number
	}
	if a.account.Came(number, at, spare || !a.spares); a.spares {
		return a.account.Untold()
	}
	if a.recorder == nil {
		a.recorder = twcc.NewRecorder(c.ssrc)
	}
	a.recorder.Record(a.ssrc, number, (at-a.epoch)/1e3)
	return a.recorder.PacketsHeld()
}

// feedback tells a publisher of what has come.
func (c *core) feedback(p *peer) {
	a := &p.reports.arrivals
	a.missing = 0
	c.spareLarge(p)
	if a.spares {
		a.account.Tell(c.now, c.whole(p), func(r uplink.Run) {
			part := twcc.NewRecorder(c.ssrc)
			r.Each(func(number uint16, at int64) { part.Record(a.ssrc, number, (at-a.epoch)/1e3) })
			c.sendFeedback(p, part)
		})
		return
	}
	a.account.Told(c.now)
	if a.recorder != nil && !c.sendFeedback(p, a.recorder) {
		a.recorder = nil
	}
}

// unknownFrom is the share of loss from which on publishers send only the lowest layer, if unknownLeast was
// lost all the time. unknownUntil is the share down to which they go on so. They count as long as it is not
// known what loss depends on. Higher ones have large layers go on of which little comes through.
const unknownFrom, unknownUntil, unknownLeast = 0.2, 0.1, 0.08

// loses says whether so much is lost that only the lowest layer comes through.
func (a *arrivals) loses() bool {
	lost := a.loss.Lately()
	switch {
	case a.spares && a.heavy:
		return lost >= baseUntil
	case a.spares:
		return lost >= baseFrom
	case a.heavy:
		return lost >= unknownUntil
	}
	return lost >= unknownFrom && a.loss.Lasting() >= unknownLeast
}

// spareLarge has only the lowest layer of pictures asked of a publisher that loses too much for others.
func (c *core) spareLarge(p *peer) {
	a := &p.reports.arrivals
	if heavy := a.loses(); heavy != a.heavy {
		a.heavy = heavy
		for _, t := range p.tracks {
			c.chooseLayers(t)
		}
	}
}

// sendFeedback sends what a recorder has; false if that is too much.
func (c *core) sendFeedback(p *peer, r *twcc.Recorder) bool {
	packets := r.BuildFeedbackPacket()
	if slices.ContainsFunc(packets, func(pkt rtcp.Packet) bool { return pkt.MarshalSize() > maxFeedback }) {
		// A number from long ago has it told again of all that came since.
		c.drop(DropTransportLeap)
		return false
	}
	for _, pkt := range packets {
		if f, ok := pkt.(*rtcp.TransportLayerCC); ok {
			f.FbPktCount = p.reports.arrivals.count
			p.reports.arrivals.count++
		}
		c.totals.TransportFeedbacksSent++
		c.sendRTCP(p, pkt)
	}
	return true
}

// whole is the time up to which nothing of pictures is missing that the publisher will be asked for. Sound
// does not count: libwebrtc forgets nothing of it.
func (c *core) whole(p *peer) int64 {
	whole := c.now
	for _, t := range p.tracks {
		if t.key.Source.Kind() != packet.Video || !t.present {
			continue
		}
		for _, st := range t.layers {
			if c.now-st.lastAt < silent {
				whole = min(whole, st.loss.Whole(), st.in.highAt)
			}
		}
	}
	return whole
}

// silent is after how long a stream has ended, in ns, so that nothing of it is waited for.
const silent = 300e6

// feedbacks sends the transport-wide feedback that is due.
func (c *core) feedbacks() {
	c.reports.recording = slices.DeleteFunc(c.reports.recording, func(p *peer) bool {
		if c.now < p.reports.feedbackAt {
			c.at(dueFeedback, p.reports.feedbackAt)
			return false
		}
		p.reports.feedbackAt = 0
		c.feedback(p)
		return true
	})
}
