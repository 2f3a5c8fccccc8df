package bwe

// Whether the application sends less than it might (libwebrtc's alr_detector.cc).
const (
	// limitedShare of the budget is what counts as using it. Higher calls layers that fit badly unused.
	limitedShare = 0.65
	// limitedFrom and limitedTo of the unused budget of half a second begin and end it.
	limitedFrom, limitedTo = 0.8, 0.5
	limitedSpan            = 0.5e9
)

// limited is a budget that fills with time and empties with what is sent.
type limited struct {
	level float64 // in bits
	at    int64
	yes   bool
}

func (l *limited) sent(now int64, size int, budget float64) {
	l.pass(now, budget)
	most := limitedShare * budget * limitedSpan / 1e9
	l.level = max(l.level-float64(size)*8, -most)
	l.judge(most)
}

func (l *limited) pass(now int64, budget float64) {
	most := limitedShare * budget * limitedSpan / 1e9
	if l.at != 0 {
		l.level = min(l.level+limitedShare*budget*float64(max(now-l.at, 0))/1e9, most)
	}
	l.at = now
	l.judge(most)
}

func (l *limited) judge(most float64) {
	if l.level > limitedFrom*most {
		l.yes = true
	} else if l.level < limitedTo*most {
		l.yes = false
	}
}
