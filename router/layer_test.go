package router

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parlor/router/clock"
)

func TestSimulcastLayers(t *testing.T) {
	w := newWorld(t)
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
		if got := ChooseLayer(layers, x.q); got != x.want {
			t.Errorf("%s: %d, want %d", name, got, x.want)
		}
	}
}
