package router

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parlor/router/clock"
)

func TestSimulcastLayers(t *testing.T) {
	w := newWorld(t)
	w.uncached()
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "m", "h"}
	w.join(1, 1, map[string]Source{"v": Camera}, sec)
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	var ls [3]*sender
	for i := range ls {
		ls[i] = w.vp8(1, uint32(100*(i+1)))
		ls[i].mid, ls[i].rid = "v", sec.RIDs[i]
	}
	layer := func() int { return w.c.snapshot(0).Sinks[0].Layer }
	all := func(n int, key bool) {
		for _, s := range ls[:n] {
			w.deliver(1, false, s.frame(key, 1)...)
		}
		w.pass(40 * time.Millisecond)
	}
	all(1, true)
	if layer() != 0 || len(sub.rtp) != 1 {
		t.Fatalf("layer %d after %d packets: the only live one is not shown", layer(), len(sub.rtp))
	}
	all(3, false)
	if layer() != 0 || len(sub.rtp) != 2 {
		t.Fatalf("layer %d after %d packets: must go on until the keyframe", layer(), len(sub.rtp))
	}
	all(3, true)
	if layer() != 2 {
		t.Fatalf("layer %d, want the one asked for", layer())
	}
	w.watch(3, "5", 1, Camera, Low)
	before := len(sub.rtp)
	all(3, false)
	if len(sub.rtp) != before+1 || layer() != 2 {
		t.Fatalf("layer %d: frozen while waiting for the keyframe of a lower layer", layer())
	}
	all(3, true)
	if layer() != 0 {
		t.Fatalf("layer %d, want 0", layer())
	}
	w.watch(3, "5", 1, Camera, High)
	all(3, true)
	for range 40 {
		all(1, true) // the layers above stop
	}
	if layer() != 0 {
		t.Fatalf("layer %d, the others have stopped", layer())
	}
	all(3, true)
	all(3, true)
	if layer() != 2 {
		t.Fatalf("layer %d, want 2 that came back", layer())
	}
	got := sub.seqs(5000)
	if got[len(got)-1] != got[0]+uint16(len(got)-1) {
		t.Errorf("numbers %v", got)
	}
}

func TestTimestampsOfLayersAreAligned(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "h"}
	w.join(1, 1, map[string]Source{"v": Camera}, sec)
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, Low)
	l, h := w.vp8(1, 100), w.vp8(1, 200)
	l.mid, l.rid, h.mid, h.rid = "v", "l", "v", "h"
	w.deliver(1, false, l.frame(true, 1)...)
	w.deliver(1, false, h.frame(true, 1)...)
	sent := w.now + 3600e9
	for _, s := range []*sender{l, h} { // both next frames were captured at the same time
		w.rtcp(1, &rtcp.SenderReport{SSRC: s.ssrc, NTPTime: clock.ToNTP(sent), RTPTime: s.ts})
	}
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, l.frame(false, 1)...)
	h.ts += 3000
	w.now += 250 * ms // and arrives late
	w.deliver(1, false, h.frame(true, 1)...)
	if d := int32(sub.rtp[2].Timestamp - sub.rtp[1].Timestamp); d < 2999 || d > 3001 {
		t.Errorf("timestamp goes on by %d, captured one frame of 3000 later", d)
	}
}

// An offer may name its layers in any order.
func TestLayersAreOrderedByWhatTheyBring(t *testing.T) {
	for name, sizes := range map[string][3]LayerSize{
		"by their pictures": {{Area: 1280 * 720}, {Area: 320 * 180}, {Area: 640 * 360}},
		"by their rate":     {{Rate: 9}, {Rate: 1}, {Rate: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sec := pubVideo("v")
			sec.RIDs = []string{"a", "b", "c"}
			w.join(1, 1, map[string]Source{"v": Camera}, sec)
			w.join(3, 3, nil, seatVideo("5", 5000))
			w.join(4, 4, nil, seatVideo("5", 6000))
			w.watch(3, "5", 1, Camera, High)
			w.watch(4, "5", 1, Camera, Low)
			var ls [3]*sender
			for i := range ls {
				ls[i] = w.vp8(1, uint32(100*(i+1)))
				ls[i].mid, ls[i].rid = "v", sec.RIDs[i]
			}
			for n := range 75 {
				for i, s := range ls {
					for k := range max(1, int(sizes[i].Rate)) {
						d := append(s.vp8Desc(k == 0), 1)
						if n%10 == 0 && k == 0 {
							d[6] = 0
							if a := sizes[i].Area; a != 0 {
								h := uint16(math.Sqrt(float64(a) * 9 / 16))
								d = append(d, 0, 0, 0x9d, 0x01, 0x2a)
								d = binary.LittleEndian.AppendUint16(d, h*16/9)
								d = binary.LittleEndian.AppendUint16(d, h)
							}
						}
						w.deliver(1, false, s.packet(true, append(d, make([]byte, 100)...)))
					}
				}
				w.pass(40 * time.Millisecond)
			}
			s := w.c.snapshot(0).Sinks
			if s[0].Layer != 0 || s[1].Layer != 1 {
				t.Errorf("highest is layer %d, lowest %d; want 0 and 1", s[0].Layer, s[1].Layer)
			}
		})
	}
}

