package router

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/gop"
	"parlor/router/pace"
)

// show is a camera with one viewer, with a keyframe and some frames since.
type show struct {
	*world
	a   *sender
	pub *capture
}

func newShow(t *testing.T, frames int) *show {
	s := &show{world: newWorld(t)}
	s.pub = s.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
	s.a = s.vp8(1, 100)
	s.join(2, 2, nil, seatVideo("5", 2000))
	s.watch(2, "5", 1, Camera, High)
	s.pass(400 * time.Millisecond) // a publisher that takes its time
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(frames)
	s.pub.clear()
	return s
}

// frames makes the camera send delta frames of two packets, 33 ms apart.
func (s *show) frames(n int) {
	for range n {
		s.pass(33 * time.Millisecond)
		s.deliver(1, false, s.a.frame(false, 2)...)
	}
}

// newcomer makes a new receiver begin to watch.
func (s *show) newcomer() *capture {
	sub := s.join(3, 3, nil, seatVideo("5", 3000))
	s.watch(3, "5", 1, Camera, High)
	return sub
}

// number returns which of its packets the publisher sent.
func number(p *rtp.Packet) uint32 {
	at := 7
	if p.PayloadType == h264.PT+10 {
		at = 4
	}
	return binary.BigEndian.Uint32(p.Payload[at:])
}

// inOrder checks that the publisher's packets from first to last have come, each once. Their numbers must go
// on and their timestamps must rise.
func (o *capture) inOrder(t *testing.T, first, last uint32) {
	t.Helper()
	if len(o.rtp) != int(last-first+1) {
		t.Fatalf("%d packets, want those from %d to %d", len(o.rtp), first, last)
	}
	for i, p := range o.rtp {
		if number(p) != first+uint32(i) {
			t.Fatalf("packet %d is the publisher's %d, want %d", i, number(p), first+uint32(i))
		}
		if i == 0 {
			continue
		}
		before := o.rtp[i-1]
		if p.SequenceNumber != before.SequenceNumber+1 {
			t.Fatalf("packet %d has number %d after %d", i, p.SequenceNumber, before.SequenceNumber)
		}
		if d := int32(p.Timestamp - before.Timestamp); before.Marker && d <= 0 || !before.Marker && d != 0 {
			t.Fatalf("packet %d: %d ticks after the one before", i, d)
		}
	}
}

// TestNewcomerBeginsWithTheCachedKeyframe: a receiver that begins to watch gets all since the keyframe at
// once. It goes on with what comes.
func TestNewcomerBeginsWithTheCachedKeyframe(t *testing.T) {
	s := newShow(t, 30)
	sub := s.newcomer()
	s.pass(0)
	if len(sub.rtp) == 0 {
		t.Fatal("nothing comes at once")
	}
	s.pass(30 * time.Millisecond)
	s.frames(3)
	sub.inOrder(t, 1, 4+33*2)
	if s.pub.plis() != 0 || s.c.totals.CacheHits != 1 {
		t.Errorf("%d requests, %d hits", s.pub.plis(), s.c.totals.CacheHits)
	}
	n := len(sub.rtp)
	if d := sub.rtp[n-7].Timestamp - sub.rtp[0].Timestamp; d > 90_000/50 {
		t.Errorf("the burst spans %d ms", d/90)
	}
	for i := n - 6; i < n; i += 2 {
		if d := sub.rtp[i].Timestamp - sub.rtp[i-2].Timestamp; d != 3000 {
			t.Errorf("a frame that came afterwards is %d ticks after the one before", d)
		}
	}
	s.outs[2].inOrder(t, 1, 4+33*2) // nothing has changed for others
}

