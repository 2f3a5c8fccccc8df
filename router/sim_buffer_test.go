package router

import (
	"maps"
	"math"
	"slices"
	"time"
)

// buffer is a jitter buffer with a decoder behind it. A frame is shown when it is due. That is as late after
// its time stamp as frames come that were not asked for again. It is some more by how much that varies.
// libwebrtc (VCMTiming, VideoStreamBufferController) leaves out retransmitted frames as well. The first due
// frame that can be decoded is shown, and nothing that is older.
type buffer struct {
	*viewer
	frames map[uint64]*frame // by the number of the first packet; those beyond last
	last   uint64            // of the frame that was shown last
	source truth             // of it
	good   map[uint32]bool   // frames of that which have been decoded, since its keyframe
	whole  map[origin]bool   // frames that have come with all that they need
	late   float64           // a frame is whole so long after its time stamp, in ns, and the variance of that
	varies float64
	least  int64  // it waits at least so long, as it was told
	turns  uint64 // of the time stamp, in its units

	decoded        int
	shown          int64 // when a frame was last; 0: never
	freeze, frozen int64
}

// frame is the part of a frame that has come.
type frame struct {
	*seen // one of its packets
	came  byte
	asked bool  // for some packet of it
	time  int64 // of its time stamp, in ns
	due   int64 // once it is whole
}

const (
	// noticed is the gap between two pictures that counts as frozen, at 25 a second, as in libwebrtc: 150 ms
	// more than the mean.
	noticed = 190 * ms
	// lateShare and variesShare are the parts of the way that both follow a frame.
	lateShare, variesShare = 1. / 16, 1. / 64
	// spared is left out of what arrival varies by. added is what the decoder and the screen need, and the
	// largest frame.
	spared, added = 30e6, 80e6
)

// reset begins anew, as a section does that was negotiated again.
func (b *buffer) reset() {
	b.frames, b.good, b.whole, b.late, b.varies = nil, nil, nil, 0, 0
}

// add takes a packet that comes for the first time.
func (b *buffer) add(ext uint64, p *seen, asked bool) {
	if b.frames == nil {
		b.frames, b.turns, b.whole = map[uint64]*frame{}, uint64(p.ts), map[origin]bool{}
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
	f.asked = f.asked || asked
	if f.came++; f.came == f.of {
		b.complete(f)
		b.continued()
	}
}

// continued makes nobody ask for packets before the last frame that has come with all that it needs.
func (b *buffer) continued() {
	for _, at := range slices.Sorted(maps.Keys(b.frames)) {
		f := b.frames[at]
		if f.came < f.of || b.whole[origin{truth: f.truth, frame: f.frame}] {
			continue
		}
		needs := !f.key
		if needs {
			needs = slices.ContainsFunc(f.refs[:], func(back uint32) bool { return back != 0 && !b.whole[origin{truth: f.truth, frame: f.frame - back}] })
		}
		if !needs {
			b.whole[origin{truth: f.truth, frame: f.frame}] = true
			b.viewer.picture.clearTo(at + uint64(f.of) - 1)
		}
	}
}

// stamp is the time of a time stamp.
func (b *buffer) stamp(ts uint32) int64 {
	at := b.turns + uint64(int64(int32(ts-uint32(b.turns))))
	b.turns = max(b.turns, at)
	return int64(at) * 100_000 / 9 // 90 kHz
}

// complete makes a whole frame be shown when it is due.
func (b *buffer) complete(f *frame) {
	late := float64(b.s.now - f.time)
	if b.late == 0 {
		b.late = late
	}
	if d := late - b.late; !f.asked {
		b.late += d * lateShare
		b.varies += (d*d - b.varies) * variesShare
	}
	wait := max(2.33*math.Sqrt(b.varies)-spared, 0) + added
	f.due = max(b.s.now, f.time+int64(b.late+max(wait, float64(b.least))))
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

// decodable says whether all frames are there to which a frame refers.
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
