package router

import "parlor/router/sent"

// Chromium asks only once for what it misses of a picture with several spatial layers. It decodes neither
// that picture nor what refers to it until that has come; see noteRefused. So packets of base temporal layers
// of such streams are followed until they have arrived. If feedback tells that one is lost, or its
// retransmission, with all of its copies, it is sent again. It need not be asked for.

// chasing is the packets of a peer that are followed, by the numbers under which they went out.
type chasing struct {
	chased  [chasedPackets]chase
	numbers [chasedPackets]struct{ transport, at uint16 }
	lost    []uint16 // places of those that are to be sent again
}

// chasedPackets is how many packets are followed, a power of two, 12 bytes each. Fewer let some go that are
// lost again on long ways.
const chasedPackets = 1024

// chase is a packet that is followed.
type chase struct {
	ssrc   uint32 // 0: none
	out    uint16 // its number
	flying uint8  // copies of which nothing is known yet
	here   bool   // one has arrived
}

// chases says whether a packet of a sink is to be followed.
func (s *sink) chases(m *media) bool {
	return s.peer.down.chasing != nil && m.frame.In != nil && m.frame.In.Spatial() > 1 && m.frame.Temporal == 0 && len(m.Payload) > 0
}

// sent notes that a packet goes out under a transport-wide number.
func (x *chasing) sent(ssrc uint32, out, transport uint16) {
	at := (out + uint16(ssrc*31)) % chasedPackets
	e := &x.chased[at]
	if e.ssrc != ssrc || e.out != out {
		*e = chase{ssrc: ssrc, out: out}
	}
	e.flying++
	n := &x.numbers[transport%chasedPackets]
	n.transport, n.at = transport, at
}

// told takes what has become of a packet, once.
func (x *chasing) told(p *sent.Packet, arrived bool) {
	if x == nil || p.Kind == sent.Audio || p.Kind == sent.Padding {
		return
	}
	n := &x.numbers[p.Seq%chasedPackets]
	e := &x.chased[n.at]
	if n.transport != p.Seq || e.flying == 0 {
		return
	}
	n.transport = ^p.Seq // a number that does not belong to this place
	e.flying--
	if e.here = e.here || arrived; e.flying == 0 && !e.here {
		x.lost = append(x.lost, n.at)
	}
}

// sendLost sends again what feedback has told to be lost.
func (c *core) sendLost(p *peer) {
	x := p.down.chasing
	if x == nil || len(x.lost) == 0 {
		return
	}
	for _, at := range x.lost {
		e := x.chased[at]
		s := p.down.sinkOf[e.ssrc]
		if s == nil || s.filter == nil || e.flying > 0 || e.here {
			continue
		}
		if p.earn(s); p.down.credit <= 0 || !c.resend(s, e.out) {
			c.drop(DropResend)
		}
	}
	x.lost = x.lost[:0]
}
