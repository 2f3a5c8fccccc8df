package gop_test

import (
	"testing"
	"time"

	"parlor/router/gop"
)

const ms = time.Millisecond

func TestChoose(t *testing.T) {
	usual := gop.Stream{Age: time.Second, Size: 100_000, Key: 20_000, Rate: 1e6, Wait: 250 * ms}
	for name, x := range map[string]struct {
		change func(*gop.Stream)
		rate   float64
		want   bool
	}{
		"200 ms, against 282":                {func(*gop.Stream) {}, 5e6, true},
		"400 ms, against 303":                {func(*gop.Stream) {}, 3e6, false},
		"slower than what comes on top":      {func(*gop.Stream) {}, 1e6, false},
		"as slow, but fresh":                 {func(s *gop.Stream) { s.Age = 50 * ms }, 1e6, false},
		"fresh, though a new one is quicker": {func(s *gop.Stream) { s.Age, s.Wait, s.Key = 99*ms, 20*ms, 0 }, 5e6, true},
		"not fresh any more":                 {func(s *gop.Stream) { s.Age, s.Wait, s.Key = 101*ms, 20*ms, 0 }, 5e6, false},
		"the publisher takes long":           {func(s *gop.Stream) { s.Wait = 2 * time.Second }, 3.1e6, true},
		"it takes long, but that is a queue": {func(s *gop.Stream) { s.Wait = 2 * time.Second }, 2.9e6, false},
	} {
		s := usual
		if x.change(&s); gop.Choose(s, x.rate) != x.want {
			t.Errorf("%s: %v", name, !x.want)
		}
	}
}

func TestRate(t *testing.T) {
	if a, b := gop.Rate(2e6), gop.Rate(50e6); a != 5e6 || b != gop.MaxRate {
		t.Errorf("%v, %v", a, b)
	}
}

func TestWaits(t *testing.T) {
	var w gop.Waits
	if w.Median() != gop.UsualWait {
		t.Errorf("%v where nothing is known", w.Median())
	}
	w.Add(100 * ms)
	if w.Median() != 100*ms {
		t.Errorf("%v after one", w.Median())
	}
	for range 100 {
		for _, d := range []time.Duration{50 * ms, 5 * time.Second, 70 * ms, 60 * ms, 80 * ms} {
			w.Add(d)
		}
	}
	if w.Median() != 70*ms {
		t.Errorf("%v, want 70 ms", w.Median())
	}
}
