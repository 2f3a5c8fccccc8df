package router

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/clock"
)

// The simulation: publishers with simulcast layers that answer NACK and PLI, a network that loses, repeats and reorders by a
// seed, and receivers that ask for what is missing and judge what they got by the truth written into the payloads.

type sim struct {
	*world
	rng   *rand.Rand
	queue events
	order int
	net   network
	pad   int // bytes added to each packet
	keys  int // how many times larger than others keyframes are

	arrive func(packet.PeerID, []byte) // takes an RTP packet of a publisher
}

// network is what happens on each way, in both directions.
type network struct {
	loss, dup     float64
	delay, jitter time.Duration
}

type event struct {
	at    int64
	order int
	do    func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any     { l := *q; x := l[len(l)-1]; *q = l[:len(l)-1]; return x }

func newSim(t *testing.T, seed uint64, net network) *sim {
	s := &sim{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1)), net: net, keys: 3}
	s.arrive = func(id packet.PeerID, raw []byte) { s.deliver(id, false, raw) }
	return s
}

func (s *sim) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.queue, event{s.now + int64(d), s.order, do})
}

// send lets something travel.
func (s *sim) send(do func()) {
	n := 1
	if s.rng.Float64() < s.net.loss {
		n = 0
	} else if s.rng.Float64() < s.net.dup {
		n = 2
	}
	for range n {
		d := s.net.delay
		if s.net.jitter > 0 {
			d += time.Duration(s.rng.Int64N(int64(s.net.jitter)))
		}
		s.after(d, do)
	}
}

// run lets the time go by.
func (s *sim) run(d time.Duration) {
	end := s.now + int64(d)
	for len(s.queue) > 0 && s.queue[0].at <= end {
		e := heap.Pop(&s.queue).(event)
		s.pass(time.Duration(e.at - s.now))
		e.do()
	}
	s.pass(time.Duration(end - s.now))
}

// camera is a publisher of simulcast VP8.
type camera struct {
	s      *sim
	id     packet.PeerID
	member MemberID
	layers []*camLayer
	clock  int64 // its clock, ahead of the node's
	silent int   // this layer and those above send nothing
	scaled bool  // with three temporal layers
}

type camLayer struct {
	sender
	rtxSeq  uint16
	frameNo uint32
	keyNo   uint32 // frameNo of the last keyframe
	size    int
	wantKey bool
	history map[uint16][]byte
}

func (s *sim) camera(id packet.PeerID, m MemberID, sizes ...int) *camera {
	sec := pubVideo("v")
	rids := []string{"l", "m", "h"}
	if len(sizes) > 1 {
		sec.RIDs = rids[:len(sizes)]
	}
	k := &camera{s: s, id: id, member: m, clock: int64(m) * 1e12, silent: len(sizes)}
	for i, n := range sizes {
		ssrc := uint32(id)*1000 + uint32(i)*10
		l := &camLayer{sender: *s.vp8(id, ssrc), size: n, wantKey: true, history: map[uint16][]byte{}}
		l.mid = "v"
		if len(sizes) > 1 {
			l.rid = rids[i]
		}
		l.ts = s.rng.Uint32()
		l.seq = uint16(s.rng.Uint32())
		k.layers = append(k.layers, l)
	}
	s.must(s.c.attach(id, m, k, s.now))
	s.must(s.c.update(id, []packet.Section{sec}, map[string]Source{"v": Camera}, s.now))
	s.must(s.c.ready(id, s.now))
	s.frames(k)
	s.reports(k)
	return k
}

func (k *camera) SendRTP(_, _ []byte) { k.s.t.Error("RTP to a publisher") }

func (k *camera) SendRTCP(b []byte) {
	ps, err := rtcp.Unmarshal(bytes.Clone(b))
	k.s.must(err)
	k.s.send(func() {
		for _, p := range ps {
			k.feedback(p)
		}
	})
}

func (k *camera) feedback(p rtcp.Packet) {
	switch r := p.(type) {
	case *rtcp.PictureLossIndication:
		for _, l := range k.layers {
			l.wantKey = l.wantKey || l.ssrc == r.MediaSSRC
		}
	case *rtcp.TransportLayerNack:
		for _, l := range k.layers {
			for _, n := range r.Nacks {
				for _, seq := range n.PacketList() {
					if raw := l.history[seq]; raw != nil && l.ssrc == r.MediaSSRC {
						k.s.wire(k.id, l.repair(raw))
					}
				}
			}
		}
	}
}

