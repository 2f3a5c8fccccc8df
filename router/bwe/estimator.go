package bwe

import (
	"math"

	"parlor/router/bwe/probe"
)

// What turning these costs is said of each.
const (
	// leastRate and mostRate bound the estimate, in bit/s.
	leastRate, mostRate = 50e3, 50e6
	// StartRate is the estimate of a receiver of which nothing is known, in bit/s. Higher shows more at once,
	// and queues longer on bad links.
	StartRate = 1e6
	// headroom times the capacity is the budget. Less room makes the queue grow with every burst.
	headroom = 0.95
	// drainFrom is the queue from which the budget is lowered to empty it, in ns. drainScale is the queue at
	// which nothing would be left, in ns, and drainLeast the share that is always left. Lower shares empty it
	// sooner and starve what is sent.
	drainFrom, drainScale, drainLeast = 20e6, 300e6, 0.2
	// slackSize is the size of a packet, in bytes, for which others wait on a slow link without a queue.
	slackSize = 1200
	// wobbleMost is the largest wobble of the delay, in ns, at which a probe that met the limit measures it
	// exactly.
	wobbleMost = 5e6
	// drainMost is for how long a queue is drained, in ns, before it is taken for others'.
	drainMost = 4e9
	// standing is the queue without which no overuse is believed, in ns, and stands the one that is overuse
	// if it does not shrink. Lower takes jitter for overuse.
	standing, stands = 10e6, 50e6
	// silence is after how long without a report the estimate sinks, in ns, by fading a second.
	silence, silenceFading = 2e9, 0.7
	// firstSpan is for how long after the first report a probe may lower the estimate, in ns.
	firstSpan = 3e9
	// lossless is the share of lost packets below which probes may raise what loss allows. If loss was found
	// to depend on the rate, they raise it to loosened times as much at most. Higher values find room sooner,
	// and lose more if there is none.
	lossless, loosened = 0.01, 1.3
	// another is how many times the capacity a probe must get through for the network to be another one. The
	// losses of the network before then bound nothing. Lower forgets losses that come again.
	another = 1.5
	// emptied is how long after the last packet should have left the queue it is taken for empty, in ns.
	// Lower probes while it stands.
	emptied = 200e6
	// trust is for how long an estimate is trusted that was neither used nor probed, in ns.
	trust = 30e9
)

// Cause says what holds the estimate down.
type Cause uint8

// The causes.
const (
	Unlimited   Cause = iota // nothing has yet
	Delay                    // a queue at the bottleneck
	Loss                     // loss that depends on the rate
	Application              // the application sends less
	Silence                  // no reports
)

// Event is what a report has brought.
type Event uint8

// The events.
const (
	None      Event = iota
	Congested       // the estimate has fallen: act at once
	Recovered       // reports come again, or loss was found to be random: probe
	Probed          // a probe has raised the estimate
	Failed          // a probe has not
)

// Estimate is what the network to a receiver carries. Rates are in bit/s and between 50 kbit/s and 50 Mbit/s.
type Estimate struct {
	Capacity float64 // what it carries
	Budget   float64 // what may be sent now: less, to empty the queue
	Delay    float64 // what the delay allows
	Loss     float64 // what the loss allows; Delay if it does not limit
	Acked    float64 // what arrives; 0: unknown
	Lost     float64 // the share that is lost of late
	Inherent float64 // the share that is lost whatever is sent
	Before   float64 // Capacity before the last large drop; 0: there was none
	// Trusted is what may be sent at once. It is less than Capacity if so much was neither sent nor probed of
	// late, or while it is being found out why so much is lost.
	Trusted float64
	Queue   int64 // at the bottleneck, in ns
	// Shown is when the last packet was sent that shows why Capacity has fallen last, in ns; 0: it has not.
	Shown   int64
	Grows   bool // two reports have seen the queue grow while delays were steady
	Cause   Cause
	Limited bool // the application sends less than it might
	Random  bool // the loss was proved not to depend on the rate
	Depends bool // the loss was found to depend on the rate
	// Extra is what should be sent beside the budget for a moment, to see whether the loss depends on the
	// rate.
	Extra float64
}

// Estimator estimates for one receiver. The zero value is ready; see Start.
type Estimator struct {
	trend    trend
	queue    queue
	acked    acked
	capacity capacity
	loss     loss
	random   random
	ceiling  ceiling
	limited  limited
	meters   [2]probe.Meter

	now, rtt int64
	first    int64 // report
	reported int64 // last report
	lastSent int64
	faded    int64
	estimate Estimate
	proved   int64 // when so much was sent last, or probed
	packets  int32 // in the report in hand
	cause    Cause
	frozen   bool
}

// Start sets the first estimate, in bit/s.
func (e *Estimator) Start(rate float64) {
	e.capacity.rate = min(max(rate, leastRate), mostRate)
	e.publish()
}

// StepUp has steps go upwards. To find out whether loss depends on the rate, more is sent for a moment
// instead of less: Estimate.Extra says how much.
func (e *Estimator) StepUp() { e.random.more = true }

