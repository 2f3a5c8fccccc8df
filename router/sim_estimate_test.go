package router

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"parlor/lab/link"
)

// The room's estimate of the network to a viewer is held against what that network carries.

// settled is how long after a change of the link the estimate is looked at first.
const settled = 3 * time.Second

// guessEvery is the time between two looks.
const guessEvery = 100 * time.Millisecond

// guesses is what has been estimated of a link, as shares of what it carries. They are kept apart for the
// time in which the allowed rate was used, and in which it was not. It is not used if pictures need less or
// none of the next size fits.
type guesses struct {
	used, unused []float64
	policed      bool // nothing waits there, so that it is only known once loss has been looked into
}

// The median of the estimate has to be between these for a link that is used, in percent. Percentile 95 may
// be up to the second.
const (
	guessLeast = 85
	guessMost  = 110
	// guessPoliced is the same for a policer. The estimate may be half as much again as arrives, until it is
	// known what loss depends on.
	guessPoliced = 150
)

// hold holds the guesses against that.
func (g *guesses) hold(t *testing.T, name string) {
	if high := shareOf(g.used, 95); g.policed && high > guessPoliced {
		t.Errorf("%s: what is told of a policer is %.0f %% of what it lets pass, at percentile 95", name, high)
	}
	if mid, high := shareOf(g.used, 50), shareOf(g.used, 95); len(g.used) > 0 && !g.policed && (mid < guessLeast || high > guessMost) {
		t.Errorf("%s: the estimate of a link that is used is %.0f %% of it, %.0f %% at percentile 95", name, mid, high)
	}
}

// guess looks at the estimate for a viewer from now on, but soon after a change of its link.
func (v *viewer) guess(down link.Profile, g *guesses) {
	g.policed = down[len(down)-1].PoliceRate != 0
	v.s.tick(v, guessEvery, func() {
		d := &v.s.c.peers[v.id].down
		carries := carriedAt(down, time.Duration(v.s.now-v.s.began))
		if d.net == nil || carries == 0 || v.s.ended != 0 {
			return
		}
		e := d.net.estimate(v.s.now)
		if share := e.Trusted / carries; e.Limited {
			g.unused = append(g.unused, share)
		} else {
			g.used = append(g.used, share)
		}
	})
}

// carriedAt is what a link carries at a time, in bit/s. It is 0 if all that comes is carried, or if the rate
// has changed just now.
func carriedAt(p link.Profile, at time.Duration) (rate float64) {
	for _, step := range p {
		switch {
		case step.At > at:
		case at-step.At < settled:
			rate = 0
		default:
			rate = float64(max(step.Rate, step.PoliceRate))
		}
	}
	return rate
}

// String is median and percentile 95 of both, in percent. It adds the share of the time in which the allowed
// rate was not used.
func (g *guesses) String() string {
	all := len(g.used) + len(g.unused)
	if all == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f, %.0f; %.0f, %.0f (%d %%)", shareOf(g.used, 50), shareOf(g.used, 95), shareOf(g.unused, 50), shareOf(g.unused, 95), 100*len(g.unused)/all)
}

// shareOf is the percentile of shares, in percent; 0 without any.
func shareOf(list []float64, p int) float64 {
	if len(list) == 0 {
		return 0
	}
	return 100 * slices.Sorted(slices.Values(list))[len(list)*p/100]
}

// watching returns a call over a link in which a receiver watches a picture, with sound.
func watching(t *testing.T, seed uint64, down string, voiced int, layers ...int) (*sim, *viewer) {
	s := newSim(t, seed, calm)
	s.pad, s.keys, s.voiced = 560, 8, voiced
	s.draw(11, true, down)
	s.camera(1, 1, layers...).scaled = true
	s.talk(50, s.now+int64(time.Minute))
	v := s.viewer(11, true)
	s.watch(v.id, "s", 1, Camera, High)
	s.watch(v.id, "a", 50, Mic, High)
	return s, v
}

// TestEstimateFollowsSteps: more is wanted than a link carries. The estimate is within a tenth of the link
// three seconds after it has changed, down and up, and stays there. The best layer is more than the link ever
// carries, so that most of the time the estimate rests on probes. The beginning of the call takes a second
// more. The first keyframe overflows the link then, and a probe has to show first that its loss says nothing.
func TestEstimateFollowsSteps(t *testing.T) {
	const down = calm + " rate=2M queue=400ms @15s rate=300k @30s rate=2M"
	for seed := range uint64(12) {
		s, v := watching(t, seed, down, 70, 1, 3, 20)
		for _, step := range []struct {
			rate float64
			from time.Duration
		}{{2e6, 4 * time.Second}, {300e3, settled}, {2e6, settled}} {
			s.run(step.from)
			for at := step.from; at < 15*time.Second; at += guessEvery {
				if e := s.c.peers[v.id].down.net.est.Estimate(); math.Abs(e.Capacity/step.rate-1) > 0.1 {
					t.Errorf("seed %d: %.0f of %.0f kbit/s %v after the step", seed, e.Capacity/1e3, step.rate/1e3, at)
				}
				s.run(guessEvery)
			}
		}
	}
}

