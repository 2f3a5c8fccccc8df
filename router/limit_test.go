package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// picture returns the last sample of peer 4's picture.
func (n *notes) picture() (s Sample, x StreamSample) {
	n.w.t.Helper()
	s = n.last(4)
	require.Len(n.w.t, s.Received, 1)
	return s, s.Received[0]
}

// TestWhatLimits: a picture is limited by the network's delay or loss, by the publisher, or by what is asked
// for. The state says how the picture goes on meanwhile.
func TestWhatLimits(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000) // 100, 400 and 1,250 kbit/s with their headers
	w.join(4, 4, nil, seatVideo("s", 77))
	link := w.access(4, 20e6)
	is := func(limit Limit, state StreamState, layer int) {
		t.Helper()
		w.call(6*time.Second, cam, link)
		s, x := n.picture()
		if state == StreamPaused && s.Limit == LimitLoss {
			s.Limit = limit // what fills a queue is lost in the end
		}
		require.Equal(t, []any{limit, state, layer}, []any{s.Limit, x.State, x.Layer}, "%s, %s", s.Limit, x.State)
		require.Equal(t, TrackKey{1, Camera}, x.Track)
		require.Equal(t, state == StreamPaused, x.Bytes == 0)
	}
	w.watch(4, "s", 1, Camera, High)
	is(LimitNone, StreamLive, 2)
	w.watch(4, "s", 1, Camera, Mid)
	is(LimitApplication, StreamLive, 1)
	w.must(w.c.watch(4, "s", Want{Track: TrackKey{1, Camera}, Quality: High, Area: 240 * 135}, w.now))
	is(LimitApplication, StreamLive, 0)
	w.watch(4, "s", 1, Camera, High)
	is(LimitNone, StreamLive, 2)

	link.rate = 700e3
	is(LimitDelay, StreamLive, 1)
	require.EqualValues(t, []uint64{0, 1}, []uint64{w.c.totals.LayersUp, w.c.totals.LayersDown})
	link.rate = 50e3
	is(LimitDelay, StreamPaused, 0)
	require.EqualValues(t, 1, w.c.totals.Pauses)
	before := w.c.totals.PausedTime
	w.call(2*time.Second, cam, link)
	require.InDelta(t, 2e9, w.c.totals.PausedTime-before, 0.2e9)
	link.rate = 20e6
	w.call(15*time.Second, cam, link) // until nothing has been lost for long
	is(LimitNone, StreamLive, 2)
	before = w.c.totals.PausedTime
	is(LimitNone, StreamLive, 2)
	require.Equal(t, before, w.c.totals.PausedTime)
	require.NotZero(t, w.c.totals.LayersUp)

	top := cam.layers[2]
	cam.layers = cam.layers[:2]
	is(LimitPublisher, StreamLive, 1)
	cam.layers = append(cam.layers, top)
	is(LimitNone, StreamLive, 2)
	link.loss = police(w, 800e3)
	is(LimitLoss, StreamLive, 1)

	w.must(w.c.watch(4, "s", Want{Track: TrackKey{1, Camera}, Quality: High, Hidden: true}, w.now))
	w.call(6*time.Second, cam, link)
	require.Equal(t, LimitUnknown, n.last(4).Limit)
	require.Empty(t, n.last(4).Received)
}

// police returns a loss by rate. A packet over so many bit/s is lost, but for 15 kB at once.
func police(w *world, rate float64) func(bits float64) bool {
	tokens, at := 120e3, w.now
	return func(bits float64) bool {
		tokens, at = min(tokens+float64(w.now-at)*rate/1e9, 120e3), w.now
		if tokens < bits {
			return true
		}
		tokens -= bits
		return false
	}
}

// TestOneLayerIsAll: a camera without simulcast is limited by the network alone, whatever size it is shown
// in.
func TestOneLayerIsAll(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 2000)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, Low)
	link := w.access(4, 20e6)
	w.call(6*time.Second, cam, link)
	s, x := n.picture()
	require.Equal(t, []any{LimitNone, StreamLive, 0}, []any{s.Limit, x.State, x.Layer})
}

// TestWhoWaitsIsSwitching: a picture is switching if a layer is to be sent and has no keyframe yet.
func TestWhoWaitsIsSwitching(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, Low)
	link := w.access(4, 20e6)
	w.call(3*time.Second, cam, link)
	w.watch(4, "s", 1, Camera, High)
	for end := w.now + 5e9; w.now < end; { // nobody answers requests
		w.pass(40 * time.Millisecond)
		cam.asked = len(w.outs[1].rtcp)
		cam.frame()
		link.report()
	}
	_, x := n.picture()
	require.Equal(t, []any{StreamSwitching, 0}, []any{x.State, x.Layer})
}

// TestNetworksAreMeasured: an estimate is taken once a sample. How much of one is used is taken only if more
// is wanted.
func TestNetworksAreMeasured(t *testing.T) {
	w, _ := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 20e6)
	w.call(20*time.Second, cam, link)
	m := &w.c.totals
	require.InDelta(t, 10, m.EstimateBytes().Count, 2)
	require.InDelta(t, 10, m.QueueSeconds().Count, 2)
	require.Zero(t, m.UseRatio().Count)
	link.rate = 700e3
	w.call(20*time.Second, cam, link)
	require.InDelta(t, 10, m.UseRatio().Count, 3)
	u := m.UseRatio()
	require.InDelta(t, 0.7, u.Sum/float64(u.Count), 0.3)
	e := m.EstimateBytes()
	require.Equal(t, e.Count, e.Buckets[5e6])
	require.Positive(t, e.Buckets[125e3], "of the narrow one")
	require.Less(t, e.Buckets[125e3], e.Count)
}
