package seqmap

// How far a sequence number may lie from the highest seen before it is held for a restart of the sender; RFC
// 3550 appendix A.1 has 3000 and 100. Raising maxAhead forwards larger leaps as loss. Raising maxBehind lets
// older retransmissions in. But a sender that starts anew a little below is then ignored for as many packets:
// maxBehind must not be more than what the ring behind it knows.
const (
	maxAhead  = 3000
	maxBehind = 2048
)

// Unwrapper extends the 16-bit sequence numbers of one sender to 64 bits. The zero value is ready.
type Unwrapper struct {
	high  uint64
	bad   uint16 // the number after one that did not fit
	isBad bool
	began bool
	anew  bool
}

// Verdict is what Next found.
type Verdict uint8

// The verdicts of Next.
const (
	Fits    Verdict = iota
	Restart         // the sender began anew: nothing before this number belongs to it
	Strange         // far from all others; to be dropped
)

// Next extends seq. As in RFC 3550 appendix A.1, two consecutive numbers far from all others mean that the
// sender has started anew. Extended numbers then go on above all earlier ones, at least 2^16 further.
func (u *Unwrapper) Next(seq uint16) (uint64, Verdict) {
	if !u.began {
		u.began = true
		u.high = 1<<16 + uint64(seq)
		return u.high, Restart
	}
	d := int16(seq - uint16(u.high))
	switch {
	case u.anew:
		u.restart(seq)
		return u.high, Restart
	case d > 0 && d <= maxAhead:
		u.high += uint64(d)
		u.isBad = false
		return u.high, Fits
	case d <= 0 && d > -maxBehind:
		return u.high - uint64(-int(d)), Fits
	case u.isBad && seq == u.bad:
		u.restart(seq)
		return u.high, Restart
	}
	u.bad, u.isBad = seq+1, true
	return 0, Strange
}

// Find extends the number of a packet that was sent before, as a retransmission says, without learning from
// it.
func (u *Unwrapper) Find(seq uint16) (uint64, bool) {
	d := int16(seq - uint16(u.high))
	if !u.began || u.anew || d > 0 || d <= -maxBehind {
		return 0, false
	}
	return u.high - uint64(-int(d)), true
}

// Anew says that the next number is another sender's.
func (u *Unwrapper) Anew() { u.anew = u.began }

// restart makes seq the highest number, above all earlier ones.
func (u *Unwrapper) restart(seq uint16) {
	u.high = (u.high>>16+2)<<16 | uint64(seq)
	u.isBad, u.anew = false, false
}

// High returns the highest number so far, 0 before the first.
func (u *Unwrapper) High() uint64 { return u.high }
