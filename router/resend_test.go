package router

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/seqmap"
)

func TestRetransmissionByRTX(t *testing.T) {
	w, a, b, sub := meeting(t)
	w.watch(3, "5", 2, Camera, High)
	w.deliver(2, false, b.frame(true, 1)...)
	w.watch(3, "5", 1, Camera, High) // picture ids are rewritten from here on
	w.deliver(1, false, a.frame(true, 4)...)
	orig := sub.rtp[2]
	nack := &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: orig.SequenceNumber}}}
	for range 5 {
		w.rtcp(3, nack)
	}
	w.pass(100 * time.Millisecond)
	w.rtcp(3, nack)
	var rtx []*rtp.Packet
	for _, p := range sub.rtp {
		if p.SSRC == 5001 {
			rtx = append(rtx, p)
		}
	}
	if len(rtx) != 2 {
		t.Fatalf("%d retransmissions for 5 requests at once and one later, want 2", len(rtx))
	}
	if rtx[1].SequenceNumber != rtx[0].SequenceNumber+1 || rtx[0].SequenceNumber >= 1<<15 || rtx[0].PayloadType != vp8.RTX+10 {
		t.Errorf("headers %v, %v", rtx[0].Header, rtx[1].Header)
	}
	if binary.BigEndian.Uint16(rtx[0].Payload) != orig.SequenceNumber || !bytes.Equal(rtx[0].Payload[2:], orig.Payload) ||
		rtx[0].Timestamp != orig.Timestamp || rtx[0].Marker != orig.Marker {
		t.Errorf("retransmission differs:\n%v\n%v", orig, rtx[0])
	}
	if string(rtx[0].GetExtension(subExt.MID)) != "5" {
		t.Error("retransmission lacks the MID")
	}
	for range 20 {
		w.pass(100 * time.Millisecond)
		a.ts += 9000
		w.deliver(1, false, a.frame(false, 1)...) // the ring lets go of it
		w.rtcp(3, nack)
	}
	if n := len(sub.seqs(5001)); n > maxResends {
		t.Errorf("%d retransmissions of one packet", n)
	}
}

// TestAFullQueueIsNotFilledByWhatItLost: while much waits on the way, a picture is not sent again, and sound
// is.
func TestAFullQueueIsNotFilledByWhatItLost(t *testing.T) {
	w := newWorld(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	pub := w.talker(2)
	w.join(4, 4, nil, seatVideo("s", 77), seatSound("a", 79))
	w.watch(4, "s", 1, Camera, High)
	w.watch(4, "a", 2, Mic, High)
	link := w.access(4, 20e6)
	w.call(3*time.Second, cam, link)
	again := func(ssrc uint32) (n uint64) {
		w.talk(20*time.Millisecond, pub)
		cam.frame()
		seqs := w.outs[4].seqs(ssrc)
		was := w.c.totals.Resent
		w.rtcp(4, &rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs[len(seqs)-1:])})
		return w.c.totals.Resent - was
	}
	require.EqualValues(t, 1, again(77), "all is well")
	link.rate = 400e3
	n := w.c.peers[4].down.net
	for i := 0; n.est.Estimate().Queue <= crammedQueue; i++ {
		require.Less(t, i, 100)
		w.call(40*time.Millisecond, cam, link)
	}
	dropped := w.drops(DropResend)
	require.Zero(t, again(77))
	require.Equal(t, dropped+1, w.drops(DropResend))
	require.EqualValues(t, 1, again(79), "sound")
	link.rate = 20e6
	w.call(4*time.Second, cam, link)
	require.EqualValues(t, 1, again(77), "the queue is gone")
}

// TestNothingOfAnotherLayerIsSentAgainOverAFullLink: the keyframe of the present layer shows all anew, and
// needs the room.
func TestNothingOfAnotherLayerIsSentAgainOverAFullLink(t *testing.T) {
	w := newWorld(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 20e6)
	w.call(3*time.Second, cam, link)
	again := func(seq uint16) (n uint64) {
		before := w.c.totals.Resent
		w.rtcp(4, &rtcp.TransportLayerNack{MediaSSRC: 77, Nacks: []rtcp.NackPair{{PacketID: seq}}})
		return w.c.totals.Resent - before
	}
	last := func() uint16 { return w.outs[4].seqs(77)[len(w.outs[4].seqs(77))-1] }
	var of2 uint16
	w.watch(4, "s", 1, Camera, Mid)
	for i := 0; w.c.peers[4].down.sinks["s"].layerOf() == 2; i++ {
		require.Less(t, i, 200)
		of2 = last()
		w.call(40*time.Millisecond, cam, link)
	}
	n := w.c.peers[4].down.net
	require.False(t, n.losses.crowded(w.now))
	require.EqualValues(t, 1, again(of2), "there is room for all")
	n.losses.queued = w.now - queueGone/2
	w.pass(100 * time.Millisecond)
	dropped := w.drops(DropResend)
	require.EqualValues(t, 1, again(last()), "of the present layer")
	require.Zero(t, again(of2))
	require.Equal(t, dropped+1, w.drops(DropResend))
	w.pass(queueGone)
	require.EqualValues(t, 1, again(of2), "that was long ago")
}

