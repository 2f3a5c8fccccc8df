package probe

import (
	"math"
	"testing"
)

const ms = int64(1e6)

// measure sends a cluster over a link of a rate, with other packets between, and loses each lose'th packet.
func measure(rate, link, other float64, lose int, lost float64) (Result, bool) {
	m := Meter{Cluster: Cluster{ID: 1, Rate: rate, Bytes: 12000, Packets: 10}}
	free, next := int64(0), int64(0)
	for i := range 10 {
		sent := int64(float64(i) * 1200 * 8e9 / rate)
		for ; other > 0 && next < sent; next += int64(600 * 8e9 / other) {
			free = max(free, next) + int64(600*8e9/link)
			m.Other(600)
		}
		free = max(free, sent) + int64(1200*8e9/link)
		if lose == 0 || i%lose != lose-1 {
			m.Packet(sent, 1e15+free, 1200)
		}
	}
	return m.Result(lost, 0)
}

func TestMeter(t *testing.T) {
	for name, x := range map[string]struct {
		rate, link, other float64
		lose              int
		lost              float64
		want              float64 // 0: none
		saturated         bool
	}{
		"room":             {2e6, 10e6, 0, 0, 0, 2e6, false},
		"no room":          {4e6, 2e6, 0, 0, 0, 0.95 * 2e6, true},
		"others count":     {2e6, 10e6, 1e6, 0, 0, 3e6, false},
		"with others none": {2e6, 2e6, 1e6, 0, 0, 0.95 * 2e6, true},
		"too many lost":    {2e6, 10e6, 0, 3, 0, 0, false},
		"lost at random":   {2e6, 10e6, 0, 4, 0.25, 2e6, false},
		"longer than 1 s":  {50e3, 1e6, 0, 0, 0, 0, false},
	} {
		r, ok := measure(x.rate, x.link, x.other, x.lose, x.lost)
		if ok != (x.want != 0) || ok && (math.Abs(r.Rate/x.want-1) > 0.12 || r.Saturated != x.saturated) {
			t.Errorf("%s: %+v %v", name, r, ok)
		}
	}
}

// TestWobbleIsCountedAgainst: it is counted against the rate of arrival.
func TestWobbleIsCountedAgainst(t *testing.T) {
	m := Meter{Cluster: Cluster{ID: 1, Bytes: 12000, Packets: 10}}
	for i := range int64(10) {
		m.Packet(i*2*ms, i*2*ms, 1200)
	}
	if r, ok := m.Result(0, 18e6); !ok || math.Abs(r.Rate/(0.95*2.4e6)-1) > 0.01 || !r.Saturated {
		t.Errorf("%+v", r)
	}
}

