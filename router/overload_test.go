package router

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/shed"
)

// refer returns the temporal layer of a frame, and whether it refers to the base layer alone (1). It also
// returns how far back the frames lie to which it refers. There are three layers in the order 0 2 1 2. The
// upper ones lean on each other but for a beginning every 32 frames.
func (k *camera) refer(l *camLayer, key bool) (tid, sync byte, refs [2]uint32) {
	if key {
		l.keyNo = l.frameNo
		return 0, 0, refs
	}
	if !k.scaled {
		return 0, 0, [2]uint32{1}
	}
	since := l.frameNo - l.keyNo
	begins := since%32 < 4
	switch since % 4 {
	case 1:
		if begins {
			return 2, 1, [2]uint32{1}
		}
		return 2, 0, [2]uint32{1, 3}
	case 2:
		if begins {
			return 1, 1, [2]uint32{2}
		}
		return 1, 0, [2]uint32{2, 4}
	case 3:
		return 2, 0, [2]uint32{1}
	}
	return 0, 0, [2]uint32{4}
}

// machine is what a room runs on. One packet sent takes it a while, and what comes meanwhile waits in a real
// inbox.
type machine struct {
	s    *sim
	q    inbox
	cost time.Duration // of a packet sent
	paid uint64        // packets sent that have been accounted for
	busy bool
	most int // packets that waited at most
}

func (s *sim) machine(cost time.Duration) *machine {
	m := &machine{s: s, cost: cost, q: inbox{limit: s.c.o.InboxPackets, wake: make(chan struct{}, 1)}}
	s.arrive = m.put
	s.t.Cleanup(m.q.close)
	return m
}

func (m *machine) put(id packet.PeerID, raw []byte) {
	b := packet.GetBatch(time.Unix(0, m.s.now))
	buf := packet.Get()
	buf.B = buf.B[:copy(buf.B, raw)]
	b.Add(id, buf, false)
	m.q.put(b)
	m.most = max(m.most, m.q.packets)
	if !m.busy {
		m.serve()
	}
}

func (m *machine) serve() {
	b, crowded := m.q.pop()
	if m.busy = b != nil; !m.busy {
		return
	}
	c := m.s.c
	c.over.crowded = crowded
	c.batch(b, m.s.now)
	c.sendRuns()
	b.Release()
	c.tick(m.s.now)
	took := 2*time.Microsecond + time.Duration(c.totals.PacketsOut-m.paid)*m.cost
	m.paid = c.totals.PacketsOut
	m.s.after(took, m.serve)
}

// talk makes a member speak until the time is over. It returns how many packets were sent.
func (s *sim) talk(id packet.PeerID, until int64) *int {
	sec := pubAudio("a")
	s.join(id, MemberID(id), map[string]Source{"a": Mic}, sec)
	mic := &sender{w: s.world, peer: id, ssrc: uint32(id) * 1000, pt: opus.PT, mid: "a"}
	n := new(int)
	var speak func()
	speak = func() {
		if s.now >= until {
			return
		}
		*n++
		raw := mic.packet(false, append([]byte{0xfc, byte(id)}, make([]byte, s.voiced)...))
		mic.ts += 960
		s.wire(id, raw, origin{truth{byte(id), voice}, mic.n, 0})
		s.after(20*time.Millisecond, speak)
	}
	speak()
	return n
}

// strain is a room in which five members show themselves. Eight watch them at the highest quality, and two at
// the lowest.
type strain struct {
	layers []int         // packets of a frame of each simulcast layer
	scaled bool          // with temporal layers
	cost   time.Duration // of a packet: the room can do twice what comes
	factor time.Duration // how many times dearer packets become
}

// overloadLasts is for how long they are.
const overloadLasts = 5 * time.Second

// outcome is what became of a strain.
type outcome struct {
	high, low []*viewer
	from      int64 // when full quality should be back
	level     shed.Level
	m         *machine
}

