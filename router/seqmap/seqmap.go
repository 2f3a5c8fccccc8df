// Package seqmap gives the packets of successive sources consecutive outgoing sequence numbers.
//
// A receiver sees one stream, while what feeds it changes: another person, another simulcast layer, another
// codec. Within a source the numbers keep their distances, so that losses show as losses and late packets
// fall into their place. A packet that is removed closes up its gap. The map is injective: no outgoing number
// is ever given to two packets.
//
// Numbers are extended to 64 bits by the caller (see Unwrapper); the wire carries the low 16.
//
//	seqmap.go     Map, Segment
//	unwrapper.go  Unwrapper: 16 bits to 64, with restarts of the sender
package seqmap

// Segments bounds how many segments are remembered. Packets and retransmission requests that belong to an
// older one are not found any more. Every frame that a sink does not get ends one: these are two seconds of
// those at 15 a second. Raising it costs a linear search on a late packet.
const Segments = 32

// Segment maps the incoming numbers from In on to the outgoing numbers from Out on, until the next segment
// begins.
type Segment[S any] struct {
	In, Out uint64
	State   S // the caller's: what else is rewritten in this segment
}

// Map is the mapping for one outgoing SSRC. The zero value is not usable, see New.
type Map[S any] struct {
	segs  []Segment[S] // ascending Out; the last one is in use
	first int          // the first segment of the present source; len(segs): no source
	next  uint64       // the lowest number never given to anything, nor held back for a late packet
}

// New returns a map whose first number is start. SRTP wants it below 2^15: then a receiver that misses the
// first packets cannot guess the rollover counter wrong.
func New[S any](start uint16) Map[S] {
	return Map[S]{next: 1<<16 + uint64(start)}
}

// Resume returns a map whose numbers go on with next, the Next of one that is gone.
func Resume[S any](next uint64) Map[S] { return Map[S]{next: next} }

// Start begins a source with its packet in. Whatever came from sources before can no longer be sent, only be
// asked for again with In.
func (m *Map[S]) Start(in uint64, state S) {
	m.push(Segment[S]{In: in, Out: m.next, State: state})
	m.first = len(m.segs) - 1
}

// Stop ends the present source: Out finds nothing until the next Start.
func (m *Map[S]) Stop() { m.first = len(m.segs) }

// Forget stops, and forgets all that was sent: In finds nothing of it. Numbers go on where they were.
func (m *Map[S]) Forget() {
	clear(m.segs)
	m.segs = m.segs[:0]
	m.first = 0
}

// Next returns the number that the next Start will give to its packet.
func (m *Map[S]) Next() uint64 { return m.next }

// Current returns the segment in use, nil without a source.
func (m *Map[S]) Current() *Segment[S] {
	if m.first >= len(m.segs) {
		return nil
	}
	return &m.segs[len(m.segs)-1]
}

// Out returns the outgoing number of a packet of the present source and its segment, which is nil when the
// packet has none: it came before the source was started, was removed, or is too late.
func (m *Map[S]) Out(in uint64) (uint64, *Segment[S]) {
	i := len(m.segs) - 1
	if i < m.first {
		return 0, nil
	}
	seg := &m.segs[i]
	if in < seg.In {
		return m.late(in, i-1)
	}
	out := seg.Out + (in - seg.In)
	if out >= m.next {
		m.next = out + 1
	}
	return out, seg
}

func (m *Map[S]) late(in uint64, i int) (uint64, *Segment[S]) {
	for ; i >= m.first; i-- {
		seg := &m.segs[i]
		if in < seg.In {
			continue
		}
		if out := seg.Out + (in - seg.In); out < m.segs[i+1].Out {
			return out, seg
		}
		return 0, nil
	}
	return 0, nil
}

// Drop removes the packet in of the present source, so that the numbers around it close up. It reports false,
// and changes nothing, if a later packet has its number already: then the gap must be filled with something.
func (m *Map[S]) Drop(in uint64) bool {
	cur := m.Current()
	if cur == nil || in < cur.In {
		return false
	}
	out := cur.Out + (in - cur.In)
	if out < m.next {
		return false
	}
	m.next = out // what lies between is held back for late packets
	if in == cur.In {
		cur.In++ // nothing went out in this segment yet
		return true
	}
	m.push(Segment[S]{In: in + 1, Out: out, State: cur.State})
	return true
}

// Skip removes the packet in of the present source, and with it all before it that have not been sent. None
// of those is late: they never come. Skip reports false, and changes nothing, if a later packet has its
// number already.
func (m *Map[S]) Skip(in uint64) bool {
	cur := m.Current()
	if cur == nil || in < cur.In || cur.Out+(in-cur.In) < m.next {
		return false
	}
	if m.next == cur.Out { // nothing went out in this segment yet
		cur.In = in + 1
		return true
	}
	m.push(Segment[S]{In: in + 1, Out: m.next, State: cur.State})
	return true
}

// Split begins another segment with the packet in of the present source, without any change yet, and returns
// it. If the segment in use begins there, that is returned. Split returns nil if the packet or a later one
// has its number already.
func (m *Map[S]) Split(in uint64) *Segment[S] {
	cur := m.Current()
	if cur == nil || in < cur.In {
		return nil
	}
	out := cur.Out + (in - cur.In)
	switch {
	case in == cur.In:
		return cur
	case out < m.next:
		return nil
	}
	m.push(Segment[S]{In: in, Out: out, State: cur.State})
	return m.Current()
}

// In returns which incoming packet was sent under the outgoing number out, and its segment: nil if that is
// not known.
func (m *Map[S]) In(out uint16) (uint64, *Segment[S]) {
	last := m.next - 1
	back := uint64(uint16(last) - out)
	if back >= 1<<15 {
		return 0, nil
	}
	ext := last - back
	for i := len(m.segs) - 1; i >= 0; i-- {
		if seg := &m.segs[i]; ext >= seg.Out {
			return seg.In + (ext - seg.Out), seg
		}
	}
	return 0, nil
}

func (m *Map[S]) push(s Segment[S]) {
	if len(m.segs) == Segments {
		copy(m.segs, m.segs[1:])
		m.segs = m.segs[:Segments-1]
		m.first = max(m.first-1, 0)
	}
	m.segs = append(m.segs, s)
}