// TestMeterOfForgedTimes: a meter of forged times says nothing, or something finite.
func TestMeterOfForgedTimes(t *testing.T) {
	for name, arrived := range map[string]func(i int64) int64{
		"at once": func(int64) int64 { return 5 }, "backwards": func(i int64) int64 { return -i * ms }, "years": func(i int64) int64 { return i * 1e17 },
		"much faster": func(i int64) int64 { return i * 1000 },
	} {
		m := Meter{Cluster: Cluster{ID: 1, Bytes: 12000, Packets: 10}}
		for i := range int64(10) {
			m.Packet(i*2*ms, arrived(i), 1200)
		}
		if r, ok := m.Result(0, 0); ok && name != "backwards" || math.IsNaN(r.Rate) || math.IsInf(r.Rate, 0) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// play runs a controller for a time. Clusters succeed if result says so.
func play(s func(now int64) State, result func(Cluster) bool, d int64) (at []int64, all []Cluster) {
	var c Controller
	for now := int64(1e9); now < 1e9+d; now += 100 * ms {
		if x, ok := c.Next(now, s(now)); ok {
			at, all = append(at, now-1e9), append(all, x)
			if result(x) {
				c.Succeeded(now)
			} else {
				c.Failed(now)
			}
		}
	}
	return at, all
}

func TestController(t *testing.T) {
	base := State{Capacity: 1e6, Sent: 0.9e6, RTT: 50 * ms, Active: true}
	change := func(f func(*State)) func(int64) State {
		return func(int64) State { s := base; f(&s); return s }
	}
	for name, x := range map[string]struct {
		s           func(int64) State
		success     bool
		least, most int // clusters in a minute
	}{
		"nothing needed":   {change(func(*State) {}), false, 2, 2},
		"unmet, fails":     {change(func(s *State) { s.Need = 5e6 }), false, 36, 46},
		"unmet, succeeds":  {change(func(s *State) { s.Need = 5e6 }), true, 500, 600},
		"limited":          {change(func(s *State) { s.Limited, s.Sent, s.Need = true, 0.5e6, 0.9e6 }), false, 13, 14},
		"limited, known":   {change(func(s *State) { s.Limited, s.Sent, s.Need = true, 0.1e6, 0.9e6 }), false, 3, 4},
		"limited, enough":  {change(func(s *State) { s.Limited, s.Sent, s.Need = true, 0.5e6, 0.5e6 }), false, 2, 2},
		"queue":            {change(func(s *State) { s.Need, s.Queue = 5e6, 40*ms }), false, 0, 0},
		"lossy":            {change(func(s *State) { s.Need, s.Lossy = 5e6, true }), false, 0, 0},
		"not active":       {change(func(s *State) { s.Need, s.Active = 5e6, false }), false, 0, 0},
		"hardly more need": {change(func(s *State) { s.Need = 1.01e6 }), false, 2, 2},
	} {
		_, all := play(x.s, func(Cluster) bool { return x.success }, 60e9)
		if len(all) < x.least || len(all) > x.most {
			t.Errorf("%s: %d clusters", name, len(all))
		}
		for _, c := range all {
			if c.ID == 0 || c.Packets < Packets || c.Bytes/c.Packets > Size || c.Bytes < c.Packets {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

// TestNoMoreIsProbedThanIsWanted: probes go for what is wanted and as much again at most, whatever the
// estimate is or has been.
func TestNoMoreIsProbedThanIsWanted(t *testing.T) {
	for name, x := range map[string]struct {
		capacity, need float64
		dropped        float64 // the estimate before it has fallen; 0: it has not
		want           float64 // 0: nothing
	}{
		"the estimate is just enough":  {1.1e6, 1e6, 0, 2e6},
		"half as much again":           {1.5e6, 1e6, 0, 2e6},
		"twice as much is known":       {2e6, 1e6, 0, 0},
		"many times as much":           {17.7e6, 1e6, 0, 0},
		"more is wanted":               {1e6, 5e6, 0, 2e6},
		"by little":                    {1e6, 1.1e6, 0, 1.2e6},
		"after a drop from little":     {0.5e6, 1e6, 1.2e6, Recover * 1.2e6},
		"after a drop from much":       {0.5e6, 1e6, 17.7e6, 2e6},
		"from much, and that is known": {2e6, 1e6, 17.7e6, 0},
	} {
		var c Controller
		s := State{Capacity: x.capacity, Need: x.need, Limited: true, Active: true}
		for range 2 { // the first ones
			c.Next(1e9, s)
			c.Failed(1e9)
		}
		if x.dropped != 0 {
			c.Dropped(99e9, x.dropped)
		}
		if got, ok := c.Next(100e9, s); ok != (x.want != 0) || math.Abs(got.Rate-x.want) > 1 {
			t.Errorf("%s: %.0f, not %.0f bit/s", name, got.Rate, x.want)
		}
	}
}

// TestFirstClusters: the first clusters are of three and six times the estimate, at once.
func TestFirstClusters(t *testing.T) {
	at, all := play(func(int64) State { return State{Capacity: 1e6, Active: true} }, func(Cluster) bool { return true }, 1e9)
	if len(all) != 2 || all[0].Rate != 3e6 || all[1].Rate != 6e6 || at[1] > 100*ms || all[0].ID == all[1].ID {
		t.Errorf("%v %+v", at, all)
	}
	if all[0].Bytes != 5625 || all[0].Packets != 5 || all[1].Packets != 10 {
		t.Errorf("%+v", all)
	}
}

// TestRecovery: after a drop, most of what was there before is tried once, when the queue has gone. It is not
// tried after five seconds.
func TestRecovery(t *testing.T) {
	for _, x := range []struct {
		after int64
		queue int64
		want  bool
	}{{1e9, 0, true}, {1e9, 20 * ms, false}, {6e9, 0, false}} {
		var c Controller
		s := State{Capacity: 1e6, Need: 0.9e6, Active: true}
		c.Next(1e9, s)
		c.Failed(1e9)
		c.Next(1.1e9, s)
		c.Failed(1.1e9)
		c.Dropped(10e9, 2e6)
		s.Queue = x.queue
		got, ok := c.Next(10e9+x.after, s)
		if ok != x.want || ok && got.Rate != Recover*2e6 {
			t.Errorf("%+v: %+v %v", x, got, ok)
		}
		if c.Failed(0); ok {
			if _, ok := c.Next(11.5e9, s); ok {
				t.Error("tried again")
			}
		}
	}
}

// TestAwaitedResult: there is no second cluster while one is under way, and no cluster is awaited for ever.
func TestAwaitedResult(t *testing.T) {
	var c Controller
	s := State{Capacity: 1e6, Need: 5e6, RTT: 500 * ms, Active: true}
	c.Next(1e9, s)
	c.Next(1.1e9, s)
	n := 0
	for now := int64(1.2e9); now < 4e9; now += 100 * ms {
		if _, ok := c.Next(now, s); ok {
			n++
			if now < 2.6e9 {
				t.Errorf("at %v", now)
			}
		}
	}
	if n < 1 || n > 3 {
		t.Errorf("%d clusters", n)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var c Controller
	now := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		now += 1e9
		x, _ := c.Next(now, State{Capacity: 1e6, Need: 5e6, Active: true})
		m := Meter{Cluster: x}
		for i := range int64(10) {
			m.Packet(i*ms, i*ms, 1200)
		}
		m.Result(0, 0)
		c.Failed(now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
