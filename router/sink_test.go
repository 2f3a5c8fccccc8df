package router

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

// meeting is a world with two publishers of one camera each and a receiver with a seat.
func meeting(t *testing.T) (w *world, a, b *sender, sub *capture) {
	w = newWorld(t)
	w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	w.join(2, 2, map[string]Source{"0": Camera}, pubVideo("0", 200))
	sub = w.join(3, 3, nil, seatVideo("5", 5000))
	return w, w.vp8(1, 100), w.vp8(2, 200), sub
}

func TestSwitchOfOccupantGoesOnWithoutABreak(t *testing.T) {
	w, a, b, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	w.deliver(1, false, a.frame(false, 2)...)
	w.now += 40 * ms
	w.watch(3, "5", 2, Camera, High)
	w.deliver(1, false, a.frame(false, 2)...)
	w.deliver(2, false, b.frame(false, 2)...)
	if len(sub.rtp) != 4 {
		t.Fatalf("%d packets before the new occupant's keyframe, want 4", len(sub.rtp))
	}
	w.deliver(2, false, b.frame(true, 2)...)
	w.deliver(2, false, b.frame(false, 1)...)
	for i := 1; i < len(sub.rtp); i++ {
		p, q := sub.rtp[i-1], sub.rtp[i]
		if q.SequenceNumber != p.SequenceNumber+1 || q.SSRC != p.SSRC {
			t.Errorf("packet %d: number %d after %d", i, q.SequenceNumber, p.SequenceNumber)
		}
		pid := func(p *rtp.Packet) uint16 { return binary.BigEndian.Uint16(p.Payload[2:]) & 0x7fff }
		frames := uint16(0)
		if q.Timestamp != p.Timestamp {
			frames = 1
		}
		if pid(q)-pid(p) != frames || uint16(q.Payload[4]-p.Payload[4]) != frames {
			t.Errorf("packet %d: picture ids %x after %x", i, q.Payload[:6], p.Payload[:6])
		}
	}
	if d := sub.rtp[4].Timestamp - sub.rtp[3].Timestamp; d != 3600 {
		t.Errorf("timestamp goes on by %d ticks over 40 ms, want 3600", d)
	}
	if key := sub.rtp[4].Payload[5]&0x1f - sub.rtp[3].Payload[5]&0x1f; key != 1 {
		t.Errorf("KEYIDX goes on by %d", key)
	}
}

// exits are the ways in which the camera of peer 1 stops being sent to the seat of peer 3.
var exits = map[string]func(w *world){
	"watch another": func(w *world) { w.watch(3, "5", 2, Camera, High) },
	"watch nobody":  func(w *world) { w.must(w.c.watch(3, "5", Want{}, w.now)) },
	"hidden": func(w *world) {
		w.must(w.c.watch(3, "5", Want{Track: TrackKey{1, Camera}, Quality: High, Hidden: true}, w.now))
	},
	"publishing off":  func(w *world) { w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now)) },
	"publisher gone":  func(w *world) { w.must(w.c.detach(1, w.now)) },
	"receiver lost":   func(w *world) { w.must(w.c.suspend(3, w.now)) },
	"receiver gone":   func(w *world) { w.must(w.c.detach(3, w.now)) },
	"section removed": func(w *world) { w.must(w.c.update(1, nil, nil, w.now)) },
	"not published":   func(w *world) { w.must(w.c.update(1, []packet.Section{pubVideo("0", 100)}, nil, w.now)) },
	"newer peer": func(w *world) {
		w.join(9, 1, map[string]Source{"0": Camera}, pubVideo("0", 900))
	},
	"seat inactive": func(w *world) {
		s := seatVideo("5", 5000)
		s.Active = false
		w.must(w.c.update(3, []packet.Section{s}, nil, w.now))
	},
}

func TestNotOnePacketAfterwards(t *testing.T) {
	for name, end := range exits {
		t.Run(name, func(t *testing.T) {
			w, a, _, sub := meeting(t)
			w.watch(3, "5", 1, Camera, High)
			w.deliver(1, false, a.frame(true, 4)...)
			if len(sub.rtp) != 4 {
				t.Fatalf("%d packets, want 4", len(sub.rtp))
			}
			seqs := sub.seqs(5000)
			end(w)
			sub.clear()
			w.deliver(1, false, a.frame(true, 4)...)
			w.pass(time.Second)
			w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
			if len(sub.rtp) != 0 {
				t.Errorf("%d packets afterwards", len(sub.rtp))
			}
		})
	}
}

