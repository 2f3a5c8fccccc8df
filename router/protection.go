package router

import (
	"math"

	"parlor/packet"
	"parlor/router/bwe"
	"parlor/router/sent"
)

// Copies let pictures survive heavy loss. What is asked for is sent several times. If nearly half is lost,
// copies leave before anybody asks: so many that hardly anything is missing of what others refer to, up to
// twelve. That helps only if the loss has nothing to do with how much is sent: what a full link loses is
// never answered so. Copies are retransmissions, with numbers of their own, or the very same bytes.

// protection is what is done for the pictures of a peer.
type protection struct {
	holding
	lost    float64 // the share that is lost at random; 0: none, or what is sent has to do with it
	mean    float64 // the share that was lost over some seconds, for whatever reason
	proved  bool    // loss is proved to have nothing to do with what is sent
	copies  int     // how often a packet that is asked for is sent
	base    bool    // pictures are of the lowest layer, and its base temporal layers are sent more than once
	blind   bool    // base although that is not proved, as next to nothing arrives
	unasked unasked // how many copies leave before anybody asks, as far as they fit

	queued int64             // when there was a queue last
	late   int64             // how much later than others packets may come, in ns
	told   [latelyParts]told // what was known in the last steps
	at     int               // the last one of them
}

// unasked is how many copies of a packet leave before anybody asks: of what others refer to, and of others.
type unasked struct{ base, others uint8 }

// told is how many packets have arrived and are lost.
type told struct{ arrived, lost uint64 }

// The comment of each says what changing it costs.
const (
	// latelyParts times netStep is the time over which recent loss is measured, beside the estimate's second.
	// It counts if it is of latelyLeast packets at least. Fewer take chance for loss, and more notice it
	// later.
	latelyParts, latelyLeast = 5, 20
	// copyGap is the time between two copies, in ns. copyStep is the least time between two looks at whether
	// some are due, in ns. Further apart, fewer are lost together, and the last one helps later.
	copyGap, copyStep = 7e6, 2e6
	// unaskedGap is how long after a packet the first copy leaves for which nobody has asked, in ns.
	unaskedGap = 15e6
	// baseFrom is the share of loss from which on pictures are of the lowest layer, and baseUntil the share
	// down to which they stay so. Higher ones show larger pictures that stand still more often.
	baseFrom, baseUntil = 0.4, 0.33
	// blindFrom is the share of loss from which on a picture of the lowest layer is shown although loss is
	// not proved to be random: hardly enough arrives for a proof. The picture may take blindRate bit/s. With
	// a higher share, nothing is shown at a loss below it. A higher rate is more for a network that is full
	// after all.
	blindFrom, blindRate = 0.5, 600e3
	// suddenFrom is the share of loss that counts without lasting. Lower ends larger pictures for what is
	// over in a second.
	suddenFrom = 0.6
	// missedBase and missedOthers are the shares of packets that may be missing after copies have left
	// unasked, of what others refer to and of others. There are mostUnasked copies at most. Lower shares have
	// pictures stand still less often, and cost as much again with each copy.
	missedBase, missedOthers = 0.03, 0.15
	mostUnasked              = 12
	// mostBlind is how many copies leave at most if it is not known what the loss depends on. More burden
	// full links for longer.
	mostBlind = 3
	// lostFading is the part of the way by which the share of loss falls every netStep, and by which its mean
	// moves. lateFading is the part by which the share falls if packets overtake each other. Faster sends
	// fewer copies if loss comes and goes.
	lostFading, lateFading = 1. / 16, 1. / 4
	// unproved bounds how often a packet that is asked for is sent, as long as it is not known that loss does
	// not depend on the rate. More repairs sooner, and burdens full links for longer.
	unproved = 3
	// quietFor is how long there must have been no queue for loss to be answered by copies, in ns.
	// quietProved is the same if loss was proved to be random. Shorter ones burden links that are full now
	// and then.
	quietFor, quietProved = 5e9, 1e9
	// delayUp and delayDown are by how much the time for which pictures wait changes every netStep, in ns.
	// delayMost is its bound. leastRound is the least time in which a receiver asks again, in ns, that of
	// libwebrtc. Faster ones are seen.
	delayUp, delayDown, delayMost, leastRound = 20e6, 2e6, 500e6, 100e6
	// lateMost bounds what is added to that, in ns, if packets overtake each other. That is told at once:
	// without waiting, each picture would stand still until the last of its packets is there.
	// lateSpare is added as well, in ns, for what a receiver needs to decode and show a picture. Lower has it
	// skip those that came last.
	lateMost, lateSpare = 1200e6, 40e6
	// heldMost bounds how long after a packet was sent it is not sent again, in ns. It may be on its way
	// still: browsers ask for a second or so. A share of lost packets shortens that time by heldLost times as
	// much.
	heldMost, heldLost = 900e6, 4
	// lateLeast is how late packets must come for any of that, in ns. Lower has what is lost sent again later
	// than it is needed.
	lateLeast = 60e6
	// latelyLost is the share of loss from which on pictures wait for another request as well. Lower has them
	// come later for nothing.
	latelyLost = 0.02
	// delayTold is for how long receivers are told that pictures need not wait any longer, in ns, as packets
	// get lost.
	delayTold = 3e9
	// mostRepeats bounds how many copies of a room wait. Beyond, there are none.
	mostRepeats = 4096
)

