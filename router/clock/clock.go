// Package clock relates the three clocks of a media stream: its RTP timestamps, the wall clock of its sender,
// and the node's. Times are in ns since 1970, whatever the sender's clock really counts from.
//
// A sender report (RFC 3550 section 6.4.1) ties RTP timestamps to the sender's clock: Line. How the sender's
// clock lies to the node's is learnt from when its reports arrive: Offset. One Offset serves all streams of a
// sender. So what the node says of its audio agrees with what it says of its video, and receivers play them
// together.
package clock

// epoch is 1970 in the seconds of NTP, which counts from 1900.
const epoch = 2208988800

// ToNTP returns t as a 64-bit NTP timestamp.
func ToNTP(t int64) uint64 {
	s, ns := t/1e9, t%1e9
	if ns < 0 {
		s, ns = s-1, ns+1e9
	}
	return uint64(s+epoch)<<32 | uint64(ns)<<32/1e9
}

// FromNTP is the inverse of ToNTP.
func FromNTP(n uint64) int64 {
	return (int64(n>>32)-epoch)*1e9 + int64((n&0xffffffff)*1e9>>32)
}

// Middle returns the middle 32 bits of a 64-bit NTP timestamp: units of 2^-16 s.
func Middle(n uint64) uint32 { return uint32(n >> 16) }

// AbsSend returns t as the 24-bit abs-send-time extension: 6 bits of seconds, 18 of fraction.
func AbsSend(t int64) uint32 { return uint32(ToNTP(t)>>14) & 0xffffff }

// Line ties the RTP timestamps of a stream to its sender's clock. The zero value is not Known.
type Line struct {
	at   int64
	rtp  uint32
	rate uint32
}

// NewLine says that timestamp rtp belongs to the sender's time at, with rate ticks a second.
func NewLine(at int64, rtp, rate uint32) Line { return Line{at: at, rtp: rtp, rate: rate} }

// Known says whether anything is known.
func (l Line) Known() bool { return l.rate != 0 }

// RTP returns the timestamp at the sender's time at.
func (l Line) RTP(at int64) uint32 { return l.rtp + uint32(Ticks(at-l.at, l.rate)) }

// Time returns the sender's time of the timestamp nearest to the known one that has the value rtp.
func (l Line) Time(rtp uint32) int64 {
	return l.at + int64(int32(rtp-l.rtp))*1e9/int64(l.rate)
}

// Ticks returns how many ticks of the rate a duration in ns has, rounded down towards zero.
func Ticks(ns int64, rate uint32) int64 {
	return ns/1e9*int64(rate) + ns%1e9*int64(rate)/1e9
}

// window is how long the smallest offset seen stands, in ns: once to twice as long. Shorter follows a
// drifting clock faster, longer follows a congested path's delay less.
const window = 30e9

// leap is how much later than the quickest one a report may come, in ns. One that comes later was not sent
// then: the sender's clock was set back. With longer, a leap back is only seen when the window ends. Shorter
// mistakes a stalled path for one.
const leap = 5e9

// Offset estimates how far the node's clock is ahead of a sender's, the shortest way included. The zero value
// is ready.
type Offset struct {
	now, before int64 // smallest in this window, in the one before
	since       int64
	known       bool
}

// Observe takes in that what the sender sent at its time sent arrived at the node's time at.
func (o *Offset) Observe(sent, at int64) {
	d := at - sent
	switch {
	case !o.known, d-min(o.now, o.before) > leap:
		*o = Offset{now: d, before: d, since: at, known: true}
	case at-o.since > window:
		o.before, o.now, o.since = o.now, d, at
	default:
		o.now = min(o.now, d)
	}
}

// Known says whether anything was observed.
func (o *Offset) Known() bool { return o.known }

// Sender returns the sender's time at the node's time at.
func (o *Offset) Sender(at int64) int64 { return at - min(o.now, o.before) }
