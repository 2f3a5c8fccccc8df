package router

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/router/allocate"
	"parlor/router/shed"
)

// limit makes a viewer's picture have temporal layers up to one.
func (v *viewer) limit(top uint8) {
	k := v.s.c.peers[v.id].down.sinks["s"]
	v.s.c.sendRuns()
	k.allowed.temporals = (top + 1) % temporals
	k.thinTo(top)
}

// TestFramesAreLeftOutForOne: a receiver that gets fewer frames misses nothing of them, and can decode them
// all. Others get everything.
func TestFramesAreLeftOutForOne(t *testing.T) {
	for seed := range uint64(12) {
		s := newSim(t, seed, "delay=10ms")
		s.camera(1, 1, 1, 3).scaled = true
		v, other := s.viewer(11, true), s.viewer(12, true)
		s.watch(v.id, "s", 1, Camera, High)
		s.watch(other.id, "s", 1, Camera, High)
		s.run(1500 * time.Millisecond)
		for range 40 {
			v.limit(uint8(s.rng.IntN(temporals)))
			s.run(time.Duration(20+s.rng.IntN(600)) * time.Millisecond)
			if s.rng.IntN(8) == 0 {
				s.watch(v.id, "s", 1, Camera, Quality(s.rng.IntN(3)))
			}
		}
		v.limit(whole)
		s.run(4 * time.Second)
		k := s.c.peers[v.id].down.sinks["s"]
		require.Nil(t, k.thin, "what gets everything again costs nothing")
		s.end()
		checkWhole(t, 0, v)
		checkWhole(t, 1, other)
		all, some := other.judge().frames, v.judge().frames
		require.Less(t, some, all*8/10, "seed %d", seed)
		require.Greater(t, some, all*3/10, "seed %d", seed)
		require.Zero(t, s.c.totals.NACKsIn)
		require.NotZero(t, s.drops(DropNetworkLayer))
	}
}

// TestFramesAreLeftOutOfWhatIsLateAndLost: the same holds if the publisher's packets are lost, late and
// doubled. It holds also for a receiver that gets the very same packets again.
func TestFramesAreLeftOutOfWhatIsLateAndLost(t *testing.T) {
	late := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSim(t, seed, "delay=10ms")
			s.draw(1, false, "loss=4% delay=20ms jitter=40ms overtake duplicate=2%")
			s.draw(11, true, "loss=3% delay=10ms jitter=20ms overtake")
			s.camera(1, 1, 3).scaled = true
			v := s.viewer(11, seed%3 != 0)
			v.ledger.strict = false
			s.watch(v.id, "s", 1, Camera, High)
			s.run(1500 * time.Millisecond)
			for range 40 {
				v.limit(uint8(s.rng.IntN(temporals)))
				s.run(time.Duration(20+s.rng.IntN(600)) * time.Millisecond)
			}
			s.end()
			for _, p := range v.ledger.pictures {
				if p.raw == nil {
					late++
				}
			}
			r := v.judge()
			require.GreaterOrEqual(t, r.whole*100, r.frames*93, "%v", r)
			require.GreaterOrEqual(t, r.decoded*100, r.frames*85, "%v", r)
			require.Less(t, r.holes*100, int(v.picture.high-v.picture.first), "%v", r)
		})
	}
	require.NotZero(t, late, "no number of a late packet was filled")
}

// TestALatePacketOfWhatWasLeftOut: it goes out without its payload under the number that was kept for it. It
// does so too when it is asked for. A receiver that gets the very packet again gets that.
func TestALatePacketOfWhatWasLeftOut(t *testing.T) {
	for _, exact := range []bool{false, true} {
		aLatePacket(t, exact)
	}
}

func aLatePacket(t *testing.T, exact bool) {
	seat := seatVideo("s", 50)
	if exact {
		seat.RTXSSRC = 0
		for i := range seat.Codecs {
			seat.Codecs[i].RTX = 0
		}
	}
	w := newWorld(t)
	w.c.o.NoPacing = true
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	sub := w.join(3, 3, nil, seat)
	w.watch(3, "s", 1, Camera, High)
	cam := w.vp8(1, 100)
	cam.mid = "v"
	frame := func(tid byte) [][]byte { return cam.layer(cam.frame(false, 2), tid) }
	w.deliver(1, false, cam.frame(true, 2)...)
	before, now := frame(1), frame(1)
	w.deliver(1, false, before[1], now[0])
	k := w.c.peers[3].down.sinks["s"]
	k.cur.in.rated.top = 1
	k.thinTo(0)
	w.deliver(1, false, before[0], now[1])
	require.Len(t, sub.rtp, 6, "what has begun passes to its end")
	sub.clear()
	gone := frame(1)
	w.deliver(1, false, gone[1])
	w.deliver(1, false, frame(0)...)
	require.Len(t, sub.rtp, 2)
	first := sub.rtp[0].SequenceNumber
	w.deliver(1, false, gone[0])
	require.Len(t, sub.rtp, 3)
	require.Equal(t, first-1, sub.rtp[2].SequenceNumber, "the number before is that of the missing one")
	require.Empty(t, sub.rtp[2].Payload)
	w.pass(100 * time.Millisecond)
	w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 50, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{first - 1})})
	require.Len(t, sub.rtp, 4)
	if exact {
		require.Equal(t, sub.rtp[2], sub.rtp[3])
		return
	}
	require.EqualValues(t, 51, sub.rtp[3].SSRC)
	require.Len(t, sub.rtp[3].Payload, 2, "its number alone")
}