func (x strain) run(s *sim) outcome {
	for i := range 5 {
		k := s.camera(packet.PeerID(1+i), MemberID(1+i), x.layers...)
		k.scaled = x.scaled
		s.run(7 * time.Millisecond)
	}
	var o outcome
	for i := range 10 {
		v, q := s.viewer(packet.PeerID(20+i), true), High
		if i >= 8 {
			q = Low
			o.low = append(o.low, v)
		} else {
			o.high = append(o.high, v)
		}
		s.watch(v.id, "s", MemberID(1+i%5), Camera, q)
	}
	spoken := s.talk(50, s.now+int64(18*time.Second))
	ears := s.join(51, 51, nil, seatAudio("a", 5000))
	s.watch(51, "a", 50, Mic, High)

	o.m = s.machine(x.cost)
	s.run(3 * time.Second)
	if s.c.over.shed.Level() != shed.Nothing {
		s.t.Fatalf("sheds at %v without overload", s.c.over.shed.Level())
	}
	o.m.cost = x.factor * x.cost
	for range int(overloadLasts / (50 * time.Millisecond)) {
		s.run(50 * time.Millisecond)
		o.level = max(o.level, s.c.over.shed.Level())
	}
	o.m.cost = x.cost
	s.run(7 * time.Second)
	o.from = s.now
	s.run(2 * time.Second)
	s.end()
	if got := ears.seqs(5000); s.lossless() && (len(got) != *spoken || len(got) < 800 || !contiguous(got)) {
		s.t.Errorf("%d audio packets of %d arrived", len(got), *spoken)
	}
	return o
}

func contiguous(seqs []uint16) bool {
	for i := 1; i < len(seqs); i++ {
		if seqs[i] != seqs[i-1]+1 {
			return false
		}
	}
	return true
}

func TestOverloadLeavesOutTheLeastImportant(t *testing.T) {
	for name, x := range map[string]struct {
		strain
		least, most shed.Level    // how far it goes
		why         Drop          // what is dropped, if anything is
		low         time.Duration // for how long pictures of the lowest quality stand still at most
	}{
		"temporal layers":  {strain{[]int{1, 2, 4}, true, 350 * time.Microsecond, 4}, shed.TopLayer, shed.MidQuality, DropOverloadLayer, 500 * time.Millisecond},
		"simulcast layers": {strain{[]int{1, 2, 4}, false, 350 * time.Microsecond, 4}, shed.MidQuality, shed.Half, drops, 500 * time.Millisecond},
		"both, six times":  {strain{[]int{1, 2, 4}, true, 350 * time.Microsecond, 12}, shed.MidQuality, shed.Most, DropOverloadLayer, 1200 * time.Millisecond},
		"no layers":        {strain{[]int{3}, false, 500 * time.Microsecond, 4}, shed.Half, shed.Video, DropOverloadFrame, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1, "delay=10ms")
			o := x.run(s)
			t.Logf("up to %v, %d waited at most, %d layer, %d frame", o.level, o.m.most, s.drops(DropOverloadLayer), s.drops(DropOverloadFrame))
			if o.level < x.least || o.level > x.most {
				t.Errorf("went up to %v", o.level)
			}
			if x.why < drops && s.drops(x.why) == 0 {
				t.Errorf("no %v", x.why)
			}
			if n := o.m.q.dropped.Load() + o.m.q.unfair.Load(); n > 0 {
				t.Errorf("%d packets dropped by the inbox", n)
			}
			for i, v := range slices.Concat(o.high, o.low) {
				checkWhole(t, i, v)
			}
			if n := s.c.totals.NACKsIn + s.c.totals.NACKsOut; n > 0 {
				t.Errorf("%d packets asked for", n)
			}
			for i, v := range o.low {
				if r := v.judge(); r.freeze > x.low {
					t.Errorf("low %d: %v", i, r)
				}
			}
			for i, v := range o.high {
				if n := v.framesFrom(o.from, byte(len(x.layers)-1)); n < 45 {
					t.Errorf("high %d: %d frames of the highest quality in the last 2 s", i, n)
				}
			}
		})
	}
}

// checkWhole judges what came without loss. Nothing is missing, and every frame can be decoded but those that
// a layer switch ends.
func checkWhole(t *testing.T, i int, v *viewer) {
	t.Helper()
	r := v.judge()
	if r.holes > 0 || r.decoded < r.whole || r.whole < r.frames-r.switches || r.frames < 60 {
		t.Errorf("viewer %d: %v", i, r)
	}
}

// framesFrom counts the frames of a layer that began to arrive since.
func (v *viewer) framesFrom(since int64, layer byte) int {
	n := 0
	for x, at := range v.picture.got {
		if p := v.ledger.pictures[x]; p.raw != nil && p.idx == 0 && at >= since && p.truth.layer == layer {
			n++
		}
	}
	return n
}

