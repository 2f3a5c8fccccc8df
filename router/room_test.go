package router

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

type noFlush struct{ n atomic.Int64 }

func (f *noFlush) Flush() { f.n.Add(1) }

type counting struct {
	mu   sync.Mutex
	rtp  int
	rtcp int
}

func (o *counting) SendRTP(h, p []byte) { o.mu.Lock(); o.rtp++; o.mu.Unlock() }
func (o *counting) SendRTCP([]byte)     { o.mu.Lock(); o.rtcp++; o.mu.Unlock() }
func (o *counting) packets() int        { o.mu.Lock(); defer o.mu.Unlock(); return o.rtp }

// pool hands out buffers and tells which are still owned. A buffer that was released may be handed out again.
type pool struct{ all map[*packet.Buffer]bool }

func (p *pool) batch(id packet.PeerID, raws ...[]byte) *packet.Batch {
	if p.all == nil {
		p.all = map[*packet.Buffer]bool{}
	}
	b := packet.GetBatch(time.Now())
	for _, raw := range raws {
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, raw)]
		p.all[buf] = true
		b.Add(id, buf, false)
	}
	return b
}

// owned counts the buffers that somebody still owns.
func (p *pool) owned() int {
	n := 0
	for b := range p.all {
		if reflect.ValueOf(b).Elem().FieldByName("refs").FieldByName("v").Int() > 0 {
			n++
		}
	}
	return n
}

func vp8Packet(t *testing.T, ssrc uint32, seq uint16, key bool) []byte {
	payload := []byte{0x90, 0x80, 0x80, byte(seq), 1, 0}
	if key {
		payload[4] = 0
	}
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: vp8.PT, SSRC: ssrc, SequenceNumber: seq, Timestamp: uint32(seq) * 3000}, Payload: payload}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRoomForwardsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flush := &noFlush{}
		r := NewRoom(Options{}, flush)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		out := &counting{}
		for _, err := range []error{
			r.Attach(1, 1, &counting{}, PeerOptions{}), r.Update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}), r.Ready(1),
			r.Attach(2, 2, out, PeerOptions{}), r.Update(2, []packet.Section{seatVideo("5", 5000)}, nil), r.Ready(2),
			r.Watch(2, "5", Want{Track: TrackKey{1, Camera}, Quality: High}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var p pool
		for i := range uint16(20) {
			r.Deliver(p.batch(1, vp8Packet(t, 100, i, i == 0), vp8Packet(t, 100, i, false)))
		}
		synctest.Wait()
		if out.packets() != 20 {
			t.Errorf("%d packets, want 20", out.packets())
		}
		if n := p.owned(); n != 20 {
			t.Errorf("%d buffers are held, the ring should have 20", n)
		}
		if s := r.Snapshot(); len(s.Tracks) != 1 || s.Totals.PacketsIn != 40 || s.Totals.Dropped[DropDuplicate] != 20 {
			t.Errorf("snapshot %+v", s)
		}
		if err := r.Run(ctx); !errors.Is(err, ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
		time.Sleep(5 * time.Second) // reports, and the keyframe is kept
		flushed := flush.n.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := flush.n.Load(); n != flushed {
			t.Errorf("idle room woke up %d times in an hour", n-flushed)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.Deliver(p.batch(1, vp8Packet(t, 100, 50, true)))
		if n := p.owned(); n != 0 {
			t.Errorf("%d buffers are held after the end", n)
		}
		for name, err := range map[string]error{
			"Attach": r.Attach(5, 5, out, PeerOptions{}), "Update": r.Update(1, nil, nil), "Ready": r.Ready(1), "Suspend": r.Suspend(1), "Detach": r.Detach(1),
			"SetPublishing": r.SetPublishing(1, Camera, false), "Watch": r.Watch(2, "5", Want{}),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s after the end: %v", name, err)
			}
		}
		if s := r.Snapshot(); s.Totals.PacketsIn != 40 || s.Totals.Dropped[DropInbox] != 1 {
			t.Errorf("totals after the end: %+v", s.Totals)
		} else if got := r.Totals(); got != s.Totals {
			t.Errorf("%+v, not %+v", got, s.Totals)
		}
	})
}

// setWall sets the wall clock of t, which has a monotonic reading. It leaves that alone, as does setting a
// machine's clock.
func setWall(t *testing.T, at time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&at)) // 1 bit: monotonic, 33 bits of seconds, 30 of ns
	*wall += uint64(int64(d/time.Second)) << 30
	if time.Until(at).Abs() > time.Minute {
		t.Fatal("the monotonic reading has changed as well")
	}
	return at
}

