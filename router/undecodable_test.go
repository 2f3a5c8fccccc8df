package router

import (
	"testing"
	"time"

	"parlor/packet"
)

var (
	pcma  = packet.Codec{Name: "PCMA", ClockRate: 8000, PT: 8}
	vp9p2 = packet.Codec{Name: "VP9", ClockRate: 90000, PT: 98, RTX: 99, NACK: true, PLI: true, FIR: true, Fmtp: "profile-id=2"}
)

// oneCodec is a section with a single codec.
func oneCodec(s packet.Section, c packet.Codec) packet.Section {
	s.Codecs = []packet.Codec{c}
	return s
}

// TestUndecodableIsTold: a receiver that has offered nothing that takes a stream is told of, once. It is told
// of again when that is over.
func TestUndecodableIsTold(t *testing.T) {
	w, n := observed(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	w.join(3, 3, nil, seatVideo("5", 5000))
	poor := w.join(4, 4, nil, oneCodec(seatVideo("5", 6000), h264))
	w.watch(3, "5", 1, Camera, High)
	w.watch(4, "5", 1, Camera, High)
	s := w.vp8(1, 100)
	w.deliver(1, false, s.frame(true, 1)...)
	if len(n.undecodable) != 0 {
		t.Fatalf("told before it has lasted: %+v", n.undecodable)
	}
	w.pass(1500 * time.Millisecond)
	want := Undecodable{Peer: 4, Member: 4, MID: "5", Track: TrackKey{1, Camera}, Sent: "VP8", Offered: "H264"}
	if len(n.undecodable) != 1 || n.undecodable[0] != want {
		t.Fatalf("told %+v, want %+v", n.undecodable, want)
	}
	if u := w.c.usage([]MemberID{3, 4}); len(u[3].Undecodable) != 0 || len(u[4].Undecodable) != 1 || u[4].Undecodable[0] != want {
		t.Errorf("usage %+v", u)
	}
	for range 5 { // the same again and again is no news
		w.deliver(1, false, s.frame(true, 1)...)
		w.pass(2 * time.Second)
	}
	if len(n.undecodable) != 1 {
		t.Errorf("told %d times", len(n.undecodable))
	}
	s.pt = h264.PT
	w.deliver(1, false, s.packet(true, []byte{0x67, 1}))
	w.pass(1500 * time.Millisecond)
	over := Undecodable{Peer: 4, Member: 4, MID: "5"}
	if len(n.undecodable) != 2 || n.undecodable[1] != over || len(poor.rtp) != 1 {
		t.Errorf("after a codec that fits: %+v, %d packets", n.undecodable, len(poor.rtp))
	}
	s.pt = vp8.PT
	w.deliver(1, false, s.frame(true, 1)...)
	w.pass(1500 * time.Millisecond)
	w.watch(4, "5", 0, Camera, High)
	w.pass(1500 * time.Millisecond)
	if len(n.undecodable) != 4 || n.undecodable[2] != want || n.undecodable[3] != over {
		t.Errorf("looked away from: %+v", n.undecodable)
	}
	w.watch(4, "5", 1, Camera, High) // its codec is known by now
	w.outs[1].clear()
	w.pass(1500 * time.Millisecond)
	if len(n.undecodable) != 5 || w.outs[1].plis() != 0 {
		t.Errorf("looked at again: %+v, %d requests for a keyframe that helps nobody", n.undecodable, w.outs[1].plis())
	}
	sec, moved := pubVideo("v", 100), vp8
	moved.PT, moved.RTX = 120, 121
	sec.Codecs = []packet.Codec{moved}
	w.must(w.c.update(1, []packet.Section{sec}, map[string]Source{"v": Camera}, w.now))
	w.pass(1500 * time.Millisecond)
	if len(n.undecodable) != 5 {
		t.Errorf("over as long as nobody knows what comes: %+v", n.undecodable)
	}
	w.must(w.c.detach(4, w.now))
	w.pass(3 * time.Second)
	if len(n.undecodable) != 6 || n.undecodable[5] != over || len(w.c.doubts) != 0 || w.c.due[dueUndecodable] != 0 {
		t.Errorf("gone: %+v, %d doubts", n.undecodable, len(w.c.doubts))
	}
}

// TestCodecToAndFroIsToldOnceASecond: a publisher may change its codec at each packet. That costs its viewers
// one report a second.
func TestCodecToAndFroIsToldOnceASecond(t *testing.T) {
	w, n := observed(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	w.join(4, 4, nil, oneCodec(seatVideo("5", 6000), h264))
	w.watch(4, "5", 1, Camera, High)
	s := w.vp8(1, 100)
	for range 500 {
		s.pt = vp8.PT
		w.deliver(1, false, s.frame(true, 1)...)
		w.pass(10 * time.Millisecond)
		s.pt = h264.PT
		w.deliver(1, false, s.packet(true, []byte{0x67, 1}))
		w.pass(10 * time.Millisecond)
	}
	if len(n.undecodable) > 10 {
		t.Errorf("told %d times in 10 s", len(n.undecodable))
	}
}

// TestLayersOfSeveralFormats: a receiver that cannot take the layer that is meant gets one that it can.
func TestLayersOfSeveralFormats(t *testing.T) {
	w, n := observed(t)
	sec := pubVideo("v")
	sec.RIDs, sec.Codecs = []string{"l", "h"}, []packet.Codec{vp8, vp9p2}
	w.join(1, 1, map[string]Source{"v": Camera}, sec)
	poor := w.join(4, 4, nil, oneCodec(seatVideo("5", 6000), vp8))
	w.watch(4, "5", 1, Camera, High)
	low, high := w.vp8(1, 100), w.vp8(1, 200)
	low.mid, low.rid, high.mid, high.rid, high.pt = "v", "l", "v", "h", vp9p2.PT
	vp9Key := func() []byte { high.ts += 3000; return high.packet(true, []byte{0x8c, 0x05, 1}) }
	w.deliver(1, false, vp9Key())
	w.deliver(1, false, low.frame(true, 1)...)
	for range 5 {
		w.deliver(1, false, vp9Key())
		w.deliver(1, false, low.frame(true, 1)...)
		w.pass(200 * time.Millisecond)
	}
	if len(poor.rtp) < 4 {
		t.Errorf("%d packets of the layer that it can take", len(poor.rtp))
	}
	w.pass(500 * time.Millisecond)
	if len(n.undecodable) != 0 {
		t.Errorf("told %+v", n.undecodable)
	}
}

// TestG711IsForwarded: it has its own clock, and its timestamps go on if the codec changes.
func TestG711IsForwarded(t *testing.T) {
	w, n := observed(t)
	pub := pubAudio("a", 100)
	pub.Codecs = []packet.Codec{opus, pcma}
	w.join(1, 1, map[string]Source{"a": Mic}, pub)
	both := seatAudio("5", 5000)
	both.Codecs = []packet.Codec{opus, pcma}
	sub, deaf := w.join(3, 3, nil, both), w.join(4, 4, nil, seatAudio("5", 6000))
	w.watch(3, "5", 1, Mic, High)
	w.watch(4, "5", 1, Mic, High)
	s := w.vp8(1, 100)
	for range 100 {
		s.pt = opus.PT
		w.deliver(1, false, s.audio())
		w.pass(20 * time.Millisecond)
	}
	s.pt, s.ts = pcma.PT, 7e8
	for range 100 {
		raw := s.packet(false, make([]byte, 160))
		s.ts += 160
		w.deliver(1, false, raw)
		w.pass(20 * time.Millisecond)
	}
	if len(sub.rtp) != 200 || len(deaf.rtp) != 100 {
		t.Fatalf("%d packets to who takes both, %d to who takes Opus", len(sub.rtp), len(deaf.rtp))
	}
	last, first := sub.rtp[99], sub.rtp[100]
	if first.PayloadType != pcma.PT || first.SequenceNumber != last.SequenceNumber+1 || first.Timestamp-last.Timestamp != 160 || sub.rtp[199].Timestamp-first.Timestamp != 99*160 {
		t.Errorf("from %v to %v", last.Header, first.Header)
	}
	st := w.c.peers[1].tracks["a"].layers[0]
	if j := st.in.stats.Jitter(8000); j > time.Millisecond {
		t.Errorf("the change of clocks counts as %v of jitter", j)
	}
	want := Undecodable{Peer: 4, Member: 4, MID: "5", Track: TrackKey{1, Mic}, Sent: "PCMA", Offered: "OPUS"}
	if len(n.undecodable) != 1 || n.undecodable[0] != want {
		t.Errorf("told %+v, want %+v", n.undecodable, want)
	}
}

// TestG711WithoutLevelsTakesNoPlace: it goes on during silence, so that its packets do not say that somebody
// speaks. With the levels it is as good as any.
func TestG711WithoutLevelsTakesNoPlace(t *testing.T) {
	for _, bare := range []bool{true, false} {
		w, _ := observed(t)
		pub := pubAudio("a", 100)
		pub.Codecs = []packet.Codec{pcma}
		w.join(1, 1, map[string]Source{"a": Mic}, pub)
		both := seatAudio("5", 5000)
		both.Codecs = []packet.Codec{opus, pcma}
		sub := w.join(3, 3, nil, both)
		w.must(w.c.watch(3, "5", Want{Track: Loudest(0, 1), Quality: High}, w.now))
		s := talker{sender: *w.vp8(1, 100), bare: bare, level: 30, says: []byte{1}}
		s.pt = pcma.PT
		for range 50 {
			w.deliver(1, false, s.next())
			w.pass(20 * time.Millisecond)
		}
		if (len(sub.rtp) == 0) != bare {
			t.Errorf("without levels: %v; %d packets", bare, len(sub.rtp))
		}
	}
}
