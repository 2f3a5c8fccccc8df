package router

import (
	"maps"
	"slices"
	"time"
)

// buffer is a jitter buffer with a decoder behind it. A frame is shown when it is due: as late after its time
// stamp as frames came lately. Of what is due the first is shown that can be decoded, and nothing that is
// older.
type buffer struct {
	*viewer
	frames map[uint64]*frame // by the number of the first packet; those beyond last
	last   uint64            // of the frame that was shown last
	source truth             // of it
	good   map[uint32]bool   // frames of that which have been decoded, since its keyframe
	late   int64             // a frame is due so long after its time stamp, in ns
	least  int64             // how long after it a frame was whole, at least
	turns  uint64            // of the time stamp, in its units

	decoded        int
	shown          int64 // when a frame was last; 0: never
	freeze, frozen int64
}

// frame is what has come of a frame.
type frame struct {
	*seen // one of its packets
	came  byte
	time  int64 // of its time stamp, in ns
	due   int64 // once it is whole
}

const (
	// noticed is which gap between two pictures counts as frozen, at 25 a second, as in libwebrtc: 150 ms more
	// than the mean.
	noticed = 190 * ms
	// maxLate bounds how long a frame waits for others, and lateDecay is what part of what it need not have
	// waited the next one waits less.
	maxLate   = 2000 * ms
	lateDecay = 128
)

// reset begins anew, as a section does that was negotiated again.
func (b *buffer) reset() {
	b.frames, b.good, b.late = nil, nil, 0
}

// add takes a packet that comes for the first time.
func (b *buffer) add(ext uint64, p *seen) {
	if b.frames == nil {
		b.frames, b.turns = map[uint64]*frame{}, uint64(p.ts)
	}
	at := ext - uint64(p.idx)
	if at <= b.last {
		return
	}
	f := b.frames[at]
	if f == nil {
		f = &frame{seen: p, time: b.stamp(p.ts)}
		b.frames[at] = f
	}
	if f.came++; f.came == f.of {
		b.complete(f)
	}
}

// stamp is the time of a time stamp.
func (b *buffer) stamp(ts uint32) int64 {
	at := b.turns + uint64(int64(int32(ts-uint32(b.turns))))
	b.turns = max(b.turns, at)
	return int64(at) * 100_000 / 9 // 90 kHz
}

// complete has a whole frame shown when it is due, and the later ones wait as long if it is late.
func (b *buffer) complete(f *frame) {
	late := b.s.now - f.time
	if b.late == 0 {
		b.late, b.least = late, late
	}
	b.least = min(b.least, late)
	if late > b.late {
		b.late = min(late, b.least+maxLate)
	} else {
		b.late -= (b.late - late) / lateDecay
	}
	f.due = max(b.s.now, f.time+b.late)
	b.s.after(time.Duration(f.due-b.s.now), b.play)
}

// play shows what is due.
func (b *buffer) play() {
	for _, at := range slices.Sorted(maps.Keys(b.frames)) {
		f := b.frames[at]
		if f.came < f.of || !b.decodable(f) {
			continue
		}
		if f.due > b.s.now {
			return // its turn comes, and that of later ones then
		}
		if f.key {
			b.good = map[uint32]bool{}
		}
		b.good[f.frame], b.source, b.last = true, f.truth, at
		b.decoded++
		b.stand(b.s.now)
		b.shown = b.s.now
		maps.DeleteFunc(b.frames, func(x uint64, _ *frame) bool { return x <= at })
	}
}

// decodable says whether all is there to which a frame refers.
func (b *buffer) decodable(f *frame) bool {
	if f.key {
		return true
	}
	for _, back := range f.refs {
		if back != 0 && !b.good[f.frame-back] {
			return false
		}
	}
	return f.truth == b.source && b.good != nil
}

// stand counts the time since the latest picture.
func (b *buffer) stand(now int64) {
	gap := now - b.shown
	if b.shown == 0 || gap <= 0 {
		return
	}
	if b.freeze = max(b.freeze, gap); gap > noticed {
		b.frozen += gap
	}
}