// repair wraps a packet into a retransmission.
func (l *camLayer) repair(raw []byte) []byte {
	var p rtp.Packet
	l.w.must(p.Unmarshal(raw))
	p.Payload = append(binary.BigEndian.AppendUint16(nil, p.SequenceNumber), p.Payload...)
	p.SequenceNumber, p.SSRC, p.PayloadType = l.rtxSeq, l.ssrc+1, vp8.RTX
	l.rtxSeq++
	if l.rid != "" {
		l.w.must(p.DelExtension(pubExt.RID))
		l.w.must(p.SetExtension(pubExt.RepairedRID, []byte(l.rid)))
	}
	out, err := p.Marshal()
	l.w.must(err)
	return out
}

func (s *sim) wire(id packet.PeerID, raw []byte) {
	s.send(func() { s.arrive(id, raw) })
}

// frames sends a frame of each layer 25 times a second.
func (s *sim) frames(k *camera) {
	if s.c.peers[k.id] == nil {
		return
	}
	for i, l := range k.layers {
		if i < k.silent {
			for _, raw := range k.next(l, byte(i)) {
				s.wire(k.id, raw)
			}
		}
		l.ts += 3600
	}
	s.after(40*time.Millisecond, func() { s.frames(k) })
}

// next makes a frame whose packets tell: member, layer, frame, packet of packets.
func (k *camera) next(l *camLayer, layer byte) [][]byte {
	key, n := l.wantKey, l.size
	l.wantKey = false
	if key {
		l.key++
		n *= k.s.keys
	}
	l.frameNo++
	tid, sync, refs := k.refer(l, key)
	if tid == 0 {
		l.tl0++
	}
	var raws [][]byte
	for i := range n {
		b := append(l.vp8Desc(i == 0), 1, byte(k.member), layer, byte(i), byte(n))
		b[5] |= tid<<6 | sync<<5
		if key {
			b[6] = 0
		}
		b = binary.BigEndian.AppendUint32(b, l.frameNo)
		b = append(b, byte(refs[0]), byte(refs[1]), tid)
		b = append(b, make([]byte, k.s.pad)...)
		seq := l.seq
		raw := l.packet(i == n-1, b)
		raws = append(raws, raw)
		l.history[seq] = raw
		delete(l.history, seq-600)
	}
	l.pid = (l.pid + 1) & 0x7fff
	return raws
}

func (s *sim) reports(k *camera) {
	if s.c.peers[k.id] == nil {
		return
	}
	for _, l := range k.layers {
		sr := &rtcp.SenderReport{SSRC: l.ssrc, NTPTime: clock.ToNTP(s.now + k.clock), RTPTime: l.ts}
		s.send(func() { s.rtcp(k.id, sr) })
	}
	s.after(300*time.Millisecond, func() { s.reports(k) })
}

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

func TestSimulatedCallWithSwitches(t *testing.T) {
	for seed := range uint64(12) {
		for _, rtx := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d rtx %v", seed, rtx), func(t *testing.T) { judgeCall(newCall(t, seed), rtx, 1) })
		}
	}
}

// newCall returns a call over the network of a seed.
func newCall(t *testing.T, seed uint64) *sim {
	net := network{loss: 0.02, dup: 0.02, delay: 15 * time.Millisecond, jitter: 15 * time.Millisecond}
	if seed%3 == 0 {
		net = network{delay: 10 * time.Millisecond}
	}
	return newSim(t, seed, net)
}

// judgeCall has three viewers watch two cameras that send scale times as much as they must.
func judgeCall(s *sim, rtx bool, scale int) {
	t, net := s.t, s.net
	cams := []*camera{s.camera(1, 1, scale, 2*scale, 4*scale), s.camera(2, 2, 3*scale)}
	views := []*viewer{s.viewer(11, rtx), s.viewer(12, rtx), s.viewer(13, rtx)}
	for _, v := range views {
		s.watch(v.id, "s", 1, Camera, High)
	}
	s.run(2 * time.Second)
	for range 20 {
		v := views[s.rng.IntN(len(views))]
		s.watch(v.id, "s", MemberID(1+s.rng.IntN(2)), Camera, Quality(s.rng.IntN(3)))
		if s.rng.IntN(4) == 0 {
			cams[0].silent = 1 + s.rng.IntN(3)
		}
		s.run(time.Duration(200+s.rng.IntN(2500)) * time.Millisecond)
	}
	s.run(2 * time.Second)
	for i, v := range views {
		r := v.judge()
		t.Logf("viewer %d: %v", i, r)
		switch {
		case net.loss == 0 && (r.holes > 0 || r.decoded < r.frames-r.switches):
			t.Errorf("viewer %d, nothing lost: %v", i, r)
		case r.decoded*100 < r.frames*90:
			t.Errorf("viewer %d: %v", i, r)
		case r.freeze > 3*time.Second:
			t.Errorf("viewer %d: %v", i, r)
		}
	}
	if !slices.ContainsFunc(views, func(v *viewer) bool { return len(v.got) > 1000 }) {
		t.Error("hardly anything was sent")
	}
}