// TestABurstGoesNoFasterThanTheNetworkCarries: the burst leaves in steps.
func TestABurstGoesNoFasterThanTheNetworkCarries(t *testing.T) {
	s := newShow(t, 1)
	for range 8 {
		s.pass(33 * time.Millisecond)
		s.deliver(1, false, big(s.a.frame(false, 10))...)
	}
	sub := s.newcomer()
	for range 2 { // it takes along what comes meanwhile
		s.pass(10 * time.Millisecond)
		s.deliver(1, false, big(s.a.frame(false, 1))...)
	}
	s.pass(gop.Limit)
	sub.inOrder(t, 1, 4+2+80+2)
	if s.pub.plis() != 0 {
		t.Error("a keyframe is asked for meanwhile")
	}
	bytes := 0
	for i, p := range sub.rtp {
		bytes += p.MarshalSize()
		if most := gop.Rate(startRate) / 8 * float64(sub.at[i]-sub.at[0]+10*ms) / 1e9; float64(bytes) > most+1500 {
			t.Fatalf("%d bytes within %d ms", bytes, (sub.at[i]-sub.at[0])/ms)
		}
	}
	if d := sub.at[len(sub.at)-1] - sub.at[0]; d < 100*ms {
		t.Errorf("100 KB took %d ms", d/ms)
	}
}

// TestWhatABurstBroughtIsSentAgain: retransmissions have the timestamps of the burst.
func TestWhatABurstBroughtIsSentAgain(t *testing.T) {
	for _, rtx := range []bool{true, false} {
		s := newShow(t, 45) // older than what can be sent again usually
		sec := seatVideo("5", 3000)
		if !rtx {
			sec.RTXSSRC = 0
		}
		sub := s.join(3, 3, nil, sec)
		s.watch(3, "5", 1, Camera, High)
		s.pass(100 * time.Millisecond)
		sent := append([]*rtp.Packet(nil), sub.rtp...)
		if len(sent) != 4+90 {
			t.Fatalf("%d packets", len(sent))
		}
		for _, i := range []int{0, 3, 50} {
			sub.clear()
			s.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 3000, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{sent[i].SequenceNumber})})
			if len(sub.rtp) != 1 {
				t.Fatalf("%d packets sent again", len(sub.rtp))
			}
			again, was := sub.rtp[0], sent[i]
			if rtx {
				again.Payload = again.Payload[2:] // the number of the original
			}
			if number(again) != number(was) || again.Timestamp != was.Timestamp || again.Marker != was.Marker {
				t.Errorf("rtx %v: packet %d has time %d, and %d when it is sent again", rtx, i, was.Timestamp, again.Timestamp)
			}
		}
	}
}

// TestNothingComesOfABurstAfterItsEnd: a receiver that turns away in the midst of it gets nothing more.
func TestNothingComesOfABurstAfterItsEnd(t *testing.T) {
	for name, end := range map[string]func(*show){
		"watch":  func(s *show) { s.watch(3, "5", 2, Camera, High) },
		"detach": func(s *show) { s.must(s.c.detach(3, s.now)) },
		"off":    func(s *show) { s.must(s.c.setPublishing(TrackKey{1, Camera}, false, s.now)) },
		"hidden": func(s *show) {
			s.must(s.c.watch(3, "5", Want{Track: TrackKey{1, Camera}, Hidden: true}, s.now))
		},
		"codec": func(s *show) { s.a.pt = vp9.PT; s.deliver(1, false, s.a.packet(true, []byte{0x48, 0, 0})) },
	} {
		s := newShow(t, 0)
		for range 4 {
			s.pass(33 * time.Millisecond)
			s.deliver(1, false, big(s.a.frame(false, 20))...)
		}
		sub := s.newcomer()
		s.pass(20 * time.Millisecond)
		if n := len(sub.rtp); n == 0 || n > 40 {
			t.Fatalf("%s: %d packets in the beginning", name, n)
		}
		end(s)
		sub.clear()
		s.pass(time.Second)
		if len(sub.rtp) != 0 || s.c.totals.CacheHits != 0 {
			t.Errorf("%s: %d packets after the end, %d hits", name, len(sub.rtp), s.c.totals.CacheHits)
		}
	}
}

