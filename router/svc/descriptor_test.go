package svc

import (
	"bufio"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// recorded is a packet of a browser.
type recorded struct {
	timestamp   uint32
	marker      bool
	dd, payload []byte
}

// record reads a file of testdata.
func record(t testing.TB, name string) []recorded {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	for in := bufio.NewScanner(f); in.Scan(); {
		w := strings.Fields(in.Text())
		if w[0] == "#" {
			continue
		}
		ts, err := strconv.ParseUint(w[0], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		dd, err := hex.DecodeString(w[2])
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := hex.DecodeString(w[3]) // none: "-"
		all = append(all, recorded{uint32(ts), w[1] == "1", dd, payload})
	}
	return all
}

func TestDescriptorsOfChromium(t *testing.T) {
	for name, x := range map[string]struct {
		targets, spatial int
		areas            [2]uint32
	}{
		"vp9-l3t3-key.txt": {6, 2, [2]uint32{320 * 180, 640 * 360}}, // too small for a third layer
		"vp9-l3t3.txt":     {6, 2, [2]uint32{320 * 180, 640 * 360}},
		"av1-l3t3-key.txt": {6, 2, [2]uint32{320 * 180, 640 * 360}},
		"av1-l1t3.txt":     {3, 1, [2]uint32{640 * 360}},
	} {
		var r Reader
		var f Frame
		var last Frame
		for i, p := range record(t, name) {
			if !r.Read(&f, p.dd) {
				t.Fatalf("%s: descriptor %d cannot be read: %x", name, i, p.dd)
			}
			s := f.In
			if s.Targets() != x.targets || s.Spatial() != x.spatial || s.Area(0) != x.areas[0] || s.Area(1) != x.areas[1] {
				t.Fatalf("%s: %d targets, %d layers, areas %v", name, s.Targets(), s.Spatial(), s.areas)
			}
			if top := s.best(f.active); f.Ends && int(f.Spatial) == s.Spatial()-1 && !p.marker || top == none {
				t.Errorf("%s: descriptor %d: marker %v, layer %v, active %b", name, i, p.marker, f.Layer, f.active)
			}
			if f.Begins != (i == 0 || f.Number != last.Number) || f.Number-last.Number > 1 || !f.Begins && f.Layer != last.Layer {
				t.Errorf("%s: descriptor %d: frame %d after %d, begins %v", name, i, f.Number, last.Number, f.Begins)
			}
			if f.present&f.needed != f.needed || f.needed&f.switches != f.switches || f.present&^s.all() != 0 || f.present == 0 {
				t.Errorf("%s: descriptor %d: present %b, needed %b, switches %b", name, i, f.present, f.needed, f.switches)
			}
			last = f
		}
	}
}

// These are the facts known of one picture after the other, in the words of the specification.
func TestDescriptorsMeanWhatTheySay(t *testing.T) {
	var r Reader
	var f Frame
	for i, want := range []struct {
		layer                             Layer
		present, needed, switches, active targets
		back, chain0, chain1              uint16
	}{
		{Layer{0, 0}, 0b111111, 0b111111, 0b111111, 0b000111, 0, 0, 0},
		{Layer{0, 0}, 0b111111, 0b111111, 0b111111, 0b111111, 0, 0, 0},
		{Layer{1, 0}, 0b111000, 0b111000, 0b111000, 0b111111, 1, 1, 1},
		{Layer{1, 0}, 0b111000, 0b111000, 0b111000, 0b111111, 1, 1, 1},
		{Layer{0, 2}, 0b000100, 0, 0, 0b111111, 2, 2, 1},
		{Layer{1, 2}, 0b100000, 0, 0, 0b111111, 2, 3, 2},
		{Layer{0, 1}, 0b000110, 0b000100, 0b000100, 0b111111, 4, 4, 3},
	} {
		if !r.Read(&f, record(t, "vp9-l3t3-key.txt")[i].dd) {
			t.Fatal(i)
		}
		if f.Layer != want.layer || f.present != want.present || f.needed != want.needed || f.switches != want.switches || f.active != want.active {
			t.Errorf("%d: %v present %06b needed %06b switches %06b active %06b", i, f.Layer, f.present, f.needed, f.switches, f.active)
		}
		if f.refs.back[0] != want.back || uint16(f.chains[0]) != want.chain0 || uint16(f.chains[1]) != want.chain1 {
			t.Errorf("%d: refers to %v, chains %v", i, f.refs, f.chains[:2])
		}
	}
}

// random returns a structure with all fields that may stand in one.
func random(rng *rand.Rand) *Structure {
	s := &Structure{offset: uint8(rng.IntN(64)), targets: uint8(1 + rng.IntN(MaxTargets))}
	s.chains = uint8(rng.IntN(int(s.targets) + 1))
	var l Layer
	for n := 1 + rng.IntN(maxTemplates); len(s.templates) < n; {
		t := template{layer: l}
		t.present, t.needed, t.switches = randomTargets(rng, s)
		for range rng.IntN(maxRefs + 1) {
			t.refs.add(uint16(1 + rng.IntN(16)))
		}
		for c := range s.chains {
			t.chains[c] = uint8(rng.IntN(16))
		}
		s.templates = append(s.templates, t)
		s.spatial = max(s.spatial, l.Spatial+1)
		switch k := rng.IntN(3); {
		case k == 1 && l.Temporal < 7:
			l.Temporal++
		case k == 2 && l.Spatial < 3:
			l = Layer{Spatial: l.Spatial + 1}
		}
	}
	if s.chains > 0 {
		for i := range s.targets {
			s.protected[rng.IntN(int(s.chains))] |= 1 << i
		}
	}
	if rng.IntN(2) == 0 {
		for i := range s.spatial {
			s.areas[i] = uint32(1 + rng.IntN(1<<16))
		}
	}
	s.decodeTargetLayers()
	return s
}

func randomTargets(rng *rand.Rand, s *Structure) (present, needed, switches targets) {
	present = targets(rng.Uint32()) & s.all()
	needed = targets(rng.Uint32()) & present
	return present, needed, targets(rng.Uint32()) & needed
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 500 {
		s := random(rng)
		var r Reader
		number := uint16(rng.Uint32())
		for k := range 20 {
			i := rng.IntN(len(s.templates))
			want := Frame{In: s, Number: number + uint16(k), Begins: rng.IntN(2) == 0, Ends: rng.IntN(2) == 0, active: s.all()}
			want.of(&s.templates[i])
			custom := k > 0 && rng.IntN(2) == 0
			if custom {
				want.present, want.needed, want.switches = randomTargets(rng, s)
				want.refs = refs{}
				for range rng.IntN(maxRefs + 1) {
					want.refs.add(uint16(1 + rng.IntN(4096)))
				}
				for c := range s.chains {
					want.chains[c] = uint8(rng.Uint32())
				}
			}
			if k == 7 {
				want.active = targets(rng.Uint32()) & s.all()
			} else if k > 7 {
				want.active = r.active
			}
			dd := descriptor(&want, i, k == 0, k == 7, custom)
			var got Frame
			if !r.Read(&got, dd) {
				t.Fatalf("structure %d, frame %d: %x cannot be read", n, k, dd)
			}
			if !got.In.same(s) || got.In.layers != s.layers || got.In.spatial != s.spatial {
				t.Fatalf("structure %d: %+v, want %+v", n, got.In, s)
			}
			if got.In = s; got != want {
				t.Fatalf("structure %d, frame %d: %+v, want %+v", n, k, got, want)
			}
		}
	}
}

func TestDescriptorsThatCannotBeRead(t *testing.T) {
	first := record(t, "vp9-l3t3-key.txt")[1].dd
	for name, dd := range map[string][]byte{
		"nothing": nil, "short": first[:2], "no structure known": {0xc0, 0, 1}, "cut in the structure": first[:20],
		"template beyond the last": append([]byte{0xcf}, first[1:]...),
		"too many references":      {0xc0, 0, 1, 0x80, 0, 0xde, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		var r Reader
		f := Frame{In: new(Structure)}
		if r.Read(&f, dd) || f.In != nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
	var r Reader
	var f Frame
	if !r.Read(&f, first) || r.Read(&f, []byte{0xc3, 0, 3, 0x08}) || r.Read(&f, []byte{0xcf, 0, 3}) || !r.Read(&f, []byte{0xc3, 0, 4}) {
		t.Error("what cannot be read spoils what comes after it")
	}
}

// A structure that comes late, with a packet that was lost, is not taken for the latest. Frames of the one
// before are still read.
func TestStructuresChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a, b, c := random(rng), random(rng), random(rng)
	a.templates, b.templates, c.templates = a.templates[:1], b.templates[:1], c.templates[:1]
	a.offset, b.offset, c.offset = 0, 1, 2
	for _, s := range []*Structure{a, b, c} {
		s.spatial, s.areas, s.layers = 1, [4]uint32{}, [MaxTargets]Layer{}
	}
	of := func(s *Structure, number uint16, structure bool) []byte {
		return descriptor(&Frame{In: s, Number: number}, 0, structure, false, false)
	}
	var r Reader
	var f Frame
	for i, step := range []struct {
		dd  []byte
		now *Structure
		of  *Structure // nil: cannot be read
	}{
		{of(a, 65530, true), a, a}, {of(a, 65531, false), a, a}, {of(b, 2, true), b, b}, {of(a, 65532, false), b, a}, {of(b, 3, false), b, b},
		{of(a, 65530, true), b, a}, {of(c, 1, true), b, nil}, {of(c, 4, true), c, c}, {of(b, 3, false), c, b}, {of(a, 65533, false), c, nil},
		{of(c, 5, true), c, c},
	} {
		before := r.now
		ok := r.Read(&f, step.dd)
		if !r.Structure().same(step.now) || ok != (step.of != nil) || ok && !f.In.same(step.of) {
			t.Errorf("step %d: read %v, of another structure", i, ok)
		}
		if i == 10 && r.now != before {
			t.Error("a structure that is only sent once more is another one")
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	all := record(t, "vp9-l3t3.txt")
	var r Reader
	var f Frame
	read := func() {
		for _, p := range all {
			r.Read(&f, p.dd)
		}
	}
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations for what is known", n)
	}
}

func BenchmarkRead(b *testing.B) {
	var r Reader
	var f Frame
	all := record(b, "vp9-l3t3.txt")
	for _, p := range all {
		r.Read(&f, p.dd)
	}
	for i := 0; b.Loop(); i++ {
		r.Read(&f, all[i%len(all)].dd)
	}
}

// FuzzRead has a reader take in what a publisher may send, cut into descriptors by their lengths. A filter
// decides on it.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"vp9-l3t3-key.txt", "av1-l3t3-key.txt", "vp9-l3t3.txt"} {
		var in []byte
		for _, p := range record(f, name)[:12] {
			in = append(append(in, byte(len(p.dd))), p.dd...)
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r Reader
		var x Filter
		for n := uint32(0); len(in) > 0 && len(in) > int(in[0]); n++ {
			end := 1 + int(in[0])
			dd := in[1:end]
			in = in[end:]
			var p Frame
			if !r.Read(&p, dd) {
				if p.In != nil {
					t.Fatal("what could not be read is something")
				}
				continue
			}
			if p.In.targets == 0 || p.In.targets > MaxTargets || p.In.chains > p.In.targets || len(p.In.templates) > maxTemplates || p.In.spatial > 4 {
				t.Fatalf("out of bounds: %+v", p.In)
			}
			x.aim(Layer{uint8(n) & 3, uint8(n) >> 2 & 3})
			first := x.Decide(&p, n)
			if x.Decide(&p, n).Passes != first.Passes {
				t.Fatal("a frame is decided on twice")
			}
		}
	})
}
