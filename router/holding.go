package router

import "parlor/router/header"

// Pictures may come late, as something was lost and sent again: on the receivers' own way, or on the
// publisher's. Receivers are told to wait with pictures for that. By themselves they wait only for what they
// have asked for, and skip what a publisher was asked for.

// holding is for how long receivers are to wait with pictures.
type holding struct {
	delay int64 // in ns
	until int64 // up to when receivers are told; 0: they are not
}

// wait has the time go towards delay, in ns: by up at most if that is longer. If it is shorter, the time goes
// down by delayDown or a hundredth at most, whichever is more.
func (h *holding) wait(now, delay, up int64) {
	h.delay += min(max(delay-h.delay, -max(delayDown, h.delay/100)), up)
	switch {
	case h.delay > 0:
		h.until = now + delayTold
	case now > h.until:
		h.until = 0
	}
}

// told returns what receivers are told.
func (h *holding) told() header.Playout {
	if h.until == 0 {
		return 0
	}
	return header.PlayoutOf(int((h.delay + 9e6) / 10e6))
}

// mendFading is the part of the way that the share that has to be asked for goes to the present one every
// netStep. Faster follows chance.
const mendFading = 1. / 16

// mendRising is the same if the share has become mendMore larger. mendUp is what is added at most to the time
// in a step, in ns. Faster has pictures wait for long after short breaks. Slower has them stand still as long
// as it is not known that they have to wait.
const mendRising, mendMore, mendUp = 1. / 8, 0.15, 60e6

// mendMost bounds that time, in ns. Higher has all pictures come later if half of them is lost, lower has
// some stand still.
const mendMost = 700e6

// mendMargin is the time that is added to round trips, in ns: until a gap is asked for, and for jitter. Lower
// has the last ones come too late.
const mendMargin = 25e6

// mending is how much of a stream its publisher has to send again.
type mending struct {
	holding
	share       float64 // of its packets
	at          int64   // of the last look
	asked, high uint64  // packets that were asked for by then, and the highest one
}

// look goes on to now. By now so many packets were asked for, high is the highest, and the publisher is rtt
// away, in ns.
func (x *mending) look(now int64, asked, high uint64, rtt int64) {
	if now-x.at < netStep {
		return
	}
	if rtt == 0 {
		rtt = unknownRTT
	}
	share := 0.0
	if more := high - x.high; x.at != 0 && more != 0 { // hardly any if the stream has begun anew below
		share = min(float64(asked-x.asked)/float64(more), 1)
	}
	x.at, x.asked, x.high = now, asked, high
	follow := mendFading
	if share > x.share+mendMore {
		follow = mendRising
	}
	x.share += (share - x.share) * follow
	x.wait(now, mendsWithin(x.share, rtt), mendUp)
}

// mendsWithin is in what time, in ns, what was lost of a stream has come, but for some percent. share of the
// stream has to be asked for, in so many rounds: browsers send what they are asked for once in each. See
// package nack.
func mendsWithin(share float64, rtt int64) int64 {
	rounds := int64(0)
	switch {
	case share < 0.02:
		return 0
	case share < 0.05:
	case share < 0.2:
		rounds = 1
	case share < 0.4:
		rounds = 3
	default:
		rounds = 5
	}
	return min(rounds*(rtt+rtt/4)+rtt+mendMargin, mendMost)
}
