package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/link"
)

// begins makes a receiver join a call over a link, of which so much is expected. It returns what has come in
// a time.
func begins(t *testing.T, seed uint64, text string, rate float64, d time.Duration) (f figures, v *viewer) {
	s := newSim(t, seed, calm)
	s.pad, s.keys = 560, 8
	s.camera(1, 1, 1, 3, 8).scaled = true
	s.talk(50, s.now+int64(time.Hour))
	s.watch(s.viewer(12, true).id, "s", 1, Camera, High)
	s.run(3 * time.Second)
	down := s.draw(11, true, calm+" "+text)
	v = s.viewer(11, true)
	s.must(s.c.expectRate(11, rate, s.now))
	before, from := *v, s.now
	s.watch(11, "s", 1, Camera, High)
	s.watch(11, "a", 50, Mic, High)
	s.run(d)
	f = v.since(&before)
	f.Mute, _ = v.listened(from)
	c := down.Counters()
	f.Lost = 1 - float64(c.Dropped[link.Passed])/float64(c.Sent)
	return f, v
}

// TestNetworkThatIsExpected: less is lost in the beginning over a link that is known to be narrow. Over a
// good link nobody stays with small pictures because it was thought to be narrow.
func TestNetworkThatIsExpected(t *testing.T) {
	var lost [2]float64
	for seed := range uint64(6) {
		for i, rate := range []float64{0, 320e3} {
			f, _ := begins(t, seed, "rate=400k queue=300ms", rate, 5*time.Second)
			lost[i] += f.Lost / 6
		}
	}
	t.Logf("%.0f %% of the packets are lost, %.0f %% where it is known", 100*lost[0], 100*lost[1])
	require.Less(t, lost[1], lost[0]/2)

	_, v := begins(t, 1, "", 100e3, 4*time.Second)
	before := v.stats.bytes
	v.s.run(time.Second)
	require.Greater(t, float64(v.stats.bytes-before)*8, 900e3)
}

// TestWhatCanBeExpected: a rate that says nothing changes nothing. Nor does any rate once it is known better.
func TestWhatCanBeExpected(t *testing.T) {
	s := newSim(t, 1, calm)
	s.viewer(11, true)
	d := &s.c.peers[11].down
	require.InDelta(t, startRate, d.estimate(), 0)
	for _, rate := range []float64{0, -1} {
		s.must(s.c.expectRate(11, rate, s.now))
		require.InDelta(t, startRate, d.estimate(), 0)
	}
	s.must(s.c.expectRate(11, 300e3, s.now))
	require.InDelta(t, 300e3, d.estimate(), 0)
	require.InDelta(t, 300e3, d.pathOf().est.Estimate().Capacity, 0)
	s.must(s.c.expectRate(11, 5e6, s.now))
	require.InDelta(t, 300e3, d.estimate(), 0)
	require.ErrorIs(t, s.c.expectRate(99, 5e6, s.now), ErrUnknownPeer)
}
