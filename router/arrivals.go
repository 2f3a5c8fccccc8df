package router

import (
	"slices"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// Transport-wide feedback to publishers (draft-holmer-rmcat-transport-wide-cc-extensions-01). The numbers are the publisher's own, and
// what it costs to write down who leaps with them grows with the leap. So leaps begin anew, and a feedback packet has no more
// than fits into one.

const (
	// maxTransportLeap is how far apart two numbers in a row may be, and how many may be missing in one feedback. A second of what a
	// publisher sends is a few hundred. Raising it lets a publisher cost more, lowering it tells less of long losses.
	maxTransportLeap = 1000
	// maxTransportHeld is how many packets are told of at once; feedback goes out early rather than larger. Each takes 6 bytes at most.
	maxTransportHeld = 150
	// maxFeedback is how many bytes a feedback packet may have, to fit below every path MTU with what sealing adds.
	maxFeedback = 1100
)

// arrivals is what a publisher is to be told of the packets that have come.
type arrivals struct {
	recorder *twcc.Recorder // nil: nothing has come since it began anew
	last     uint16
	missing  int   // numbers passed over since the last feedback
	epoch    int64 // from which recorded times count
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
	if leapt := a.leaps(m.TransportCC); leapt && a.recorder != nil {
		c.drop(DropTransportLeap)
		a.recorder = nil
	}
	if a.recorder == nil {
		a.recorder, a.missing = twcc.NewRecorder(c.ssrc), 0
		a.epoch = at - 1e9 // the wire has 24 bits of 64 ms
	}
	a.recorder.Record(m.SSRC, m.TransportCC, (at-a.epoch)/1e3)
	if a.recorder.PacketsHeld() >= maxTransportHeld {
		c.feedback(p)
		return
	}
	if p.reports.feedbackAt == 0 {
		p.reports.feedbackAt = onGrid(c.now + ns(c.o.FeedbackInterval) - grid/2)
		c.reports.recording = append(c.reports.recording, p)
		c.at(dueFeedback, p.reports.feedbackAt)
	}
}

// feedback tells a publisher of what has come.
func (c *core) feedback(p *peer) {
	a := &p.reports.arrivals
	if a.recorder == nil {
		return
	}
	packets := a.recorder.BuildFeedbackPacket()
	a.missing = 0
	if slices.ContainsFunc(packets, func(pkt rtcp.Packet) bool { return pkt.MarshalSize() > maxFeedback }) {
		// A number from long ago has it told again of all that came since.
		c.drop(DropTransportLeap)
		a.recorder = nil
		return
	}
	for _, pkt := range packets {
		c.totals.TransportFeedbacksSent++
		c.sendRTCP(p, pkt)
	}
}

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
