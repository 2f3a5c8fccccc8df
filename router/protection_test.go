package router

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"parlor/router/bwe"
	"parlor/router/header"
)

// lossy makes the receiver lose so much at random, as a step of its network has shown.
func (w *world) lossy(share float64) {
	p := w.c.peers[3]
	n := p.down.pathOf()
	e := bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6, Lost: share, Random: true}
	for range 50 { // so that its mean is that
		n.protect(w.now, p.rtt, 1e6, &e, &p.down.told)
	}
	w.c.guard(p)
}

// originals are the numbers of the packets that retransmissions of an SSRC send again.
func (o *capture) originals(ssrc uint32) (list []uint16) {
	for _, p := range o.rtp {
		if p.SSRC == ssrc && len(p.Payload) >= 2 {
			list = append(list, binary.BigEndian.Uint16(p.Payload))
		}
	}
	return list
}

func (o *capture) nack(seqs ...uint16) {
	o.w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
}

// TestWhatLossIsAnsweredBy: copies and patience grow with the loss. There is none of it if the loss may have
// to do with what is sent.
func TestWhatLossIsAnsweredBy(t *testing.T) {
	random := func(lost float64) bwe.Estimate {
		return bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6, Lost: lost, Random: true}
	}
	unproved, depends, queue, small, full := random(.5), random(.5), random(.5), random(.5), random(.1)
	unproved.Random = false
	depends.Depends = true
	queue.Queue = calmQueue + 1
	small.Delay = 2e6
	full.Delay = 1e6
	for name, x := range map[string]struct {
		e      bwe.Estimate
		copies int
		delay  int64
		base   bool
	}{
		"none":             {random(0), 1, 0, false},
		"2 %":              {random(.02), 1, 0, false},
		"10 %":             {random(.1), 3, 140 * ms, false},
		"30 %":             {random(.3), 4, 210 * ms, false},
		"50 %":             {random(.5), 4, 300 * ms, true},
		"50 %, not proved": {unproved, 3, 300 * ms, false},
		"depends on rate":  {depends, 1, 0, false},
		"queue":            {queue, 1, 0, false},
		"small":            {small, 1, 300 * ms, true},
		"full":             {full, 1, 140 * ms, false},
	} {
		var n path
		now := int64(1_700_000_000e9)
		for range 50 {
			n.protect(now, 80*ms, 1e6, &x.e, &delivery{})
		}
		require.Equal(t, x.copies, n.guarded.copies, name)
		require.Equal(t, x.delay, n.guarded.delay, name)
		require.Equal(t, x.base, n.guarded.base, name)
	}
	var n path
	calm, now := random(.3), int64(1_700_000_000e9)
	n.protect(now, 80*ms, 1e6, &queue, &delivery{})
	n.protect(now+quietProved-1, 80*ms, 1e6, &calm, &delivery{})
	require.Equal(t, 1, n.guarded.copies, "soon after a queue")
	n.protect(now+quietProved, 80*ms, 1e6, &calm, &delivery{})
	require.Equal(t, 4, n.guarded.copies, "some time after a queue")
}

// TestFewPacketsSayLittleOfLoss: feedback of the last half second counts at once, but for what chance may
// have done.
func TestFewPacketsSayLittleOfLoss(t *testing.T) {
	var x protection
	require.Zero(t, x.lately(&delivery{arrived: 5, lost: 10}))
	require.Zero(t, x.lately(&delivery{lost: 25}), "reports come with what arrives: it is lost by earlier ones")
	x = protection{}
	require.InDelta(t, .43, x.lately(&delivery{arrived: 25, lost: 25}), .01)
	for range latelyParts - 1 {
		require.NotZero(t, x.lately(&delivery{arrived: 25, lost: 25}))
	}
	require.Zero(t, x.lately(&delivery{arrived: 25, lost: 20}), "some were found")
}

