package router

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"parlor/packet"
)

// inbox holds batches until the room's goroutine takes them. As long as it is less than half full it takes
// everything. Beyond that each peer has a share, so that one that sends too much loses its own packets and
// nobody else's. The last eighth is for audio and RTCP.
//
// RTCP that only reports wakes nobody: it is taken with what comes next. With transport-wide feedback a
// hundred subscribers send a thousand reports a second. Each of them would wake the room apart from the
// media.
type inbox struct {
	limit   int
	wake    chan struct{} // 1: something is there
	dropped atomic.Uint64 // packets that found it full
	unfair  atomic.Uint64 // packets beyond their peer's share

	mu      sync.Mutex // guards the fields below; nothing is called while it is held but Release
	queue   []*packet.Batch
	head    int // of queue; those before have been taken
	packets int
	held    map[packet.PeerID]int // packets by peer; nil: not counted, as there is room enough
	audio   map[packet.PeerID]payloadTypes
	closed  bool
}

// payloadTypes is a set of RTP payload types.
type payloadTypes [2]uint64

func (s *payloadTypes) add(pt uint8)      { s[pt>>6&1] |= 1 << (pt & 63) }
func (s *payloadTypes) has(pt uint8) bool { return s[pt>>6&1]&(1<<(pt&63)) != 0 }

// setAudio tells the inbox which payload types of a peer are audio.
func (q *inbox) setAudio(p packet.PeerID, sections []packet.Section) {
	var set payloadTypes
	for i := range sections {
		if s := &sections[i]; s.Publish && s.Kind == packet.Audio {
			for _, k := range s.Codecs {
				set.add(k.PT)
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case set == payloadTypes{}:
		delete(q.audio, p)
		return
	case q.audio == nil:
		q.audio = map[packet.PeerID]payloadTypes{}
	}
	q.audio[p] = set
}

func (q *inbox) put(b *packet.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.dropped.Add(uint64(len(b.Items)))
		b.Release()
		return
	}
	if q.packets+len(b.Items) > q.limit/2 {
		q.selectLocked(b)
	}
	if len(b.Items) == 0 {
		b.Release()
		return
	}
	q.queue = append(q.queue, b)
	q.packets += len(b.Items)
	if q.packets < maxPatient && patient(b) {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// maxPatient is how many packets may wait for something that wakes the room. More saves wake-ups if no media
// flows, and holds a buffer each.
const maxPatient = 32

// patient says whether all of a batch can wait for the next one: it holds nothing but reports.
func patient(b *packet.Batch) bool {
	for i := range b.Items {
		if it := &b.Items[i]; !it.RTCP || prompt(it.Buf.B) {
			return false
		}
	}
	return true
}

// prompt says whether a compound RTCP packet asks for something: lost packets (RFC 4585 section 6.2.1) or a
// keyframe (section 6.3, RFC 5104 section 4.3).
func prompt(b []byte) bool {
	const rtpfb, psfb, nack, afb = 205, 206, 1, 15
	for len(b) >= 4 {
		switch kind := b[0] & 0x1f; b[1] {
		case rtpfb:
			if kind == nack {
				return true
			}
		case psfb:
			if kind != afb { // REMB reports
				return true
			}
		}
		b = b[min(4*(int(binary.BigEndian.Uint16(b[2:]))+1), len(b)):]
	}
	return false
}

// selectLocked takes out of the batch what there is no room for.
func (q *inbox) selectLocked(b *packet.Batch) {
	if q.held == nil {
		q.held = map[packet.PeerID]int{}
		for _, waiting := range q.queue[q.head:] {
			for i := range waiting.Items {
				q.held[waiting.Items[i].Peer]++
			}
		}
	}
	n := 0
	for i := range b.Items {
		it := b.Items[i]
		if why := q.refusalLocked(&it, q.packets+n); why != nil {
			why.Add(1)
			it.Buf.Release()
			continue
		}
		q.held[it.Peer]++
		b.Items[n] = it
		n++
	}
	clear(b.Items[n:])
	b.Items = b.Items[:n]
}

// refusalLocked returns nil if there is room for the item behind so many others, else the counter of why not.
func (q *inbox) refusalLocked(it *packet.Item, before int) *atomic.Uint64 {
	room, share := q.limit-q.limit/8, q.limit/2/max(len(q.held), 1)
	if q.urgentLocked(it) {
		room, share = q.limit, 2*share
	}
	switch {
	case before >= room:
		return &q.dropped
	case q.held[it.Peer] >= max(share, 1):
		return &q.unfair
	}
	return nil
}

// urgentLocked says whether an item is RTCP or audio.
func (q *inbox) urgentLocked(it *packet.Item) bool {
	if it.RTCP || len(it.Buf.B) < 2 {
		return it.RTCP
	}
	set := q.audio[it.Peer]
	return set.has(it.Buf.B[1] & 0x7f)
}

// pop returns the oldest batch, nil if there is none. crowded says whether so much waits behind it that peers
// will soon be held to their shares.
func (q *inbox) pop() (b *packet.Batch, crowded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
		return nil, false
	}
	b = q.queue[q.head]
	q.queue[q.head] = nil
	q.head++
	q.packets -= len(b.Items)
	switch {
	case q.held == nil:
	case q.packets < q.limit/4:
		q.held = nil
	default:
		q.forgetLocked(b)
	}
	if q.head >= 64 && 2*q.head >= len(q.queue) { // the queue need not run empty
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	return b, q.packets > q.limit/4
}

// forgetLocked takes a batch out of the count.
func (q *inbox) forgetLocked(b *packet.Batch) {
	for i := range b.Items {
		id := b.Items[i].Peer
		if q.held[id]--; q.held[id] <= 0 {
			delete(q.held, id)
		}
	}
}

func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, b := range q.queue[q.head:] {
		b.Release()
	}
	q.queue, q.head, q.held = nil, 0, nil
}

// addDrops adds what the inbox did not take.
func (q *inbox) addDrops(t *Totals) {
	t.Dropped[DropInbox] += q.dropped.Load()
	t.Dropped[DropShare] += q.unfair.Load()
}
