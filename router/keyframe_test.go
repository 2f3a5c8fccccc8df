package router

import (
	"strconv"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parlor/packet"
)

func TestKeyframeRequestsAreLimited(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	for id := packet.PeerID(10); id < 110; id++ {
		w.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*100))
		w.watch(id, "5", 1, Camera, High)
		w.pass(10 * time.Millisecond)
	}
	if n := pub.plis(); n < 5 || n > 6 {
		t.Errorf("%d requests in a second in which 100 ask, want 5 or 6", n)
	}
	w.deliver(1, false, a.frame(true, 1)...)
	pub.clear()
	w.pass(5 * time.Second)
	if n := pub.plis(); n != 0 {
		t.Errorf("%d requests after the keyframe", n)
	}
	for id := packet.PeerID(10); id < 110; id++ {
		w.rtcp(id, &rtcp.PictureLossIndication{MediaSSRC: uint32(id) * 100})
	}
	if n := pub.plis(); n != 1 {
		t.Errorf("%d requests for 100 lost pictures, want 1", n)
	}
	w.deliver(1, false, a.frame(true, 1)...)
	w.pass(5 * time.Second)
	if n := pub.plis(); n != 1 {
		t.Errorf("%d requests though the keyframe came", n)
	}
}

func TestKeyframeRequestsAreLimitedPerTrack(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "m", "h"}
	pub := w.join(1, 1, map[string]Source{"v": Camera}, sec)
	for i := range uint32(3) {
		s := w.vp8(1, 100*(i+1))
		s.mid, s.rid = "v", sec.RIDs[i]
		w.deliver(1, false, s.frame(false, 1)...)
	}
	w.pass(50 * time.Millisecond)
	at := map[int64]bool{}
	for i := range 60 {
		id := packet.PeerID(10 + i)
		w.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*100))
		pub.clear()
		w.watch(id, "5", 1, Camera, Quality(i%3))
		for range 10 {
			if w.pass(5 * time.Millisecond); pub.plis() > 0 {
				at[w.now] = true
			}
			pub.clear()
		}
	}
	if n := len(at); n < 13 || n > 16 { // 3 s
		t.Errorf("asked %d times in 3 s, want once in 200 ms", n)
	}
	w.pass(time.Second)
	pub.clear()
	w.pass(500 * time.Millisecond)
	for i := range 3 {
		w.rtcp(packet.PeerID(10+i), &rtcp.PictureLossIndication{MediaSSRC: uint32(10+i) * 100})
	}
	pub.clear()
	w.pass(250 * time.Millisecond)
	layers := map[uint32]bool{}
	for _, p := range pub.rtcp {
		if pli, ok := p.(*rtcp.PictureLossIndication); ok {
			layers[pli.MediaSSRC] = true
		}
	}
	if len(layers) < 2 {
		t.Errorf("asked for %v, want all layers that wait", layers)
	}
}

func TestKeyframeIsAskedAgainWhileASinkWaits(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.deliver(1, false, a.frame(false, 1)...)
	w.watch(3, "5", 1, Camera, High)
	w.pass(1600 * time.Millisecond)
	if n := pub.plis(); n != 4 {
		t.Errorf("%d requests in 1.6 s, want 4", n)
	}
	w.pass(time.Minute)
	if n := pub.plis(); n > 12 || w.c.next() != 0 {
		t.Errorf("%d requests to a publisher that has stopped, timer %d", n, w.c.next())
	}
	pub.clear()
	w.deliver(1, false, a.frame(false, 1)...)
	if n := pub.plis(); n != 1 {
		t.Errorf("%d requests when packets come again, want 1", n)
	}
}

func TestFIRWherePLIIsNotNegotiated(t *testing.T) {
	w := newWorld(t)
	sec := pubVideo("0", 100)
	only := vp8
	only.PLI = false
	sec.Codecs = []packet.Codec{only}
	pub := w.join(1, 1, map[string]Source{"0": Camera}, sec)
	w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	w.pass(time.Second)
	var numbers []uint8
	for _, p := range pub.rtcp {
		if f, ok := p.(*rtcp.FullIntraRequest); ok {
			numbers = append(numbers, f.FIR[0].SequenceNumber)
		}
	}
	if len(numbers) < 2 || numbers[1] != numbers[0]+1 || pub.plis() != 0 {
		t.Errorf("full intra requests numbered %v and %d PLIs", numbers, pub.plis())
	}
}

