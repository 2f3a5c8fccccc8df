package router

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/svc"
)

// layeredSender sends VP9 or AV1 in two spatial and three temporal layers inside one stream. The spatial
// layers refer to each other in keyframes alone. It has the dependency descriptors of Chromium.
type layeredSender struct {
	*sender
	av1     bool
	bare    bool // without dependency descriptors
	frame   uint16
	picture int // since the keyframe
}

// twoByThree is a template dependency structure of Chromium for L2T3_KEY, 320x180 and 640x360, with all
// decode targets active.
var twoByThree, _ = hex.DecodeString("800514853aaaa8018004004002a02a0060010015d34514174d144c700874321651118543276809f8059813f80b38")

func (w *world) svc(peer packet.PeerID, ssrc uint32) *layeredSender {
	s := &layeredSender{sender: w.vp8(peer, ssrc)}
	s.pt = vp9.PT
	return s
}

// templates are those of the pictures after a keyframe, over and over.
var templates = [...]struct{ low, high, temporal byte }{{3, 8, 2}, {2, 7, 1}, {4, 9, 2}, {1, 6, 0}}

// next returns the packets of the next picture: two of each spatial layer.
func (s *layeredSender) next(key bool) [][]byte {
	if key {
		s.picture = 0
	}
	low, high, temporal, back := byte(0), byte(5), byte(0), byte(0)
	if s.picture > 0 {
		t := templates[(s.picture-1)%4]
		low, high, temporal = t.low, t.high, t.temporal
		back = [...]byte{4, 2, 1}[temporal]
	}
	var raws [][]byte
	for spatial, template := range []byte{low, high} {
		for part := range 2 {
			dd := []byte{template, byte(s.frame >> 8), byte(s.frame)}
			dd[0] |= 0x80 >> part
			if key && spatial == 0 && part == 0 {
				dd = append(dd, twoByThree...)
			}
			raws = append(raws, s.part(dd, spatial, part, temporal, back))
		}
		s.frame++
	}
	s.picture++
	s.pid = (s.pid + 1) & 0x7fff
	s.ts += 3000
	return raws
}

// part returns a packet with its payload descriptor and its layer.
func (s *layeredSender) part(dd []byte, spatial, part int, temporal, back byte) []byte {
	d := []byte{0xb0, byte(s.pid>>8) | 0x80, byte(s.pid), temporal<<5 | 0x10 | byte(spatial)<<1}
	d[0] |= 8 >> part // begin, end
	if back > 0 {
		d[0] |= 0x41 // inter, apart
		d = append(d, back<<1)
	} else if spatial > 0 {
		d[3] |= 1
	} else if part == 0 {
		d[0] |= 2
		d = append(d, 0x30, 1, 64, 0, 180, 2, 128, 1, 104)
	}
	if s.av1 {
		d = []byte{0x10, byte(spatial), temporal}
	}
	s.n++
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: spatial == 1 && part == 1, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc},
		Payload: append(d, 0xaa, byte(spatial), temporal, byte(part))}
	s.seq++
	if !s.bare {
		s.w.must(p.SetExtension(pubExt.MID, []byte(s.mid)))
		p.ExtensionProfile = 0x1000
		s.w.must(p.SetExtension(pubExt.DependencyDescriptor, dd))
	}
	raw, err := p.Marshal()
	s.w.must(err)
	return raw
}

// shown returns the spatial and temporal layers that an SSRC was sent, a packet after the other. "|" ends a
// picture.
func (o *capture) shown(ssrc uint32) string {
	var out []byte
	for _, p := range o.rtp {
		if p.SSRC != ssrc {
			continue
		}
		if n := len(p.Payload); n >= 4 && p.Payload[n-4] == 0xaa {
			if p.Payload[n-1] == 0 {
				out = append(out, '0'+p.Payload[n-3], '0'+p.Payload[n-2])
			} else {
				out = append(out, '.')
			}
		} else {
			out = append(out, '_')
		}
		if p.Marker {
			out = append(out, '|')
		}
	}
	return string(out)
}

// consecutive fails if a number is missing or comes twice.
func (o *capture) consecutive(ssrc uint32) {
	o.w.t.Helper()
	got := slices.Sorted(slices.Values(o.seqs(ssrc)))
	for i, n := range got {
		if n != got[0]+uint16(i) {
			o.w.t.Fatalf("numbers %v", got)
		}
	}
}