func TestRetransmissionOfTheVeryBytes(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	w.join(2, 2, map[string]Source{"0": Camera}, pubVideo("0", 200))
	a, b := w.vp8(1, 100), w.vp8(2, 200)
	sec := seatVideo("5", 5000)
	for i := range sec.Codecs {
		sec.Codecs[i].RTX = 0
	}
	raw := &rawCapture{}
	w.must(w.c.attach(3, 3, raw, w.now))
	w.must(w.c.update(3, []packet.Section{sec}, nil, w.now))
	w.must(w.c.ready(3, w.now))
	w.watch(3, "5", 2, Camera, High)
	w.deliver(2, false, b.frame(true, 1)...)
	w.watch(3, "5", 1, Camera, High)
	w.now += 33 * ms
	w.deliver(1, false, a.frame(true, 3)...)
	// It must not take the MID out.
	w.rtcp(3, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000}}})
	w.now += 50 * ms
	for i := 1; i < 4; i++ {
		w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: binary.BigEndian.Uint16(raw.rtp[i][2:])}}})
	}
	if len(raw.rtp) != 7 {
		t.Fatalf("%d packets, want 4 and 3 again", len(raw.rtp))
	}
	for i := range 3 {
		if !bytes.Equal(raw.rtp[1+i], raw.rtp[4+i]) {
			t.Errorf("sent again, but not the same:\n%x\n%x", raw.rtp[1+i], raw.rtp[4+i])
		}
	}
}

// A packet that was sent under a number must not be read anew by another map of extension ids.
func TestNothingIsSentAgainWithOtherExtensions(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	a := w.vp8(1, 100)
	sec := seatVideo("5", 5000)
	for i := range sec.Codecs {
		sec.Codecs[i].RTX = 0
	}
	raw := &rawCapture{}
	w.must(w.c.attach(3, 3, raw, w.now))
	w.must(w.c.update(3, []packet.Section{sec}, nil, w.now))
	w.must(w.c.ready(3, w.now))
	w.watch(3, "5", 1, Camera, High)
	var p rtp.Packet
	w.must(p.Unmarshal(a.frame(true, 1)[0]))
	w.must(p.SetExtension(pubExt.VideoOrientation, []byte{1}))
	b, err := p.Marshal()
	w.must(err)
	w.deliver(1, false, b)
	for _, x := range []struct{ id, packets uint8 }{{pubExt.VideoOrientation, 2}, {0, 2}} {
		again := pubVideo("0", 100)
		again.Ext.VideoOrientation = x.id
		w.must(w.c.update(1, []packet.Section{again}, map[string]Source{"0": Camera}, w.now))
		w.now += 50 * ms
		w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: binary.BigEndian.Uint16(raw.rtp[0][2:])}}})
		if len(raw.rtp) != int(x.packets) || !bytes.Equal(raw.rtp[0], raw.rtp[len(raw.rtp)-1]) {
			t.Fatalf("with id %d sent:\n%x", x.id, raw.rtp)
		}
	}
}

// A small request must not make the node send, or search, without end.
func TestRequestsForLostPacketsHaveABudget(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	payload := make([]byte, 1000)
	send := func(n int) {
		for range n {
			w.deliver(1, false, a.packet(true, append(a.vp8Desc(true), payload...)))
		}
		w.pass(50 * time.Millisecond) // it is paced
	}
	w.deliver(1, false, a.frame(true, 1)...)
	send(399)
	seqs := sub.seqs(5000)
	var all []rtcp.Packet
	for _, pair := range rtcp.NackPairsFromSequenceNumbers(seqs) { // a NACK each
		all = append(all, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{pair}})
	}
	w.rtcp(3, all...)
	if n, d := len(sub.seqs(5001)), w.drops(DropResend); n < 100 || n > maxCredit/1000 || n+int(d) != len(seqs) {
		t.Errorf("%d packets for one compound that asks for %d, %d refused", n, len(seqs), d)
	}
	for range 100 {
		w.pass(50 * time.Millisecond)
		w.rtcp(3, all...)
	}
	sent, again := 400*1000, len(sub.seqs(5001))*1000
	if again < sent/4 || again > maxCredit+sent/resendShare {
		t.Errorf("%d bytes sent again of %d", again, sent)
	}
	before := len(sub.seqs(5001))
	send(100)
	w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(sub.seqs(5000)[490:])})
	if n := len(sub.seqs(5001)) - before; n != 10 {
		t.Errorf("%d packets sent again when there is credit again, want 10", n)
	}
}

