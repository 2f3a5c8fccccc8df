package transport

// The rollover counter of an outgoing SRTP stream is not in the packet. pion/srtp guesses it from the
// sequence number of the packet sealed before, as the receiver does. Packets that are dropped while a peer is
// not connected leave a gap. After a gap of 2^15 or more the guess is a lap behind. AES-GCM would then see a
// nonce (SSRC, rollover counter, sequence number) a second time. So the caller's sequence numbers are
// followed here, dropped packets included. A packet too far from those sealed before is refused.

// maxSequenceJump is how far a packet may be from the newest one sealed. It must stay below 2^15, where the
// guess turns. The margin is for receivers, which guess too, from what has reached them.
const maxSequenceJump = 1 << 14

// sequence follows the caller's sequence numbers on one SSRC, as 64-bit numbers that do not wrap.
type sequence struct {
	seen   int64 // newest one from the caller, sealed or not
	sealed int64 // newest one sealed
	floor  int64 // what comes from before it is refused: since then the rollover counter is a guess again
}

func newSequence(seq uint16) *sequence {
	n := int64(seq)
	return &sequence{seen: n, sealed: n, floor: n - maxSequenceJump}
}

// follow notes a sequence number and returns it unwrapped.
func (s *sequence) follow(seq uint16) int64 {
	n := s.seen + int64(int16(seq-uint16(s.seen)))
	s.seen = max(s.seen, n)
	return n
}

// admit says whether the packet may be sealed, and takes it for sealed if so.
func (s *sequence) admit(seq uint16) bool {
	n := s.follow(seq)
	switch ahead := n - s.sealed; {
	case n < s.floor || ahead < -maxSequenceJump:
		return false
	case ahead <= maxSequenceJump:
	case uint16(ahead) == 0 || uint16(ahead) > maxSequenceJump:
		return false
	default:
		// A whole lap or more was dropped, and the numbers are just past the newest one sealed again. All of
		// them are new to the cipher, and the receiver takes them for the next ones. Those before this one
		// are not.
		s.floor = n
	}
	s.sealed = max(s.sealed, n)
	return true
}
