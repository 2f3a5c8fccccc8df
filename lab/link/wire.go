package link

import "time"

// wire passes bits at the rate of each step, one packet after the other. No rounding adds up: the time at
// which the wire is free is counted from the beginning of a busy period in whole bits.
type wire struct {
	profile Profile
	step    int           // the one in which the latest bit leaves
	since   time.Duration // from which bits are counted
	bits    int64         // that leave after since
	waiting []waiting     // those before gone have left
	gone    int
	bytes   int // of the packets that wait
}

// waiting is a packet whose last bit leaves at that time.
type waiting struct {
	until time.Duration
	size  int
}

// transmission is how long so many bits take, rounded up to a nanosecond.
func transmission(bits, rate int64) time.Duration {
	whole, rest := bits/rate, bits%rate
	return time.Duration(whole)*time.Second + time.Duration((rest*int64(time.Second)+rate-1)/rate)
}

// free is when the last bit of all that was sent leaves.
func (w *wire) free() time.Duration {
	rate := w.rate()
	if rate == 0 {
		return w.since
	}
	return w.since + transmission(w.bits, rate)
}

func (w *wire) rate() int64 { return w.profile[w.step].Rate }

// end is when the current step ends.
func (w *wire) end() (at time.Duration, ok bool) {
	if w.step+1 == len(w.profile) {
		return 0, false
	}
	return w.profile[w.step+1].At, true
}

// send appends a packet and returns when its last bit leaves.
func (w *wire) send(now time.Duration, size int) time.Duration {
	if w.free() <= now {
		w.since, w.bits = now, 0
		for end, ok := w.end(); ok && end <= now; end, ok = w.end() {
			w.step++
		}
	}
	w.bits += int64(size) * 8
	w.followProfile()
	until := w.free()
	if until > now {
		w.backlog(now) // so that it does not grow for ever
		w.waiting, w.bytes = append(w.waiting, waiting{until, size}), w.bytes+size
	}
	return until
}

// followProfile moves on to the step in which the last bit leaves. What has left before counts no more.
func (w *wire) followProfile() {
	for end, ok := w.end(); ok && w.free() > end; end, ok = w.end() {
		if d := int64(end - w.since); d > 0 {
			rate := w.rate()
			w.bits -= d/int64(time.Second)*rate + d%int64(time.Second)*rate/int64(time.Second)
			w.since = end
		}
		w.step++
	}
}

// backlog is how many bytes have not left yet, those of the packet that is leaving among them.
func (w *wire) backlog(now time.Duration) int {
	for w.gone < len(w.waiting) && w.waiting[w.gone].until <= now {
		w.bytes -= w.waiting[w.gone].size
		w.gone++
	}
	if w.gone > len(w.waiting)/2 {
		w.waiting, w.gone = append(w.waiting[:0], w.waiting[w.gone:]...), 0
	}
	return w.bytes
}