// DelayOnly says whether loss bounds nothing. It is for receivers that can be sent no more for a moment: with
// them it is never found out what loss depends on.
func (e *Estimator) DelayOnly(yes bool) { e.loss.ignored = yes }

// Estimate returns the last one.
func (e *Estimator) Estimate() Estimate { return e.estimate }

// Sent takes a packet that is sent now.
func (e *Estimator) Sent(now int64, size int) {
	if e.capacity.rate == 0 {
		e.Start(StartRate)
	}
	e.lastSent = now
	e.limited.sent += size
	e.random.trial.sent(now, size)
	e.loss.outs.add(now, size)
}

// LastSent returns when the last packet was sent, 0 before the first.
func (e *Estimator) LastSent() int64 { return e.lastSent }

// Sending says which sending of a packet that was sent twice has arrived.
type Sending uint8

// The sendings.
const (
	EitherSending Sending = iota // it cannot be told
	FirstSending
	SecondSending
)

// secondSooner is how much sooner than the least delay allows a second sending may arrive, in ns, as times
// are kept in steps. Higher takes more packets that came late for lost.
const secondSooner = 4e6

// Which says which sending of a packet has arrived. The second was sent a time again after the first, in ns.
// If delays vary, or packets overtake each other, by more than that, it cannot be told.
func (e *Estimator) Which(sent, again, arrived int64) Sending {
	q := &e.queue
	least := q.floor()
	if !q.known || math.IsInf(least, 1) {
		return SecondSending
	}
	switch delay, after := float64(arrived-sent-q.zero)-least, float64(again); {
	case delay < after-secondSooner:
		return FirstSending
	case delay > float64(q.length)+after/2 && after > max(2*q.jitter, float64(q.order.most)):
		return SecondSending // either waits for about as long as the queue is
	}
	return EitherSending
}

// Probe takes a cluster that is about to be sent.
func (e *Estimator) Probe(now int64, c probe.Cluster) {
	e.meters[0], e.meters[1] = e.meters[1], probe.Meter{Cluster: c, At: now}
}

// Assume takes it from now on that so much gets through, in bit/s, until what becomes of it says otherwise.
func (e *Estimator) Assume(now int64, rate float64) {
	rate = min(max(rate, leastRate), mostRate)
	if rate <= e.estimate.Capacity {
		return
	}
	if e.bound() < rate {
		e.loosen(rate)
	}
	e.capacity.rate, e.capacity.known, e.capacity.grown = max(e.capacity.rate, rate), known{}, now
	e.cause, e.proved = Unlimited, now
	e.publish()
}

// Freeze stops growth, or lets it go on. While the node itself is late, its lateness would be taken for the
// network's. While the estimate is enough for all that is wanted, nothing shows that there is more.
func (e *Estimator) Freeze(yes bool) { e.frozen = yes }

// Begin begins a report that has come now, of a receiver that far away.
func (e *Estimator) Begin(now, rtt int64) {
	if e.capacity.rate == 0 {
		e.Start(StartRate)
	}
	e.now, e.rtt = now, min(max(rtt, 0), int64(10e9))
	e.packets = 0
}

// Packet takes the first arrival of a packet, by ascending number: when it was sent, by our clock, and when
// it arrived, by the receiver's. It returns how much later than the soonest it came, in ns, without the
// queue.
func (e *Estimator) Packet(sent, arrived int64, size int, cluster uint8) (late int64) {
	e.trend.packet(sent, arrived)
	own := float64(size) * 8e9 / e.capacity.rate // on slow links large packets take longer
	waited := e.queue.packet(sent, arrived, size, e.capacity.rate)
	e.take(sent, arrived, size, max(waited-own, 0))
	for i := range e.meters {
		if m := &e.meters[i]; m.Cluster.ID == 0 {
			continue
		} else if m.Cluster.ID == cluster {
			m.Packet(sent, arrived, size)
		} else {
			m.Other(size)
		}
	}
	if math.IsInf(waited, 0) {
		return 0
	}
	return max(int64(waited)-e.queue.length, 0)
}

// Untimed takes the arrival of a packet of which it cannot be told how long it took.
func (e *Estimator) Untimed(sent, arrived int64, size int) { e.take(sent, arrived, size, -1) }

func (e *Estimator) take(sent, arrived int64, size int, waited float64) {
	e.packets++
	e.acked.packet(arrived, size, waited)
	e.loss.add(sent, float64(size), 0)
	e.random.trial.add(sent, float64(size), 0)
}

// Lost takes a packet that is booked as lost.
func (e *Estimator) Lost(sent int64, size int) {
	e.loss.add(sent, float64(size), float64(size))
	e.random.trial.add(sent, float64(size), float64(size))
}

// Found takes back that a packet was lost. Packet is called for it as well.
func (e *Estimator) Found(sent int64, size int) {
	e.loss.add(sent, -float64(size), -float64(size))
	e.random.trial.add(sent, -float64(size), -float64(size))
}

