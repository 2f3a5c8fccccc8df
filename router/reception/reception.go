// Package reception keeps the statistics of a stream that a receiver report tells its sender (RFC 3550
// section 6.4.1 and appendices A.3 and A.8).
package reception

import "time"

// Stats is the reception of one SSRC. The zero value is ready; begin anew with it when the sender does.
type Stats struct {
	base, high    uint64
	received      uint64
	expectedPrior uint64
	receivedPrior uint64
	transit       int64
	jitter        int64 // in units of 1/16 tick
	began         bool
	anew          bool // the clock is another one from the next packet on
}

// Packet takes in a packet, duplicates included.
func (s *Stats) Packet(seq uint64, timestamp uint32, at int64, rate uint32) {
	transit := at/1e9*int64(rate) + at%1e9*int64(rate)/1e9 - int64(timestamp)
	if !s.began {
		*s = Stats{base: seq, high: seq, transit: transit, began: true}
	}
	if s.anew {
		s.transit, s.anew = transit, false
	}
	s.high = max(s.high, seq)
	s.received++
	d := int64(int32(uint32(transit) - uint32(s.transit))) // timestamps wrap
	s.transit = transit
	if d < 0 {
		d = -d
	}
	s.jitter += d - (s.jitter+8)>>4
}

// NewClock says that timestamps count in ticks of another length, and from elsewhere, from the next packet
// on. The jitter begins anew.
func (s *Stats) NewClock() { s.jitter, s.anew = 0, true }

// Began says whether a packet came yet.
func (s *Stats) Began() bool { return s.began }

// Lost returns how many packets are missing; duplicates count against it.
func (s *Stats) Lost() int64 {
	if !s.began {
		return 0
	}
	return int64(s.high-s.base+1) - int64(s.received)
}

// Counts returns how many packets there should have been since the beginning, and how many came.
func (s *Stats) Counts() (expected, received uint64) {
	if !s.began {
		return 0, 0
	}
	return s.high - s.base + 1, s.received
}

// Jitter returns the interarrival jitter of a clock of so many ticks a second.
func (s *Stats) Jitter(rate uint32) time.Duration {
	return time.Duration(s.jitter>>4) * time.Second / time.Duration(max(rate, 1))
}

// Report is the part of a reception report that the statistics give.
type Report struct {
	Fraction uint8  // lost since the last report, in 1/256
	Lost     uint32 // lost in all, 24 bits, two's complement
	High     uint32 // highest sequence number, with its cycles
	Jitter   uint32 // in timestamp ticks
}

// Report returns the report and begins the next interval.
func (s *Stats) Report() Report {
	expected := s.high - s.base + 1
	interval := int64(expected - s.expectedPrior)
	missing := interval - int64(s.received-s.receivedPrior)
	s.expectedPrior, s.receivedPrior = expected, s.received
	r := Report{High: uint32(s.high - s.base&^0xffff), Jitter: uint32(s.jitter >> 4)}
	if interval > 0 && missing > 0 {
		r.Fraction = uint8(min(missing<<8/interval, 255))
	}
	r.Lost = uint32(min(max(s.Lost(), -1<<23), 1<<23-1)) & 0xffffff
	return r
}