// onStage makes member 1 publish s, and peers 3 and 4 watch it low and high.
func onStage(t *testing.T, kind string) (w *world, s *layeredSender, low, high *capture) {
	w = newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	low, high = w.join(3, 3, nil, seatVideo("5", 5000)), w.join(4, 4, nil, seatVideo("5", 6000))
	w.watch(3, "5", 1, Camera, Low)
	w.watch(4, "5", 1, Camera, High)
	s = w.svc(1, 100)
	s.mid = "v"
	switch kind {
	case "AV1":
		s.av1, s.pt = true, av1.PT
	case "VP9 alone":
		s.bare = true
	}
	return w, s, low, high
}

func (w *world) pictures(s *layeredSender, n int, key bool) {
	for i := range n {
		w.deliver(s.peer, false, s.next(key && i == 0)...)
		w.pass(33 * time.Millisecond)
	}
}

// layeredKinds are the ways in which the layers of a stream may be told.
var layeredKinds = []string{"VP9", "AV1", "VP9 alone"}

// Every receiver of a stream with layers inside gets those that it is to be shown. Nothing of what it gets is
// missing.
func TestLayersInsideAStream(t *testing.T) {
	for _, kind := range layeredKinds {
		t.Run(kind, func(t *testing.T) {
			w, s, low, high := onStage(t, kind)
			w.pictures(s, 5, true)
			if got := low.shown(5000); got != "00.|02.|01.|02.|00.|" {
				t.Errorf("low: %s", got)
			}
			if got := high.shown(6000); got != "00.10.|12.|11.|12.|10.|" {
				t.Errorf("high: %s", got)
			}
			low.consecutive(5000)
			high.consecutive(6000)
			for id, want := range map[packet.PeerID]int{3: 0, 4: 1} {
				if got := w.c.peers[id].down.sinks["5"].layerOf(); got != want {
					t.Errorf("layer %d, want %d", got, want)
				}
			}
		})
	}
}

// A receiver that is to be shown another layer keeps the one that it has until a keyframe, which is asked
// for. Then it gets the other one.
func TestChangeOfTheLayerInside(t *testing.T) {
	for _, kind := range layeredKinds {
		t.Run(kind, func(t *testing.T) {
			w, s, low, high := onStage(t, kind)
			pub := w.outs[1]
			w.pictures(s, 5, true)
			w.pass(time.Second)
			for _, o := range []*capture{low, high, pub} {
				o.clear()
			}
			w.watch(3, "5", 1, Camera, High)
			w.watch(4, "5", 1, Camera, Low)
			w.pictures(s, 4, false)
			if low.shown(5000) != "02.|01.|02.|00.|" || high.shown(6000) != "12.|11.|12.|10.|" {
				t.Errorf("frozen until the keyframe: %s and %s", low.shown(5000), high.shown(6000))
			}
			if pub.plis() != 1 {
				t.Errorf("asked for %d keyframes", pub.plis())
			}
			low.clear()
			high.clear()
			w.pictures(s, 3, true)
			w.pass(time.Second)
			w.pictures(s, 1, false)
			if low.shown(5000) != "00.10.|12.|11.|12.|" || high.shown(6000) != "00.|02.|01.|02.|" {
				t.Errorf("after the keyframe: %s and %s", low.shown(5000), high.shown(6000))
			}
			if pub.plis() != 1 {
				t.Errorf("asked for %d keyframes", pub.plis())
			}
			w.watch(3, "5", 1, Camera, Low)
			w.watch(3, "5", 1, Camera, High) // has changed its mind
			if n := len(w.c.tracks[TrackKey{1, Camera}][0].layers[0].waiting); n != 0 {
				t.Errorf("%d sinks wait for a keyframe", n)
			}
		})
	}
}

// A late packet of a layer that a receiver is not to be shown fills its number without anything. It is sent
// again in the same way.
func TestLatePacketsOfLayersInside(t *testing.T) {
	w, s, low, high := onStage(t, "VP9")
	w.pictures(s, 2, true)
	low.clear()
	high.clear()
	p := s.next(false)
	w.deliver(1, false, p[0], p[1]) // the upper layer is lost
	w.deliver(1, false, s.next(false)...)
	w.deliver(1, false, p[3], p[2])
	if got := low.shown(5000); got != "01.|02.|_|_" {
		t.Errorf("low: %s", got)
	}
	if got := high.shown(6000); got != "12.|.|11" {
		t.Errorf("high: %s", got)
	}
	low.consecutive(5000)
	high.consecutive(6000)
	numbers := low.seqs(5000)
	low.clear()
	w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(slices.Sorted(slices.Values(numbers[4:])))})
	for _, p := range low.rtp {
		if p.SSRC == 5001 && len(p.Payload) > 2 {
			t.Errorf("sent again with payload that it had not: %x", p.Payload)
		}
	}
	if len(low.rtp) != 2 {
		t.Errorf("%d packets sent again", len(low.rtp))
	}
}