// TestTheBestLayerComesSoon: it does over links that carry it, although the first keyframes overflow them.
// That loss bounds nothing that a probe has shown since. It is not held against a layer that came later.
func TestTheBestLayerComesSoon(t *testing.T) {
	const soon, calls = 3500 * time.Millisecond, 24
	for _, x := range []struct {
		queue string
		best  int
		late  int // so many may take longer
	}{{"200ms", 8, 0}, {"300ms", 10, 7}} {
		late := 0
		for seed := range uint64(calls) {
			s, v := watching(t, seed, calm+" rate=2M queue="+x.queue, 70, 1, 3, x.best)
			s.run(soon)
			lower := false
			for range 35 {
				s.run(guessEvery)
				lower = lower || s.c.peers[v.id].down.sinks["s"].cur.layer() != 2
			}
			if lower {
				late++
			}
		}
		if late > x.late {
			t.Errorf("a queue of %s: %d of %d calls take longer than %v", x.queue, late, calls, soon)
		}
	}
}

// TestEstimateThatIsEnough: an estimate that is enough for all that is wanted does not grow, as nothing would
// show that there is more.
func TestEstimateThatIsEnough(t *testing.T) {
	const rate = 1.4e6 // all that is wanted is 1.1
	for seed := range uint64(4) {
		s, v := watching(t, seed, calm+" rate=1400k queue=300ms", 70, 1, 3, 8)
		s.run(settled)
		for at := settled; at < 40*time.Second; at += guessEvery {
			if e := s.c.peers[v.id].down.net.est.Estimate(); e.Capacity > 1.1*rate {
				t.Errorf("seed %d: %.0f of %.0f kbit/s after %v", seed, e.Capacity/1e3, rate/1e3, at)
				break
			}
			s.run(guessEvery)
		}
	}
}

// TestEstimateOfAPolicer: it stays near what the policer lets pass, although probes slip through its bucket.
func TestEstimateOfAPolicer(t *testing.T) {
	const rate = 300e3
	var all []float64
	for seed := range uint64(4) {
		s, v := watching(t, seed, drawn(calm, "police=300k/50kB"), 70, 1, 3, 8)
		s.run(calmFor + settled)
		for range 540 {
			s.run(guessEvery)
			all = append(all, s.c.peers[v.id].down.net.est.Estimate().Capacity/rate)
		}
	}
	if mid, high := shareOf(all, 50), shareOf(all, 95); mid < guessLeast || mid > guessMost || high > 220 {
		t.Errorf("%.0f %% of it, %.0f %% at percentile 95", mid, high)
	}
}

// TestWhatIsEnoughIsNotProbedForMore: a receiver once had much room, and is shown all that is wanted. It
// notices nothing of a link that has become narrow.
func TestWhatIsEnoughIsNotProbedForMore(t *testing.T) {
	for seed := range uint64(4) {
		s, v := watching(t, seed, calm+" @15s rate=2M queue=400ms", 70, 1, 3, 8) // all that is wanted is 1.1
		s.run(16 * time.Second)
		path := s.c.peers[v.id].down.net
		if e := path.est.Estimate(); e.Capacity < 5e6 {
			t.Fatalf("seed %d: %.0f kbit/s", seed, e.Capacity/1e3)
		}
		down := s.ways[way{v.id, true}]
		waited, probes := len(down.waited), s.c.totals.ProbeBytes
		v.goesOn(40*time.Second, func() { s.run(40 * time.Second) })
		if most := slices.Max(down.waited[waited:]); most > 60*time.Millisecond {
			t.Errorf("seed %d: packets wait for %v, %d bytes of probes", seed, most, s.c.totals.ProbeBytes-probes)
		}
	}
}

// TestQuietSoundOverNarrowLinks: packets of silence come less than a millisecond apart if they have waited.
// They do not look as if nothing had waited.
func TestQuietSoundOverNarrowLinks(t *testing.T) {
	for _, rate := range []float64{600e3, 700e3, 800e3, 900e3} {
		for seed := range uint64(6) {
			s, v := watching(t, seed, drawn(calm, fmt.Sprintf("rate=%.0f queue=300ms", rate)), 4, 1, 3, 8)
			s.run(calmFor + time.Second)
			for range 100 {
				s.run(guessEvery)
				if e := s.c.peers[v.id].down.net.est.Estimate(); e.Capacity > 1.5*rate {
					t.Errorf("seed %d: %.0f kbit/s, of %.0f", seed, e.Capacity/1e3, rate/1e3)
					break
				}
			}
		}
	}
}