// TestWhatIsAskedForIsSentSeveralTimes: the copies are some ms apart. They are sent again when the packet is
// asked for again.
func TestWhatIsAskedForIsSentSeveralTimes(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 3)...)
	lost := sub.rtp[1].SequenceNumber
	sub.nack(lost)
	w.pass(60 * time.Millisecond)
	require.Len(t, sub.originals(5001), 1, "where nothing is lost, once")
	w.lossy(.3)
	sub.clear()
	sub.nack(lost)
	require.Len(t, sub.originals(5001), 1)
	w.pass(60 * time.Millisecond)
	require.Equal(t, []uint16{lost, lost, lost, lost}, sub.originals(5001))
	for i := 1; i < 4; i++ {
		require.GreaterOrEqual(t, sub.at[i]-sub.at[i-1], int64(copyGap))
		require.LessOrEqual(t, sub.at[i]-sub.at[i-1], int64(copyGap+copyStep))
	}
	sub.nack(lost)
	w.pass(60 * time.Millisecond)
	require.Len(t, sub.originals(5001), 8)
	require.EqualValues(t, 6, w.c.totals.PictureCopies)
	require.EqualValues(t, 9, w.c.totals.Resent)
}

// TestWhatIsAskedForIsSentSeveralTimesAsItWas: if the receiver knows no retransmissions, it gets the very
// same bytes.
func TestWhatIsAskedForIsSentSeveralTimesAsItWas(t *testing.T) {
	for lost, want := range map[float64]int{0: 1, .3: 4} {
		w := newWorld(t)
		w.join(1, 1, map[string]Source{"0": Camera}, pubVideo("0", 100))
		a := w.vp8(1, 100)
		sec := seatVideo("5", 5000)
		sec.RTXSSRC = 0
		for i := range sec.Codecs {
			sec.Codecs[i].RTX = 0
		}
		sub := w.join(3, 3, nil, sec)
		w.watch(3, "5", 1, Camera, High)
		w.deliver(1, false, a.frame(true, 3)...)
		missing := sub.rtp[1]
		w.lossy(lost)
		sub.clear()
		sub.nack(missing.SequenceNumber)
		w.pass(60 * time.Millisecond)
		require.Len(t, sub.rtp, want)
		for _, p := range sub.rtp {
			require.Equal(t, missing.Header, p.Header)
			require.Equal(t, missing.Payload, p.Payload)
		}
	}
}

// TestCopiesEndWithWhatTheyAreOf: no copy of a packet is sent after its stream was left.
func TestCopiesEndWithWhatTheyAreOf(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"watch":   func(w *world) { w.watch(3, "5", 2, Camera, High) },
		"hide":    func(w *world) { w.must(w.c.watch(3, "5", Want{}, w.now)) },
		"suspend": func(w *world) { w.must(w.c.suspend(3, w.now)) },
		"detach":  func(w *world) { w.must(w.c.detach(3, w.now)) },
		"update":  func(w *world) { w.must(w.c.update(3, nil, nil, w.now)) },
	} {
		w, a, _, sub := meeting(t)
		w.watch(3, "5", 1, Camera, High)
		w.lossy(.5)
		w.deliver(1, false, a.frame(true, 3)...)
		sub.nack(sub.rtp[1].SequenceNumber)
		require.Len(t, w.c.nets.repeats.list, 4, name)
		sub.clear()
		end(w)
		w.pass(60 * time.Millisecond)
		require.Empty(t, sub.rtp, name)
		require.Empty(t, w.c.nets.repeats.list, name)
	}
}

// TestPicturesLeaveUnasked: half of the packets is lost. Frames that others refer to leave so often that
// hardly any of them is missing. Others leave less often.
func TestPicturesLeaveUnasked(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.lossy(.5)
	w.c.peers[3].down.net.listed = true // what is told of its network is told here
	w.deliver(1, false, a.frame(true, 3)...)
	first := sub.seqs(5000)
	w.pass(unaskedGap - 1)
	require.Empty(t, sub.seqs(5001))
	w.pass(copyStep + 1)
	require.Equal(t, first, sub.originals(5001))
	sub.clear()
	w.pass(100 * time.Millisecond)
	require.Len(t, sub.seqs(5001), 3*3, "five times in all")
	sub.clear()
	higher := a.frame(false, 2)
	for _, raw := range higher {
		raw[len(raw)-4-1-1] |= 2 << 6 // its temporal layer
	}
	w.deliver(1, false, higher...)
	w.pass(100 * time.Millisecond)
	require.Len(t, sub.seqs(5000), 2)
	require.Len(t, sub.seqs(5001), 2*2)
	sub.clear()
	w.lossy(.7)
	w.deliver(1, false, a.frame(false, 1)...)
	w.pass(100 * time.Millisecond)
	require.Len(t, sub.seqs(5001), 9, "more where more is lost")
}