func TestSinkBeginsWithAKeyframeOutOfOrder(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	k := a.frame(true, 4)
	w.deliver(1, false, k[1], k[3], k[0], k[2])
	got := sub.seqs(5000)
	if len(got) != 4 || got[1] != got[0]+1 || got[2] != got[0]+3 || got[3] != got[0]+2 {
		t.Errorf("numbers %v, want 0 1 3 2 from the first", got)
	}
}

// TestOneLossyViewerHasAQuotaOfKeyframes: a viewer that asks at each chance gets one at once, and then three
// in ten seconds at most.
func TestOneLossyViewerHasAQuotaOfKeyframes(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	w.pass(300 * time.Millisecond)
	pub.clear()
	lost := &rtcp.PictureLossIndication{MediaSSRC: 5000}
	w.rtcp(3, lost)
	if n := pub.plis(); n != 1 {
		t.Fatalf("%d requests for the first loss after the join", n)
	}
	for range 300 { // 30 s
		w.pass(100 * time.Millisecond)
		w.deliver(1, false, a.frame(false, 1)...)
		if pub.plis() > 0 && w.now%(1e9) < 1e8 {
			w.deliver(1, false, a.frame(true, 1)...)
		}
		w.rtcp(3, lost)
	}
	if n := pub.plis(); n < 9 || n > 1+3*3+1 {
		t.Errorf("%d requests in 30 s", n)
	}
	if n := w.c.totals.Dropped[DropKeyframeQuota]; n < 250 {
		t.Errorf("%d counted as beyond the quota", n)
	}
}

// TestNobodyStaysFrozenByTheQuota: a request beyond it goes out as soon as there is room, unless a keyframe
// has come.
func TestNobodyStaysFrozenByTheQuota(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	lost := &rtcp.PictureLossIndication{MediaSSRC: 5000}
	answered := func() {
		t.Helper()
		w.deliver(1, false, a.frame(true, 1)...)
		pub.clear()
	}
	for range 2 {
		w.pass(time.Second)
		w.rtcp(3, lost)
		answered()
	}
	w.pass(500 * time.Millisecond)
	w.rtcp(3, lost) // too soon
	if n := pub.plis(); n != 0 {
		t.Fatalf("%d requests within a second", n)
	}
	w.pass(600 * time.Millisecond)
	if n := pub.plis(); n != 1 {
		t.Fatalf("%d requests when there is room again", n)
	}
	answered()
	w.pass(500 * time.Millisecond)
	w.rtcp(3, lost) // again, and then somebody else's keyframe comes
	answered()
	w.pass(15 * time.Second)
	if n := pub.plis(); n != 0 {
		t.Errorf("%d requests though a keyframe came", n)
	}
}

// TestOneFlappingViewerHasAQuotaOfKeyframes: a seat shows nobody and somebody again all the time. It gets
// some keyframes at once, then one a second. When it stays its picture begins soon, and another seat is not
// kept from asking.
func TestOneFlappingViewerHasAQuotaOfKeyframes(t *testing.T) {
	w, a, _, sub := meeting(t)
	pub := w.outs[1]
	asked := 0
	flow := func(d time.Duration) {
		for ; d > 0; d -= 25 * time.Millisecond {
			key := pub.plis() > 0
			asked += pub.plis()
			pub.clear()
			w.deliver(1, false, a.frame(key, 1)...)
			w.pass(25 * time.Millisecond)
		}
	}
	for range 300 {
		w.watch(3, "5", 1, Camera, High)
		flow(50 * time.Millisecond)
		w.watch(3, "5", 0, Camera, High)
		flow(50 * time.Millisecond)
	}
	if asked < 20 || asked > 40 {
		t.Errorf("asked %d times in 30 s, want once a second", asked)
	}
	sub.clear()
	w.watch(3, "5", 1, Camera, High)
	flow(1200 * time.Millisecond)
	if len(sub.seqs(5000)) == 0 {
		t.Error("nothing is shown after it has stayed for a second")
	}
	asked = 0
	w.join(9, 9, nil, seatVideo("x", 9000))
	w.watch(9, "x", 1, Camera, High)
	flow(300 * time.Millisecond)
	if asked == 0 || len(w.outs[9].seqs(9000)) == 0 {
		t.Error("another viewer waits")
	}
}