// TestOverloadOverALossyNetwork: lost, late and doubled packets meet frames that are left out.
func TestOverloadOverALossyNetwork(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSim(t, seed, "loss=1% duplicate=1% delay=15ms jitter=20ms overtake")
			o := strain{[]int{1, 2, 4}, true, 350 * time.Microsecond, 4}.run(s)
			for i, v := range slices.Concat(o.high, o.low) {
				r := v.judge()
				t.Logf("viewer %d: %v", i, r)
				if r.decoded*100 < r.frames*90 || r.holes*50 > int(v.picture.high-v.picture.first) || r.freeze > 2*time.Second {
					t.Errorf("viewer %d: %v of %d packets", i, r, v.picture.high-v.picture.first)
				}
			}
			for i, v := range o.high {
				if n := v.framesFrom(o.from, 2); n < 40 {
					t.Errorf("high %d: %d frames of the highest quality in the last 2 s", i, n)
				}
			}
		})
	}
}

// lag delivers a packet that has waited, as each one does in a room that does not keep up.
func (w *world) lag(id packet.PeerID, wait time.Duration, raws ...[]byte) {
	b := packet.GetBatch(time.Unix(0, w.now).Add(-wait))
	for _, raw := range raws {
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, raw)]
		b.Add(id, buf, false)
	}
	w.c.batch(b, w.now)
	w.c.sendRuns()
	b.Release()
	w.c.tick(w.now)
}

func TestAllVideoIsLeftOutBeforeAnyAudio(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"a": Mic, "v": Camera}, pubAudio("a"), pubVideo("v"))
	out := w.join(2, 2, nil, seatAudio("a", 10), seatVideo("v", 20))
	w.watch(2, "a", 1, Mic, High)
	w.watch(2, "v", 1, Camera, High)
	voice := &sender{w: w, peer: 1, ssrc: 100, pt: opus.PT, mid: "a"}
	face := w.vp8(1, 200)
	face.mid = "v"
	w.lag(1, 0, face.frame(true, 2)...)
	say := func(wait time.Duration) {
		w.pass(20 * time.Millisecond)
		w.lag(1, wait, voice.audio())
		w.lag(1, wait, face.frame(false, 2)...)
	}
	for range 100 {
		say(500 * time.Millisecond)
	}
	if level := w.c.over.shed.Level(); level != shed.Video {
		t.Fatalf("at %v", level)
	}
	out.clear()
	pub.clear()
	for range 100 {
		say(500 * time.Millisecond)
		w.rtcp(2, &rtcp.PictureLossIndication{MediaSSRC: 20}) // the receiver would like to have a picture
	}
	if a, v := out.seqs(10), out.seqs(20); len(a) != 100 || len(v) != 0 {
		t.Errorf("%d packets of audio, %d of video", len(a), len(v))
	}
	if n := pub.plis(); n > 0 {
		t.Errorf("%d keyframes asked for that nobody would get", n)
	}
	late := w.join(3, 3, map[string]Source{"v": Camera}, pubVideo("v"))
	w.join(4, 4, nil, seatVideo("v", 40))
	w.watch(4, "v", 3, Camera, High)
	newcomer := w.vp8(3, 300)
	newcomer.mid = "v"
	w.lag(3, 500*time.Millisecond, newcomer.frame(true, 2)...)
	if n := len(w.outs[4].seqs(40)) + late.plis(); n > 0 {
		t.Error("a stream that begins in overload passes")
	}
	for range 1000 {
		say(0)
	}
	if level, n := w.c.over.shed.Level(), pub.plis(); level != shed.Nothing || n == 0 {
		t.Errorf("after 20 s: %v, %d keyframes asked for", level, n)
	}
	out.clear()
	w.lag(1, 0, face.frame(true, 3)...)
	if got := out.seqs(20); len(got) != 3 {
		t.Errorf("%d packets of a keyframe of 3", len(got))
	}
}

// TestReportsThatWaitAreNoOverload: reports wait for media to come (inbox.put).
func TestReportsThatWaitAreNoOverload(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	raw := marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1})
	for range 100 {
		w.pass(100 * time.Millisecond)
		b := packet.GetBatch(time.Unix(0, w.now-1e9))
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, raw)]
		b.Add(1, buf, true)
		w.c.batch(b, w.now)
		b.Release()
	}
	if level := w.c.over.shed.Level(); level != shed.Nothing {
		t.Errorf("at %v", level)
	}
}