// TestACacheWithAGapServesNobody: the chain is whole, or there is none.
func TestACacheWithAGapServesNobody(t *testing.T) {
	s := newShow(t, 10)
	lost := s.a.frame(false, 1)
	s.frames(2)
	sub := s.newcomer()
	if s.pass(0); len(sub.rtp) == 0 {
		t.Error("what is missing for a moment alone counts as lost") // it comes to all alike
	}
	s.frames(10)
	sub.clear()
	s.watch(3, "5", 2, Camera, High)
	s.watch(3, "5", 1, Camera, High)
	s.pass(50 * time.Millisecond)
	if len(sub.rtp) != 0 || s.pub.plis() == 0 {
		t.Errorf("%d packets, %d requests", len(sub.rtp), s.pub.plis())
	}
	s.deliver(1, false, lost...)
	s.watch(3, "5", 2, Camera, High)
	s.pub.clear()
	s.watch(3, "5", 1, Camera, High)
	s.pass(50 * time.Millisecond)
	sub.inOrder(t, 1, 4+20+1+24)
}

// TestWhatComesLateGoesToBurstsThatWentOn: a burst does not wait for a missing packet, and gets it once it
// comes.
func TestWhatComesLateGoesToBurstsThatWentOn(t *testing.T) {
	s := newShow(t, 1)
	late := s.a.frame(false, 1)
	s.deliver(1, false, big(s.a.frame(false, 60))...)
	sub := s.newcomer()
	for len(sub.rtp) < 4+2+20 {
		s.pass(pace.Step)
	}
	if s.c.present(TrackKey{1, Camera}).layers[0].key.cache.bursts != 1 {
		t.Fatal("the burst is over")
	}
	s.deliver(1, false, late...)
	s.pass(gop.Limit)
	for _, o := range []*capture{sub, s.outs[2]} {
		slices.SortStableFunc(o.rtp, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
		o.inOrder(t, 1, 4+2+1+60)
	}
}

// TestWhatOvertookAKeyframeUnwatched: a packet that overtook the keyframe was not kept, as nobody was to get
// it. So nobody can begin with that keyframe. A missing packet of the kept ones is asked for although nobody
// watches.
func TestWhatOvertookAKeyframeUnwatched(t *testing.T) {
	s := newShow(t, 3)
	st := s.c.present(TrackKey{1, Camera}).layers[0]
	s.watch(2, "5", 0, Camera, High)
	s.pass(maxCacheAge)
	s.frames(1)
	key := s.a.frame(true, 4)
	s.deliver(1, false, key[2], key[0], key[1], key[3])
	if st.key.cache.on {
		t.Error("a keyframe is kept of which a packet came before")
	}
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.pub.clear()
	s.a.frame(false, 1)
	s.frames(1)
	s.pass(100 * time.Millisecond)
	asked := slices.ContainsFunc(s.pub.rtcp, func(p rtcp.Packet) bool { _, ok := p.(*rtcp.TransportLayerNack); return ok })
	if !st.key.cache.on || !asked {
		t.Errorf("kept %v, asked for %v", st.key.cache.on, asked)
	}
}

// TestCacheIsBounded: a cache that is too old or too large serves nobody, and is let go of.
func TestCacheIsBounded(t *testing.T) {
	for name, fill := range map[string]func(*show){
		"age": func(s *show) { s.pass(3100 * time.Millisecond); s.frames(1) },
		"frames": func(s *show) {
			for range 95 {
				s.pass(10 * time.Millisecond)
				s.deliver(1, false, s.a.frame(false, 1)...)
			}
		},
		"bytes": func(s *show) {
			for range 60 {
				s.pass(11 * time.Millisecond)
				s.deliver(1, false, s.a.frame(false, 6)...)
			}
		},
		"room":  func(s *show) { s.c.keys.cached += maxCacheRoom; s.frames(1); s.c.keys.cached -= maxCacheRoom },
		"still": func(s *show) { s.pass(3100 * time.Millisecond) },
	} {
		s := newShow(t, 5)
		st := s.c.present(TrackKey{1, Camera}).layers[0]
		if s.c.keys.cached != 14*packet.Size || !st.key.cache.on {
			t.Fatalf("%s: %d bytes are kept", name, s.c.keys.cached)
		}
		fill(s)
		sub := s.newcomer()
		s.pass(100 * time.Millisecond)
		if len(sub.rtp) != 0 || s.pub.plis() != 1 || s.c.totals.CacheMisses != 2 || s.c.keys.cached != 0 || st.key.cache.on {
			t.Errorf("%s: %d packets, %d requests, %d misses, %d bytes kept", name, len(sub.rtp), s.pub.plis(), s.c.totals.CacheMisses, s.c.keys.cached)
		}
		s.pass(5 * time.Second)
		if n := st.ring.Len(); n > 1 {
			t.Errorf("%s: %d packets are held", name, n)
		}
	}
}

// TestCacheOfWhatNobodyWatches: it is kept for a while after the last viewer. It is also kept if there are
// some who may watch.
func TestCacheOfWhatNobodyWatches(t *testing.T) {
	s := newShow(t, 3)
	st := s.c.present(TrackKey{1, Camera}).layers[0]
	s.watch(2, "5", 0, Camera, High)
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(3)
	if st.ring.Len() < 10 {
		t.Errorf("%d packets after somebody has left", st.ring.Len())
	}
	s.pass(31 * time.Second)
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(3)
	if st.ring.Len() != 0 {
		t.Errorf("%d packets half a minute later", st.ring.Len())
	}
	for id := packet.PeerID(10); id < 14; id++ {
		s.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*100))
	}
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(3)
	if st.ring.Len() != 10 {
		t.Errorf("%d packets in a room of five", st.ring.Len())
	}
}

