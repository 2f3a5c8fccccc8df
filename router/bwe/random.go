package bwe

import "math"

// Whether loss depends on the rate of sending. libwebrtc takes any loss above some percent as depending on
// it: at 30 % of random loss it sends 400 kbit/s. Here a step is made instead: less is sent for a moment, or
// more if StepUp was called, and the loss during the step is compared with the loss before. A step downwards
// takes pictures away from a receiver that has trouble enough, and a receiver with only one layer cannot be
// sent less. What a step upwards adds can be repetitions, which help the receiver.
const (
	// stepLoss is the share of loss from which the question is asked.
	stepLoss = 0.04
	// stepHopeless is the share from which on it is not answered by sending more: hardly more can be lost.
	stepHopeless = 0.75
	// stepQuiet is for how long there must have been no queue of stepQueue, in ns, for loss to be random.
	stepQuiet, stepQueue = 2e9, 30e6
	// stepSpan is how long a step lasts, in ns. It goes on until both shares are certain, for stepMost at
	// most. Longer errs less.
	stepSpan, stepMost = 600e6, 2.4e9
	// stepDeep and stepFlat are the least and the largest share of the rate that a step downwards leaves.
	// Deeper tells more, and is felt more.
	stepDeep, stepFlat = 0.5, 0.8
	// stepMore is the share that is sent more, and stepTwice the one from a loss of stepMuch on. More tells
	// sooner, and costs others on the link more.
	stepMore, stepTwice, stepMuch = 0.4, 1.0, 0.3
	// stepLeast is the share that must have been sent less or more at least, or else the step says nothing.
	stepLeast = 0.05
	// stepTold is the share of what is sent that feedback must tell of, or else bytes are counted as they are
	// sent. Higher counts what is under way.
	stepTold = 0.6
	// stepAgain is after how long another step is made if nothing more was sent in the last one, in ns.
	// Sooner follows loss later if there is nothing to send.
	stepAgain = 2e9
	// retryFirst is after how long another step is made, in ns, if the loss did depend on the rate. It
	// doubles each time, up to retryMost.
	retryFirst, retryMost = 10e9, 60e9
	// stepWait is how long a step waits for loss to stay the same for a second, in ns. Longer loses more if
	// it never does.
	stepWait = 1e9
	// stepChange is by how much more must be lost for a proof to be void.
	stepChange = 0.1
	// stepCalm is the share of loss below which there is nothing to be proved.
	stepCalm = 0.02
)

// random is the step test and its result.
type random struct {
	trial      trial
	more       bool // steps are upwards
	proved     bool
	depends    bool    // the last test found so
	learn      bool    // what is lost all the same is to be found out yet
	rest       float32 // the share lost all the same, if the step was downwards
	share      float64 // lost, as proved
	arrived    float64 // bit/s, before
	asked      int64   // since when it is to be looked into, in ns
	next, wait int64
	noisy      int64 // when there was a queue last
}

// trial is a step: what was before it, and what has come of it so far.
type trial struct {
	began      int64   // the part of it that is looked at, in ns; 0: there is no step
	ends       int64   // that part
	looked     int64   // at for how long in the parts before, in ns
	before     float64 // share lost before
	beforeRate float64 // sent before, bit/s
	beforeKB   float32
	out        float32 // sent within it, in kB
	size, lost float32 // within it, in kB, as far as is told
	rate       float64 // to be sent if it goes downwards, bit/s
	untold     bool    // feedback is lost as well, and tells of a part of what is sent
}

// within says whether the part that is looked at holds a moment, in ns.
func (t *trial) within(at int64) bool { return t.began != 0 && at >= t.began && at < t.ends }

// add takes a packet that arrived or was lost.
func (t *trial) add(sent int64, size, lost float64) {
	if t.within(sent) {
		t.size += float32(size / 1e3)
		t.lost += float32(lost / 1e3)
	}
}

// sent takes a packet that is sent.
func (t *trial) sent(now int64, size int) {
	if t.within(now) {
		t.out += float32(size) / 1e3
	}
}

// counted is how much was sent within the step, in kB.
func (t *trial) counted() float64 {
	if t.untold {
		return float64(t.out)
	}
	return float64(t.size)
}

// deviation is the standard deviation of the difference of the two shares.
func (t *trial) deviation() float64 {
	return math.Sqrt(t.before * (1 - t.before) * float64(1/t.size+1/t.beforeKB))
}

