package transport

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parlor/packet"
	"parlor/router"
)

// wholePath is a node's media without a client: sealed packets of a publisher go into an ingress as a reader
// would give them, through a room, and out to subscribers whose packets the kernel drops.
type wholePath struct {
	tb   testing.TB
	in   *ingress
	send *srtp.Context
	room *router.Room
	from addr
	raw  []byte
	seq  uint16

	subscribers int
	out         uint64 // packets that should be out
}

func newWholePath(tb testing.TB, subscribers int) *wholePath {
	e := start(tb, Options{})
	w := e.NewWriter()
	// Buffers go round within a test, and reports stay out of the count.
	room := router.NewRoom(router.Options{History: time.Millisecond, NoPacing: true, ReportInterval: time.Hour}, w)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		_ = room.Run(ctx)
		close(done)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	x := &wholePath{tb: tb, room: room, from: addr{port: 9}, subscribers: subscribers}
	x.in = &ingress{ep: e, sock: e.sockets[0], errors: new(tokens), arrivals: make([]arrival, batchLen)}
	pub, err := e.NewPeer(PeerOptions{Inbox: room, Writer: w, Events: newWitness()})
	must(err)
	x.send, pub.rx.ctx = srtpPair(tb)
	pub.rx.ssrcs = map[uint32]*source{}
	e.table.addPath(newPath(pub, origin{addr: x.from, sock: e.sockets[0]}), 0)
	codecs := []packet.Codec{{Name: "VP8", ClockRate: 90000, PT: 96, NACK: true, PLI: true}}
	ext := packet.Extensions{MID: 1, AbsSendTime: 2}
	camera := router.TrackKey{Member: 1, Source: router.Camera}
	must(room.Attach(pub.ID(), 1, pub, router.PeerOptions{}))
	must(room.Update(pub.ID(), []packet.Section{{MID: "0", Kind: packet.Video, Publish: true, Active: true, Codecs: codecs, Ext: ext, SSRCs: []uint32{4711}}},
		map[string]router.Source{"0": router.Camera}))
	must(room.Ready(pub.ID()))
	for i := range subscribers {
		p, err := e.NewPeer(PeerOptions{Inbox: room, Writer: w, Events: newWitness()})
		must(err)
		out, _ := srtpPair(tb)
		p.lane.setOut(p, out)
		p.lane.setDest(p, newPath(p, origin{addr: addrFrom(drained(tb)), sock: p.lane.sock}))
		must(room.Attach(p.ID(), router.MemberID(i+2), p, router.PeerOptions{}))
		must(room.Update(p.ID(), []packet.Section{{MID: "0", Kind: packet.Video, Active: true, Codecs: codecs, Ext: ext, SSRC: uint32(1000 + i)}}, nil))
		must(room.Ready(p.ID()))
		must(room.Watch(p.ID(), "0", router.Want{Track: camera, Quality: router.High}))
	}
	h := rtp.Header{Version: 2, PayloadType: 96, SSRC: 4711}
	head, err := h.Marshal()
	must(err)
	x.raw = append(head, make([]byte, 1188)...)
	copy(x.raw[len(head):], []byte{0x10, 0}) // a keyframe begins
	x.deliver(1)
	x.raw[len(head)+1] = 1
	return x
}

// deliver sends n packets through, as one read, and waits until they are sent.
func (x *wholePath) deliver(n int) {
	for i := range n {
		buf := packet.Get()
		x.seq++
		binary.BigEndian.PutUint16(x.raw[2:], x.seq)
		var err error
		if buf.B, err = x.send.EncryptRTP(buf.B, x.raw, &x.in.scratch.rtp); err != nil {
			x.tb.Fatal(err)
		}
		x.in.arrivals[i] = arrival{buf: buf, from: x.from}
	}
	x.in.process(n, time.Now())
	x.out += uint64(n * x.subscribers)
	_ = x.room.Totals() // is answered after what came before, but for a call that comes between two batches
	for end := time.Now().Add(patience); x.in.ep.Stats().PacketsOut < x.out; runtime.Gosched() {
		if time.Now().After(end) {
			x.tb.Fatalf("%d packets out, not %d: %+v", x.in.ep.Stats().PacketsOut, x.out, x.room.Totals())
		}
	}
}

// outlastEarlyReports delivers until no RTCP has gone out for longer than the room's early reports are apart,
// which come whatever its ReportInterval is. They allocate.
func (x *wholePath) outlastEarlyReports() {
	quiet, last, rounds := time.Now(), uint64(0), 0
	for time.Since(quiet) < 500*time.Millisecond || rounds < 50 {
		x.deliver(4)
		rounds++
		if now := x.room.Totals().RTCPOut; now != last {
			quiet, last, rounds = time.Now(), now, 0
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	x.out = x.in.ep.Stats().PacketsOut // the reports are in it
}

func TestWholePathForwards(t *testing.T) {
	x := newWholePath(t, 200) // two lanes, on two sockets
	for range 10 {
		x.deliver(4)
	}
	if got, want, reports := x.in.ep.Stats().PacketsOut, uint64(200*41), x.room.Totals().RTCPOut; got < want || got > want+reports {
		t.Errorf("%d packets out, not %d and up to %d reports", got, want, reports)
	}
	if got, want := x.room.Totals().PacketsOut, uint64(200*41); got != want {
		t.Errorf("%d packets forwarded, not %d", got, want)
	}
}

// BenchmarkWholePath opens a packet, forwards it to 50 subscribers and sends it, four packets a read; ns/op
// is per forwarded packet. A client's sealing is in it, a two-hundredth of the whole.
func BenchmarkWholePath(b *testing.B) {
	x := newWholePath(b, 50)
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%200 == 0 {
			x.deliver(4)
		}
	}
}
