// Package transportcc reads what a receiver's transport-wide feedback says
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). It allocates nothing, and works on chunks
// instead of the packets that they claim to tell of: a chunk of two bytes can claim 8191.
//
//	transportcc.go  Parse: how many packets, how many of them received
//	packets.go      Clock, Packets: each packet with its arrival, bounded
package transportcc

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// ErrShort says that a feedback ends before what it announces.
var ErrShort = errors.New("transportcc: feedback is shorter than it says")

// Report is what one feedback tells of.
type Report struct {
	Base     uint16 // transport-wide sequence number of the first packet
	Packets  int    // from Base on, those that did not arrive included
	Received int    // of them, with the time of their arrival
}

// fixed is the length in front of the chunks, in bytes: RTCP header, two SSRCs, base, count, reference time,
// feedback count.
const fixed = 20

// Parse reads one RTCP packet of payload-specific type 205 and format 15, its header included and without
// padding.
func Parse(b []byte) (Report, error) {
	if len(b) < fixed {
		return Report{}, ErrShort
	}
	r := Report{Base: binary.BigEndian.Uint16(b[12:]), Packets: int(binary.BigEndian.Uint16(b[14:]))}
	at, deltas := fixed, 0
	for left := r.Packets; left > 0; at += 2 {
		if at+2 > len(b) {
			return Report{}, ErrShort
		}
		n, small, large := count(binary.BigEndian.Uint16(b[at:]), left)
		left -= n
		r.Received += small + large
		deltas += small + 2*large
	}
	if at+deltas > len(b) {
		return Report{}, ErrShort
	}
	return r, nil
}

// count returns how many of the left packets a chunk tells of. small and large are how many of these have a
// delta of one byte and of two.
func count(chunk uint16, left int) (n, small, large int) {
	switch chunk >> 14 {
	case 0, 1: // run length: 2 bits of status, 13 of length
		n = min(int(chunk&0x1fff), left)
		switch chunk >> 13 & 3 {
		case 1:
			small = n
		case 2:
			large = n
		}
	case 2: // 14 statuses of one bit
		n = min(14, left)
		small = bits.OnesCount16(chunk & 0x3fff >> (14 - n))
	case 3: // 7 statuses of two bits
		n = min(7, left)
		for i := range n {
			switch chunk >> (12 - 2*i) & 3 {
			case 1:
				small++
			case 2:
				large++
			}
		}
	}
	return n, small, large
}
