package router

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"

	"parlor/packet"
)

// neighbours is an Out that keeps one list for the whole room. It has the SSRC to which each packet went.
type neighbours struct{ to *[]uint32 }

func (o *neighbours) SendRTP(h, _ []byte) { *o.to = append(*o.to, binary.BigEndian.Uint32(h[8:])) }
func (o *neighbours) SendRTCP([]byte)     {}

// Packets for one receiver must leave as neighbours, as segmentation offload sends these at a fraction of the
// cost. Other things that separate them at the publisher's end must not separate them here. These are other
// publishers' packets in between, feedback, and receivers that wait.
func TestPacketsLeaveAsNeighbours(t *testing.T) {
	w := newWorld(t)
	w.uncached()
	var to []uint32
	senders := map[packet.PeerID]*sender{}
	for id := packet.PeerID(1); id <= 3; id++ {
		w.join(id, MemberID(id), map[string]Source{"0": Camera}, pubVideo("0", uint32(100*id)))
		senders[id] = w.vp8(id, uint32(100*id))
	}
	poor := func(ssrc uint32) packet.Section {
		s := seatVideo("5", ssrc)
		s.Codecs = s.Codecs[1:2]
		return s
	}
	join := func(id packet.PeerID, sec packet.Section) {
		w.must(w.c.attach(id, MemberID(id), &neighbours{&to}, w.now))
		w.must(w.c.update(id, []packet.Section{sec}, nil, w.now))
		w.must(w.c.ready(id, w.now))
		w.watch(id, "5", MemberID(1+id%3), Camera, High)
	}
	for id := packet.PeerID(10); id < 16; id++ {
		join(id, seatVideo("5", uint32(1000*id)))
	}
	join(20, poor(20_000)) // never gets anything
	for id, s := range senders {
		w.deliver(id, false, s.frame(true, 1)...)
	}
	join(30, seatVideo("5", 30_000)) // waits for a keyframe
	to = nil
	b := packet.GetBatch(w.c.time.base)
	add := func(id packet.PeerID, isRTCP bool, raw []byte) {
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, raw)]
		b.Add(id, buf, isRTCP)
	}
	for range 6 {
		for id := packet.PeerID(1); id <= 3; id++ {
			add(id, false, senders[id].frame(false, 1)[0])
		}
		raw, err := (&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 10_000}}}).Marshal()
		w.must(err)
		add(10, true, raw)
	}
	w.c.batch(b, w.now)
	w.c.sendRuns()
	w.c.tick(w.now)
	b.Release()
	changes := 0
	for i := 1; i < len(to); i++ {
		if to[i] != to[i-1] {
			changes++
		}
	}
	if len(to) != 36 || changes != 5 {
		t.Errorf("%d packets to 6 receivers, to another one %d times: %v", len(to), changes, to)
	}
	if n := w.drops(DropCodec); n != 1 || !w.c.peers[20].down.sinks["5"].unfit {
		t.Errorf("a receiver without the codec was tried %d times, want 1", n)
	}
}

// More streams come at a time than runs are kept for, and more packets than there are slots.
func TestRunsAreBounded(t *testing.T) {
	w := newWorld(t)
	var senders []*sender
	for id := packet.PeerID(1); id <= 20; id++ {
		w.join(id, MemberID(id), map[string]Source{"0": Camera}, pubVideo("0", uint32(100*id)))
		sub := w.join(100+id, MemberID(100+id), nil, seatVideo("5", uint32(100+id)*1000))
		w.watch(100+id, "5", MemberID(id), Camera, High)
		s := w.vp8(id, uint32(100*id))
		senders = append(senders, s)
		w.deliver(id, false, s.frame(true, 1)...)
		sub.clear()
	}
	b := packet.GetBatch(w.c.time.base)
	for i := range 400 {
		s := senders[i*7%20]
		if i > 200 {
			s = senders[i/30]
		}
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, s.frame(false, 1)[0])]
		b.Add(s.peer, buf, false)
	}
	w.c.batch(b, w.now)
	w.c.sendRuns()
	w.c.tick(w.now)
	b.Release()
	sent := 0
	for _, s := range senders {
		got := w.outs[100+s.peer].seqs(uint32(100+s.peer) * 1000)
		sent += len(got)
		for i := 1; i < len(got); i++ {
			if got[i] != got[i-1]+1 {
				t.Errorf("numbers %v of publisher %d, want them in a row", got, s.peer)
			}
		}
	}
	if sent != 400 || len(w.c.out.free) != maxSlots || w.c.out.open != 0 {
		t.Errorf("%d packets of 400 sent; %d slots free, %d runs open", sent, len(w.c.out.free), w.c.out.open)
	}
}