// TestCopiesFitIntoWhatThereIs: copies of frames that others refer to come before those of others. As much is
// left as they leave.
func TestCopiesFitIntoWhatThereIs(t *testing.T) {
	for _, x := range []struct {
		room, rate, lost, missed float64
		copies                   uint8
		left                     float64
	}{
		{10e6, 100e3, .5, .03, 5, 9.5e6},
		{10e6, 100e3, .7, .03, 9, 9.1e6},
		{10e6, 100e3, .9, .03, mostUnasked, 8.8e6},
		{10e6, 100e3, .7, .15, 5, 9.5e6},
		{250e3, 100e3, .7, .03, 2, 50e3},
		{50e3, 100e3, .7, .03, 0, 50e3},
		{-1e6, 100e3, .7, .03, 0, -1e6},
		{10e6, 0, .7, .03, 9, 10e6},
		{10e6, 100e3, 0, .5, 0, 10e6},
	} {
		left := x.room
		require.Equal(t, x.copies, fitting(&left, x.rate, x.lost, x.missed), "%+v", x)
		require.InDelta(t, x.left, left, 1, "%+v", x)
	}
}

// TestMuchLossIsNotWaitedFor: loss of half a second is enough, unless more is sent at the time to see what
// the loss depends on.
func TestMuchLossIsNotWaitedFor(t *testing.T) {
	for _, x := range []struct {
		lost, extra float64
		base        bool
	}{{.7, 0, true}, {.7, 1e6, false}, {suddenFrom - .05, 0, false}} {
		var n path
		n.protect(1_700_000_000e9, 80*ms, 1e6, &bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6, Lost: x.lost, Extra: x.extra}, &delivery{})
		require.Equal(t, x.base, n.guarded.base, "%+v", x)
	}
}

// TestWhatIsAskedForLateStopsThePicture: the request for a keyframe that would follow may be lost, so the
// node asks for one. It does so once. It does not if a keyframe has come or was asked for since, nor if
// little is lost.
func TestWhatIsAskedForLateStopsThePicture(t *testing.T) {
	for name, x := range map[string]struct {
		lost  float64
		after int64 // the packet, asked for
		key   bool  // another keyframe has come meanwhile
		asks  uint64
	}{
		"late":           {.7, stuckAfter, false, 1},
		"early":          {.7, stuckAfter - 50*ms, false, 0},
		"anew":           {.7, stuckAfter, true, 0},
		"little is lost": {.1, stuckAfter, false, 0},
	} {
		w, a, _, sub := meeting(t)
		w.watch(3, "5", 1, Camera, High)
		w.lossy(x.lost)
		w.c.peers[3].down.net.listed = true // what is told of its network is told here
		w.deliver(1, false, a.frame(true, 1)...)
		w.pass(time.Second)
		w.deliver(1, false, a.frame(false, 1)...)
		missing := sub.rtp[len(sub.rtp)-1].SequenceNumber
		if x.key {
			w.pass(100 * time.Millisecond)
			w.deliver(1, false, a.frame(true, 1)...)
			w.now -= 100 * ms
		}
		before := w.c.totals.KeyframeRequests
		w.pass(time.Duration(x.after))
		sub.nack(missing)
		w.pass(20 * time.Millisecond)
		sub.nack(missing)
		w.pass(20 * time.Millisecond)
		require.Equal(t, x.asks, w.c.totals.KeyframeRequests-before, name)
	}
}

// TestReceiversWaitWhereMuchIsLost: they are told how long to wait, and when they need not any more.
func TestReceiversWaitWhereMuchIsLost(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	w.deliver(1, false, a.frame(true, 1)...)
	wait := func() int {
		w.deliver(1, false, a.frame(false, 1)...)
		x := sub.rtp[len(sub.rtp)-1].GetExtension(subExt.PlayoutDelay)
		if x == nil {
			return -1
		}
		require.Equal(t, []byte{x[1] & 15, x[2]}, []byte{playoutMostHigh, playoutMostLow}, "the utmost is that of browsers")
		return int(x[0])<<4 | int(x[1])>>4
	}
	require.Equal(t, -1, wait())
	w.lossy(.3)
	require.Equal(t, 21, wait())
	p, none := w.c.peers[3], bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6}
	var seen []int
	for range 2000 {
		w.now += netStep
		p.down.net.protect(w.now, p.rtt, 1e6, &none, &p.down.told)
		w.c.guard(p)
		if x := wait(); len(seen) == 0 || seen[len(seen)-1] != x {
			seen = append(seen, x)
		}
	}
	require.Equal(t, []int{-1, 0}, []int{seen[len(seen)-1], seen[len(seen)-2]})
	require.True(t, slices.IsSortedFunc(seen, func(x, y int) int { return y - x }), "%v", seen)
	require.Equal(t, header.Playout(0), p.down.sinks["5"].repair.playout)
}

