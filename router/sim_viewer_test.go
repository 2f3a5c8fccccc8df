package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

// The receivers of the simulation, and what they make of what they get.

// viewer is a receiver with one seat.
type viewer struct {
	s     *sim
	id    packet.PeerID
	ssrc  uint32
	got   map[uint64]*seen
	first uint64
	high  uint64
	asked map[uint64]int64
}

type seen struct {
	raw   []byte // payload
	ts    uint32
	at    int64
	truth truth
	pid   uint16
	tl0   uint8
	key   bool
	frame uint32
	idx   byte
	of    byte
	refs  [2]uint32 // frames before it to which it refers, counted backwards; 0: none
	tid   byte
}

type truth struct{ member, layer byte }

func (s *sim) viewer(id packet.PeerID, rtx bool) *viewer {
	v := &viewer{s: s, id: id, ssrc: uint32(id) * 1000, got: map[uint64]*seen{}, asked: map[uint64]int64{}}
	sec := seatVideo("s", v.ssrc)
	if !rtx {
		sec.RTXSSRC = 0
		for i := range sec.Codecs {
			sec.Codecs[i].RTX = 0
		}
	}
	s.must(s.c.attach(id, MemberID(id), v, s.now))
	s.must(s.c.update(id, []packet.Section{sec}, nil, s.now))
	s.must(s.c.ready(id, s.now))
	s.repairs(v)
	return v
}

func (v *viewer) SendRTCP([]byte) {}

func (v *viewer) SendRTP(header, payload []byte) {
	raw := append(bytes.Clone(header), payload...)
	v.s.send(func() { v.take(raw) })
}

func (v *viewer) take(raw []byte) {
	var p rtp.Packet
	v.s.must(p.Unmarshal(raw))
	if p.SSRC == v.ssrc+1 {
		p.SequenceNumber = binary.BigEndian.Uint16(p.Payload)
		p.Payload = p.Payload[2:]
	}
	if v.high == 0 {
		if p.SequenceNumber >= 1<<15 {
			v.s.t.Errorf("first number seen is %d", p.SequenceNumber)
		}
		v.high = 1<<16 + uint64(p.SequenceNumber)
		v.first = v.high
	}
	ext := v.high + uint64(int64(int16(p.SequenceNumber-uint16(v.high))))
	v.high, v.first = max(v.high, ext), min(v.first, ext)
	if old := v.got[ext]; old != nil {
		if !bytes.Equal(old.raw, p.Payload) || old.ts != p.Timestamp {
			v.s.t.Fatalf("two packets under number %d:\n%x\n%x", p.SequenceNumber, old.raw, p.Payload)
		}
		return
	}
	b := p.Payload
	if len(b) == 0 { // fills a gap
		v.got[ext] = &seen{ts: p.Timestamp}
		return
	}
	v.got[ext] = &seen{raw: b, ts: p.Timestamp, at: v.s.now, pid: binary.BigEndian.Uint16(b[2:]) & 0x7fff, tl0: b[4], key: b[6] == 0,
		truth: truth{b[7], b[8]}, idx: b[9], of: b[10], frame: binary.BigEndian.Uint32(b[11:]),
		refs: [2]uint32{uint32(b[15]), uint32(b[16])}, tid: b[17]}
}

// repairs asks for what is missing, and for a keyframe when that was in vain.
func (s *sim) repairs(v *viewer) {
	var missing []uint16
	stuck := false
	for e := v.first; e < v.high; e++ {
		if v.got[e] != nil {
			continue
		}
		since, ok := v.asked[e]
		if !ok {
			v.asked[e] = s.now
		}
		if !ok || s.now-since < 400*ms {
			missing = append(missing, uint16(e))
		}
		stuck = stuck || ok && s.now-since > 400*ms && s.now-since < 450*ms
	}
	if len(missing) > 0 {
		n := &rtcp.TransportLayerNack{MediaSSRC: v.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(missing)}
		s.send(func() { s.feedback(v, n) })
	}
	if stuck {
		s.send(func() { s.feedback(v, &rtcp.PictureLossIndication{MediaSSRC: v.ssrc}) })
	}
	s.after(30*time.Millisecond, func() { s.repairs(v) })
}