// extra is what is to be sent within a step upwards beside the budget, in bit/s.
func (t *trial) extra(budget float64) float64 {
	more := stepMore
	if t.before > stepMuch {
		more = stepTwice
	}
	return more*t.beforeRate + max(t.beforeRate-budget, 0)
}

// running says whether less or more is to be sent now.
func (r *random) running(now int64) bool { return r.trial.began != 0 && (r.more || now < r.trial.ends) }

func (r *random) quiet(now int64) bool { return now-r.noisy >= stepQuiet }

// asks says whether a share of loss is to be looked into before anything follows from it.
func (r *random) asks(now int64, p float64) bool {
	return p > stepLoss && (p < stepHopeless || !r.more) && !r.proved && now >= r.next && now-r.noisy > 1e9
}

// step goes on with the test. It says whether it has just ended.
func (r *random) step(now, rtt int64, l *loss, arrived float64) (ended bool) {
	p, kB, rate := l.recent(4)
	if all, most, long := l.recent(observations); l.late { // some of it will come yet
		p, kB, rate = min(p, all), most, long
	}
	if r.proved {
		r.review(now, p, kB)
		return false
	}
	if r.fell(now, l, arrived) {
		return true
	}
	if r.trial.began == 0 {
		asks := r.asks(now, p)
		if !asks || r.asked == 0 {
			r.asked = now
		}
		if asks && kB > 20 && l.n >= observationsLeast && (!r.more || l.steady(p, kB) || now-r.asked > stepWait) {
			flow := l.outs.rate(now)
			untold := !l.late && rate < stepTold*flow
			if untold {
				rate = flow
			}
			t := trial{
				began: now, ends: now + stepSpan, untold: untold,
				before: p, beforeKB: float32(kB), beforeRate: rate,
				rate: rate * min(max(0.95-p, stepDeep), stepFlat),
			}
			*r = random{trial: t, more: r.more, arrived: arrived, next: r.next, wait: r.wait, noisy: r.noisy}
		}
		return false
	}
	if now < r.trial.ends+rtt+2*responseExtra {
		return false
	}
	return r.judge(now)
}

// judge compares the shares, or has the step go on if they are not certain yet.
func (r *random) judge(now int64) bool {
	t := &r.trial
	span := float64(t.looked + t.ends - t.began)
	r.depends = false
	sent := t.counted() * 8e12 / max(span, 1)
	// If it was no step, nothing is known.
	if t.size < 1 || math.Abs(sent/t.beforeRate-1) < stepLeast || sent > t.beforeRate != r.more {
		if r.retry(now); r.more {
			r.next = now + stepAgain
		}
		return true
	}
	p := float64(t.lost / t.size)
	expected := max(0, 1-(1-t.before)*t.beforeRate/sent) // if as much arrives as before
	change := expected - t.before
	shown := (p - t.before) / change
	if t.deviation() > math.Abs(change)/4 && span < stepMost {
		if r.more {
			t.looked, t.began = int64(span), now
		}
		t.ends = now + stepSpan
		return false
	}
	t.began = 0
	random := shown < 0.5 && (r.more || p > stepLoss/2) // of more not less would be lost
	if !r.quiet(now) && (random || r.more) {            // it may come from the queue
		r.next = now + stepQuiet/2
		return true
	}
	if random {
		r.proved, r.share, r.wait = true, min(p, t.before), 0
		return true
	}
	if r.depends, r.learn = true, r.more; !r.more {
		r.rest = float32(p)
	} else {
		// So much comes while too much is sent, also if less was sent before.
		r.arrived = max(r.arrived, (1-p)*sent)
	}
	r.retry(now)
	return true
}

func (r *random) retry(now int64) {
	r.trial.began = 0
	r.wait = min(max(2*r.wait, retryFirst), retryMost)
	r.next = now + r.wait
}

// review follows the loss while it is random, and ends the proof if more is lost, or hardly anything.
func (r *random) review(now int64, p, kB float64) {
	deviation := math.Sqrt(r.share * (1 - r.share) / max(kB, 1))
	if p > r.share+stepChange+2*deviation {
		r.proved, r.next = false, now
		return
	}
	r.share += (p - r.share) / 16
	if r.share < stepCalm {
		r.proved = false
	}
}