// TestThreeHundredNewcomers: newcomers within three seconds of a keyframe cost the publisher a handful of
// keyframes.
func TestThreeHundredNewcomers(t *testing.T) {
	a := newAudience(t, 0, High)
	before := a.c.totals.KeyframeRequests
	for i := range 300 {
		id := packet.PeerID(10 + i)
		a.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*100))
		a.watch(id, "5", 1, Camera, High)
		if i%4 == 3 {
			a.flow(40 * time.Millisecond)
		}
	}
	a.flow(400 * time.Millisecond)
	if n := a.c.totals.KeyframeRequests - before; n > 5 {
		t.Errorf("%d requests", n)
	}
	for i := range 300 {
		if len(a.outs[packet.PeerID(10+i)].rtp) == 0 {
			t.Errorf("viewer %d sees nothing", i)
		}
	}
	t.Logf("%d requests, %d hits, %d misses", a.c.totals.KeyframeRequests-before, a.c.totals.CacheHits, a.c.totals.CacheMisses)
}

// TestWhoIsBeyondItsQuotaIsServedByTheCache: its picture is back, and the publisher is not asked.
func TestWhoIsBeyondItsQuotaIsServedByTheCache(t *testing.T) {
	s := newShow(t, 1)
	sub := s.outs[2]
	lost := &rtcp.PictureLossIndication{MediaSSRC: 2000}
	for range 2 {
		s.rtcp(2, lost) // the first one is free
		s.deliver(1, false, s.a.frame(true, 4)...)
		s.frames(5)
	}
	s.pub.clear()
	sub.clear()
	from := s.a.n - 4 - 10 + 1
	s.rtcp(2, lost)
	s.pass(10 * time.Millisecond)
	s.frames(2)
	sub.inOrder(t, from, s.a.n)
	if s.pub.plis() != 0 || s.c.totals.CacheHits != 1 || s.drops(DropKeyframeQuota) != 0 {
		t.Errorf("%d requests, %d hits", s.pub.plis(), s.c.totals.CacheHits)
	}
	sub.clear()
	s.rtcp(2, lost) // again at once: it waits
	s.pass(10 * time.Millisecond)
	if len(sub.rtp) != 0 || s.drops(DropKeyframeQuota) != 1 {
		t.Errorf("%d packets at the next request", len(sub.rtp))
	}
}

