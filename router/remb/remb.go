// Package remb bounds what is sent to a receiver that gives no transport-wide feedback. It does so by the
// rates that the receiver tells (REMB, draft-alvestrand-rmcat-remb-03), and by the loss that it reports (RFC
// 3550 section 6.4). The package has no clock: time is an argument, in ns.
//
//	remb.go   Parse: the message
//	bound.go  Bound: what may be sent
package remb

import (
	"encoding/binary"
	"math"
)

// Message is a REMB: the most that the receiver takes of some streams together. It shares the memory that it
// was read from.
type Message struct {
	Rate  float64 // bit/s
	ssrcs []byte
}

// Is says whether the FCI of an application layer feedback message (RFC 4585 section 6.4) is a REMB.
func Is(fci []byte) bool { return len(fci) >= 4 && string(fci[:4]) == "REMB" }

// Parse reads the FCI of a REMB (draft-alvestrand-rmcat-remb-03 section 2.2); false if it is none or its
// length is wrong.
func Parse(fci []byte) (m Message, ok bool) {
	if !Is(fci) || len(fci) < 8 || len(fci) != 8+4*int(fci[4]) {
		return Message{}, false
	}
	word := binary.BigEndian.Uint32(fci[4:]) // 8 bits: how many SSRCs, 6 exponent, 18 mantissa
	return Message{Rate: math.Ldexp(float64(word&0x3ffff), int(word>>18&0x3f)), ssrcs: fci[8:]}, true
}

// Len returns how many streams it names.
func (m Message) Len() int { return len(m.ssrcs) / 4 }

// SSRC returns the i-th of them.
func (m Message) SSRC(i int) uint32 { return binary.BigEndian.Uint32(m.ssrcs[4*i:]) }