func (s *sim) feedback(v *viewer, p rtcp.Packet) {
	if s.c.peers[v.id] != nil {
		s.rtcp(v.id, p)
	}
}

// verdict is what a receiver's decoder would have made of what came.
type verdict struct {
	frames, decoded, holes, switches int
	freeze                           time.Duration // longest time without a picture, after the first
}

func (v verdict) String() string {
	return fmt.Sprintf("%d frames, %d decoded, %d holes, %d switches, frozen %v at most", v.frames, v.decoded, v.holes, v.switches, v.freeze)
}

// judge checks the order of things and counts.
func (v *viewer) judge() verdict {
	t := v.s.t
	var r verdict
	d := decoder{t: t, lossless: v.s.net.loss == 0}
	for e := v.first; e <= v.high; e++ {
		p := v.got[e]
		if p == nil {
			r.holes++
			d.hole = true
			continue
		}
		if p.raw == nil {
			continue
		}
		d.take(e, p)
	}
	d.finish()
	r.frames, r.decoded, r.switches, r.freeze = d.frames, d.decoded, d.switches, time.Duration(d.freeze)
	return r
}

type decoder struct {
	t                         *testing.T
	cur                       []*seen
	last                      *seen
	hole                      bool
	frames, decoded, switches int
	ok, lossless              bool
	shown, freeze             int64
	at                        int64
	good                      map[uint32]bool // frames of the source that have been decoded
}

func (d *decoder) take(seq uint64, p *seen) {
	l := d.last
	d.last = p
	hole := d.hole
	d.hole = false
	switch {
	case l == nil: // what went before may have been lost unnoticed
		if d.lossless {
			d.begin(p)
		}
	case p.truth == l.truth && p.frame == l.frame:
		if p.ts != l.ts || p.pid != l.pid || p.tl0 != l.tl0 || p.idx <= l.idx {
			d.t.Fatalf("number %d: packets of one frame disagree: %+v %+v", seq, *l, *p)
		}
		d.cur = append(d.cur, p)
		return
	default:
		d.finish()
		if int32(p.ts-l.ts) <= 0 {
			d.t.Fatalf("number %d: timestamp goes back: %+v %+v", seq, *l, *p)
		}
		step := (p.pid - l.pid) & 0x7fff
		if step == 0 || step > 1000 || !hole && step != 1 || !hole && p.tl0-l.tl0 != 1-min(p.tid, 1) {
			d.t.Fatalf("number %d: picture ids do not go on (hole %v): %+v %+v", seq, hole, *l, *p)
		}
		if p.truth != l.truth {
			d.switches++
			d.good = nil
			if !hole {
				d.begin(p)
			}
		}
	}
	d.cur = append(d.cur[:0], p)
}

// begin checks that a source begins with a keyframe.
func (d *decoder) begin(p *seen) {
	if !p.key || p.idx != 0 {
		d.t.Fatalf("source begins in the middle: %+v", *p)
	}
}

func (d *decoder) finish() {
	if len(d.cur) == 0 {
		return
	}
	p := d.cur[0]
	d.frames++
	complete := len(d.cur) == int(p.of)
	if p.key {
		d.good = map[uint32]bool{}
	}
	d.ok = complete && (p.key || d.refers(p))
	if d.ok {
		d.good[p.frame] = true
	}
	for _, x := range d.cur {
		d.at = max(d.at, x.at)
	}
	if d.ok {
		d.decoded++
		if d.shown != 0 {
			d.freeze = max(d.freeze, d.at-d.shown)
		}
		d.shown = d.at
	}
	d.cur = d.cur[:0]
}

// refers says whether what a frame refers to is there.
func (d *decoder) refers(p *seen) bool {
	for _, back := range p.refs {
		if back != 0 && !d.good[p.frame-back] {
			return false
		}
	}
	return d.good != nil
}
