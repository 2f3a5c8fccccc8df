package transportcc

import "encoding/binary"

const (
	// Bound is how many statuses of one compound should be read. Raising it lets one receiver cost more time
	// per compound. Below some hundred, real reports are cut: Chromium reports up to 250 ms at a time.
	Bound = 4096
	// PerReference is how many units of an arrival make one unit of the reference time, which is 64 ms.
	PerReference = 256
	// Unit is the unit of an arrival in ns.
	Unit = 250e3
	// farthest is how far reference times may lead, 70 years: in ns, the difference of two fits in 64 bits.
	farthest = 1 << 35
)

// Clock unwraps the reference times of one receiver, which count 64 ms and wrap after 2^24 of them, about 12
// days. The zero value is ready: the first time counts from 0 on. It is the only state that forged times can
// change. If they have led it far away, it begins anew.
type Clock struct {
	reference int64
	known     bool
}

// Status is what a feedback says of one packet.
type Status struct {
	Seq      uint16
	Received bool
	// Arrival is in units of 250 µs by the receiver's clock, which began anywhere. It is meaningful if
	// Received.
	Arrival int64
}

// Packets reads the statuses of one feedback one by one. It is a value without pointers but to the feedback
// itself.
type Packets struct {
	Report
	// Skipped is how many of Report.Packets are not read because of the bound. Nothing is known of them.
	Skipped int

	b        []byte
	chunks   int // where the next chunk is
	deltas   int // where the next delta is
	seq      uint16
	left     int // to read
	inChunk  int // of them in the present chunk
	chunk    uint16
	position int // within the chunk
	arrival  int64
}

// Packets begins to read at most bound statuses of one feedback, in the form that Parse takes. A feedback
// that Parse refuses is refused as a whole, and leaves the clock as it was.
func (c *Clock) Packets(b []byte, bound int) (Packets, error) {
	r, err := Parse(b)
	if err != nil {
		return Packets{}, err
	}
	left := min(r.Packets, max(bound, 0))
	p := Packets{Report: r, Skipped: r.Packets - left, b: b, chunks: fixed, seq: r.Base, left: left}
	p.deltas = fixed
	for n, at := r.Packets, fixed; n > 0; at += 2 {
		k, _, _ := count(binary.BigEndian.Uint16(b[at:]), n)
		n -= k
		p.deltas += 2
	}
	p.arrival = c.unwrap(uint32(b[16])<<16|uint32(b[17])<<8|uint32(b[18])) * PerReference
	return p, nil
}

// unwrap returns the time of 24 bits that lies nearest to the one before.
func (c *Clock) unwrap(reference uint32) int64 {
	if !c.known {
		c.known, c.reference = true, int64(reference)
	}
	c.reference += int64(int32((reference-uint32(c.reference))<<8) >> 8)
	if max(c.reference, -c.reference) > farthest {
		c.reference = int64(reference)
	}
	return c.reference
}

// Next returns the next status, in ascending order of numbers modulo 2^16; false at the end.
func (p *Packets) Next() (s Status, ok bool) {
	if p.left == 0 {
		return Status{}, false
	}
	for p.inChunk == 0 {
		p.chunk, p.position = binary.BigEndian.Uint16(p.b[p.chunks:]), 0
		p.inChunk, _, _ = count(p.chunk, p.left)
		p.chunks += 2
	}
	s.Seq = p.seq
	switch p.symbol() {
	case 1:
		p.arrival += int64(p.b[p.deltas])
		p.deltas++
		s.Received, s.Arrival = true, p.arrival
	case 2:
		p.arrival += int64(int16(binary.BigEndian.Uint16(p.b[p.deltas:])))
		p.deltas += 2
		s.Received, s.Arrival = true, p.arrival
	}
	p.seq++
	p.left--
	p.inChunk--
	p.position++
	return s, true
}

// symbol returns the status at the position: 0 not received, 1 and 2 received with a delta of so many bytes,
// 3 reserved.
func (p *Packets) symbol() uint16 {
	switch p.chunk >> 14 {
	case 2:
		return p.chunk >> (13 - p.position) & 1
	case 3:
		return p.chunk >> (12 - 2*p.position) & 3
	}
	return p.chunk >> 13 & 3
}
