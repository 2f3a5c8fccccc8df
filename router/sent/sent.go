// Package sent remembers what was sent to one receiver, and books what became of it from the receiver's
// feedback. It gives out the transport-wide sequence numbers
// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).
//
// Reports overlap, repeat, come late, get lost and wrap. Each packet is told of as arrived once, and booked
// as lost once. It is not lost at its first report as missing, as packets overtake each other: the next
// report, or Patience without one, must leave it missing. If packets came late before, they are awaited for
// as long as that took. A packet that arrives after that is taken off the losses. Packets of which no report
// told, and numbers that have left the ring, are unknown: neither arrived nor lost.
//
//	sent.go    Ring, Add, Again, growth
//	report.go  Begin, Arrived, Missing, Lost: what reports say
package sent

// What turning these costs is said of each.
const (
	// Least and Most are how many packets the ring holds, powers of two, 8 bytes each. With a lower Most,
	// reports of a fast receiver far away find nothing any more. Half of the 2^16 numbers is the utmost.
	Least = 512
	Most  = 8192
	// Span is how long a packet is kept beyond the round trip, in ns, as far as Most allows. It covers a lost
	// report or some. Higher makes rings grow sooner.
	Span = 1e9
	// Patience is how long after the last report what it said missing is lost, in ns. Lower takes more of
	// what is late for lost, for a while; higher learns of losses later if reports stop.
	Patience = 250e6
	// LateMost bounds for how long what was seen to overtake is awaited, in ns. Higher learns of losses later
	// after jitter.
	LateMost = 1500e6
	// lateFading says by which part, as a divisor, that time shrinks with each report. Higher awaits longer.
	lateFading = 64
)

// tick is the unit in which times of sending are kept, in ns: 1/16 ms.
const tick = 62500

// Kind says what a packet was sent for.
type Kind uint8

// The kinds. There is room for 8.
const (
	Audio Kind = iota
	Video
	Resend  // asked for by the receiver
	Copy    // a repetition that nobody asked for
	Repair  // forward error correction
	Padding // empty, for probing
)

// Packet is what is remembered of one.
type Packet struct {
	At      int64 // when it was sent, in ns, as told to Add, down to 1/16 ms
	Size    int   // in bytes, as told to Add, up to 65535
	Kind    Kind
	Cluster uint8  // of which probe it was a part, 0: none
	Seq     uint16 // its transport-wide number
	Again   int64  // how long after At it was sent once more under the same number, in ns; 0: it was not
}

// entry is a packet and its state in 8 bytes.
type entry struct {
	at      uint32 // in ticks, the low bits
	size    uint16
	cluster uint8 // or, with the flag again, after how long that was, in againTicks
	flags   uint8 // kind, state, again
}

// The states, in the low bits of flags.
const (
	flying   = iota
	missing0 // a report of even number was the first one to say it missing
	missing1 // one of odd number was
	lost
	arrived

	stateBits = 3
	stateMask = 1<<stateBits - 1
	kindMask  = 1<<3 - 1
	again     = 1 << 6
)

// againTicks is the unit in which it is kept after how long a packet was sent again, in ticks: 2 ms.
const againTicks = 32

// Ring is the packets of one receiver. The zero value is ready; it takes its memory with the first packet. It
// is not safe for concurrent use. Nothing is allocated but by Add when the ring has to grow, at most 5
// times.
type Ring struct {
	entries []entry
	next    uint16 // the number to be given next
	n       int    // packets known, the last ones before next
	now     int64  // when the last was sent, in ticks
	keep    int64  // for how long a packet is kept, in ticks; 0: Span

	late     int64  // how long after its sending a packet may still come, in ticks, by what came late
	report   int64  // when the last report came, in ns
	parity   uint8  // missing0 or missing1, of the report in hand
	waiting  bool   // some may be missing, but are not lost yet: between from and to
	from, to uint16 // to is one beyond
	cursor   uint16 // where Lost goes on
	spared   bool   // from is the first that Lost has left missing
}

// Next returns the number that the next packet will get.
func (r *Ring) Next() uint16 { return r.next }

// RoundTrip says how long reports take, in ns.
func (r *Ring) RoundTrip(rtt int64) { r.keep = (Span + max(rtt, 0)) / tick }

// Add gives a packet its number and remembers it. Calls come in the order of sending.
func (r *Ring) Add(now int64, size int, kind Kind, cluster uint8) uint16 {
	t := now / tick
	if r.n == len(r.entries) {
		r.room(t)
	}
	r.now = t
	seq := r.next
	r.entries[int(seq)&(len(r.entries)-1)] = entry{
		at: uint32(t), size: uint16(min(max(size, 0), 1<<16-1)), cluster: cluster, flags: uint8(kind) << stateBits,
	}
	r.next++
	r.n = min(r.n+1, len(r.entries))
	return seq
}

// Again takes that a packet is sent once more under its number, with the same bytes. Only the time of arrival
// can then tell which of them arrives, see Packet. Only the first repetition counts, and what was part of a
// probe stays that.
func (r *Ring) Again(seq uint16, now int64) {
	e := r.find(seq)
	if e == nil || e.cluster != 0 {
		return
	}
	after := int64(int32(uint32(now/tick) - e.at))
	e.cluster = uint8(min(max(after/againTicks, 1), 255))
	e.flags |= again
}

// room makes the ring larger if it is full of packets that may still be reported.
func (r *Ring) room(now int64) {
	if r.entries == nil {
		r.entries = make([]entry, Least)
		return
	}
	keep := r.keep
	if keep == 0 {
		keep = Span / tick
	}
	oldest := r.entries[int(r.next)&(len(r.entries)-1)].at
	if len(r.entries) >= Most || int64(uint32(now)-oldest) > keep {
		return
	}
	larger := make([]entry, 2*len(r.entries))
	for i := range r.n {
		seq := int(r.next) - 1 - i
		larger[seq&(len(larger)-1)] = r.entries[seq&(len(r.entries)-1)]
	}
	r.entries = larger
}

// find returns the entry of a number, nil if it is unknown.
func (r *Ring) find(seq uint16) *entry {
	if back := int(r.next - seq); back == 0 || back > r.n {
		return nil
	}
	return &r.entries[int(seq)&(len(r.entries)-1)]
}

func (r *Ring) packet(e *entry) Packet {
	p := Packet{
		At: (r.now - int64(uint32(r.now)-e.at)) * tick, Size: int(e.size), Kind: Kind(e.flags >> stateBits & kindMask), Cluster: e.cluster,
	}
	if e.flags&again != 0 {
		p.Cluster, p.Again = 0, int64(e.cluster)*againTicks*tick
	}
	return p
}

func (e *entry) state() uint8    { return e.flags & stateMask }
func (e *entry) become(s uint8)  { e.flags = e.flags&^stateMask | s }
func (e *entry) isMissing() bool { return e.state() == missing0 || e.state() == missing1 }
func after(a, b uint16) bool     { return int16(a-b) > 0 }
