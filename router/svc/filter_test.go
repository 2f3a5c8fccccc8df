package svc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// receiver is one that is sent what a browser has sent.
type receiver struct {
	Filter
	reader Reader
}

// decide says for packets of a browser which frames of each picture pass. It names them by their spatial
// layers.
func (f *receiver) decide(t *testing.T, name string, from, to int) string {
	t.Helper()
	r := &f.reader
	var p Frame
	var out strings.Builder
	var at uint32
	for i, x := range record(t, name) {
		if !r.Read(&p, x.dd) {
			t.Fatal(i)
		}
		if i < from || i >= to {
			continue
		}
		if x.timestamp != at && out.Len() > 0 {
			out.WriteByte(' ')
		}
		at = x.timestamp
		if passes := f.Decide(&p, x.timestamp).Passes; p.Begins && passes {
			fmt.Fprint(&out, p.Spatial)
		} else if p.Begins {
			out.WriteByte('-')
		}
	}
	return out.String()
}

func TestFilterOfWhatChromiumSends(t *testing.T) {
	for _, x := range []struct {
		name     string
		want     Layer
		from, to int
		passes   string
	}{
		{"vp9-l3t3-key.txt", Layer{1, 2}, 0, 16, "0 01 -1 -1 -1 -1 -1"},
		{"vp9-l3t3-key.txt", Layer{0, 2}, 0, 16, "0 0- 0- 0- 0- 0- 0-"},
		{"vp9-l3t3-key.txt", Layer{1, 0}, 0, 16, "0 01 -- -- -- -1 --"},
		{"vp9-l3t3-key.txt", Layer{0, 1}, 0, 16, "0 0- -- 0- -- 0- --"},
		{"vp9-l3t3-key.txt", Layer{1, 2}, 4, 16, "-- -- -- -- --"}, // nothing to begin with
		// The second layer comes without a keyframe.
		{"vp9-l3t3.txt", Layer{1, 2}, 0, 14, "0 0 0 0 01 01 01 01"},
		{"vp9-l3t3.txt", Layer{0, 2}, 0, 14, "0 0 0 0 0- 0- 0- 0-"},
		{"av1-l1t3.txt", Layer{0, 0}, 0, 10, "0 - - - 0 - - -"},
		{"av1-l1t3.txt", Layer{0, 1}, 0, 10, "0 - 0 - 0 - 0 -"},
		{"av1-l1t3.txt", Layer{9, 9}, 0, 10, "0 0 0 0 0 0 0 0"},
	} {
		var f receiver
		f.aim(x.want)
		if got := f.decide(t, x.name, x.from, x.to); got != x.passes {
			t.Errorf("%s, %v from %d: %s, want %s", x.name, x.want, x.from, got, x.passes)
		}
	}
}

// scene is a stream made up for a test. It has what each frame refers to, and a structure that tells the
// truth of it.
type scene struct {
	in     *Structure
	frames []Frame
	at     []uint32 // timestamps
	refs   [][]int
}

// newScene makes a stream of some pictures with so many layers. Every frame refers to some of the frames
// before that its targets allow. These are any of a temporal layer not higher than its own, of the spatial
// layer itself. The one below in the same picture is allowed too if inter says so or the picture is a
// keyframe.
func newScene(rng *rand.Rand, spatial, temporal, pictures int) *scene {
	s := &scene{in: &Structure{targets: uint8(spatial * temporal), spatial: uint8(spatial)}}
	for i := range spatial * temporal {
		s.in.layers[i] = Layer{uint8(i / temporal), uint8(i % temporal)}
	}
	inter := rng.IntN(2) == 0
	number := uint16(rng.Uint32())
	for p := range pictures {
		key := p == 0 || rng.IntN(25) == 0
		t := uint8(rng.IntN(temporal))
		if key {
			t = 0
		}
		for l := range uint8(spatial) {
			f := Frame{In: s.in, Layer: Layer{l, t}, Number: number + uint16(len(s.frames)), Begins: true, Ends: true, active: s.in.all()}
			s.add(rng, f, uint32(p), key, inter)
		}
	}
	s.tell()
	return s
}