// TestALayerThatDoesNotComeBackGetsAKeyframe: a keyframe is asked for if there is no frame from which the
// layer can go on.
func TestALayerThatDoesNotComeBackGetsAKeyframe(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	out := w.join(2, 2, nil, seatVideo("v", 20))
	w.watch(2, "v", 1, Camera, High)
	face := w.vp8(1, 200)
	face.mid = "v"
	n := 0
	frame := func(key bool, wait time.Duration) {
		w.pass(33 * time.Millisecond)
		n++
		raws := face.frame(key, 1)
		if !key && n%2 == 0 {
			layerOf(raws[0], 1)
		}
		w.lag(1, wait, raws...)
	}
	frame(true, 0)
	for w.c.over.shed.Level() < shed.TopLayer {
		frame(false, 200*time.Millisecond)
	}
	frame(false, 0)
	frame(false, 0)
	for w.c.over.shed.Level() > shed.Nothing {
		frame(false, 0)
	}
	pub.clear()
	for range 20 {
		frame(false, 0)
	}
	if n := pub.plis(); n > 0 {
		t.Errorf("%d keyframes asked for at once", n)
	}
	for range 90 {
		frame(false, 0)
	}
	if n := pub.plis(); n < 1 || n > 4 {
		t.Errorf("%d keyframes asked for in 3 s", n)
	}
	frame(true, 0)
	out.clear()
	for range 40 {
		frame(false, 0)
	}
	if got := out.seqs(20); len(got) != 40 || !contiguous(got) || w.c.peers[1].tracks["v"].layers[0].shed.gated {
		t.Errorf("%d frames of 40 after the keyframe", len(got))
	}
}

// layerOf makes a packet of sender.frame one of a temporal layer.
func layerOf(raw []byte, tid byte) {
	var p rtp.Packet
	if p.Unmarshal(raw) == nil {
		p.Payload[5] |= tid << 6
	}
}

// narrow is a way out that takes a millisecond for each packet.
type narrow struct{ packets int }

func (o *narrow) SendRTP(_, _ []byte) { o.packets++; <-time.After(time.Millisecond) }
func (o *narrow) SendRTCP([]byte)     {}

// TestARoomLeavesOutBeforeItsInboxIsFull: twice as much comes as leaves, and the inbox soon has no place for
// all of it.
func TestARoomLeavesOutBeforeItsInboxIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(Options{InboxPackets: 800, NoPacing: true}, &noFlush{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		out := &narrow{}
		for _, err := range []error{
			r.Attach(1, 1, &counting{}, PeerOptions{}), r.Update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}), r.Ready(1),
			r.Attach(2, 2, out, PeerOptions{}), r.Update(2, []packet.Section{seatVideo("5", 5000)}, nil), r.Ready(2),
			r.Watch(2, "5", Want{Track: TrackKey{1, Camera}, Quality: High}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var p pool
		for i := range uint16(4000) {
			r.Deliver(p.batch(1, vp8Packet(t, 100, i, i%100 == 0)))
			<-time.After(500 * time.Microsecond)
		}
		d := r.Totals().Dropped
		cancel()
		err := <-ended
		if err != nil || d[DropInbox]+d[DropShare] > 0 || d[DropOverloadFrame] == 0 || out.packets < 500 {
			t.Errorf("%v, %d forwarded, %d dropped by the inbox, %d left out", err, out.packets, d[DropInbox]+d[DropShare], d[DropOverloadFrame])
		}
	})
}

// TestFramesLeftOutBehindALateKeyframe: a receiver that begins with a keyframe whose first packet is late
// gets no number for them.
func TestFramesLeftOutBehindALateKeyframe(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	out := w.join(2, 2, nil, seatVideo("v", 20))
	w.watch(2, "v", 1, Camera, High)
	face := w.vp8(1, 200)
	face.mid = "v"
	one := func(key bool, tid byte, n int) [][]byte {
		raws := face.frame(key, n)
		for _, raw := range raws {
			layerOf(raw, tid)
		}
		return raws
	}
	w.lag(1, 0, one(true, 0, 1)...)
	w.lag(1, 0, one(false, 1, 1)...)
	for w.c.over.shed.Level() < shed.Layers {
		w.pass(33 * time.Millisecond)
		w.lag(1, 200*time.Millisecond, one(false, 0, 1)...)
	}
	late := w.join(3, 3, nil, seatVideo("v", 30))
	w.watch(3, "v", 1, Camera, High)
	out.clear()
	key := one(true, 0, 3)
	upper, base := one(false, 1, 2), one(false, 0, 2)
	w.lag(1, 200*time.Millisecond, key[1], key[2], upper[0], upper[1], base[0])
	w.lag(1, 200*time.Millisecond, key[0], base[1])
	if got := late.seqs(30); len(got) != 5 || !contiguous(sorted(got)) {
		t.Errorf("numbers %v", got)
	}
	if got := out.seqs(20); len(got) != 5 || !contiguous(sorted(got)) {
		t.Errorf("numbers %v", got)
	}
}

func sorted(seqs []uint16) []uint16 {
	slices.Sort(seqs)
	return seqs
}