func TestRequestsForLostPacketsShareTheCompoundsBudget(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 400)...) // small ones, which credit does not limit
	var all []rtcp.Packet
	for seqs := range slices.Chunk(sub.seqs(5000), 50) {
		all = append(all, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
	}
	w.rtcp(3, all...)
	w.rtcp(3, all[7:]...)
	if n := len(sub.seqs(5001)); n != maxPerCompound+50 {
		t.Errorf("%d packets sent again, want %d and 50", n, maxPerCompound)
	}
}

// Feedback of a few bytes can claim to tell of thousands of packets.
func TestFeedbackIsNotUnfolded(t *testing.T) {
	w, _, _, _ := meeting(t)
	var b []byte
	for len(b) < 1400 {
		fb := make([]byte, 36)
		binary.BigEndian.PutUint32(fb, 0x8fcd0008)
		binary.BigEndian.PutUint16(fb[14:], 0xffff)
		for i := 20; i < 36; i += 2 {
			binary.BigEndian.PutUint16(fb[i:], 0x3fff)
		}
		b = append(b, fb...)
	}
	c, p := w.c, w.c.peers[3]
	if n := testing.AllocsPerRun(10, func() { c.onRTCP(p, b, w.now) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	if w.drops(DropMalformed) == 0 || c.totals.TransportReported != 0 {
		t.Error("taken")
	}
}

// heldBy returns how many packets the rings of a peer's stream hold.
func (w *world) heldBy(id packet.PeerID, mid string) int {
	return w.c.peers[id].tracks[mid].layers[0].ring.Len()
}

func TestOnlyWhatCanBeAskedForIsKept(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.deliver(1, false, a.frame(true, 20)...)
	dup := a.frame(false, 1)
	w.deliver(1, false, dup[0], dup[0])
	if n := w.heldBy(1, "0"); n != 0 || w.drops(DropDuplicate) != 1 {
		t.Errorf("%d packets kept that nobody watches, %d duplicates noticed", n, w.drops(DropDuplicate))
	}
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, dup...)
	w.deliver(1, false, a.frame(true, 3)...)
	if n := w.heldBy(1, "0"); n != 3 || len(sub.rtp) != 3 {
		t.Errorf("%d packets kept, %d sent, want 3", n, len(sub.rtp))
	}
	w.join(4, 4, map[string]Source{"a": Mic}, pubAudio("a", 400), seatAudio("6", 6000))
	w.watch(4, "6", 4, Mic, High)
	s := &sender{w: w, ssrc: 400, pt: opus.PT}
	for range 100 {
		w.deliver(4, false, s.audio())
		w.pass(20 * time.Millisecond)
	}
	if n := w.heldBy(4, "a"); n < 15 || n > 23 {
		t.Errorf("%d packets of 20 ms of audio kept, want those of 400 ms", n)
	}
}

type rawCapture struct{ rtp [][]byte }

func (o *rawCapture) SendRTP(h, p []byte) { o.rtp = append(o.rtp, append(bytes.Clone(h), p...)) }

func (o *rawCapture) SendRTCP([]byte) {}

func TestLostPacketsAreAskedForAndUnwrapped(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	s := w.vp8(1, 100)
	s.mid = "0"
	w.deliver(1, false, s.frame(true, 1)...)
	lost := s.frame(false, 3)
	w.deliver(1, false, lost[0], lost[2])
	pub.clear()
	w.pass(40 * time.Millisecond)
	nack, ok := (*rtcp.TransportLayerNack)(nil), false
	for _, p := range pub.rtcp {
		if nack, ok = p.(*rtcp.TransportLayerNack); ok {
			break
		}
	}
	if !ok || nack.MediaSSRC != 100 || len(nack.Nacks) != 1 || nack.Nacks[0].PacketID != s.seq-2 {
		t.Fatalf("asked for %v, missing is %d", pub.rtcp, s.seq-2)
	}
	l := camLayer{sender: *s}
	repair := l.repair(lost[1])
	w.deliver(1, false, repair, lost[1], repair)
	if got := sub.seqs(5000); len(got) != 4 || got[3] != got[1]+1 {
		t.Errorf("numbers %v", got)
	}
	if w.drops(DropDuplicate) != 2 || w.c.totals.Repaired != 1 {
		t.Errorf("%d duplicates, %d repaired", w.drops(DropDuplicate), w.c.totals.Repaired)
	}
	pub.clear()
	w.pass(10 * time.Second)
	for _, p := range pub.rtcp {
		if _, ok := p.(*rtcp.TransportLayerNack); ok {
			t.Error("asks for what has come")
		}
	}
}

func TestRequestsForLostPacketsEnd(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	a.seq += 3
	w.deliver(1, false, a.frame(false, 1)...)
	pub.clear()
	w.pass(time.Minute)
	n := 0
	for _, p := range pub.rtcp {
		if _, ok := p.(*rtcp.TransportLayerNack); ok {
			n++
		}
	}
	if n < 3 || n > 10 || w.c.next() != 0 || len(w.c.lost.streams) != 0 {
		t.Errorf("asked %d times, timer %d", n, w.c.next())
	}
}

// A request may come when no place for a packet is free, so that others are sent first. They may be of the
// same sink, and its oldest segment is then forgotten. A packet in that segment is not sent again. A packet
// in the next one is.
func TestRequestForTheOldestWhileAllPlacesAreTaken(t *testing.T) {
	w := newWorld(t)
	w.c.o.NoPacing = true
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "h"}
	w.join(1, 1, map[string]Source{"v": Camera}, sec)
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	l, h := w.vp8(1, 100), w.vp8(1, 200)
	l.mid, l.rid, h.mid, h.rid = "v", "l", "v", "h"
	h.seq = l.seq // the packets of both layers have the same numbers
	w.watch(3, "5", 1, Camera, Low)
	w.deliver(1, false, l.frame(true, 1)...)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, h.frame(true, 2)...)
	asked := []uint16{sub.rtp[0].SequenceNumber, sub.rtp[1].SequenceNumber}
	for range seqmap.Segments - 2 {
		w.deliver(1, false, append(h.frame(false, 1), h.padding())...)
	}
	var audio []*sender
	var seats []packet.Section
	for i := range uint32(4) {
		id := packet.PeerID(10 + i)
		w.join(id, MemberID(id), map[string]Source{"0": Mic}, pubAudio("0", 300+i))
		audio = append(audio, &sender{w: w, peer: id, ssrc: 300 + i, pt: opus.PT})
		seats = append(seats, seatAudio(strconv.Itoa(int(i)), 6000+i))
	}
	w.join(4, 4, nil, seats...)
	for i, a := range audio {
		w.watch(4, strconv.Itoa(i), MemberID(a.peer), Mic, High)
		w.deliver(a.peer, false, a.audio())
	}

	b := packet.GetBatch(time.Unix(0, w.now))
	add(b, 1, false, h.frame(false, 1)[0])
	add(b, 1, false, h.padding())
	for i := range maxSlots - 2 {
		add(b, audio[i/maxRun].peer, false, audio[i/maxRun].audio())
	}
	nack, err := rtcp.Marshal([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(asked)}})
	w.must(err)
	add(b, 3, true, nack)
	w.take(b)
	var again []*rtp.Packet
	for _, p := range sub.rtp {
		if p.SSRC == 5001 {
			again = append(again, p)
		}
	}
	want := binary.BigEndian.AppendUint16(nil, asked[1])
	if want = append(want, sub.rtp[1].Payload...); len(again) != 1 || !bytes.Equal(again[0].Payload, want) {
		t.Fatalf("sent again %v, want %x alone", again, want)
	}
}

func TestPaddingIsTakenOut(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	w.deliver(1, false, a.padding(), a.padding())
	w.deliver(1, false, a.frame(false, 1)...)
	late := a.padding()
	w.deliver(1, false, a.frame(false, 1)...)
	if got := sub.seqs(5000); len(got) != 3 || got[1] != got[0]+1 || got[2] != got[1]+2 {
		t.Fatalf("numbers %v", got)
	}
	w.deliver(1, false, late) // its number is taken by nothing: it must be filled
	last := sub.rtp[len(sub.rtp)-1]
	if len(sub.rtp) != 4 || len(last.Payload) != 0 || last.SequenceNumber != sub.rtp[1].SequenceNumber+1 {
		t.Errorf("late padding gave %v", sub.seqs(5000))
	}
	if w.drops(DropPadding) != 2 {
		t.Errorf("%d dropped as padding, want 2", w.drops(DropPadding))
	}
}