func (s *scene) add(rng *rand.Rand, f Frame, at uint32, key, inter bool) {
	n := len(s.frames)
	var to []int
	if f.Spatial > 0 && (key || inter) {
		to = append(to, n-1)
	}
	if !key {
		var may []int
		for i := n - 1; i >= max(0, n-12); i-- {
			if l := s.frames[i].Layer; l.Spatial == f.Spatial && l.Temporal <= f.Temporal && (l.Temporal < f.Temporal || l.Temporal == 0 || rng.IntN(2) == 0) {
				may = append(may, i)
			}
			if s.frames[i].refs.n == 0 && s.frames[i].Spatial == 0 {
				break // the keyframe: nothing before it
			}
		}
		if len(may) > 0 {
			to = append(to, may[rng.IntN(min(2, len(may)))])
		}
	}
	for _, i := range to {
		f.refs.add(uint16(n - i))
	}
	s.frames, s.at, s.refs = append(s.frames, f), append(s.at, at), append(s.refs, to)
}

func (s *scene) layer(target int) Layer { return s.in.layers[target] }

// tell fills in the indications. A target has the frames of its spatial layer and all to which they refer,
// directly or not.
func (s *scene) tell() {
	n := len(s.frames)
	for i := range s.in.Targets() {
		of, bit := s.layer(i), targets(1)<<i
		in := make([]bool, n)
		for k := n - 1; k >= 0; k-- {
			in[k] = in[k] || s.frames[k].Spatial == of.Spatial && s.frames[k].Temporal <= of.Temporal
			if in[k] {
				s.frames[k].present |= bit
				for _, to := range s.refs[k] {
					in[to] = true
					s.frames[to].needed |= bit
				}
			}
		}
		for k := range n {
			if in[k] && s.goesOn(k, in) {
				s.frames[k].needed |= bit
				s.frames[k].switches |= bit
			}
		}
	}
}

// goesOn says whether a decoder that can decode k can decode all frames of a target after it.
func (s *scene) goesOn(k int, in []bool) bool {
	have := make([]bool, len(s.frames))
	var mark func(int)
	mark = func(i int) {
		if !have[i] {
			have[i] = true
			for _, to := range s.refs[i] {
				mark(to)
			}
		}
	}
	mark(k)
	for i := k + 1; i < len(s.frames); i++ {
		if !in[i] {
			continue
		}
		for _, to := range s.refs[i] {
			if !have[to] {
				return false
			}
		}
		have[i] = true
	}
	return true
}

// Each frame that passes can be decoded, however often what is wanted changes and whatever else is left out.
// A layer that is wanted comes.
func TestWhateverPassesCanBeDecoded(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := newScene(rng, 1+rng.IntN(3), 1+rng.IntN(3), 60)
		var f Filter
		f.aim(Layer{uint8(rng.IntN(3)), uint8(rng.IntN(3))})
		passed := make([]bool, len(s.frames))
		omits := rng.IntN(2) == 0
		for i := range s.frames {
			p := &s.frames[i]
			if rng.IntN(8) == 0 {
				f.aim(Layer{uint8(rng.IntN(3)), uint8(rng.IntN(3))})
			}
			if omits && rng.IntN(6) == 0 {
				f.Omit(p)
				if f.Decide(p, s.at[i]).Passes {
					t.Fatalf("seed %d: frame %d passes though it was left out", seed, i)
				}
				continue
			}
			before, had := f.Top()
			passed[i] = f.Decide(p, s.at[i]).Passes
			top, ok := f.Top()
			if !omits && i > 0 && s.at[i] == s.at[i-1] && (top != before || ok != had) {
				t.Fatalf("seed %d: frame %d is of a picture that was to end with layer %d, and ends with %d now", seed, i, before, top)
			}
			if want := ok && p.present>>f.target&1 != 0; !omits && passed[i] != want {
				t.Fatalf("seed %d: frame %d %v of target %v passes: %v", seed, i, p.Layer, s.layer(int(f.target)), passed[i])
			}
			if !passed[i] {
				continue
			}
			for _, to := range s.refs[i] {
				if !passed[to] {
					t.Fatalf("seed %d: frame %d %v passes, and %d %v to which it refers did not", seed, i, p.Layer, to, s.frames[to].Layer)
				}
			}
		}
	}
}

// All of a target passes, and nothing else, from a keyframe on, as long as it is wanted.
func TestAllThatIsWantedPasses(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		s := newScene(rng, 1+rng.IntN(3), 1+rng.IntN(3), 60)
		target := rng.IntN(s.in.Targets())
		var f Filter
		f.aim(s.layer(target))
		for i := range s.frames {
			p := &s.frames[i]
			if got := f.Decide(p, s.at[i]).Passes; got != (p.present>>target&1 != 0) {
				t.Fatalf("seed %d, target %v: frame %d %v passes: %v", seed, s.layer(target), i, p.Layer, got)
			}
			if top, ok := f.Top(); !ok || top != s.layer(target).Spatial || f.Waits() {
				t.Fatalf("seed %d: pictures end with layer %d, waits %v", seed, top, f.Waits())
			}
		}
	}
}

