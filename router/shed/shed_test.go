package shed

import "testing"

const ms = int64(1e6)

// room works off packets. Those of each kind have waited for so long.
type room struct {
	c   Controller
	now int64
}

// run feeds the controller every 5 ms for d ms with what wait says. It returns the levels passed through.
func (r *room) run(d int64, wait func(at int64) int64) []Level {
	var levels []Level
	for at := int64(0); at < d; at += 5 {
		r.now += 5 * ms
		if r.c.Observe(r.now, wait(at)*ms, false) {
			levels = append(levels, r.c.Level())
		}
	}
	return levels
}

func steady(wait int64) func(int64) int64 { return func(int64) int64 { return wait } }

func TestNothingIsLeftOutWhileSomePacketsAreInTime(t *testing.T) {
	for name, wait := range map[string]func(int64) int64{
		"idle":                  steady(0),
		"below the bound":       steady(High/ms - 1),
		"long flushes":          func(at int64) int64 { return 90 - at%90 },
		"a pause of 500 ms":     func(at int64) int64 { return max(0, 500-at*20) },
		"a pause each 2 s":      func(at int64) int64 { return max(0, 300-at%2000*5) },
		"a burst is worked off": func(at int64) int64 { return max(0, 600-at/2) },
	} {
		var r room
		r.run(1000, steady(0))
		if levels := r.run(10_000, wait); len(levels) > 0 {
			t.Errorf("%s: went to %v", name, levels)
		}
	}
}

func TestLevelsRiseQuicklyAndFallSlowly(t *testing.T) {
	r := room{now: 1}
	r.run(1000, steady(0))
	up := r.run(1500, func(at int64) int64 { return at / 2 }) // twice as much as the room can do
	if len(up) < 4 || up[0] != TopLayer {
		t.Fatalf("1.5 s of overload: %v", up)
	}
	for i, l := range up {
		if l != Level(i+1) {
			t.Fatalf("steps %v", up)
		}
	}
	top := r.c.Level()
	if down := r.run(Calm/ms-5, steady(0)); len(down) > 0 {
		t.Errorf("down %v before it has been calm for long", down)
	}
	down := r.run(int64(top)*(Calm+2*Window)/ms, steady(0))
	if len(down) != int(top) || r.c.Level() != Nothing {
		t.Errorf("from %v down %v", top, down)
	}
	for i, l := range down {
		if l != top-Level(i+1) {
			t.Errorf("steps down %v", down)
		}
	}
}

func TestAStepIsGivenTimeToShowItsEffect(t *testing.T) {
	r := room{now: 1}
	r.run(1000, steady(0))
	for r.c.Level() < TopLayer {
		r.run(5, steady(150))
	}
	if up := r.run(5000, func(at int64) int64 { return max(100, 150-at*3/10) }); len(up) == 0 {
		t.Error("nothing done where the wait stays")
	}
	r = room{now: 1}
	r.run(1000, steady(0))
	for r.c.Level() < TopLayer {
		r.run(5, steady(350))
	}
	if up := r.run(1000, func(at int64) int64 { return max(0, 350-at/2) }); len(up) > 0 {
		t.Errorf("went on to %v while the wait fell", up)
	}
}

func TestLateAndCrowdedHurry(t *testing.T) {
	reach := func(wait int64, crowded bool) int64 {
		r := room{now: 1}
		r.run(1000, steady(0))
		for at := int64(0); ; at += 5 {
			r.now += 5 * ms
			if r.c.Observe(r.now, wait*ms, crowded); r.c.Level() == Video {
				return at
			}
			if at > 60_000 {
				t.Fatal("never reached")
			}
		}
	}
	slow, late, crowded := reach(100, false), reach(500, false), reach(100, true)
	if late > 300 || crowded > 300 || slow < 1000 {
		t.Errorf("all video left out after %d ms, %d when late, %d when crowded", slow, late, crowded)
	}
}