// TestTheQuotaIsForWhatTheReceiverDoes: a publisher may switch its camera off and on again all the time. It
// is asked at once by those that watch it.
func TestTheQuotaIsForWhatTheReceiverDoes(t *testing.T) {
	w, a, _, _ := meeting(t)
	pub := w.outs[1]
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	for i := range 8 {
		pub.clear()
		w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now))
		w.must(w.c.setPublishing(TrackKey{1, Camera}, true, w.now))
		w.deliver(1, false, a.frame(false, 1)...)
		if w.pass(250 * time.Millisecond); pub.plis() == 0 {
			t.Errorf("not asked after time %d", i+1)
		}
		w.deliver(1, false, a.frame(true, 1)...)
	}
}

// TestWhoIsBeyondTheQuotaIsNotForgotten: a seat that has changed its mind too often gets its keyframe in
// time. This holds also if the publisher, say of a still screen, sends nothing before it is asked.
func TestWhoIsBeyondTheQuotaIsNotForgotten(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.uncached()
	pub := w.outs[1]
	w.deliver(1, false, a.frame(true, 1)...)
	for range takeUps {
		w.watch(3, "5", 1, Camera, High)
		w.deliver(1, false, a.frame(true, 1)...) // nobody waits any more
		w.watch(3, "5", 0, Camera, High)
	}
	w.pass(500 * time.Millisecond)
	pub.clear()
	w.watch(3, "5", 1, Camera, High)
	if w.pass(400 * time.Millisecond); pub.plis() != 0 {
		t.Fatalf("%d requests beyond the quota", pub.plis())
	}
	if w.pass(200 * time.Millisecond); pub.plis() != 1 {
		t.Fatalf("%d requests when there is room again, want 1", pub.plis())
	}
	if w.pass(500 * time.Millisecond); pub.plis() != 2 {
		t.Fatalf("%d requests after one got lost, want 2", pub.plis())
	}
	sub.clear()
	w.deliver(1, false, a.frame(true, 1)...)
	pub.clear()
	if w.pass(5 * time.Second); len(sub.seqs(5000)) != 1 || pub.plis() != 0 {
		t.Errorf("%d packets shown, %d requests after the keyframe", len(sub.seqs(5000)), pub.plis())
	}
}

// TestSoundHasNoQuotaOfKeyframes: sound that is taken up costs no keyframe, so it neither counts nor leaves
// pictures less.
func TestSoundHasNoQuotaOfKeyframes(t *testing.T) {
	w := newWorld(t)
	const others = maxTakeUps/2 + 1
	var mine []packet.Section
	for i := range others {
		id := 10 + packet.PeerID(i)
		w.join(id, MemberID(id), map[string]Source{"m": Mic, "c": Camera}, pubAudio("m", 2000+uint32(i)), pubVideo("c", 4000+uint32(i)))
		mine = append(mine, seatAudio("a"+strconv.Itoa(i), 10000+uint32(i)), seatVideo("v"+strconv.Itoa(i), 20000+2*uint32(i)))
	}
	w.join(3, 3, nil, mine...)
	for range 2 * takeUps {
		for i := range others {
			w.watch(3, "a"+strconv.Itoa(i), MemberID(10+i), Mic, High)
		}
		for i := range others {
			w.watch(3, "a"+strconv.Itoa(i), 0, Mic, High)
		}
	}
	for i := range others {
		w.watch(3, "v"+strconv.Itoa(i), MemberID(10+i), Camera, High)
	}
	for i := range others {
		if w.outs[10+packet.PeerID(i)].plis() != 1 {
			t.Fatalf("camera %d was not asked", i)
		}
	}
	if n := w.drops(DropKeyframeQuota); n != 0 {
		t.Errorf("%d counted as beyond the quota", n)
	}
}