func TestSortLayers(t *testing.T) {
	for name, x := range map[string]struct {
		sizes []LayerSize
		want  []int
	}{
		"nothing known":             {[]LayerSize{{}, {}, {}}, []int{0, 1, 2}},
		"upside down":               {[]LayerSize{{Area: 9}, {Area: 4}, {Area: 1}}, []int{2, 1, 0}},
		"pictures before rates":     {[]LayerSize{{4, 100}, {9, 10}}, []int{0, 1}},
		"one picture known":         {[]LayerSize{{9, 10}, {0, 5}}, []int{1, 0}},
		"rates close to each other": {[]LayerSize{{0, 100}, {0, 90}}, []int{0, 1}},
		"one that stands still":     {[]LayerSize{{0, 100}, {}, {0, 5}}, []int{0, 1, 2}},
		"going round in a circle":   {[]LayerSize{{5, 10}, {0, 20}, {4, 40}}, nil},
	} {
		order := make([]int, len(x.sizes))
		for i := range order {
			order[i] = i
		}
		if SortLayers(order, x.sizes); x.want != nil && !slices.Equal(order, x.want) {
			t.Errorf("%s: %v, want %v", name, order, x.want)
		}
	}
}

func TestChooseLayer(t *testing.T) {
	for name, x := range map[string]struct {
		live string // a letter per layer, x: live
		q    Quality
		want int
	}{
		"one layer":                   {"x", High, 0},
		"all live, low":               {"xxx", Low, 0},
		"all live, mid":               {"xxx", Mid, 1},
		"all live, high":              {"xxx", High, 2},
		"two layers, mid":             {"xx", Mid, 0},
		"the lower of two neighbours": {"x.x", Mid, 0},
		"down":                        {"x..", High, 0},
		"up":                          {"..x", Low, 2},
		"none live":                   {"...", Mid, 1},
		"beyond the highest":          {"xxx", 9, 2},
	} {
		layers := make([]Layer, len(x.live))
		for i := range layers {
			layers[i].Live = x.live[i] == 'x'
		}
		if got := ChooseLayer(layers, x.q, 0); got != x.want {
			t.Errorf("%s: %d, want %d", name, got, x.want)
		}
	}
}

func TestChooseLayerByTheAreaShown(t *testing.T) {
	const q, h, f = 320 * 180, 640 * 360, 1280 * 720
	for name, x := range map[string]struct {
		areas []uint32 // of the layers
		q     Quality
		area  uint32
		want  int
	}{
		"not said":                          {[]uint32{q, h, f}, High, 0, 2},
		"a small tile":                      {[]uint32{q, h, f}, High, 209 * 156, 0},
		"as large as the lowest":            {[]uint32{q, h, f}, High, q, 0},
		"a little larger":                   {[]uint32{q, h, f}, High, q * 13 / 10, 0},
		"more than a little":                {[]uint32{q, h, f}, High, q*13/10 + 1, 1},
		"a stage":                           {[]uint32{q, h, f}, High, f, 2},
		"larger than all":                   {[]uint32{q, h, f}, High, 3840 * 2160, 2},
		"quality is the upper bound":        {[]uint32{q, h, f}, Mid, f, 1},
		"one pixel":                         {[]uint32{q, h, f}, High, 1, 0},
		"one layer":                         {[]uint32{f}, High, 100, 0},
		"none known: small":                 {[]uint32{0, 0, 0}, High, q, 0},
		"none known: middling":              {[]uint32{0, 0, 0}, High, h, 1},
		"none known: large":                 {[]uint32{0, 0, 0}, High, f, 2},
		"two layers, none known":            {[]uint32{0, 0}, High, h, 0},
		"the highest known, of a small one": {[]uint32{0, 0, h}, High, q, 1},
		"the lowest known":                  {[]uint32{q, 0, 0}, High, h, 1},
		"the middle one known":              {[]uint32{0, h / 4, 0}, High, h / 4, 1},
		"the largest area that there is":    {[]uint32{1<<32 - 1, 0, 0}, High, 1<<32 - 1, 0},
	} {
		layers := make([]Layer, len(x.areas))
		for i, a := range x.areas {
			layers[i] = Layer{Live: true, Area: a}
		}
		if got := ChooseLayer(layers, x.q, x.area); got != x.want {
			t.Errorf("%s: %d, want %d", name, got, x.want)
		}
	}
	if got := ChooseLayer([]Layer{{Area: q}, {true, h}, {true, f}}, High, q); got != 1 {
		t.Errorf("layer %d where the lowest is not live, want the one above", got)
	}
}

// simulcast is a publisher of three layers, in the order of their size.
type simulcast struct {
	w      *world
	layers [3]*sender
}

func newSimulcast(w *world) *simulcast {
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "m", "h"}
	w.join(1, 1, map[string]Source{"v": Camera}, sec)
	p := &simulcast{w: w}
	for i := range p.layers {
		p.layers[i] = w.vp8(1, uint32(100*(i+1)))
		p.layers[i].mid, p.layers[i].rid = "v", sec.RIDs[i]
	}
	return p
}