// copiesFor is how often a packet that is asked for is sent, by the share that is lost.
func copiesFor(lost float64) int {
	switch {
	case lost < 0.04:
		return 1
	case lost < 0.2:
		return 3
	}
	return 4
}

// protect decides what is done for the pictures of a peer, which bring rate bit/s, by the estimate and what
// feedback has told. It reports whether that changes which layers they are of.
func (n *path) protect(now, rtt int64, rate float64, e *bwe.Estimate, d *delivery) (changed bool) {
	x := &n.guarded
	if lost := max(x.lately(d), e.Lost); x.random(now, e) && n.load.rate <= e.Delay {
		if x.lost = max(lost, x.lost-(x.lost-lost)*x.fading()); lost >= suddenFrom && e.Extra == 0 {
			x.mean = max(x.mean, lost)
		}
	} else {
		x.lost = 0
	}
	x.mean += (e.Lost - x.mean) * lostFading
	was := x.base
	x.base = x.lost > 0 && (e.Random && x.mean >= baseFrom || x.mean >= blindFrom || x.base && x.mean >= baseUntil)
	x.blind = x.base && !e.Random
	x.unasked = n.unasked(rate, e)
	if x.copies = copiesFor(x.lost); !x.proved {
		x.copies = min(x.copies, unproved)
	}
	for x.copies > 1 && rate*(1+n.resends(e)) > e.Delay {
		x.copies--
	}
	late, _ := n.order.Late()
	awaits, up := x.awaits(late), int64(delayUp)
	if x.late > 0 {
		up, rtt = awaits, rtt-x.late // which is of round trips that were late as well
	}
	x.wait(now, delayFor(x.lost, rtt)+awaits, up)
	return x.base != was
}

// fading is the part of the way by which the share of loss falls every netStep. Packets that are overtaken
// are taken for lost, for a moment.
func (x *protection) fading() float64 {
	if x.late > 0 {
		return lateFading
	}
	return lostFading
}

// unasked is how many copies are sent before anybody asks, as far as there is room for them. They are as many
// as bring nearly all of what others refer to, and most of the others if loss is proved to be random. rate is
// what pictures bring, in bit/s.
func (n *path) unasked(rate float64, e *bwe.Estimate) (u unasked) {
	x := &n.guarded
	if !x.base {
		return unasked{}
	}
	base := min(n.share.base, rate)
	room := max(e.Budget, x.shown()) - n.sound.rate - rate
	if u.base = fitting(&room, base, x.mean, missedBase); x.blind {
		u.base = min(u.base, mostBlind)
	}
	if x.proved {
		u.others = fitting(&room, rate-base, x.mean, missedOthers)
	}
	return u
}

// fitting is how many copies are sent unasked of what brings rate bit/s, if a share of packets is lost. They
// are enough for no more than the share missed to be missing. What they bring is taken from the room that
// there is, in bit/s.
func fitting(room *float64, rate, lost, missed float64) uint8 {
	most := min(math.Ceil(math.Log(missed)/math.Log(min(max(lost, 0.1), 0.99)))-1, mostUnasked)
	copies := max(min(most, *room/max(rate, 1)), 0)
	*room -= math.Floor(copies) * rate
	return uint8(copies)
}

