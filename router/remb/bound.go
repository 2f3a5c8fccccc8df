package remb

// What turning these costs is said of each. Rates are in bit/s, times in ns.
const (
	// Unlimited is the rate of a receiver that nothing bounds.
	Unlimited = 1<<32 - 1
	// Least is the lowest bound: sound needs as much. Lower ones are taken for it.
	Least = 50e3
	// Most is the highest rate that anybody means.
	Most = 1e12
	// much is the share of lost packets from which on a report is bad. Lower bounds receivers that lose a
	// little at random.
	much = 0.1
	// inTurn is how many bad reports in turn bound the rate. plain is the share of loss that does so at once,
	// if the receiver tells no rate. Lower ones do so for a burst of loss.
	inTurn, plain = 2, 0.3
	// cutTo is the share of what arrives that may be sent after that. drainTo takes its place for a moment if
	// the loss is plain and the receiver tells no rate: before the loss began, more has arrived than the
	// network carries, and its queue is full. Lower ones empty it sooner and show less.
	cutTo, drainTo = 0.9, 0.5
	// recovers is by how many times the rate rises with each good report after that.
	recovers = 1.25
	// settling is how long after a cut a report must begin, to tell of what has come of it. Shorter ones cut
	// twice for one loss.
	settling = 400e6
	// Loss has nothing to do with the rate if the share stays of it remains, though only the share less of
	// the rate is sent.
	stays, less = 0.7, 0.8
	// excused is for how long so much loss is then expected, and a little more. Longer notices later that a
	// network has become narrow.
	excused = 60e9
	// trialTimes is by how many times more is sent to see whether that gets through. After each trial of
	// which nothing has come, as no picture fits in, it is so many times that. Higher finds more at once, and
	// loses more if it does not get through.
	trialTimes = 1.5
	// trialFor is for how long that goes on at least, and trialMost at most. trialReports is how many reports
	// must tell of it.
	trialFor, trialMost, trialReports = 3e9, 30e9, 3
	// The time until the next trial: after one that has succeeded, and after the first and later ones that
	// have not. Lower ones find sooner what a network carries by now. They have pictures and sound suffer
	// more often if that is no more than before.
	trialAgain, trialWait, trialsWait = 2e9, 15e9, 120e9
	// rises is by how many times a rate that is told must rise to be higher, and falls to be lower.
	rises, falls = 1.005, 0.97
)

// Bound is what may be sent to a receiver. The zero value bounds nothing.
type Bound struct {
	told  float64 // 0: nothing
	loss  float64 // what its losses allow; 0: everything
	bad   int     // reports in turn
	cut   cut
	trial trial

	inherent float64 // the share that is lost whatever is sent
	until    int64   // until when that is expected
}

// cut is how it was when loss bounded the rate last.
type cut struct {
	at                  int64
	sent, arrived, lost float64
}

// trial is of more than the bound.
type trial struct {
	rate    float64 // 0: there is none now
	before  float64 // what was told then
	at      int64   // when it began
	rose    int64   // when more was told last
	reports int

	next   int64   // not before
	wait   int64   // after the last one that has failed
	failed int64   // when that was
	times  float64 // by how many times more the next one is of; 0: trialTimes
}

// Rate returns what may be sent, in bit/s: Unlimited, or Least at least.
func (b *Bound) Rate() float64 { return max(b.bound(), b.trial.rate) }

// bound is the same without a trial.
func (b *Bound) bound() float64 {
	rate := float64(Unlimited)
	if b.told != 0 {
		rate = min(rate, b.told)
	}
	if b.loss != 0 {
		rate = min(rate, b.loss)
	}
	return max(rate, Least)
}

// ByLoss says whether loss is what bounds it.
func (b *Bound) ByLoss() bool { return b.loss != 0 && (b.told == 0 || b.loss < b.told) }

// Inherent returns the share of packets that is lost whatever is sent.
func (b *Bound) Inherent(now int64) float64 {
	if now >= b.until {
		return 0
	}
	return b.inherent
}

// Told takes a rate that the receiver tells.
func (b *Bound) Told(now int64, rate float64) {
	rate = min(max(rate, Least), Unlimited)
	before := b.told
	b.told = rate
	if before == 0 || rate < falls*before {
		b.cut.at = now // what was lost until now has been answered
		b.trial.next = max(b.trial.next, now+trialWait)
	}
	switch t := &b.trial; {
	case t.rate == 0 || before == 0:
	case rate < falls*before:
		b.endTrial(now, false)
	case rate > rises*before:
		t.rose = now
	}
}