const playoutMostHigh, playoutMostLow = 1000 >> 8, 1000 & 0xff

// TestHalfOfThePacketsLost: the lowest layer is shown then, and larger ones again when that is over.
func TestHalfOfThePacketsLost(t *testing.T) {
	w := newWorld(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	o := w.join(3, 3, nil, seatVideo("5", 5000))
	w.watch(3, "5", 1, Camera, High)
	p := w.c.peers[3]
	p.down.pathOf().listed = true // what is told of its network is told here
	for _, x := range []struct {
		lost   float64
		layers [3]bool
		limit  Limit
	}{{0, [3]bool{2: true}, LimitNone}, {.5, [3]bool{0: true}, LimitLoss}, {.1, [3]bool{2: true}, LimitNone}} {
		for i := range 160 {
			if cam.frame(); i == 120 {
				o.clear()
			}
			w.pass(40 * time.Millisecond)
			w.c.protectBy(p, &bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6, Lost: x.lost, Random: true})
		}
		var layers [3]bool
		for _, r := range o.rtp {
			for i, size := range cam.sizes {
				if d := len(r.Payload) - size/(1+size/1100); r.SSRC == 5000 && d > 0 && d < 40 {
					layers[i] = true
				}
			}
		}
		require.Equal(t, x.layers, layers, "%v lost", x.lost)
		require.Equal(t, x.limit, w.c.limit(p), "%v lost", x.lost)
	}
}

// TestAPictureWithoutProof: next to nothing arrives, and it is not known what the loss depends on. The lowest
// layer is shown all the same, and frames in it that others refer to leave several times. Nothing is shown if
// it is known that the loss follows the rate.
func TestAPictureWithoutProof(t *testing.T) {
	for name, x := range map[string]struct {
		e       bwe.Estimate
		blind   bool
		unasked unasked
	}{
		"70 %, not proved":     {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .7}, true, unasked{base: mostBlind}},
		"90 %, not proved":     {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .9}, true, unasked{base: mostBlind}},
		"70 %, follows":        {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .7, Depends: true}, false, unasked{}},
		"70 %, queue":          {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .7, Queue: 100 * ms}, false, unasked{}},
		"45 %, not proved":     {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .45}, false, unasked{}},
		"70 %, proved":         {bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6, Lost: .7, Random: true}, false, unasked{9, 5}},
		"70 %, proved, some":   {bwe.Estimate{Capacity: 87e4, Budget: 87e4, Delay: 10e6, Lost: .7, Random: true}, false, unasked{9, 3}},
		"70 %, proved, little": {bwe.Estimate{Capacity: 1e5, Budget: 1e5, Delay: 10e6, Lost: .7, Random: true}, false, unasked{}},
	} {
		var n path
		n.load.rate, n.sound.rate, n.share.base = 200e3, 100e3, 60e3
		for range 100 {
			n.protect(1_700_000_000e9, 80*ms, 100e3, &x.e, &delivery{})
		}
		require.Equal(t, x.blind, n.guarded.blind, name)
		require.Equal(t, x.unasked, n.guarded.unasked, name)
	}

	w := newWorld(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	w.join(4, 4, nil, seatVideo("5", 5000))
	w.watch(4, "5", 1, Camera, High)
	for range 60 {
		cam.frame()
		w.pass(40 * time.Millisecond)
	}
	w.join(3, 3, nil, seatVideo("5", 6000))
	p := w.c.peers[3]
	p.down.pathOf().listed = true
	p.down.net.est.Start(60e3)
	w.watch(3, "5", 1, Camera, High)
	for _, blind := range []bool{false, true} {
		p.down.net.guarded.blind, p.down.net.guarded.base = blind, blind
		w.now += int64(20e9)
		w.c.divide(p)
		require.Equal(t, !blind, p.down.sinks["5"].allowed.paused)
	}
}
