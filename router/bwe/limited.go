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
	sent  int     // bytes since at
	at    int64
	yes   bool
}

// pass takes what was sent until now. It is called with each report and tick, as each packet would cost more.
func (l *limited) pass(now int64, budget float64) {
	most := limitedShare * budget * limitedSpan / 1e9
	if l.at != 0 {
		filled := limitedShare * budget * float64(max(now-l.at, 0)) / 1e9
		l.level = min(max(l.level+filled-float64(l.sent)*8, -most), most)
	}
	// The time of a report is when it was read, which may be before the last tick.
	l.at, l.sent = max(l.at, now), 0
	if l.level > limitedFrom*most {
		l.yes = true
	} else if l.level < limitedTo*most {
		l.yes = false
	}
}