// End ends the report.
func (e *Estimator) End() (Estimate, Event) {
	now, before := e.now, e.estimate.Capacity
	event := None
	if e.first == 0 {
		e.first = now
	} else if now-e.reported > silence {
		event = Recovered
	}
	e.reported, e.faded = now, 0
	if e.cause == Silence {
		e.cause = Unlimited
	}
	e.limited.pass(now, e.estimate.Budget)
	if !e.limited.yes || e.proved == 0 {
		e.proved = now
	}
	e.queue.end(now)
	if e.queue.length > stepQueue {
		e.random.noisy = now
	}
	e.byDelay()
	if e.byLoss() {
		event = Recovered
	}
	if p := e.byProbes(); p != None {
		event = p
	}
	e.drain()
	e.publish()
	if e.estimate.Capacity < 0.97*before {
		event = Congested
		e.estimate.Shown = e.shownBy()
		if e.estimate.Capacity < 0.66*before {
			e.estimate.Before = before
		}
	}
	return e.estimate, event
}

// shownBy is when the last packet was sent that shows why the capacity has fallen. If loss bounds it, that is
// the last lost packet, else the last packet that reports tell of.
func (e *Estimator) shownBy() int64 {
	if e.estimate.Cause == Loss {
		return e.loss.gone
	}
	return e.loss.newest
}

// Tick follows time if no reports come. It is to be called every 100 ms or so while something is sent.
func (e *Estimator) Tick(now int64) Estimate {
	if e.capacity.rate == 0 {
		e.Start(StartRate)
	}
	e.limited.pass(now, e.estimate.Budget)
	if e.queue.length > 0 && now-e.lastSent > e.queue.length+e.rtt+emptied {
		e.queue.length = 0 // nobody tells of it, as nothing is sent that would wait
		e.publish()
	}
	if e.reported == 0 || now-e.reported <= silence || now-e.lastSent > 1e9 || e.limited.yes {
		return e.estimate
	}
	if e.faded == 0 {
		e.estimate.Before = e.estimate.Capacity
	} else {
		dt := float64(min(max(now-e.faded, 0), 1e9)) / 1e9
		e.capacity.rate *= math.Pow(silenceFading, dt)
		e.cause = Silence
	}
	e.faded = now
	e.publish()
	return e.estimate
}

// trusted is the part of the capacity that was shown to be there. It is half as much again as arrives in two
// cases: the capacity was neither used nor probed for long, or much is lost that was not proved random. If
// loss depends on the rate, it is always that, or what arrived at the last loss if that is more: probes slip
// through a policer.
func (e *Estimator) trusted(s *Estimate) float64 {
	shown := max(proof*s.Acked, leastRate)
	switch {
	case e.ceiling.rate > 0:
		shown = max(shown, float64(e.ceiling.found))
	case e.now-e.proved <= trust && (s.Random || s.Lost <= stepLoss):
		return s.Capacity
	}
	return min(s.Capacity, shown)
}

// publish makes the estimate of the parts.
func (e *Estimator) publish() {
	c := &e.capacity
	if !(c.rate >= leastRate) {
		c.rate = leastRate
	}
	c.rate = min(c.rate, mostRate)
	s := Estimate{Delay: c.rate, Loss: c.rate, Acked: e.acked.rate, Before: e.estimate.Before, Shown: e.estimate.Shown, Grows: e.estimate.Grows}
	if !e.random.proved && !e.loss.ignored {
		s.Loss = max(min(c.rate, e.bound()), leastRate)
	}
	if e.asking() {
		s.Loss = min(max(s.Loss, e.estimate.Loss), c.rate) // nothing follows from it yet
	}
	s.Capacity = min(s.Delay, s.Loss)
	s.Lost, _, _ = e.loss.recent(4)
	s.Inherent, s.Random = e.loss.inherent, e.random.proved
	if s.Random {
		s.Inherent = e.random.share
	}
	s.Queue, s.Limited, s.Cause = e.queue.length, e.limited.yes, e.cause
	switch {
	case s.Cause == Silence:
	case s.Loss < s.Delay:
		s.Cause = Loss
	case s.Limited:
		s.Cause = Application
	}
	s.Trusted = e.trusted(&s)
	s.Budget = headroom * s.Capacity
	if s.Loss < s.Delay {
		s.Budget = s.Capacity // there is no queue to be kept short, and less would be taken for what arrives
	}
	if s.Queue > max(drainFrom, e.slack()) {
		s.Budget = min(s.Budget, s.Capacity*max(drainLeast, 1-float64(s.Queue)/drainScale))
	}
	s.Budget = max(s.Budget, leastRate/2)
	s.Depends = e.ceiling.rate > 0
	switch running := e.random.running(e.now); {
	case running && e.random.more:
		s.Extra = e.random.trial.extra(s.Budget)
	case running:
		s.Budget = max(min(s.Budget, e.random.trial.rate), leastRate/2)
	}
	e.estimate = s
}