// TestVainAttemptsBecomeRarer has a room keep up only at Layers.
func TestVainAttemptsBecomeRarer(t *testing.T) {
	r := room{now: 1}
	wait := int64(0)
	var tries []int64
	for at := int64(0); at < 60_000; at += 5 {
		if r.c.Level() < Layers {
			wait += 3
		} else {
			wait = max(wait-20, 0)
		}
		r.now += 5 * ms
		before := r.c.Level()
		if r.c.Observe(r.now, wait*ms, false) && r.c.Level() < before && before == Layers {
			tries = append(tries, at)
		}
	}
	if len(tries) < 4 || len(tries) > 12 {
		t.Fatalf("tried %d times in a minute: %v", len(tries), tries)
	}
	if first, last := tries[1]-tries[0], tries[len(tries)-1]-tries[len(tries)-2]; last < 3*first || last > 2*MaxCalm/ms {
		t.Errorf("tried at %v", tries)
	}
	r.run(60_000, steady(0))
	if r.c.Level() != Nothing || r.c.patience != 0 {
		t.Errorf("after a calm minute: %v, patience %d", r.c.Level(), r.c.patience)
	}
}

// decide says which frames pass, decided one after the other. "p" passes, "-" does not.
func decide(g *Gate, l Level, frames ...Frame) string {
	var s []byte
	for _, f := range frames {
		if g.Decide(l, f) {
			s = append(s, 'p')
		} else {
			s = append(s, '-')
		}
	}
	return string(s)
}

func TestGateLeavesOutWhatCannotBeDecoded(t *testing.T) {
	key, t0, t1, t2 := Frame{Keyframe: true}, Frame{}, Frame{Layer: 1}, Frame{Layer: 2}
	sync1, sync2 := Frame{Layer: 1, Sync: true}, Frame{Layer: 2, Sync: true}
	up0 := Frame{SwitchUp: true}
	loose, loose1 := Frame{Discardable: true}, Frame{Layer: 1, Discardable: true}
	type step struct {
		level  Level
		frames []Frame
		want   string
	}
	for name, steps := range map[string][]step{
		"nothing":              {{Nothing, []Frame{key, t2, t1, t2, loose, t0}, "pppppp"}},
		"top of three":         {{Nothing, []Frame{key, t2}, "pp"}, {TopLayer, []Frame{t1, t2, t0, t2, t1}, "p-p-p"}},
		"top of two":           {{Nothing, []Frame{key, t1}, "pp"}, {TopLayer, []Frame{t0, t1, t0}, "p-p"}},
		"base alone":           {{Nothing, []Frame{key, t2, t1}, "ppp"}, {Layers, []Frame{t2, t0, t2, t1}, "-p--"}},
		"keyframe":             {{TopLayer, []Frame{key, t2}, "p-"}, {Nothing, []Frame{t1, t2, t0, key, t2, t1}, "p-pppp"}},
		"layer sync":           {{Layers, []Frame{t2, t1, t0}, "--p"}, {Nothing, []Frame{t2, t1, sync2, sync1, t2, sync2, t2}, "---p-pp"}},
		"switching up":         {{Layers, []Frame{t2, t1, t0}, "--p"}, {Nothing, []Frame{t2, t1, up0, t2, t1}, "--ppp"}},
		"no layers":            {{Video, []Frame{t0, t0, key}, "ppp"}},
		"discardable":          {{TopLayer, []Frame{t0, loose, t0, loose}, "p-p-"}, {Nothing, []Frame{loose, t0}, "pp"}},
		"discardable layer":    {{Nothing, []Frame{key, t2}, "pp"}, {TopLayer, []Frame{loose1, t1}, "-p"}},
		"sync left out itself": {{Layers, []Frame{t1, sync1, t0}, "--p"}, {Nothing, []Frame{t1, sync1, t1}, "-pp"}},
	} {
		var g Gate
		for i, s := range steps {
			if got := decide(&g, s.level, s.frames...); got != s.want {
				t.Errorf("%s, step %d: %s, want %s", name, i, got, s.want)
			}
		}
	}
}

func TestGateKnowsFrames(t *testing.T) {
	var g Gate
	first, again := g.Begins(10), g.Begins(10)
	if first || again || g.Drops() {
		t.Error("the first frame seen is the rest of one that passes")
	}
	if !g.Begins(20) || g.Decide(Layers, Frame{Layer: 1}) || g.Begins(20) || !g.Drops() || !g.Dropped(20) || g.Dropped(10) || g.Open() {
		t.Error("a frame is left out to its end")
	}
	if !g.Begins(30) || !g.Decide(Nothing, Frame{}) || g.Drops() || g.Open() {
		t.Error("a layer is missing")
	}
	if !g.Dropped(20) {
		t.Error("a frame left out is forgotten at once")
	}
	if !g.Begins(40) || !g.Decide(Nothing, Frame{Keyframe: true}) || !g.Open() {
		t.Error("a keyframe mends everything")
	}
	for at := uint32(100); at < 300; at++ {
		if g.Begins(at); at%2 == 0 {
			g.Drop()
		} else {
			g.Decide(Nothing, Frame{})
		}
		if got := g.Dropped(at - 2*remembered + 2); at >= 200 && got != (at%2 == 0) || g.Dropped(at-2*remembered) {
			t.Fatalf("%d: %v", at, got)
		}
	}
}

