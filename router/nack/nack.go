// Package nack keeps the list of packets that a stream is missing (RFC 4585 section 6.2.1). It says when to
// ask for which again: after a little time for reordering, then once a round trip, a bounded number of times.
package nack

// Tunables of a List.
const (
	// reorder is how long a gap may fill itself before it is asked for, in ns. Lower repairs sooner. Higher
	// asks less for packets that were only overtaken.
	reorder = 5e6
	// retry is the shortest time between two requests for one packet, in ns.
	retry = 20e6
	// limit bounds the list; the oldest fall out. A larger gap is not worth repair, a keyframe is.
	limit = 512
)

// Tries is how often a packet is worth being asked for where most of what is sent again arrives.
const Tries = 10

type item struct {
	seq   uint64
	since int64 // when what comes before it came
	born  int64
	due   int64
	tries int
}

// List is what one stream is missing. The zero value is ready.
type List struct {
	items []item // ascending seq
	next  int64  // no item is due earlier
	given int64  // when one was given up last; 0: never
	asked uint64 // packets that were asked for
}

// Missing notes that the packets from up to, not including, to did not come in order. The last one before
// them came at the time since.
func (l *List) Missing(from, to uint64, since, now int64) {
	if to-from > limit {
		from = to - limit
	}
	if over := len(l.items) + int(to-from) - limit; over > 0 {
		l.items = append(l.items[:0], l.items[over:]...)
		l.given = now
	}
	if len(l.items) == 0 {
		l.next = now + reorder
	}
	l.next = min(l.next, now+reorder) // not only when older ones are asked for again
	for ; from < to; from++ {
		l.items = append(l.items, item{seq: from, since: since, born: now, due: now + reorder})
	}
}

// Received takes a packet off the list and says whether it was on it.
func (l *List) Received(seq uint64) bool {
	for i := range l.items {
		if l.items[i].seq == seq {
			l.items = append(l.items[:i], l.items[i+1:]...)
			return true
		}
	}
	return false
}

// Before takes off the list what nobody needs any more: the packets before seq.
func (l *List) Before(seq uint64) {
	n := 0
	for n < len(l.items) && l.items[n].seq < seq {
		n++
	}
	l.items = append(l.items[:0], l.items[n:]...)
}

// Clear empties the list.
func (l *List) Clear() { l.items = l.items[:0] }

// Asked returns how many packets were asked for, once or more often, since the list was made.
func (l *List) Asked() uint64 { return l.asked }

// Len returns how many packets are missing.
func (l *List) Len() int { return len(l.items) }

// Whole returns the time up to which nothing is missing of what was sent; 1<<63 - 1 if nothing is.
func (l *List) Whole() int64 {
	if len(l.items) == 0 {
		return 1<<63 - 1
	}
	return l.items[0].since
}

// Stuck says whether repair has failed. It has if a packet is missing for longer than long, in ns, or if one
// was given up after the time since.
func (l *List) Stuck(now, long, since int64) bool {
	return l.given > since || len(l.items) > 0 && now-l.items[0].born > long
}

// Next returns when Due will have something, 0 if never.
func (l *List) Next() int64 {
	if len(l.items) == 0 {
		return 0
	}
	return l.next
}

// Due appends to out the packets to ask for now, given the round trip in ns. It gives up those that were
// asked for so many times or are missing for longer than maxAge, in ns.
func (l *List) Due(now, rtt, maxAge int64, tries int, out []uint16) []uint16 {
	keep := l.items[:0]
	l.next = 1<<63 - 1
	for _, it := range l.items {
		if it.tries >= tries && now >= it.due || now-it.born > maxAge {
			l.given = now
			continue
		}
		if now >= it.due {
			out = append(out, uint16(it.seq))
			if it.tries++; it.tries == 1 {
				l.asked++
			}
			it.due = now + max(retry, rtt+rtt/4)
		}
		l.next = min(l.next, it.due)
		keep = append(keep, it)
	}
	l.items = keep
	return out
}