// layer gives packets of a frame a temporal layer.
func (s *sender) layer(raws [][]byte, tid byte) [][]byte {
	for _, raw := range raws {
		var p rtp.Packet
		s.w.must(p.Unmarshal(bytes.Clone(raw)))
		p.Payload[5] |= tid << 6
		if tid > 0 {
			p.Payload[4]--
		}
		out, err := p.Marshal()
		s.w.must(err)
		copy(raw, out)
	}
	if tid > 0 {
		s.tl0--
	}
	return raws
}

// TestAPictureIsThinnedBeforeItIsPaused: a receiver whose network carries some of the frames of the only
// layer gets those.
func TestAPictureIsThinnedBeforeItIsPaused(t *testing.T) {
	for scaled, want := range map[bool]int{true: 5, false: 0} {
		s := newSim(t, 1, "delay=20ms")
		s.pad = 900
		s.camera(1, 1, 3).scaled = scaled
		s.draw(11, true, "delay=20ms @5s rate=420k queue=300ms delay=20ms")
		v := s.viewer(11, true)
		s.watch(v.id, "s", 1, Camera, High)
		s.run(15 * time.Second)
		before := v.buffer.decoded
		s.run(10 * time.Second)
		fps := (v.buffer.decoded - before) / 10
		t.Logf("scaled %v: %d frames a second, paused %d times", scaled, fps, s.c.totals.Pauses)
		if scaled {
			require.GreaterOrEqual(t, fps, want)
			require.Zero(t, s.c.totals.Pauses)
		}
		require.Equal(t, scaled, s.drops(DropNetworkLayer) > 0)
		s.end()
		v.judge()
	}
}

// TestTheOldLayerIsThinned: a sink is to leave a layer for a lower one. The old layer goes on with as many
// frames as take no more than that, until the keyframe is there. It does not if it is the receiver that wants
// less.
func TestTheOldLayerIsThinned(t *testing.T) {
	s := newSim(t, 1, "delay=10ms")
	s.camera(1, 1, 1, 2).scaled = true
	v := s.viewer(11, true)
	s.watch(v.id, "s", 1, Camera, High)
	s.run(4 * time.Second)
	k, d := s.c.peers[v.id].down.sinks["s"], &s.c.nets.division
	s.c.seats(k.peer, false)
	require.EqualValues(t, 1, k.cur.layer())
	s.c.allow(k, allocate.State{Rung: whole, Want: whole}, d.seats[0].Rungs)
	require.NotNil(t, k.next)
	require.EqualValues(t, 1, k.top())
	s.run(500 * time.Millisecond)
	require.EqualValues(t, 0, k.cur.layer())
	require.EqualValues(t, shed.All, k.top(), "all of the lower one")

	s.c.allow(k, allocate.State{Rung: 1, Want: 1}, d.seats[0].Rungs)
	require.EqualValues(t, 1, k.top())
	s.c.allow(k, allocate.State{Rung: temporals + whole, Want: temporals + whole}, d.seats[0].Rungs)
	require.EqualValues(t, shed.All, k.top(), "all of the lower one until the upper one begins")
	s.run(4 * time.Second)
	require.EqualValues(t, 1, k.cur.layer())
	s.watch(v.id, "s", 1, Camera, Low)
	s.c.seats(k.peer, false)
	s.c.allow(k, allocate.State{Rung: whole, Want: whole}, d.seats[0].Rungs)
	require.NotNil(t, k.next)
	require.EqualValues(t, shed.All, k.top())
	s.end()
	checkWhole(t, 0, v)
}

// top is the highest temporal layer that passes to a sink.
func (s *sink) top() uint8 {
	if s.thin == nil {
		return shed.All
	}
	return s.thin.top
}

// TestRatesByTemporalLayer: the load is what the layers of a stream take together, with how many frames they
// are.
func TestRatesByTemporalLayer(t *testing.T) {
	s := newSim(t, 1, "delay=10ms")
	s.camera(1, 1, 4).scaled = true
	v := s.viewer(11, true)
	s.watch(v.id, "s", 1, Camera, High)
	s.run(4 * time.Second)
	st := s.c.tracks[TrackKey{1, Camera}][0].layers[0]
	all := float64(st.load(true, whole))
	require.EqualValues(t, 2, st.top())
	require.InDelta(t, 0.25, float64(st.load(true, 0))/all, 0.03)
	require.InDelta(t, 0.5, float64(st.load(true, 1))/all, 0.03)
	require.InDelta(t, 25, int(st.in.rated.frames[whole]), 2)
	require.InDelta(t, 7, int(st.in.rated.frames[0]), 1)
	s.cams[0].scaled = false
	s.run(3 * time.Second)
	require.Zero(t, st.top())
	require.Equal(t, st.load(true, whole), st.load(true, 0))
}

