package seqmap

import (
	"math/rand/v2"
	"testing"
)

func TestMapGoesOnOverSources(t *testing.T) {
	m := New[string](100)
	if _, seg := m.Out(5); seg != nil {
		t.Error("maps without a source")
	}
	m.Start(1000, "a")
	for i, in := range []uint64{1000, 1001, 1003} {
		if out, seg := m.Out(in); uint16(out) != 100+uint16(in-1000) || seg.State != "a" {
			t.Errorf("%d: %d", i, out)
		}
	}
	if _, seg := m.Out(999); seg != nil {
		t.Error("maps what came before the source")
	}
	m.Start(70000, "b")
	if out, _ := m.Out(70000); uint16(out) != 104 {
		t.Errorf("second source begins with %d, want 104", out)
	}
	if in, seg := m.In(102); in != 1002 || seg.State != "a" {
		t.Errorf("102 was %d", in)
	}
	if in, seg := m.In(104); in != 70000 || seg.State != "b" {
		t.Errorf("104 was %d", in)
	}
	for _, out := range []uint16{99, 105, 20000} {
		if in, seg := m.In(out); seg != nil {
			t.Errorf("%d was never sent, but %d is found", out, in)
		}
	}
	m.Stop()
	if _, seg := m.Out(70001); seg != nil {
		t.Error("maps after Stop")
	}
	if _, seg := m.In(104); seg == nil {
		t.Error("forgets on Stop")
	}
	m.Forget()
	if _, seg := m.In(104); seg != nil {
		t.Error("remembers after Forget")
	}
	m.Start(1, "c")
	if out, _ := m.Out(1); uint16(out) != 105 {
		t.Errorf("third source begins with %d, want 105", out)
	}
}

func TestDropClosesUp(t *testing.T) {
	m := New[int](0)
	m.Start(10, 0)
	m.Out(10)
	if !m.Drop(12) || !m.Drop(13) { // 11 is late
		t.Fatal("Drop of the newest refused")
	}
	for in, want := range map[uint64]uint16{14: 2, 11: 1, 15: 3} {
		if out, seg := m.Out(in); seg == nil || uint16(out) != want {
			t.Errorf("%d became %d, want %d", in, out, want)
		}
	}
	for _, in := range []uint64{12, 13} {
		if out, seg := m.Out(in); seg != nil {
			t.Errorf("dropped %d became %d", in, out)
		}
	}
	if m.Drop(14) || m.Drop(11) || m.Drop(9) {
		t.Error("dropped what has a number already")
	}
	if in, _ := m.In(2); in != 14 {
		t.Errorf("2 was %d, want 14", in)
	}
}

func TestSkipLeavesNoNumberForWhatIsMissing(t *testing.T) {
	m := New[int](0)
	if m.Skip(1) {
		t.Error("skipped without a source")
	}
	m.Start(10, 0)
	m.Out(10)
	if !m.Drop(12) || !m.Skip(14) || !m.Skip(16) { // 11 is late; 13 and 15 never come
		t.Fatal("refused")
	}
	for in, want := range map[uint64]uint16{17: 2, 11: 1, 18: 3} {
		if out, seg := m.Out(in); seg == nil || uint16(out) != want {
			t.Errorf("%d became %d, want %d", in, out, want)
		}
	}
	if !m.Skip(21) { // and with it 19 and 20, behind what was sent
		t.Fatal("refused behind what was sent")
	}
	if out, _ := m.Out(22); uint16(out) != 4 {
		t.Errorf("22 became %d, want 4", out)
	}
	for in := uint64(12); in < 22; in++ {
		if out, seg := m.Out(in); seg != nil && in != 17 && in != 18 {
			t.Errorf("skipped %d became %d", in, out)
		}
	}
	if m.Skip(22) || m.Skip(11) || m.Skip(9) {
		t.Error("skipped what has a number already")
	}
}

func TestSplitChangesNoNumber(t *testing.T) {
	m := New[string](0)
	if m.Split(10) != nil {
		t.Error("splits without a source")
	}
	m.Start(10, "a")
	if seg := m.Split(10); seg == nil || len(m.segs) != 1 {
		t.Error("what has just begun is not the segment that begins there")
	}
	m.Out(10)
	next := m.Next()
	seg := m.Split(12) // 11 is late
	if seg.State != "a" || m.Next() != next {
		t.Errorf("state %s, next is %d, before %d", seg.State, m.Next(), next)
	}
	seg.State = "b"
	for _, x := range []struct {
		in    uint64
		out   uint16
		state string
	}{{12, 2, "b"}, {11, 1, "a"}, {13, 3, "b"}, {10, 0, "a"}} {
		if out, seg := m.Out(x.in); uint16(out) != x.out || seg.State != x.state {
			t.Errorf("%d: %d of segment %s", x.in, uint16(out), seg.State)
		}
	}
	if m.Split(13) != nil || m.Split(9) != nil {
		t.Error("splits where numbers have been given")
	}
	if m.Start(1<<20, "c"); m.Split(3) != nil {
		t.Error("splits long before the source begins")
	}
}