func TestTheWallClockDrivesNoTimers(t *testing.T) {
	start := time.Now()
	if d := setWall(t, start, -time.Hour).Unix() - start.Unix(); d != -3600 {
		t.Fatalf("clock set by %d s", d)
	}
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		base := time.Now()
		r := NewRoom(Options{Now: func() time.Time { return base }}, &noFlush{})
		before := r.now()
		base = setWall(t, base.Add(50*time.Millisecond), step)
		if d := time.Duration(r.now() - before); d != 50*time.Millisecond {
			t.Errorf("clock set by %v: %v went by in 50 ms", step, d)
		}
		b := packet.GetBatch(base)
		out := &counting{}
		for _, err := range []error{r.core.attach(1, 1, out, before), r.core.update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}, before)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, vp8Packet(t, 100, 1, true))]
		b.Add(1, buf, false)
		r.core.batch(b, r.now())
		b.Release()
		if d := time.Duration(r.core.peers[1].tracks["0"].layers[0].lastAt - before); d != 50*time.Millisecond {
			t.Errorf("clock set by %v: a packet 50 ms later is noted %v later", step, d)
		}
		r.core.close()
	}
}

// queued returns how many packets of a peer wait in the inbox.
func queued(q *inbox, id packet.PeerID) int {
	n := 0
	for _, b := range q.queue[q.head:] {
		for i := range b.Items {
			if b.Items[i].Peer == id {
				n++
			}
		}
	}
	return n
}

func TestInboxIsBounded(t *testing.T) {
	r := NewRoom(Options{InboxPackets: 128}, &noFlush{})
	var p pool
	for i := range uint16(200) { // nobody runs the room
		r.Deliver(p.batch(packet.PeerID(1+i%100), vp8Packet(t, 100, i, true), vp8Packet(t, 100, i, true)))
	}
	if n := p.owned(); n != 112 || r.inbox.packets != n || int(r.inbox.dropped.Load()+r.inbox.unfair.Load()) != 400-n {
		t.Errorf("%d buffers wait, %d packets, %d and %d dropped", n, r.inbox.packets, r.inbox.dropped.Load(), r.inbox.unfair.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := p.owned(); n != 0 {
		t.Errorf("%d buffers after the end", n)
	}
}

func TestInboxHasSharesAndAReserve(t *testing.T) {
	r := NewRoom(Options{InboxPackets: 1024}, &noFlush{})
	q := &r.inbox
	var p pool
	q.setAudio(2, []packet.Section{pubAudio("a")})
	sound := func(seq uint16) []byte {
		raw := vp8Packet(t, 300, seq, false)
		raw[1] = opus.PT
		return raw
	}
	put := func(id packet.PeerID, n int) {
		var raws [][]byte
		for i := range n {
			raws = append(raws, vp8Packet(t, 100, uint16(i), false))
		}
		r.Deliver(p.batch(id, raws...))
	}
	for range 100 { // a publisher at ten times the bitrate of others
		put(1, 30)
		put(2, 1)
		r.Deliver(p.batch(2, sound(1)))
	}
	if n, m := queued(q, 1), queued(q, 2); n > 520 || m != 200 || q.unfair.Load() == 0 {
		t.Errorf("%d packets of the one that floods, %d of 200 of the other wait", n, m)
	}
	for id := packet.PeerID(3); id < 200; id++ { // until only the reserve is left
		put(id, 2)
	}
	full := q.packets
	put(200, 1)
	if q.packets != full || full != 1024-128 || q.dropped.Load() == 0 {
		t.Fatalf("%d packets, want 896", q.packets)
	}
	r.Deliver(p.batch(2, sound(1)))
	b := p.batch(300, []byte{0x80, 201, 0, 1, 0, 0, 0, 1})
	b.Items[0].RTCP = true
	r.Deliver(b)
	if q.packets != full+1 {
		t.Errorf("%d packets, want one RTCP packet more than %d and no audio beyond the share", q.packets, full)
	}
	q.setAudio(201, []packet.Section{pubAudio("a")})
	r.Deliver(p.batch(201, sound(1)))
	if q.packets != full+2 {
		t.Error("no place for audio in the reserve")
	}
	for b, _ := q.pop(); b != nil; b, _ = q.pop() {
	}
	if q.packets != 0 || q.held != nil || len(q.queue) != 0 {
		t.Errorf("left: %d packets", q.packets)
	}
}

// slow is an Out that takes its time.
type slow struct{ counting }

func (o *slow) SendRTP(h, p []byte) { time.Sleep(time.Millisecond); o.counting.SendRTP(h, p) }

// A peer that leaves must not wait until all that has piled up is worked off.
func TestCallsAndTimersComeBetweenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(Options{}, &noFlush{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		out := &slow{}
		pub := &counting{}
		for _, err := range []error{
			r.Attach(1, 1, pub, PeerOptions{}), r.Update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}), r.Ready(1),
			r.Attach(2, 2, out, PeerOptions{}), r.Update(2, []packet.Section{seatVideo("5", 5000)}, nil), r.Ready(2), r.Attach(3, 3, &counting{}, PeerOptions{}),
			r.Watch(2, "5", Want{Track: TrackKey{1, Camera}, Quality: High}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var p pool
		for i := range uint16(300) {
			r.Deliver(p.batch(1, vp8Packet(t, 100, 10*i, true), vp8Packet(t, 100, 10*i+1, false), vp8Packet(t, 100, 10*i+2, false)))
		}
		start := time.Now()
		for range 5 {
			if err := r.Detach(3); err != nil && !errors.Is(err, ErrUnknownPeer) {
				t.Error(err)
			}
		}
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("five calls took %v behind batches of 3 ms", d)
		}
		time.Sleep(500 * time.Millisecond)
		pub.mu.Lock()
		if out.packets() > 800 || pub.rtcp < 3 { // keyframe request, losses, reports
			t.Errorf("%d RTCP packets to the publisher while %d packets went out", pub.rtcp, out.packets())
		}
		pub.mu.Unlock()
		start = time.Now()
		cancel()
		<-ended
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("the end took %v", d)
		}
		if n := p.owned(); n != 0 {
			t.Errorf("%d buffers after the end", n)
		}
	})
}