// TestWithoutABeginningAKeyframeIsAskedFor: an encoder may never let its upper layer begin anew. That layer
// comes back with a keyframe, asked for within the quota of its receiver.
func TestWithoutABeginningAKeyframeIsAskedFor(t *testing.T) {
	w := newWorld(t)
	pub := w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	sub := w.join(3, 3, nil, seatVideo("s", 50))
	w.watch(3, "s", 1, Camera, High)
	cam := w.vp8(1, 100)
	cam.mid = "v"
	play := func(d time.Duration) {
		for end := w.now + int64(d); w.now < end; {
			w.deliver(1, false, cam.layer(cam.frame(false, 1), 0)...)
			w.pass(20 * time.Millisecond)
			w.deliver(1, false, cam.layer(cam.frame(false, 1), 1)...)
			w.pass(20 * time.Millisecond)
		}
	}
	w.deliver(1, false, cam.frame(true, 1)...)
	play(2 * time.Second)
	k := w.c.peers[3].down.sinks["s"]
	k.thinTo(0)
	pub.clear()
	play(3 * time.Second)
	require.Zero(t, pub.plis(), "it is to get no more")
	k.thinTo(whole)
	play(time.Second)
	require.Zero(t, pub.plis(), "it may begin anew by itself")
	play(2 * time.Second)
	require.Equal(t, 1, pub.plis())
	w.deliver(1, false, cam.frame(true, 1)...)
	sub.clear()
	play(2 * time.Second)
	require.Len(t, sub.rtp, 100)
	require.Nil(t, k.thin)
}

// TestWhatIsLeftIsForgotten: a sink that leaves its stream knows nothing of what it did not get.
func TestWhatIsLeftIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v"))
	sub := w.join(3, 3, nil, seatVideo("s", 50))
	w.watch(3, "s", 1, Camera, High)
	cam := w.vp8(1, 100)
	cam.mid = "v"
	w.deliver(1, false, cam.frame(true, 1)...)
	k := w.c.peers[3].down.sinks["s"]
	k.cur.in.rated.top = 1
	k.thinTo(0)
	require.NotNil(t, k.thin)
	w.watch(3, "s", 0, Camera, High)
	require.Nil(t, k.thin)
	sub.clear()
	w.deliver(1, false, cam.frame(true, 1)...)
	require.Empty(t, sub.rtp)
}

// TestWhatComesOnceMoreIsNotLeftOut: a frame that a sink did not get may come with a burst from the cache. So
// may one of another layer with the same timestamp. It was sent again without its payload then.
func TestWhatComesOnceMoreIsNotLeftOut(t *testing.T) {
	k := &sink{thin: new(thinning)}
	k.seq.Start(100, rewrite{})
	first := k.seq.Current().Out
	k.thin.gate.Begins(6)
	k.thin.gate.Begins(7)
	k.thin.gate.Drop()
	m := &media{}
	m.Timestamp, m.info.TID = 7, 1
	require.True(t, k.thin.left(first+1, m))
	for range 2 {
		k.seq.Out(120)
		k.seq.Start(100, rewrite{})
		k.feedAnew()
		require.False(t, k.thin.left(k.seq.Current().Out, m))
	}
	require.False(t, k.thin.left(first+1, m), "that is too long ago")
	k.thin.gate.Drop()
	was := k.seq.Current().Out
	m.Timestamp = 7
	k.seq.Out(120)
	k.seq.Start(100, rewrite{})
	k.feedAnew()
	require.True(t, k.thin.left(was, m), "what went out before stays as it was")
	m.info.TID = 0
	require.False(t, k.thin.left(was, m))
}

// TestWhatComesOnceMoreInCalls checks that in calls in which it happened.
func TestWhatComesOnceMoreInCalls(t *testing.T) {
	i := slices.IndexFunc(troubles, func(x trouble) bool { return x.name == "loss 80 %" })
	for _, seed := range []uint64{30, 50, 147, 162, 168, 185, 226} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { troubles[i].call(t, seed, new(guesses)) })
	}
}

// TestThinningDoesNotAllocate: this holds once a sink has got fewer frames for a while.
func TestThinningDoesNotAllocate(t *testing.T) {
	l := newLoad(t, 10, Camera, true)
	l.inc = 3000
	var pkt uint32
	next := func(n int) {
		for range n {
			at := len(l.raw) - 1190
			if l.raw[at+5] = 0; pkt%2 == 1 {
				l.raw[at+5] = 1 << 6
			}
			pkt++
			l.deliver(1, 1)
		}
	}
	for id := range l.c.peers {
		for _, k := range l.c.peers[id].down.sinks {
			if k.cur != nil {
				k.cur.in.rated.top = 1
				k.thinTo(0)
				require.NotNil(t, k.thin)
			}
		}
	}
	next(300)
	before := l.out.packets
	if n := testing.AllocsPerRun(200, func() { next(8) }); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
	require.Equal(t, 201*4*10, l.out.packets-before)
}