// TestMapIsInjective draws sources, drops, losses and late packets from a seed.
func TestMapIsInjective(t *testing.T) {
	type packet struct{ source, in uint64 }
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		m := New[uint64](uint16(rng.Uint32() >> 17))
		var source, base uint64
		sent := map[uint64]packet{}
		begin := func() {
			source++
			base = rng.Uint64N(1 << 40)
			m.Start(base, source)
		}
		begin()
		for range 5000 {
			base += rng.Uint64N(3)
			in := base - min(base, rng.Uint64N(1+rng.Uint64N(40)))
			switch rng.IntN(20) {
			case 0:
				m.Drop(in)
			case 2:
				m.Skip(in)
			case 1:
				if rng.IntN(10) == 0 {
					begin()
				}
			default:
				out, seg := m.Out(in)
				if seg == nil {
					continue
				}
				p := packet{seg.State, in}
				if old, ok := sent[out]; ok && old != p {
					t.Fatalf("seed %d: %d is %v and %v", seed, out, old, p)
				}
				sent[out] = p
				if seg.State != source {
					t.Fatalf("seed %d: packet of source %d, in use is %d", seed, seg.State, source)
				}
				back, seg := m.In(uint16(out))
				if seg == nil || back != in {
					t.Fatalf("seed %d: %d went out as %d, which is %d", seed, in, out, back)
				}
			}
		}
		distinct := map[packet]bool{}
		for _, p := range sent {
			if distinct[p] {
				t.Fatalf("seed %d: %v has two numbers", seed, p)
			}
			distinct[p] = true
		}
		if len(sent) < 1000 {
			t.Fatalf("seed %d: only %d packets sent", seed, len(sent))
		}
	}
}

func TestSegmentsAreBounded(t *testing.T) {
	m := New[int](0)
	m.Start(0, 1)
	for in := uint64(0); in < 1000; in += 2 {
		m.Out(in)
		m.Drop(in + 1)
	}
	if len(m.segs) > Segments || cap(m.segs) > 2*Segments {
		t.Errorf("%d segments", len(m.segs))
	}
	if out, seg := m.Out(998); seg == nil || uint16(out) != 499 {
		t.Errorf("998 became %d", out)
	}
	if _, seg := m.Out(0); seg != nil {
		t.Error("a segment that is gone still maps")
	}
}

func TestUnwrapper(t *testing.T) {
	var u Unwrapper
	for i, x := range []struct {
		seq     uint16
		ext     uint64
		verdict Verdict
	}{
		{65534, 131070, Restart}, {65535, 131071, Fits}, {1, 131073, Fits}, {0, 131072, Fits}, {65530, 131066, Fits},
		{2001, 133073, Fits}, {65490, 131026, Fits}, {65489, 0, Strange}, {30000, 0, Strange}, {2002, 133074, Fits}, {40000, 0, Strange}, {40001, 4<<16 | 40001, Restart}, {40002, 4<<16 | 40002, Fits},
	} {
		ext, verdict := u.Next(x.seq)
		if ext != x.ext || verdict != x.verdict {
			t.Errorf("step %d: %d is %d, %d; want %d, %d", i, x.seq, ext, verdict, x.ext, x.verdict)
		}
	}
	if ext, ok := u.Find(40000); !ok || ext != u.High()-2 {
		t.Errorf("Find: %d %v", ext, ok)
	}
	if _, ok := u.Find(40003); ok {
		t.Error("Find takes what was not sent yet")
	}
	high := u.High()
	u.Anew()
	if ext, verdict := u.Next(40001); verdict != Restart || ext <= high {
		t.Errorf("another sender: %d %d", ext, verdict)
	}
}

func FuzzUnwrapper(f *testing.F) {
	f.Add([]byte{0, 0, 255, 255, 0, 1, 128, 0, 128, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var u Unwrapper
		var floor uint64
		for ; len(b) >= 2; b = b[2:] {
			seq := uint16(b[0])<<8 | uint16(b[1])
			before := u.High()
			ext, v := u.Next(seq)
			if v != Strange && uint16(ext) != seq || u.High() < before {
				t.Fatalf("%d is %d, highest %d after %d", seq, ext, u.High(), before)
			}
			if v == Restart {
				floor = before
			}
			if v == Restart && ext <= before || v == Fits && ext <= floor {
				t.Fatalf("%d is %d: belongs to an earlier sender (%d)", seq, ext, floor)
			}
		}
	})
}

func BenchmarkOut(b *testing.B) {
	m := New[[4]uint64](0)
	m.Start(0, [4]uint64{})
	b.ReportAllocs()
	in := uint64(0)
	for b.Loop() {
		m.Out(in)
		in++
	}
}
