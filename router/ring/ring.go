// Package ring keeps the latest packets of a stream: for retransmission, and to tell a packet seen from one
// not seen.
//
// The ring holds its packets by reference and releases them when they are old, pushed out, or cleared away.
// It grows with what the stream brings within the age limit, up to a bound.
package ring

import "parlor/packet"

// Slot is one packet.
type Slot struct {
	Buf  *packet.Buffer // nil once the packet is too old, or if only its number is kept
	Seq  uint64         // extended; 0: the slot is empty
	At   int64          // arrival, ns
	Meta uint32         // the caller's
}

// Ring holds the packets of one stream. Extended sequence numbers begin above 0.
type Ring struct {
	slots  []Slot
	high   uint64
	tail   uint64 // every packet below has been released
	floor  uint64 // below, it is no longer known what has been put
	hold   uint64 // age is no reason to release what is from here on; 0: it is
	max    int
	maxAge int64
}

// Result says what became of a packet.
type Result uint8

// The results of Put.
const (
	Added Result = iota
	Duplicate
	TooOld
)

// New returns a ring of size slots that may grow to limit slots, both powers of two. It lets go of packets
// older than maxAge, in ns.
func New(size, limit int, maxAge int64) *Ring {
	return &Ring{slots: make([]Slot, size), max: limit, maxAge: maxAge}
}

// Put keeps the packet and retains its buffer when the result is Added. With a nil buffer only the number is
// kept. A number once put is a Duplicate, or TooOld, for ever after.
func (r *Ring) Put(seq uint64, b *packet.Buffer, at int64, meta uint32) Result {
	switch {
	case r.high == 0:
		r.high, r.tail = seq, seq
		r.raiseFloor()
	case seq > r.high:
		r.advance(seq, at)
	case seq < r.floor:
		return TooOld
	}
	s := &r.slots[seq&uint64(len(r.slots)-1)]
	if s.Seq == seq {
		return Duplicate
	}
	r.drop(s)
	if b != nil {
		b.Retain()
	}
	*s = Slot{Buf: b, Seq: seq, At: at, Meta: meta}
	r.tail = min(r.tail, seq)
	return Added
}

// advance makes seq the highest. It grows the ring while the slot to be taken is still young, and releases
// what is old or falls out.
func (r *Ring) advance(seq uint64, at int64) {
	for len(r.slots) < r.max {
		out := &r.slots[seq&uint64(len(r.slots)-1)]
		if out.Buf == nil || at-out.At > r.maxAge && !r.holds(out.Seq) {
			break
		}
		r.grow()
	}
	r.high = seq
	r.raiseFloor()
	r.release(r.floor)
	r.Expire(at)
}

// raiseFloor keeps the floor where the slots end. It never falls: a ring that has grown does not know what it
// held before it was that large.
func (r *Ring) raiseFloor() {
	if n := uint64(len(r.slots)); r.high >= n {
		r.floor = max(r.floor, r.high-n+1)
	}
}

// Expire releases what is older than the age limit at the time now. What remains known of it is its number.
func (r *Ring) Expire(now int64) {
	for r.tail < r.high {
		s := &r.slots[r.tail&uint64(len(r.slots)-1)]
		if s.Seq == r.tail && s.Buf != nil && (now-s.At <= r.maxAge || r.holds(s.Seq)) {
			return
		}
		if s.Seq == r.tail {
			r.drop(s)
		}
		r.tail++
	}
}

// Hold has the packets from seq on stay whatever their age, as long as there is a slot for them; 0: none.
func (r *Ring) Hold(seq uint64) { r.hold = seq }

func (r *Ring) holds(seq uint64) bool { return r.hold != 0 && seq >= r.hold }

// Idle says whether Expire has nothing left to release: at most the newest packet is held.
func (r *Ring) Idle() bool { return r.tail >= r.high }

// release lets go of everything below seq.
func (r *Ring) release(seq uint64) {
	if seq <= r.tail {
		return
	}
	if seq-r.tail > uint64(len(r.slots)) {
		for i := range r.slots {
			if r.slots[i].Seq < seq {
				r.drop(&r.slots[i])
			}
		}
		r.tail = seq
		return
	}
	for ; r.tail < seq; r.tail++ {
		if s := &r.slots[r.tail&uint64(len(r.slots)-1)]; s.Seq == r.tail {
			r.drop(s)
		}
	}
}

func (r *Ring) drop(s *Slot) {
	if s.Buf != nil {
		s.Buf.Release()
		s.Buf = nil
	}
}

func (r *Ring) grow() {
	old := r.slots
	r.slots = make([]Slot, 2*len(old))
	for _, s := range old {
		if s.Seq != 0 {
			r.slots[s.Seq&uint64(len(r.slots)-1)] = s
		}
	}
}

// Get returns the packet seq, nil when it is not held. The slot is valid until the next Put.
func (r *Ring) Get(seq uint64) *Slot {
	s := &r.slots[seq&uint64(len(r.slots)-1)]
	if s.Seq != seq || s.Buf == nil {
		return nil
	}
	return s
}

// Known says whether a packet has been put, also if it is not held, or no longer.
func (r *Ring) Known(seq uint64) bool { return r.slots[seq&uint64(len(r.slots)-1)].Seq == seq }

// Meta returns what the caller said of the packet, also of one of which only the number is kept; 0 if it is
// not known.
func (r *Ring) Meta(seq uint64) uint32 {
	if s := &r.slots[seq&uint64(len(r.slots)-1)]; s.Seq == seq {
		return s.Meta
	}
	return 0
}

// High returns the highest number put, 0 before the first.
func (r *Ring) High() uint64 { return r.high }

// Len returns how many packets are held.
func (r *Ring) Len() int {
	n := 0
	for i := range r.slots {
		if r.slots[i].Buf != nil {
			n++
		}
	}
	return n
}

// Clear releases every packet. Their numbers stay known.
func (r *Ring) Clear() {
	for i := range r.slots {
		r.drop(&r.slots[i])
	}
	r.tail = r.high
}