// The transport seals nothing while a receiver is not connected. Numbers that went on all the same would take
// SRTP's guess at the rollover counter back by one, to nonces that were used.
func TestNumbersStandStillWhilePaused(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	w.must(w.c.suspend(3, w.now))
	for range 40_000 {
		w.deliver(1, false, a.frame(false, 1)...)
	}
	w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: sub.rtp[0].SequenceNumber}}})
	w.pass(5 * time.Second)
	if len(sub.rtp) != 1 || w.c.peers[3].down.sinks["5"].cur != nil {
		t.Fatalf("%d packets to a peer that is not connected", len(sub.rtp)-1)
	}
	w.outs[1].clear()
	w.must(w.c.ready(3, w.now))
	if w.outs[1].plis() != 1 {
		t.Error("no keyframe asked for a receiver that is back")
	}
	w.deliver(1, false, a.frame(true, 1)...)
	if s := sub.seqs(5000); len(s) != 2 || s[1] != s[0]+1 {
		t.Errorf("numbers %v, want 2 in a row", s)
	}
}

func TestPublishingOnAgain(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now))
	for range 50 {
		w.deliver(1, false, a.frame(false, 2)...)
	}
	w.pass(time.Second)
	pub := w.outs[1]
	pub.clear()
	w.must(w.c.setPublishing(TrackKey{1, Camera}, true, w.now))
	if pub.plis() != 1 {
		t.Errorf("%d keyframe requests on switching on, want 1", pub.plis())
	}
	w.deliver(1, false, a.frame(false, 1)...)
	w.pass(50 * time.Millisecond)
	w.deliver(1, false, a.frame(true, 2)...)
	w.pass(50 * time.Millisecond)
	if s := sub.seqs(5000); len(s) != 4 || s[3] != s[0]+3 {
		t.Errorf("numbers %v, want 4 in a row", s)
	}
	for _, p := range pub.rtcp {
		if _, ok := p.(*rtcp.TransportLayerNack); ok {
			t.Error("asks for what was sent while it was off")
		}
	}
}

func TestOffLastsOverReconnects(t *testing.T) {
	w, _, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now))
	w.join(9, 1, map[string]Source{"0": Camera}, pubVideo("0", 900))
	w.must(w.c.detach(1, w.now))
	w.deliver(9, false, w.vp8(9, 900).frame(true, 2)...)
	if len(sub.rtp) != 0 {
		t.Error("forwarded though switched off")
	}
	w.must(w.c.detach(9, w.now))
	w.join(10, 1, map[string]Source{"0": Camera}, pubVideo("0", 1000))
	w.deliver(10, false, w.vp8(10, 1000).frame(true, 2)...)
	if len(sub.rtp) != 2 {
		t.Errorf("%d packets of a member that began anew, want 2", len(sub.rtp))
	}
}

func TestSinkTakesUpTheTrackAgain(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	again := w.join(9, 1, map[string]Source{"0": Camera}, pubVideo("0", 900))
	if again.plis() != 1 {
		t.Errorf("%d keyframe requests to the newer peer, want 1", again.plis())
	}
	w.deliver(9, false, w.vp8(9, 900).frame(true, 2)...)
	if s := sub.seqs(5000); len(s) != 4 || s[3] != s[0]+3 {
		t.Errorf("numbers %v, want 4 in a row", s)
	}
	w.must(w.c.detach(9, w.now)) // the older one is still there
	w.deliver(1, false, a.frame(true, 2)...)
	if s := sub.seqs(5000); len(s) != 6 || s[5] != s[0]+5 {
		t.Errorf("numbers %v, want 6 in a row", s)
	}
}

func TestRenegotiationKeepsWhatFlows(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	w.must(w.c.update(1, []packet.Section{pubVideo("0", 100), pubAudio("1", 101)}, map[string]Source{"0": Camera, "1": Mic}, w.now))
	w.must(w.c.update(3, []packet.Section{seatVideo("5", 5000), seatVideo("6", 6000)}, nil, w.now))
	w.deliver(1, false, a.frame(false, 2)...)
	w.watch(3, "6", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	if n, m := len(sub.seqs(5000)), len(sub.seqs(6000)); n != 5 || m != 1 {
		t.Errorf("%d and %d packets, want 5 and 1", n, m)
	}
	// The seat goes and comes, and its numbers go on.
	w.must(w.c.update(3, []packet.Section{seatVideo("6", 6000)}, nil, w.now))
	w.must(w.c.update(3, []packet.Section{seatVideo("5", 5000), seatVideo("6", 6000)}, nil, w.now))
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	if got := sub.seqs(5000); len(got) != 6 || got[5] != got[0]+5 {
		t.Errorf("numbers %v", got)
	}
}

// Sections that are not in use have no SSRC. They must not be taken for one and the same.
func TestSectionsThatAreNotInUse(t *testing.T) {
	w, a, _, sub := meeting(t)
	idle := func(mid string) packet.Section {
		return packet.Section{MID: mid, Kind: packet.Video}
	}
	w.must(w.c.update(3, []packet.Section{idle("5"), idle("6"), idle("7")}, nil, w.now))
	if n := len(w.c.peers[3].down.sinks); n != 3 || w.c.peers[3].down.sinks["5"] == w.c.peers[3].down.sinks["6"] {
		t.Fatalf("%d sinks of 3, or the same", n)
	}
	w.watch(3, "6", 1, Camera, High)
	w.must(w.c.update(3, []packet.Section{seatVideo("5", 5000), idle("7")}, nil, w.now))
	if len(w.c.peers[3].down.sinks) != 2 || len(w.c.peers[3].down.sinkOf) != 1 || len(w.c.wants) != 0 {
		t.Errorf("sinks %v, wants %v", w.c.peers[3].down.sinks, w.c.wants)
	}
	w.watch(3, "5", 1, Camera, High)
	w.watch(3, "7", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 2)...)
	if len(sub.rtp) != 2 || len(sub.seqs(5000)) != 2 {
		t.Errorf("%d packets, %d of the section in use", len(sub.rtp), len(sub.seqs(5000)))
	}
}