// A receiver to which packets are sent again as they were gets all of a stream. Its packets must not depend
// on what it is to be shown.
func TestLayersInsideWithoutRetransmissions(t *testing.T) {
	w, s, _, _ := onStage(t, "VP9")
	sec := seatVideo("5", 7000)
	sec.RTXSSRC = 0
	o := w.join(5, 5, nil, sec)
	w.watch(5, "5", 1, Camera, Low)
	w.pictures(s, 3, true)
	if got := o.shown(7000); got != "00.10.|02.12.|01.11.|" {
		t.Error(got)
	}
}

// A publisher may stop sending an upper layer. The layer that is left is shown, from a keyframe on if it was
// not sent before.
func TestLayersInsideThatStop(t *testing.T) {
	w, s, low, high := onStage(t, "AV1")
	pub := w.outs[1]
	w.pictures(s, 5, true)
	w.pass(time.Second)
	pub.clear()
	high.clear()
	p := s.next(false)
	for i := range p {
		var x rtp.Packet
		w.must(x.Unmarshal(p[i]))
		// The lower three are active.
		w.must(x.SetExtension(pubExt.DependencyDescriptor, append(x.GetExtension(pubExt.DependencyDescriptor), 0b01000000, 0b11100000)))
		p[i], _ = x.Marshal()
	}
	w.deliver(1, false, p[:2]...)
	if got := high.shown(6000); got != "" || pub.plis() != 1 {
		t.Errorf("sent %s, asked for %d keyframes", got, pub.plis())
	}
	low.clear()
	w.pictures(s, 2, true)
	if low.shown(5000) != "00.|02.|" || high.shown(6000) != "00.10.|12.|" {
		t.Errorf("low %s, high %s", low.shown(5000), high.shown(6000))
	}
}

// A frame that is left out on the way ends a layer for its receiver. A keyframe is asked for, once, and
// nobody waits after it.
func TestLayersInsideThatBreak(t *testing.T) {
	w, s, low, high := onStage(t, "VP9")
	pub := w.outs[1]
	w.pictures(s, 4, true)
	p := s.next(false)
	var x rtp.Packet
	w.must(x.Unmarshal(p[2]))
	st := w.c.tracks[TrackKey{1, Camera}][0].layers[0]
	var f svc.Frame
	if !st.reading.layers.Read(&f, x.GetExtension(pubExt.DependencyDescriptor)) {
		t.Fatal("cannot be read")
	}
	w.c.peers[4].down.sinkOf[6000].filter.Omit(&f)
	w.pass(time.Second)
	pub.clear()
	low.clear()
	high.clear()
	w.deliver(1, false, p...)
	w.pictures(s, 4, false)
	if got := high.shown(6000); got != "" || pub.plis() != 1 || len(st.waiting) != 1 {
		t.Errorf("sent %s, asked for %d keyframes, %d wait", got, pub.plis(), len(st.waiting))
	}
	w.pictures(s, 2, true)
	if got := high.shown(6000); got != "00.10.|12.|" || len(st.waiting) != 0 {
		t.Errorf("sent %s, %d wait", got, len(st.waiting))
	}
	if got := low.shown(5000); got != "00.|02.|01.|02.|00.|00.|02.|" {
		t.Errorf("the other one was sent %s", got)
	}
}