// stuckAfter is the age, in ns, at which a packet that is still asked for stops the picture: browsers ask for
// about a second. Lower asks for keyframes although the packet would have come.
const stuckAfter = 500e6

// noteAsked notes that a packet of what feeds a sink is asked for. If much is lost, a packet that is asked
// for so late stops the picture. The request for a keyframe that would follow in seconds is likely to be
// lost. So the node asks for one.
func (c *core) noteAsked(s *sink, st *stream, in uint64) {
	if s.cur != st || s.next != nil {
		return
	}
	sent := c.now - stuckAfter
	if slot := st.ring.Get(in); slot != nil {
		sent = slot.At
	}
	if c.now-sent >= stuckAfter && st.key.came <= sent && st.key.at <= sent && s.loss.take(c.now) {
		c.askKeyframe(st)
	}
}

// of is how many copies of a packet leave unasked.
func (u unasked) of(m *media) int {
	if m.info.TID == 0 {
		return int(u.base)
	}
	return int(u.others)
}

// shown is what one picture of the lowest layer may take, in bit/s, although it is not known that the network
// carries it.
func (x *protection) shown() float64 {
	if x.blind {
		return blindRate
	}
	return 0
}

// random says whether loss is taken to have nothing to do with how much is sent.
func (x *protection) random(now int64, e *bwe.Estimate) bool {
	if e.Queue > calmQueue {
		x.queued = now
	}
	quiet := int64(quietFor)
	if x.proved = e.Random; x.proved {
		quiet = quietProved
	}
	return !e.Depends && now-x.queued >= quiet
}

// awaits takes how late packets come at most. It returns for how long pictures wait for them, and for what is
// held back for that reason.
func (x *protection) awaits(late int64) int64 {
	if late < lateLeast {
		late = 0
	}
	switch x.late = min(late, lateMost); {
	case x.late == 0:
		return 0
	case x.lost > latelyLost:
		return x.late + leastRound
	}
	return x.late + lateSpare
}

// delayFor is how long pictures are held until they are shown, in ns, if a share of packets is lost. By then
// what is lost has come, or what was lost twice.
func delayFor(lost float64, rtt int64) int64 {
	rtt = max(rtt, leastRound)
	switch {
	case lost < 0.06:
		return 0
	case lost < 0.2:
		rtt += 40e6
	case lost < 0.4:
		rtt += rtt/2 + 60e6
	default:
		rtt += rtt + 100e6
	}
	return min(rtt, delayMost)
}

// lately is the share that was lost in the last half second or so, 0 if there is little to go by.
func (x *protection) lately(d *delivery) float64 {
	x.at = (x.at + 1) % latelyParts
	then, now := x.told[x.at], told{d.arrived, d.lost}
	x.told[x.at] = now
	lost := max(now.lost, then.lost) - then.lost // some are taken back
	all := float64(now.arrived - then.arrived + lost)
	// If nothing has arrived, earlier reports told of the loss: there is no report without packets that
	// arrive.
	if all < latelyLeast || now.arrived == then.arrived {
		return 0
	}
	share := float64(lost) / all
	return share - math.Sqrt(share*(1-share)/all)
}

// resends is how much is expected to be sent again for what is sent.
func (n *path) resends(e *bwe.Estimate) float64 {
	x := &n.guarded
	r := e.Lost / max(1-e.Lost, 0.1)
	if x.copies > 1 {
		r = float64(x.copies) * x.lost / max(1-math.Pow(x.lost, float64(x.copies)), 0.1)
	}
	if x.base {
		r = 1 + r*x.lost
	}
	return min(r, maxResent)
}

// credits is how many bytes may be sent again for each that was sent.
func (d *downlink) credits() float64 {
	if d.net == nil {
		return 1. / resendShare
	}
	x := &d.net.guarded
	if !x.proved {
		return min(1./resendShare+4*x.lost, 1)
	}
	return min(1./resendShare+4*x.lost, 2)
}

// copies returns how often a packet that is asked for is sent, and how often it may be asked for.
func (d *downlink) copies() (copies, rounds int) {
	if d.net == nil || d.net.guarded.copies <= 1 {
		return 1, maxResends
	}
	return d.net.guarded.copies, lossyResends
}

