package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/pion/rtp"

	"parlor/router/red"
)

// The ledger has all packets that leave the room for one receiver, before any network does something to them.

type ledger struct {
	t        testing.TB
	ssrc     uint32 // of the picture; that of its retransmissions is one above, see soundSSRC
	sealed   map[nonce]uint64
	high     map[uint32]uint64 // by SSRC: the highest number
	pictures map[uint64]*seen  // packets of the picture, by number
	first    uint64            // of the picture
	anew     bool              // the section was negotiated again: ids and time stamps begin anew
	strict   bool              // all that publishers send comes in their order
}

// soundSSRC is by how much the SSRC of sound is above that of the picture.
const soundSSRC = 2

// nonce is a value under which no two different packets may be sealed. AES-GCM would give its key away.
type nonce struct {
	ssrc   uint32
	number uint64 // with the turns of the sequence number
}

var hashes = maphash.MakeSeed()

func newLedger(t testing.TB, ssrc uint32) *ledger {
	return &ledger{t: t, ssrc: ssrc, sealed: map[nonce]uint64{}, high: map[uint32]uint64{}, pictures: map[uint64]*seen{}}
}

// departure is a packet that leaves.
type departure struct {
	size   int      // on the wire
	number uint16   // transport-wide
	told   bool     // it has such a number
	wait   int64    // how long a picture is to wait at least, in ns; -1: not said
	ext    uint64   // its number, or that of what is sent again
	seen   *seen    // nil: no picture
	again  bool     // it has left before, or in another packet
	rtx    bool     // it is a retransmission with a number of its own
	sound  []origin // what it has of sound, the newest last; nil: none
}

// seen is a packet of a camera.
type seen struct {
	raw   []byte // payload; nil: it fills a gap
	ts    uint32
	truth truth
	pid   uint16
	tl0   uint8
	key   bool
	frame uint32
	idx   byte
	of    byte
	refs  [2]uint32 // frames before it to which it refers, counted backwards; 0: none
	tid   byte
	anew  bool // it is the first of its section
}

func (p *seen) String() string {
	return fmt.Sprintf("packet %d of %d of frame %d of %v (key %v, layer %d, refers to %v before), time %d, picture %d, TL0 %d", p.idx, p.of, p.frame, p.truth,
		p.key, p.tid, p.refs, p.ts, p.pid, p.tl0)
}

type truth struct{ member, layer byte }

// read reads the payload of a camera, see next.
func read(p *rtp.Packet, payload []byte) *seen {
	b := bytes.Clone(payload)
	if len(b) == 0 {
		return &seen{ts: p.Timestamp}
	}
	return &seen{raw: b, ts: p.Timestamp, pid: binary.BigEndian.Uint16(b[2:]) & 0x7fff, tl0: b[4], key: b[6] == 0,
		truth: truth{b[7], b[8]}, idx: b[9], of: b[10], frame: binary.BigEndian.Uint32(b[11:]),
		refs: [2]uint32{uint32(b[15]), uint32(b[16])}, tid: b[17]}
}

// take books a packet.
func (l *ledger) take(header, payload []byte) departure {
	raw := append(bytes.Clone(header), payload...)
	var p rtp.Packet
	if err := p.Unmarshal(raw); err != nil {
		l.t.Fatalf("sent RTP cannot be read: %v", err)
	}
	d := departure{size: len(raw) + wireOverhead, wait: -1}
	if x := p.GetExtension(subExt.PlayoutDelay); len(x) == 3 {
		d.wait = int64(x[0])<<4 | int64(x[1])>>4
		d.wait *= 10 * ms
	}
	if x := p.GetExtension(subExt.TransportCC); len(x) == 2 {
		d.number, d.told = binary.BigEndian.Uint16(x), true
	}
	d.ext, d.again = l.seal(p.SSRC, p.SequenceNumber, raw)
	switch {
	case p.SSRC == l.ssrc:
		l.picture(&d, &p, p.Payload)
	case p.SSRC == l.ssrc+1 && len(p.Payload) >= 2:
		d.ext, d.rtx = l.original(p.Payload), true
		l.picture(&d, &p, p.Payload[2:])
	case p.SSRC == l.ssrc+soundSSRC:
		d.sound = l.listen(&p)
	}
	return d
}

// listen reads the payloads of talk, and of RED around them.
func (l *ledger) listen(p *rtp.Packet) (list []origin) {
	blocks := []red.Block{{Data: p.Payload}}
	if p.PayloadType == opusRED.PT {
		var ok bool
		if blocks, ok = red.Parse(p.Payload, nil); !ok {
			l.t.Fatalf("RED that cannot be read leaves: %x", p.Payload)
		}
	}
	for _, b := range blocks {
		list = append(list, origin{truth{b.Data[1], voice}, binary.BigEndian.Uint32(b.Data[len(b.Data)-4:]), 0})
	}
	return list
}