// The rate that a network carries is divided by the layers inside too, spatial and temporal ones.
func TestRungsOfLayersInside(t *testing.T) {
	for _, kind := range layeredKinds {
		t.Run(kind, func(t *testing.T) {
			w, s, low, high := onStage(t, kind)
			w.watch(3, "5", 1, Camera, High)
			w.pictures(s, 90, true)
			sink := w.c.peers[3].down.sinkOf[5000]
			tr := w.c.tracks[TrackKey{1, Camera}][0]
			d := &w.c.nets.division
			d.rungs = d.rungs[:0]
			if live := w.c.ladder(sink, tr); !live || len(d.rungs) != 6 {
				t.Fatalf("rungs %+v", d.rungs)
			}
			for i, r := range d.rungs {
				if area := uint32(320 * 180 << (2 * (i / 3))); r.Area != area || int(r.Layer) != i/3 || int(r.Temporal) != i%3 || r.None || !r.Live || r.Rate == 0 {
					t.Errorf("rung %d: %+v", i, r)
				}
				if i > 0 && (r.Rate < d.rungs[i-1].Rate || i%3 > 0 && r.FPS < d.rungs[i-1].FPS*3/2) {
					t.Errorf("rung %d: %+v after %+v", i, r, d.rungs[i-1])
				}
			}
			if got := sink.load(whole); got != d.rungs[5].Rate {
				t.Errorf("load %d, want %d", got, d.rungs[5].Rate)
			}
			sink.allowed.layers, sink.allowed.temporals = 1, 2
			w.c.takeUp(sink, byNetwork)
			sink.thinTo(sink.fitting(&d.rungs[1]))
			if w.c.limitOfLayers(sink, tr) != LimitNone || !sink.filter.Lowers() || sink.next != sink.cur {
				t.Error("does not wait for the keyframe of the lower layer")
			}
			low.clear()
			high.clear()
			w.pictures(s, 4, false)
			w.pictures(s, 5, true)
			if got := low.shown(5000); got != "11.|10.|00.|01.|00.|" {
				t.Error(got)
			}
			sink.thinTo(1)
			low.clear()
			w.pictures(s, 4, false)
			if got := low.shown(5000); got != "01.|00.|" {
				t.Errorf("two temporal layers of the lower one: %s", got)
			}
			low.consecutive(5000)
			sink.thinTo(whole)
			low.clear()
			w.pictures(s, 8, false)
			if got := low.shown(5000); got != "02.|01.|02.|00.|02.|01.|02.|00.|" && got != "01.|00.|02.|01.|02.|00.|" {
				t.Errorf("all temporal layers again: %s", got)
			}
		})
	}
}

func TestAllocLayersInside(t *testing.T) {
	w, s, _, _ := onStage(t, "VP9")
	for _, id := range []packet.PeerID{3, 4} {
		for _, sink := range w.c.peers[id].down.sinks {
			sink.out = discard{}
		}
	}
	w.pictures(s, 100, true)
	var raws [][]byte
	for range 2000 {
		raws = append(raws, s.next(false)...)
	}
	at := 0
	n := testing.AllocsPerRun(1500, func() {
		b := packet.GetBatch(time.Unix(0, w.now))
		for range 4 {
			add(b, 1, false, raws[at])
			at++
		}
		w.now += 10 * ms
		w.take(b)
	})
	if n > 0.5 && !raceEnabled { // reports come once a second
		t.Errorf("%v allocations for a picture", n)
	}
}

// discard is an Out that keeps nothing.
type discard struct{}

func (discard) SendRTP(_, _ []byte) {}
func (discard) SendRTCP(_ []byte)   {}

// TestWhatIsRefusedOfLayersIsAKeyframeLater: browsers stand still for three seconds, without a word, if a
// packet of a base temporal layer does not come again. If it was refused for a queue, a keyframe is asked for
// once that is over. None is asked for if no later picture needs the packet.
func TestWhatIsRefusedOfLayersIsAKeyframeLater(t *testing.T) {
	for _, temporal := range []byte{0, 2} {
		w, s, _, high := onStage(t, "VP9")
		link := w.access(4, 20e6)
		picture := func() {
			w.deliver(1, false, s.next(s.picture == 0)...)
			w.pass(33 * time.Millisecond)
			link.report()
		}
		for range 90 {
			picture()
		}
		d := &w.c.peers[4].down
		link.rate = 15e3
		for i := 0; !d.crammed() || s.templates().temporal != temporal; i++ {
			if picture(); i > 200 {
				t.Fatal("no queue")
			}
		}
		picture()
		if !d.crammed() {
			t.Fatal("no queue")
		}
		pub, was := w.outs[1], w.c.totals.Resent
		pub.clear()
		seqs := high.seqs(6000)
		w.rtcp(4, &rtcp.TransportLayerNack{MediaSSRC: 6000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs[len(seqs)-1:])})
		if w.c.totals.Resent != was || pub.plis() != 0 {
			t.Fatal("sent again, or asked for a keyframe, into a queue")
		}
		link.rate = 20e6
		for range 60 {
			picture()
		}
		if want := map[byte]int{0: 1, 2: 0}[temporal]; pub.plis() != want {
			t.Errorf("temporal layer %d: %d keyframes, want %d", temporal, pub.plis(), want)
		}
	}
}

// templates are those of the next picture.
func (s *layeredSender) templates() struct{ low, high, temporal byte } {
	return templates[(s.picture-1)%4]
}