// A client that renegotiates for ever must not take memory for ever. Nor may a number begin anew.
func TestFormerSectionsLeaveOnlyTheirNumbers(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 3)...)
	for i := range uint32(2 * maxSSRCs) {
		w.must(w.c.update(3, []packet.Section{seatVideo("5", 10_000+2*i)}, nil, w.now))
	}
	p := w.c.peers[3]
	if len(p.down.sinkOf)+len(p.down.retired) > maxSSRCs || len(p.down.sinkOf) > 1 || w.c.totals.SinksRefused == 0 {
		t.Errorf("%d sinks and %d former SSRCs, %d refused", len(p.down.sinkOf), len(p.down.retired), w.c.totals.SinksRefused)
	}
	w.must(w.c.update(3, []packet.Section{seatVideo("5", 5000)}, nil, w.now))
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	if got := sub.seqs(5000); len(got) != 4 || got[3] != got[0]+3 {
		t.Errorf("numbers %v, want 4 in a row", got)
	}
}

func TestCodecListsAreShared(t *testing.T) {
	w := newWorld(t)
	for id := packet.PeerID(1); id <= 2; id++ {
		w.join(id, MemberID(id), nil, seatVideo("5", 1000*uint32(id)), seatVideo("6", 1000*uint32(id)+10), seatAudio("7", 1000*uint32(id)+20))
	}
	a, b := w.c.peers[1].down.sinks["5"], w.c.peers[2].down.sinks["6"]
	if &a.section.Codecs[0] != &b.section.Codecs[0] || &a.formats[0] != &b.formats[0] || len(w.c.lists) != 2 {
		t.Errorf("%d lists of codecs, want 2", len(w.c.lists))
	}
	for i := range 2 * maxLists {
		sec := seatVideo("5", 1000)
		sec.Codecs[0].Fmtp = string(rune('a' + i))
		w.must(w.c.update(1, []packet.Section{sec}, nil, w.now))
	}
	if len(w.c.lists) != maxLists || len(w.c.peers[1].down.sinks["5"].formats) != 4 {
		t.Errorf("%d lists of codecs", len(w.c.lists))
	}
}

func TestErrors(t *testing.T) {
	w, _, _, _ := meeting(t)
	for name, x := range map[string]struct{ got, want error }{
		"attach twice":    {w.c.attach(1, 1, &rawCapture{}, w.now), ErrPeerExists},
		"update unknown":  {w.c.update(99, nil, nil, w.now), ErrUnknownPeer},
		"ready unknown":   {w.c.ready(99, w.now), ErrUnknownPeer},
		"suspend unknown": {w.c.suspend(99, w.now), ErrUnknownPeer},
		"detach unknown":  {w.c.detach(99, w.now), ErrUnknownPeer},
		"watch unknown":   {w.c.watch(99, "5", Want{}, w.now), ErrUnknownPeer},
		"unknown section": {w.c.watch(3, "x", Want{}, w.now), ErrUnknownSection},
		"kind of want":    {w.c.watch(3, "5", Want{Track: TrackKey{1, Mic}}, w.now), ErrKind},
		"kind of source":  {w.c.update(1, []packet.Section{pubVideo("0")}, map[string]Source{"0": Mic}, w.now), ErrKind},
	} {
		if !errors.Is(x.got, x.want) {
			t.Errorf("%s: %v, want %v", name, x.got, x.want)
		}
	}
}

// TestMalformedInput makes the core take in garbage. None of it may reach anybody.
func TestMalformedInput(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	for _, raw := range [][]byte{{}, {0x80}, bytes.Repeat([]byte{0xff}, 40), bytes.Repeat([]byte{0x80}, 11), {0xb0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 100}} {
		w.deliver(1, false, raw)
		w.deliver(1, true, raw)
		w.deliver(77, false, raw)
	}
	if len(sub.rtp) != 1 || w.drops(DropPeer) != 5 || w.drops(DropMalformed) < 9 {
		t.Errorf("%d packets, drops %v", len(sub.rtp), w.c.totals.Dropped)
	}
}