func TestGateUpToALayer(t *testing.T) {
	for name, x := range map[string]struct {
		limits []uint8
		frames []Frame
		want   string // which pass
	}{
		"all":                        {[]uint8{All}, []Frame{{}, {Layer: 2}, {Layer: 1}, {Layer: 2, Discardable: true}}, "++++"},
		"the base":                   {[]uint8{0}, []Frame{{}, {Layer: 2}, {Layer: 1}, {Layer: 2}, {}}, "+---+"},
		"half":                       {[]uint8{1}, []Frame{{}, {Layer: 2}, {Layer: 1}, {Layer: 2}, {}}, "+-+-+"},
		"up, where it may":           {[]uint8{0, 0, All}, []Frame{{Layer: 2}, {Layer: 1}, {Layer: 1}, {Layer: 2, Sync: true}, {Layer: 1, Sync: true}, {Layer: 2}, {Layer: 2, Sync: true}}, "----+-+"},
		"up with a keyframe":         {[]uint8{0, All}, []Frame{{Layer: 2}, {Layer: 2}, {Keyframe: true}, {Layer: 2}}, "--++"},
		"up as VP9 says":             {[]uint8{0, 0, All}, []Frame{{Layer: 2}, {Layer: 1}, {SwitchUp: true}, {Layer: 2}}, "--++"},
		"no higher than allowed":     {[]uint8{0, 1}, []Frame{{Layer: 1}, {Layer: 1, Sync: true}, {Layer: 2, Sync: true}, {Layer: 1}}, "-+-+"},
		"a switch up does not allow": {[]uint8{1}, []Frame{{Layer: 2}, {SwitchUp: true}, {Layer: 2}, {Layer: 1}}, "-+-+"},
	} {
		var g Gate
		got := ""
		for i, f := range x.frames {
			g.Begins(uint32(i))
			if g.UpTo(x.limits[min(i, len(x.limits)-1)], f) {
				got += "+"
			} else {
				got += "-"
			}
		}
		if got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
}

// A packet that comes late passes if its frame did, or would have.
func TestGateKnowsWhatIsLate(t *testing.T) {
	var g Gate
	frame := func(at uint32, limit, layer uint8, sync bool) {
		g.Begins(at)
		g.UpTo(limit, Frame{Layer: layer, Sync: sync})
	}
	for at := uint32(0); at < 40; at += 10 { // 5, 15 ... are of frames that have not come
		frame(at, All, uint8(at/10%3), false)
	}
	if !g.Late(5, 2) {
		t.Error("nothing was left out")
	}
	frame(40, 0, 2, false)
	frame(50, 0, 1, false)
	frame(60, 0, 0, false)
	for _, x := range []struct {
		at    uint32
		layer uint8
		want  bool
	}{{35, 1, true}, {40, 2, false}, {50, 1, false}, {55, 1, false}, {55, 0, true}, {60, 0, true}} {
		if got := g.Late(x.at, x.layer); got != x.want {
			t.Errorf("while it is cut: layer %d of %d: %v", x.layer, x.at, got)
		}
	}
	frame(70, All, 1, true)
	frame(80, All, 2, true)
	frame(90, All, 2, false)
	for _, x := range []struct {
		at    uint32
		layer uint8
		want  bool
	}{{40, 2, false}, {75, 2, false}, {80, 2, true}, {85, 2, true}, {70, 1, true}, {65, 0, true}} {
		if got := g.Late(x.at, x.layer); got != x.want {
			t.Errorf("after it was cut: layer %d of %d: %v", x.layer, x.at, got)
		}
	}
}

func TestObserveCostsNothing(t *testing.T) {
	var c Controller
	now := int64(1)
	if n := testing.AllocsPerRun(1000, func() { now += ms; c.Observe(now, 0, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var c Controller
	now := int64(1)
	for b.Loop() {
		now += 1000
		c.Observe(now, 0, false)
	}
}
