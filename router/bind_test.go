package router

import (
	"testing"
	"time"

	"parlor/packet"
)

func TestSSRCIsFoundByMIDAndRID(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "h"}
	other := pubVideo("w")
	w.join(1, 1, map[string]Source{"v": Camera, "w": Screen, "a": Mic}, sec, other, pubAudio("a"))
	sub := w.join(3, 3, nil, seatVideo("5", 5000), seatAudio("6", 6000), seatVideo("7", 7000))
	w.watch(3, "5", 1, Camera, Low)
	w.watch(3, "6", 1, Mic, Low)
	w.watch(3, "7", 1, Screen, Low)
	for _, x := range []struct {
		mid, rid string
		sink     uint32
		packets  int
	}{{"v", "l", 5000, 1}, {"v", "x", 5000, 1}, {"w", "", 7000, 1}, {"", "", 7000, 1}, {"nix", "l", 7000, 1}} {
		s := w.vp8(1, uint32(1000+10*len(sub.rtp)+len(x.mid)+len(x.rid)))
		s.mid, s.rid = x.mid, x.rid
		w.deliver(1, false, s.frame(true, 1)...)
		if n := len(sub.seqs(x.sink)); n != x.packets {
			t.Errorf("MID %q RID %q: sink %d has %d packets, want %d", x.mid, x.rid, x.sink, n, x.packets)
		}
	}
	a := &sender{w: w, ssrc: 77, pt: opus.PT}
	w.deliver(1, false, a.audio())
	if n := len(sub.seqs(6000)); n != 1 {
		t.Errorf("payload type that only one section has: %d packets, want 1", n)
	}
	if n := w.drops(DropSSRC); n != 3 {
		t.Errorf("%d packets of unknown SSRC, want 3", n)
	}
	if n := len(w.c.peers[1].bySSRC); n != 3 {
		t.Errorf("%d SSRCs known, want 3", n)
	}
}

func TestUnknownSSRCsTakeNoMemory(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	for i := range uint32(1000) {
		s := w.vp8(1, 10_000+i)
		s.mid = "v" // a new SSRC with each packet
		w.deliver(1, false, s.frame(true, 1)...)
		s.mid, s.ssrc = "x", 20_000+i
		w.deliver(1, false, s.frame(true, 1)...)
	}
	if n := len(w.c.peers[1].bySSRC); n != 1 {
		t.Errorf("%d SSRCs known, want 1", n)
	}
	if w.drops(DropSSRCChange) != 999 || w.drops(DropSSRC) != 1000 {
		t.Errorf("drops %v", w.c.totals.Dropped)
	}
}

func TestPublisherChangesSSRC(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	a, b := w.vp8(1, 100), w.vp8(1, 200)
	a.mid, b.mid = "v", "v"
	w.deliver(1, false, a.frame(true, 2)...)
	w.pass(time.Second)
	pub.clear()
	w.deliver(1, false, b.frame(false, 1)...)
	w.deliver(1, false, b.frame(true, 2)...)
	a.seq = b.seq // the old SSRC must not get among the new one's
	w.deliver(1, false, a.frame(true, 1)...)
	if got := sub.seqs(5000); len(got) != 4 || got[3] != got[0]+3 {
		t.Errorf("numbers %v, want 4 in a row", got)
	}
	if pub.plis() == 0 {
		t.Error("no keyframe asked of the new SSRC")
	}
}

// An offer repeats what the first one declared, also after the SSRC has changed without an offer.
func TestRenegotiationKeepsAnSSRCThatHasChanged(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("v", 100)
	sec.RTXOf = map[uint32]uint32{101: 100}
	camera := map[string]Source{"v": Camera}
	w.join(1, 1, camera, sec)
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	w.pass(time.Second)
	s := camLayer{sender: *w.vp8(1, 200)}
	s.mid = "v"
	lost := s.frame(true, 3)
	w.deliver(1, false, lost[0], lost[1], s.repair(lost[1]))
	w.must(w.c.update(1, []packet.Section{sec}, camera, w.now))
	w.deliver(1, false, s.frame(false, 1)...)
	w.deliver(1, false, s.repair(lost[2]))
	if n := len(sub.seqs(5000)); n != 4 {
		t.Errorf("%d packets, want 4: the stream was given its former SSRC", n)
	}
	sec.SSRCs, sec.RTXOf = []uint32{200}, map[uint32]uint32{202: 200}
	w.must(w.c.update(1, []packet.Section{sec}, camera, w.now))
	w.pass(time.Second)
	w.deliver(1, false, s.repair(lost[2])) // 201 again
	w.must(w.c.update(1, []packet.Section{sec}, camera, w.now))
	if st := w.c.peers[1].tracks["v"].layers[0]; st.ids.repair != 201 {
		t.Errorf("retransmissions have their former SSRC %d again", st.ids.repair)
	}
	sec.SSRCs, sec.RTXOf = []uint32{300}, map[uint32]uint32{301: 300}
	w.must(w.c.update(1, []packet.Section{sec}, camera, w.now))
	if st := w.c.peers[1].tracks["v"].layers[0]; st.ids.ssrc != 300 || st.ids.repair != 301 {
		t.Errorf("%d and %d, want those newly declared", st.ids.ssrc, st.ids.repair)
	}
}

func TestPublisherRestartsItsNumbers(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	a.seq += 30000
	w.deliver(1, false, a.frame(true, 3)...) // the first of them tells; from the second on it is taken
	w.deliver(1, false, a.frame(true, 3)...)
	got := sub.seqs(5000)
	if len(got) != 5 || got[4] != got[0]+4 {
		t.Errorf("numbers %v, want 5 in a row", got)
	}
}

// A browser stops naming the RIDs of a stream once they were acknowledged. When its section is left out of
// `publish` by one offer and named again by the next, its packets come with the SSRC alone.
func TestLayersAreKnownAgainWhenTheirSectionIsPublishedAgain(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "h"}
	other := pubVideo("w")
	camera := map[string]Source{"v": Camera, "w": Screen}
	w.join(1, 1, camera, sec, other)
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	s := w.vp8(1, 1000)
	s.mid, s.rid = "v", "h"
	w.deliver(1, false, s.frame(true, 1)...)
	w.must(w.c.update(1, []packet.Section{sec, other}, map[string]Source{"w": Screen}, w.now))
	s.mid, s.rid = "", ""
	w.deliver(1, false, s.frame(true, 1)...)
	w.must(w.c.update(1, []packet.Section{sec, other}, camera, w.now))
	w.deliver(1, false, s.frame(true, 1)...)
	if n := len(sub.seqs(5000)); n != 2 {
		t.Errorf("%d packets forwarded, want the first and the last", n)
	}
}