// protect has the pictures of a peer protected by what is lost, and divides what its network carries.
func (c *core) protect(p *peer) {
	c.divide(p)
	e := p.down.net.est.Estimate()
	c.protectBy(p, &e)
	c.askForRefused(p)
}

// protectBy protects the pictures of a peer by an estimate.
func (c *core) protectBy(p *peer, e *bwe.Estimate) {
	changed := p.down.net.protect(c.now, p.rtt, c.nets.division.now, e, &p.down.told)
	c.guard(p)
	for _, s := range p.down.sinks {
		if changed && s.section.Kind == packet.Video && s.active {
			c.takeUp(s, byNetwork)
		}
	}
}

// guard has the sinks of a peer do what was decided.
func (c *core) guard(p *peer) {
	x := &p.down.net.guarded
	for _, s := range p.down.sinks {
		if s.section.Kind != packet.Video {
			continue
		}
		if s.repair.unasked, s.repair.playout = x.unasked, x.holding.told(); s.cur != nil {
			mends := &s.cur.in.mends
			mends.look(c.now, s.cur.loss.Asked(), s.cur.high, s.cur.track.peer.rtt)
			s.repair.playout = max(s.repair.playout, mends.holding.told())
		}
	}
}

// onlyBase says whether the sink is to show the lowest layer, whatever its network carries.
func (s *sink) onlyBase() bool {
	n := s.peer.down.net
	return n != nil && n.guarded.base && s.measured()
}

// onlyBaseOf says the same of a track, whose publisher's network counts as well.
func (s *sink) onlyBaseOf(t *track) bool { return t.peer.reports.arrivals.heavy || s.onlyBase() }

// most is how many layers of a track the sink may show, from the lowest on; 0: all.
func (s *sink) most(t *track) int {
	if s.onlyBaseOf(t) {
		return 1
	}
	return int(s.allowed.layers)
}

// repeat is copies of a packet that are due.
type repeat struct {
	s    *sink
	at   int64
	seq  uint16
	left uint8
	kind sent.Kind
}

// repeats is the copies of a room that wait.
type repeats struct{ list, spare []repeat }

// repeatLater has a packet of a sink sent again so many times, the first time after some ns.
func (c *core) repeatLater(s *sink, seq uint16, times int, after int64, kind sent.Kind) {
	if r := &c.nets.repeats; times > 0 && len(r.list) < mostRepeats {
		r.list = append(r.list, repeat{s: s, at: c.now + after, seq: seq, left: uint8(times), kind: kind})
		c.at(dueRepeats, c.now+after)
	}
}

// stepRepeats sends the copies that are due.
func (c *core) stepRepeats() {
	r := &c.nets.repeats
	due := r.list
	r.list, r.spare = r.spare[:0], due[:0]
	next := int64(math.MaxInt64)
	for _, x := range due {
		if x.at <= c.now {
			if c.repeatNow(&x); x.left == 1 {
				continue
			}
			x.left--
			x.at += copyGap
		}
		r.list = append(r.list, x)
		next = min(next, x.at)
	}
	clear(due)
	if len(r.list) > 0 {
		c.at(dueRepeats, max(next, c.now+copyStep))
	}
}

// repeatNow sends a copy, if the packet is still there and its receiver may have it.
func (c *core) repeatNow(x *repeat) {
	s, d := x.s, &x.s.peer.down
	if x.kind == sent.Resend && d.credit <= 0 {
		return
	}
	m := c.slot()
	defer c.free(m)
	in, seg := s.seq.In(x.seq)
	if seg == nil {
		return
	}
	out := seg.Out + (in - seg.In)
	if seg.State.flags&rewriteExact != 0 && s.exactly(&seg.State) {
		if e := s.repair.noted(out); e != nil {
			d.credit -= int64(c.sendExactAgain(s, m, seg, out, e))
			c.totals.PictureCopies++
		}
		return
	}
	if seg.State.rtx == 0 || !c.recallAs(&seg.State, in, m) {
		return
	}
	if s.left(out, m) {
		m.empty() // as in resend
	}
	n := c.again(s, m, &seg.State, x.seq, x.kind, 0)
	if x.kind == sent.Resend {
		d.credit -= int64(n)
	}
	s.count.resent++
	c.totals.Resent++
	c.totals.PictureCopies++
}
