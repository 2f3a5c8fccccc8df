package bwe

import "math"

// Whether loss depends on the rate of sending. libwebrtc takes any loss above some percent as depending on
// it: at 30 % of random loss it sends 400 kbit/s. Here less is sent for a moment, and the loss before is
// compared with that during this step.
const (
	// stepLoss is the share of loss from which the question is asked.
	stepLoss = 0.04
	// stepQuiet is for how long there must have been no queue of stepQueue, in ns, for loss to be random.
	stepQuiet, stepQueue = 2e9, 30e6
	// stepSpan and stepMost are how long the step lasts, in ns: the second until both shares are certain.
	// Longer errs less.
	stepSpan, stepMost = 600e6, 2.4e9
	// stepDeep and stepFlat bound by how much less is sent. Deeper tells more, and is felt more.
	stepDeep, stepFlat = 0.5, 0.8
	// retryFirst to retryMost is after how long it is asked again, in ns, if the loss did depend on the rate.
	retryFirst, retryMost = 10e9, 60e9
	// stepChange is by how much more must be lost for a proof to be void.
	stepChange = 0.1
	// stepCalm is the share of loss below which there is nothing to be proved.
	stepCalm = 0.02
)

// random is the step test and its result.
type random struct {
	proved     bool
	share      float64 // lost, as proved
	began      int64   // the step, in ns; 0: none
	ends       int64
	rate       float64 // sent within the step, bit/s
	before     float64 // share lost before
	beforeKB   float64
	beforeRate float64
	arrived    float64 // bit/s, before
	depends    bool    // the last test found so
	rest       float64 // the share lost all the same
	size, lost float64 // within the step, in kB
	next, wait int64
	noisy      int64 // when there was a queue last
}

// running says whether less is to be sent now.
func (r *random) running(now int64) bool { return r.began != 0 && now < r.ends }

// add takes a packet that arrived or was lost.
func (r *random) add(sent int64, size, lost float64) {
	if r.began != 0 && sent >= r.began && sent < r.ends {
		r.size += size / 1e3
		r.lost += lost / 1e3
	}
}

func (r *random) quiet(now int64) bool { return now-r.noisy >= stepQuiet }

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
	if r.began == 0 {
		if p > stepLoss && kB > 20 && l.n >= observationsLeast && now >= r.next && now-r.noisy > 1e9 {
			*r = random{
				began: now, ends: now + stepSpan, rate: rate * min(max(0.95-p, stepDeep), stepFlat),
				before: p, beforeKB: kB, beforeRate: rate, arrived: arrived, next: r.next, wait: r.wait, noisy: r.noisy,
			}
		}
		return false
	}
	if now < r.ends+rtt+2*responseExtra {
		return false
	}
	return r.judge(now)
}

// judge compares the shares, or has the step go on if they are not certain yet.
func (r *random) judge(now int64) bool {
	span := float64(r.ends - r.began)
	r.depends = false
	sent := r.size * 8e12 / max(span, 1)
	if r.size < 1 || sent > 0.92*r.beforeRate {
		r.retry(now) // less was not sent: nothing is known
		return true
	}
	p := r.lost / r.size
	expected := max(0, 1-(1-r.before)*r.beforeRate/sent)
	drop := r.before - expected
	deviation := math.Sqrt(r.before * (1 - r.before) * (1/r.size + 1/r.beforeKB))
	if deviation > drop/4 && r.ends-r.began < stepMost {
		r.ends = now + stepSpan
		return false
	}
	r.began = 0
	if p > r.before-drop/2 && p > stepLoss/2 {
		if !r.quiet(now) { // it may come from the queue
			r.next = now + stepQuiet/2
			return true
		}
		r.proved, r.share, r.wait = true, min(p, r.before), 0
		return true
	}
	r.depends, r.rest = true, p
	r.retry(now)
	return true
}

func (r *random) retry(now int64) {
	r.began = 0
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