// TestRoomUnderConcurrentUse is for the race detector. Everything happens at once, then nothing is left.
func TestRoomUnderConcurrentUse(t *testing.T) {
	r := NewRoom(Options{}, &noFlush{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var wg sync.WaitGroup
	pools := make([]pool, 4)
	for i := range pools {
		wg.Go(func() {
			id := packet.PeerID(i + 1)
			ssrc := uint32(id) * 100
			for round := range 20 {
				if err := r.Attach(id, MemberID(id), &counting{}, PeerOptions{}); err != nil {
					t.Error(err)
				}
				if err := r.Update(id, []packet.Section{pubVideo("0", ssrc), seatVideo("5", 5000)}, map[string]Source{"0": Camera}); err != nil {
					t.Error(err)
				}
				r.Ready(id)
				r.Watch(id, "5", Want{Track: TrackKey{MemberID(1 + (i+1)%len(pools)), Camera}, Quality: High})
				for n := range uint16(20) {
					r.Deliver(pools[i].batch(id, vp8Packet(t, ssrc, uint16(round)*20+n, n%5 == 0)))
				}
				r.SetPublishing(MemberID(id), Camera, round%2 == 0)
				r.Snapshot()
				if err := r.Detach(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := r.Snapshot(); len(s.Tracks) != 0 || len(s.Sinks) != 0 {
		t.Errorf("left over: %+v", s)
	}
	cancel()
	<-ended
	c := r.core
	if len(c.peers)+len(c.tracks)+len(c.wants)+len(c.off)+len(c.keys.asking)+len(c.lost.streams) != 0 {
		t.Errorf("left in the core: %d peers, %d tracks, %d wants, %d off", len(c.peers), len(c.tracks), len(c.wants), len(c.off))
	}
}

// TestReportsWakeNobody: reports are taken with the next batch, with a call, when something is due, or when
// many wait. Requests are taken at once.
func TestReportsWakeNobody(t *testing.T) {
	rr := marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1}, &rtcp.TransportLayerCC{
		Header: rtcp.Header{Count: 15, Type: rtcp.TypeTransportSpecificFeedback, Length: 5}, PacketStatusCount: 1,
		PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 1}},
	})
	pli := marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1}, &rtcp.PictureLossIndication{})
	nack := marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1}, &rtcp.TransportLayerNack{Nacks: []rtcp.NackPair{{PacketID: 1}}})
	remb := marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1}, &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6})
	for name, x := range map[string]struct {
		raw  []byte
		wait bool
	}{
		"report": {rr, true}, "REMB": {remb, true}, "PLI": {pli, false}, "NACK": {nack, false},
		"cut": {rr[:9], true}, "nothing": {nil, true}, "length 0": {make([]byte, 64), true},
	} {
		if got := !prompt(x.raw); got != x.wait {
			t.Errorf("%s waits: %v", name, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(Options{}, &noFlush{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		defer func() {
			cancel()
			<-ended
		}()
		deliver := func(raw []byte, isRTCP bool) {
			b := packet.GetBatch(time.Now())
			buf := packet.Get()
			buf.B = buf.B[:copy(buf.B, raw)]
			b.Add(1, buf, isRTCP)
			r.Deliver(b)
		}
		waiting := func() int {
			synctest.Wait()
			r.inbox.mu.Lock()
			defer r.inbox.mu.Unlock()
			return r.inbox.packets
		}
		expect := func(what string, n int) {
			t.Helper()
			if got := waiting(); got != n {
				t.Errorf("%s: %d packets wait, not %d", what, got, n)
			}
		}
		deliver(rr, true)
		deliver(rr, true)
		expect("reports", 2)
		deliver([]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, false)
		expect("media", 0)
		deliver(rr, true)
		deliver(pli, true)
		expect("a request", 0)
		deliver(rr, true)
		r.Snapshot()
		expect("a call", 0)
		for range maxPatient - 1 {
			deliver(rr, true)
		}
		expect("many", maxPatient-1)
		deliver(rr, true)
		expect("too many", 0)
		if err := r.post(func(c *core, now int64) error { c.at(dueVolumes, now+20e6); return nil }); err != nil {
			t.Fatal(err)
		}
		deliver(rr, true)
		expect("a report, before something is due", 1)
		time.Sleep(25 * time.Millisecond)
		expect("a report, after", 0)
	})
}

func marshalRTCP(t *testing.T, p ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