// seal returns the number with its turns, and whether the packet has left before. It fails if another packet
// has left under that number.
func (l *ledger) seal(ssrc uint32, seq uint16, raw []byte) (ext uint64, again bool) {
	high := l.high[ssrc]
	if high == 0 {
		if seq >= 1<<15 {
			l.t.Errorf("the first number of %d is %d", ssrc, seq)
		}
		high = 1<<16 + uint64(seq)
	}
	ext = high + uint64(int64(int16(seq-uint16(high))))
	l.high[ssrc] = max(high, ext)
	n, hash := nonce{ssrc, ext}, maphash.Bytes(hashes, raw)
	before, again := l.sealed[n]
	if again && before != hash {
		l.t.Fatalf("two packets leave under SSRC %d, number %d: the second is %x", ssrc, seq, raw)
	}
	l.sealed[n] = hash
	return ext, again
}

// picture books a packet of the picture, that of d.ext.
func (l *ledger) picture(d *departure, p *rtp.Packet, payload []byte) {
	now, before := read(p, payload), l.pictures[d.ext]
	if d.again = before != nil; d.again && (before.ts != now.ts || !bytes.Equal(before.raw, now.raw)) {
		l.t.Fatalf("two packets leave as number %d: %v, %v", uint16(d.ext), before, now)
	}
	if len(l.pictures) == 0 {
		l.first = d.ext
	}
	l.first = min(l.first, d.ext)
	now.anew, l.anew = l.anew, false
	if d.again {
		now.anew = before.anew
	}
	l.pictures[d.ext], d.seen = now, now
}

// original is the number of the packet that an RTX packet sends again. It may do so before that packet leaves
// by itself, if that came late.
func (l *ledger) original(payload []byte) uint64 {
	high := l.high[l.ssrc]
	return high + uint64(int64(int16(binary.BigEndian.Uint16(payload)-uint16(high))))
}

// judge goes through the numbers and checks that they make one stream. A receiver that gets all must be able
// to decode every frame of it.
func (l *ledger) judge() judgement {
	j := judgement{ledger: l}
	if len(l.pictures) == 0 {
		return j
	}
	for e := l.first; e <= l.high[l.ssrc]; e++ {
		p := l.pictures[e]
		switch {
		case p == nil && l.strict:
			l.t.Fatalf("number %d of %d to %d is missing, though all came", e, l.first, l.high[l.ssrc])
		// An empty packet that fills a number may stand for a frame that came too late.
		case p == nil, p.raw == nil && !l.strict:
			j.hole = true
		case p.raw != nil:
			j.take(e, p)
		}
	}
	if len(j.frame) > 0 {
		j.finish(&seen{key: true})
	}
	return j
}

// judgement is what judge has found so far.
type judgement struct {
	*ledger
	frames   int
	whole    int // of them that can be decoded
	switches int // another source or layer goes on

	frame []*seen // the present one
	last  *seen
	hole  bool
	good  map[uint32]bool // frames of the source since its keyframe
}

func (j *judgement) take(seq uint64, p *seen) {
	l, hole := j.last, j.hole
	j.last, j.hole = p, false
	again := p.key && p.idx == 0 // out of the keyframe cache
	if l != nil && p.truth == l.truth && p.frame == l.frame && !again {
		if p.ts != l.ts || p.pid != l.pid || p.tl0 != l.tl0 || p.idx <= l.idx || j.strict && p.idx != l.idx+1 {
			j.t.Fatalf("number %d: packets of one frame disagree: %v, %v", seq, l, p)
		}
		j.frame = append(j.frame, p)
		return
	}
	if l != nil {
		j.finish(p)
		if !p.anew {
			j.follows(seq, p, l, hole)
		}
	}
	if (l == nil || p.truth != l.truth) && !hole && (!p.key || p.idx != 0) && (l != nil || j.strict) {
		j.t.Fatalf("number %d: a source begins in the middle: %v", seq, p)
	}
	j.frames++
	j.frame = append(j.frame[:0], p)
}

// follows checks that a frame goes on from the one before.
func (j *judgement) follows(seq uint64, p, l *seen, hole bool) {
	if int32(p.ts-l.ts) <= 0 {
		j.t.Fatalf("number %d: timestamp goes back: %v, %v", seq, l, p)
	}
	step := (p.pid - l.pid) & 0x7fff
	if step == 0 || step > 1000 || !hole && step != 1 || !hole && p.tl0-l.tl0 != 1-min(p.tid, 1) {
		j.t.Fatalf("number %d: picture ids do not go on (hole %v): %v, %v", seq, hole, l, p)
	}
	if p.truth != l.truth {
		j.switches++
	}
}

// finish checks the present frame, after which next comes. It is whole unless something begins anew. So are
// the frames to which it refers.
func (j *judgement) finish(next *seen) {
	p := j.frame[0]
	whole := len(j.frame) == int(p.of)
	if p.key {
		j.good = map[uint32]bool{}
	}
	if j.strict && !whole && !next.key {
		j.t.Fatalf("%d of %d packets of a frame: %v", len(j.frame), p.of, p)
	}
	for _, back := range p.refs {
		if back != 0 && !j.good[p.frame-back] {
			if whole = false; j.strict {
				j.t.Fatalf("sent, though %d before it was not: %v", back, p)
			}
		}
	}
	if whole {
		j.whole++
		j.good[p.frame] = true
	}
}