// keyframes makes each layer send one, the highest of that size. frames makes each send the next frame.
func (p *simulcast) keyframes(width, height uint16) {
	for i, s := range p.layers {
		p.w.deliver(1, false, s.keyframe(width>>(2-i), height>>(2-i)))
	}
	p.w.pass(33 * time.Millisecond)
}

func (p *simulcast) frames() {
	for _, s := range p.layers {
		p.w.deliver(1, false, s.frame(false, 1)...)
	}
	p.w.pass(33 * time.Millisecond)
}

func (w *world) show(area uint32, hidden bool) {
	w.t.Helper()
	w.must(w.c.watch(3, "5", Want{TrackKey{1, Camera}, High, area, hidden}, w.now))
}

func (w *world) layer() int { return w.c.snapshot(0).Sinks[0].Layer }

func TestLayerFollowsTheAreaShown(t *testing.T) {
	w := newWorld(t)
	p := newSimulcast(w)
	pub := w.outs[1]
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	p.keyframes(1280, 720)
	w.show(209*156, false)
	p.keyframes(1280, 720)
	if w.layer() != 0 || len(sub.rtp) != 1 {
		t.Fatalf("layer %d and %d packets, want the lowest", w.layer(), len(sub.rtp))
	}
	w.pass(time.Second)
	pub.clear()
	w.show(1280*720, false)
	if w.pass(time.Millisecond); pub.plis() != 1 {
		t.Errorf("%d requests where it has grown, want 1 at once", pub.plis())
	}
	p.frames()
	if p.keyframes(1280, 720); w.layer() != 2 {
		t.Fatalf("layer %d of what is shown large", w.layer())
	}
	w.pass(time.Second)
	pub.clear()
	w.show(640*360, false)
	p.frames()
	if w.pass(900 * time.Millisecond); pub.plis() != 0 {
		t.Errorf("%d requests at once where it has shrunk", pub.plis())
	}
	p.frames()
	if w.pass(200 * time.Millisecond); pub.plis() != 1 {
		t.Errorf("%d requests where it has shrunk a second ago, want 1", pub.plis())
	}
	if p.keyframes(1280, 720); w.layer() != 1 {
		t.Errorf("layer %d of what is shown at middling size", w.layer())
	}
}

// The size of an encoder's pictures is known with its keyframe. It may be smaller from then on.
func TestLayerIsChosenAnewWithTheSizeOfPictures(t *testing.T) {
	w := newWorld(t)
	p := newSimulcast(w)
	w.join(3, 3, nil, seatVideo("5", 5000))
	w.show(320*180, false)
	p.keyframes(1280, 720)
	p.keyframes(1280, 720)
	if w.layer() != 0 {
		t.Fatalf("layer %d", w.layer())
	}
	p.keyframes(640, 360)
	if p.keyframes(640, 360); w.layer() != 1 {
		t.Errorf("layer %d where the lowest has become 160x90", w.layer())
	}
}

func TestHiddenSectionIsBackAtOnce(t *testing.T) {
	w := newWorld(t)
	w.uncached()
	p := newSimulcast(w)
	pub := w.outs[1]
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.show(320*180, false)
	p.keyframes(1280, 720)
	p.keyframes(1280, 720)
	w.show(320*180, true)
	sub.clear()
	pub.clear()
	for range 30 {
		p.frames()
	}
	if p.keyframes(1280, 720); len(sub.rtp) != 0 || pub.plis() != 0 {
		t.Fatalf("%d packets and %d requests while it is hidden", len(sub.rtp), pub.plis())
	}
	w.show(320*180, false)
	if pub.plis() != 1 {
		t.Errorf("%d requests when it is shown, want 1 at once", pub.plis())
	}
	p.frames()
	if len(sub.rtp) != 0 {
		t.Errorf("%d packets before the keyframe", len(sub.rtp))
	}
	if p.keyframes(1280, 720); len(sub.rtp) != 1 || w.layer() != 0 {
		t.Errorf("%d packets of layer %d after it", len(sub.rtp), w.layer())
	}
}

// TestALayerOfWhichOnlyLostPacketsComeHasStopped: a packet that is sent again does not make it go on, nor
// begin.
func TestALayerOfWhichOnlyLostPacketsComeHasStopped(t *testing.T) {
	w, s, _, _ := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, s.frame(true, 1)...)
	missing := s.frame(false, 4)
	w.deliver(1, false, s.frame(false, 1)...)
	st, l := w.c.peers[1].tracks["0"].layers[0], camLayer{sender: *s}
	if !st.live {
		t.Fatal("it comes")
	}
	for range 3 {
		w.pass(400 * time.Millisecond)
		w.deliver(1, false, l.repair(missing[0]))
		missing = missing[1:]
	}
	w.pass(time.Second / 4)
	if st.live {
		t.Error("it goes on")
	}
	if w.deliver(1, false, l.repair(missing[0])); st.live {
		t.Error("it begins")
	}
}
