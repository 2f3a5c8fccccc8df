package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/router/header"
)

// TestReceiversWaitForWhatPublishersSendAgain: they wait as many round trips as that takes, by how much is
// asked for. They do not wait for a packet that is only overtaken.
func TestReceiversWaitForWhatPublishersSendAgain(t *testing.T) {
	for _, x := range []struct {
		lost, want time.Duration // one packet of so many; 0: none
	}{{0, 0}, {100, 0}, {25, 105 * time.Millisecond}, {10, 205 * time.Millisecond}, {4, 405 * time.Millisecond}, {2, 605 * time.Millisecond}} {
		var m mending
		now, high, asked := int64(1), uint64(0), uint64(0)
		for range 300 { // of 10 packets
			now += netStep
			for range 10 {
				if high++; x.lost != 0 && high%uint64(x.lost) == 0 {
					asked++
				}
			}
			m.look(now, asked, high, 80*ms)
			before := m
			m.look(now+netStep/2, asked+10, high, 80*ms)
			require.Equal(t, before, m, "too soon")
		}
		require.InDelta(t, x.want, m.delay, 1e6, "one of %d", x.lost)
		require.Equal(t, x.want != 0, m.holding.told() != 0)
	}
}

// TestWaitingBeginsSoon: it begins soon if a third is lost at once. Else two of three packets that come
// within a second would be late.
func TestWaitingBeginsSoon(t *testing.T) {
	var m mending
	now, high, asked := int64(1), uint64(0), uint64(0)
	for i := range 40 {
		now, high = now+netStep, high+15
		if i > 20 {
			asked += 5
		}
		m.look(now, asked, high, 80*ms)
		if i == 31 {
			require.GreaterOrEqual(t, m.delay, int64(305*time.Millisecond), "a second later")
		}
	}
	require.InDelta(t, 405*time.Millisecond, m.delay, 1e6)
}

// TestWaitingEnds: it ends some seconds after the loss that it is for, and that is told. A stream that begins
// anew has lost nothing by that.
func TestWaitingEnds(t *testing.T) {
	var m mending
	now, high, asked := int64(1), uint64(1000), uint64(0)
	step := func(lost uint64) {
		now, high, asked = now+netStep, high+10, asked+lost
		m.look(now, asked, high, 0)
	}
	for range 100 {
		step(1)
	}
	require.InDelta(t, mendsWithin(0.1, unknownRTT), m.delay, 1e6)
	high = 0
	step(1)
	require.Less(t, m.share, 0.1)
	for range 10 { // nothing comes
		now += netStep
		m.look(now, asked, high, 0)
	}
	require.Less(t, m.share, 0.06)
	for m.delay > 0 {
		step(0)
	}
	require.Equal(t, header.PlayoutOf(0), m.holding.told())
	for range int(delayTold/netStep) + 2 {
		step(0)
	}
	require.Zero(t, m.holding.told())
}

// TestWhoWatchesALossyPublisherIsToldToWait: the others are not told.
func TestWhoWatchesALossyPublisherIsToldToWait(t *testing.T) {
	s := newSim(t, 1, calm)
	s.draw(1, false, "loss=10% delay=40ms")
	s.camera(1, 1, 1, 3, 8)
	s.camera(2, 2, 3)
	v, other := s.viewer(4, true), s.viewer(5, true)
	s.watch(v.id, "s", 1, Camera, High)
	s.watch(other.id, "s", 2, Camera, High)
	s.run(10 * time.Second)
	playout := func(v *viewer) header.Playout { return s.c.peers[v.id].down.sinks["s"].repair.playout }
	require.Greater(t, playout(v), header.PlayoutOf(9))
	require.Zero(t, playout(other))
}