// Frames that come in another order, because lost ones come later, are decided on as if nothing had happened.
func TestLateFrames(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := newScene(rng, 1+rng.IntN(3), 1+rng.IntN(3), 40)
		target := rng.IntN(s.in.Targets())
		var f Filter
		f.aim(s.layer(target))
		var late []int
		for i := range s.frames {
			if i > s.in.Targets() && rng.IntN(5) == 0 {
				late = append(late, i)
				continue
			}
			f.Decide(&s.frames[i], s.at[i])
			if len(late) > 2 {
				for _, k := range late {
					p := &s.frames[k]
					if got := f.Decide(p, s.at[k]).Passes; got != (p.present>>target&1 != 0) {
						t.Fatalf("seed %d: frame %d, which is late, passes: %v", seed, k, got)
					}
				}
				late = late[:0]
			}
		}
	}
}

// A receiver goes up and down at pictures from which that is possible, and waits for a keyframe otherwise. It
// sees fewer pictures until then.
func TestFilterChangesLayers(t *testing.T) {
	var f receiver
	f.aim(Layer{0, 2})
	if got := f.decide(t, "vp9-l3t3.txt", 0, 14); got != "0 0 0 0 0- 0- 0- 0-" || f.Waits() {
		t.Fatalf("%s, waits %v", got, f.Waits())
	}
	f.aim(Layer{1, 2})
	if got := f.decide(t, "vp9-l3t3.txt", 14, 23); got != "0- 0- 0-" || !f.Waits() {
		t.Errorf("%s, waits %v: goes up without a keyframe", got, f.Waits())
	}
	f = receiver{}
	f.aim(Layer{1, 2})
	f.decide(t, "vp9-l3t3.txt", 0, 14)
	f.aim(Layer{0, 2})
	if got := f.decide(t, "vp9-l3t3.txt", 14, 23); got != "0- 0- 0-" || f.Waits() {
		t.Errorf("%s, waits %v: does not go down, though lower layers were sent", got, f.Waits())
	}
	f = receiver{}
	f.aim(Layer{1, 2})
	f.decide(t, "vp9-l3t3-key.txt", 0, 16)
	f.aim(Layer{0, 0})
	if got := f.decide(t, "vp9-l3t3-key.txt", 16, 27); got != "-- -- -1 --" || !f.Waits() {
		t.Errorf("%s, waits %v: lower layers were not sent", got, f.Waits())
	}
}

// A chain that has lost a frame ends what it protects until a frame from which that goes on. This holds
// though nothing that comes refers to the lost frame.
func TestBrokenChains(t *testing.T) {
	in := &Structure{targets: 1, chains: 1, protected: [MaxTargets]targets{1}}
	frames := []Frame{
		{present: 1, needed: 1, switches: 1}, {present: 1, chains: [MaxTargets]uint8{1}}, {present: 1, chains: [MaxTargets]uint8{1}},
		{present: 1, chains: [MaxTargets]uint8{2}}, {present: 1, chains: [MaxTargets]uint8{3}}, {present: 1, needed: 1, switches: 1},
	}
	var f Filter
	var got []bool
	for i := range frames {
		p := &frames[i]
		p.In, p.Number, p.active = in, uint16(i), 1
		if i == 2 {
			f.Omit(p)
		}
		got = append(got, f.Decide(p, uint32(i)).Passes)
	}
	if want := []bool{true, true, false, true, true, true}; !slices.Equal(got, want) {
		t.Errorf("frame 2 was lost, and the chain goes on without it: %v, want %v", got, want)
	}
	f = Filter{}
	for i := range frames {
		p := &frames[i]
		p.chains[0] = min(uint8(i), 1)
		if i == 2 {
			f.Omit(p)
		}
		if passes := f.Decide(p, uint32(i)).Passes; passes != (i < 2 || i == 5) {
			t.Errorf("frame 2 of the chain was lost, %d passes: %v", i, passes)
		}
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	s := newScene(rand.New(rand.NewPCG(1, 1)), 3, 3, 60)
	var f Filter
	f.aim(Layer{1, 1})
	n := testing.AllocsPerRun(100, func() {
		for i := range s.frames {
			f.Decide(&s.frames[i], s.at[i])
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