// Reported is what a receiver has reported of some time.
type Reported struct {
	From, To      int64
	Sent, Arrived float64 // bit/s
	Lost          float64 // the share of packets
}

// Report takes what was reported. It says whether less may be sent for that.
func (b *Bound) Report(r Reported) (fell bool) {
	now, lost := r.To, r.Lost
	bad := lost > b.bearable(now)
	if bad && b.loss != 0 && b.trial.rate == 0 {
		b.cut.arrived = min(b.cut.arrived, r.Arrived)
	}
	if r.From < b.cut.at+settling {
		return false
	}
	b.trial.reports++
	if !bad {
		b.good(now, lost)
		return false
	}
	if b.trial.rate != 0 {
		b.endTrial(now, false)
		b.bad, b.cut.at = 0, now
		return true
	}
	if b.bad++; b.bad < inTurn && (lost < plain || b.told != 0) {
		return false
	}
	b.bad = 0
	return !b.excuse(&r) && b.lower(&r)
}

// good takes a report of little loss.
func (b *Bound) good(now int64, lost float64) {
	b.bad = 0
	if lost > much {
		b.until = now + excused
	}
	if b.loss != 0 {
		b.loss = max(b.loss, min(recovers*b.loss, cutTo*b.cut.arrived))
	}
}

// bearable is the share of packets that may be lost.
func (b *Bound) bearable(now int64) float64 {
	if x := b.Inherent(now); x > 0 {
		return 1.25*x + 0.05
	}
	return much
}

// excuse finds out whether loss has nothing to do with how much is sent: less is, and as much is lost.
func (b *Bound) excuse(r *Reported) bool {
	if b.loss == 0 || r.Lost < stays*b.cut.lost || r.Sent > less*b.cut.sent {
		return false
	}
	b.inherent, b.until, b.loss = r.Lost, r.To+excused, 0
	return true
}

// lower has no more be sent than what arrives.
func (b *Bound) lower(r *Reported) bool {
	share := cutTo
	if r.Lost >= plain && b.told == 0 {
		share = drainTo
	}
	b.cut = cut{at: r.To, sent: r.Sent, arrived: r.Arrived, lost: r.Lost}
	rate := max(share*r.Arrived, Least)
	if rate >= b.Rate() {
		return false
	}
	b.loss = rate
	b.trial.fail(r.To)
	return true
}

// Try has more be sent for a moment if something is wanted that is not sent. need is all that is wanted, in
// bit/s. Without such a trial nothing would be known: a receiver tells of no more than comes, and what is
// lost says nothing of what is not sent. Try is to be called often while that is so. It reports whether a
// trial begins.
func (b *Bound) Try(now int64, need float64) (begins bool) {
	t := &b.trial
	switch {
	case t.rate == 0:
		if rate := b.bound(); need > rate && now >= t.next {
			t.rate, t.before, t.at, t.rose, t.reports = min(need, max(t.times, trialTimes)*rate), b.told, now, now, 0
			return true
		}
	case now-t.at >= trialMost:
		b.endTrial(now, t.reports >= trialReports)
	case now-t.rose >= trialFor && t.reports >= trialReports:
		if b.told == 0 || b.told >= t.rate || b.told > rises*t.before {
			b.endTrial(now, true)
		} else {
			t.idle(now)
		}
	}
	return false
}

// idle ends a trial of which nothing has come: neither is more told, nor has it turned out to be too much.
func (t *trial) idle(now int64) {
	t.times = max(t.times, trialTimes) * trialTimes
	t.rate, t.next = 0, now+trialWait
}

// endTrial ends a trial.
func (b *Bound) endTrial(now int64, through bool) {
	t := &b.trial
	t.times = 0
	if !through {
		t.fail(now)
	} else {
		t.next = now + trialAgain
		if b.loss != 0 {
			b.loss = max(b.loss, t.rate)
		}
	}
	t.rate = 0
}

// fail has the next trial wait.
func (t *trial) fail(now int64) {
	switch {
	case t.wait == 0 || now-t.failed > 2*trialsWait:
		t.wait = trialWait
	case now-t.failed >= trialWait: // else it is the same trouble still
		t.wait = min(2*t.wait, trialsWait)
	}
	t.failed, t.next = now, now+t.wait
}
