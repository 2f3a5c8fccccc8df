package router

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestForwardsFromTheKeyframeOn(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	sub := w.join(2, 2, nil, seatVideo("5", 5000))
	w.watch(2, "5", 1, Camera, High)
	if pub.plis() != 1 {
		t.Fatalf("%d keyframe requests on watching, want 1", pub.plis())
	}
	s := w.vp8(1, 100)
	w.deliver(1, false, s.frame(false, 3)...)
	if len(sub.rtp) != 0 {
		t.Fatalf("%d packets before the keyframe", len(sub.rtp))
	}
	w.deliver(1, false, s.frame(true, 3)...)
	w.deliver(1, false, s.frame(false, 2)...)
	if len(sub.rtp) != 5 {
		t.Fatalf("%d packets, want 5", len(sub.rtp))
	}
	first := sub.rtp[0]
	if first.SSRC != 5000 || first.PayloadType != vp8.PT+10 || first.SequenceNumber >= 1<<15 {
		t.Errorf("first packet %v", first.Header)
	}
	for i, p := range sub.rtp {
		if p.SequenceNumber != first.SequenceNumber+uint16(i) {
			t.Errorf("packet %d has number %d, first had %d", i, p.SequenceNumber, first.SequenceNumber)
		}
		if string(p.GetExtension(subExt.MID)) != "5" || len(p.GetExtension(subExt.AbsSendTime)) != 3 || len(p.GetExtension(subExt.TransportCC)) != 2 {
			t.Errorf("packet %d lacks extensions: %v", i, p.GetExtensionIDs())
		}
	}
	w.pass(4 * time.Second)
	var sr int
	for _, p := range sub.rtcp {
		if r, ok := p.(*rtcp.SenderReport); ok && r.SSRC == 5000 && r.PacketCount == 5 {
			sr++
		}
	}
	if sr != 1 {
		t.Errorf("%d sender reports after one spell of packets, want 1", sr)
	}
	if n := w.c.peers[1].tracks["0"].layers[0].ring.Len(); n > 1 {
		t.Errorf("%d packets are held for nobody", n)
	}
	if w.c.next() != 0 {
		t.Errorf("idle room still has a timer, due in %v", time.Duration(w.c.next()-w.now))
	}
}