// TestABurstThatNeverCatchesUpIsGivenUp: a new keyframe is asked for.
func TestABurstThatNeverCatchesUpIsGivenUp(t *testing.T) {
	s := newShow(t, 3)
	s.c.o.NoPacing = true
	sub := s.newcomer()
	for range 60 {
		s.deliver(1, false, big(s.a.frame(false, 8))...)
		s.pass(10 * time.Millisecond)
	}
	if s.c.totals.CacheAbandoned != 1 || s.pub.plis() == 0 {
		t.Fatalf("%d given up, %d requests", s.c.totals.CacheAbandoned, s.pub.plis())
	}
	sub.clear()
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(2)
	sub.inOrder(t, s.a.n-7, s.a.n)
}

// TestANewKeyframeEndsABurst: all before the new keyframe is of no use any more.
func TestANewKeyframeEndsABurst(t *testing.T) {
	s := newShow(t, 0)
	for range 4 {
		s.pass(33 * time.Millisecond)
		s.deliver(1, false, big(s.a.frame(false, 20))...)
	}
	sub := s.newcomer()
	s.pass(20 * time.Millisecond)
	n := len(sub.rtp)
	sub.inOrder(t, 1, uint32(n))
	s.deliver(1, false, s.a.frame(true, 4)...)
	s.frames(2)
	key := s.a.n - 7
	if len(sub.rtp) != n+8 {
		t.Fatalf("%d packets after %d", len(sub.rtp), n)
	}
	for i, p := range sub.rtp[n:] {
		if number(p) != key+uint32(i) || p.SequenceNumber != sub.rtp[n+i-1].SequenceNumber+1 {
			t.Errorf("packet %d is the publisher's %d, number %d", n+i, number(p), p.SequenceNumber)
		}
	}
	if d := int32(sub.rtp[n].Timestamp - sub.rtp[n-1].Timestamp); d <= 0 {
		t.Errorf("the keyframe is %d ticks after what was before", d)
	}
}

// TestParameterSetsComeOutOfTheCache: a burst of H.264 begins with them.
func TestParameterSetsComeOutOfTheCache(t *testing.T) {
	s := newShow(t, 0)
	s.a.pt = h264.PT
	frame := func(nals ...byte) {
		for i, nal := range nals {
			s.deliver(1, false, s.a.packet(i == len(nals)-1, []byte{nal, 0x42, 0, 0x1f}))
		}
		s.a.ts += 3000
		s.pass(33 * time.Millisecond)
	}
	frame(0x67, 0x68, 0x65)
	key := s.a.n - 2
	for range 10 {
		frame(0x41)
	}
	sub := s.newcomer()
	s.pass(10 * time.Millisecond)
	sub.inOrder(t, key, s.a.n)
}

// TestAPictureIsNotGivenUpForAnOldOne: a receiver that changes to another layer keeps what it has. This lasts
// until a keyframe comes that is no older than a moment.
func TestAPictureIsNotGivenUpForAnOldOne(t *testing.T) {
	for age, old := range map[time.Duration]bool{40 * time.Millisecond: false, 200 * time.Millisecond: true} {
		a := newAudience(t, 2, Low)
		a.watch(11, "5", 1, Camera, High) // so that the upper layer is cached
		a.flow(200 * time.Millisecond)
		for i, l := range a.layers {
			a.deliver(1, false, l.keyframe(uint16(320*(i+1)), uint16(180*(i+1))))
		}
		a.flow(age)
		st, hits := a.c.present(TrackKey{1, Camera}).layers[0], a.c.totals.CacheHits
		a.watch(10, "5", 1, Camera, High)
		a.pass(10 * time.Millisecond)
		if kept, served := len(st.sinks) == 1, a.c.totals.CacheHits > hits; kept != old || served == old || a.pub.plis() == 1 != old {
			t.Errorf("%v: fed by the lower layer %v, by the cache %v, %d requests", age, kept, served, a.pub.plis())
		}
	}
}
