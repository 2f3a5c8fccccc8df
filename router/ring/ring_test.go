package ring

import (
	"math/rand/v2"
	"testing"

	"parlor/packet"
)

// put puts a fresh buffer that only the ring owns.
func put(r *Ring, seq uint64, at int64) (Result, *packet.Buffer) {
	b := packet.Get()
	res := r.Put(seq, b, at, uint32(seq))
	b.Release()
	return res, b
}

func TestRingKeepsAndLetsGo(t *testing.T) {
	r := New(4, 4, 1000)
	for seq := uint64(10); seq < 14; seq++ {
		if res, _ := put(r, seq, 0); res != Added {
			t.Fatalf("%d: %v", seq, res)
		}
	}
	if res, _ := put(r, 12, 0); res != Duplicate {
		t.Errorf("duplicate is %v", res)
	}
	put(r, 15, 0)
	if r.Get(11) != nil || r.Get(14) != nil || r.Get(12) == nil || r.Get(15).Meta != 15 {
		t.Error("wrong packets held")
	}
	if res, _ := put(r, 11, 0); res != TooOld {
		t.Errorf("11 is %v", res)
	}
	if res, _ := put(r, 14, 0); res != Added {
		t.Errorf("late 14 is %v", res)
	}
	put(r, 1000, 0)
	if r.Len() != 1 || r.High() != 1000 {
		t.Errorf("%d packets after a leap", r.Len())
	}
	r.Clear()
	if r.Len() != 0 {
		t.Errorf("%d packets after Clear", r.Len())
	}
	if res, _ := put(r, 1000, 0); res != Duplicate {
		t.Errorf("after Clear 1000 is %v", res)
	}
}

func TestRingForgetsTheOld(t *testing.T) {
	r := New(8, 64, 100)
	for seq := range uint64(50) {
		put(r, seq+1, int64(seq)*20)
	}
	if n := r.Len(); n != 6 || len(r.slots) != 8 {
		t.Errorf("%d packets in %d slots, want 6 of the last 100 ns in 8", n, len(r.slots))
	}
	r.Expire(10_000)
	if n := r.Len(); n > 1 {
		t.Errorf("%d packets after all time", n)
	}
}

func TestRingGrowsWithinLimits(t *testing.T) {
	r := New(8, 64, 1000)
	for seq := range uint64(200) {
		put(r, seq+1, int64(seq))
	}
	if len(r.slots) != 64 || r.Len() != 64 {
		t.Errorf("%d packets in %d slots, want 64", r.Len(), len(r.slots))
	}
}

// TestRingTakesEachNumberOnce: no number is ever Added twice, over growth and leaps. Retransmission and
// sequence maps rest on that.
func TestRingTakesEachNumberOnce(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := New(8, 128, 50)
		added := map[uint64]bool{}
		seq, at := uint64(1000), int64(0)
		for range 3000 {
			seq += rng.Uint64N(4)
			at += rng.Int64N(1 + rng.Int64N(10))
			if rng.IntN(200) == 0 {
				seq += rng.Uint64N(300)
			}
			s := seq - rng.Uint64N(1+rng.Uint64N(150))
			res, b := put(r, s, at)
			if res == Added {
				if added[s] {
					t.Fatalf("seed %d: %d added twice", seed, s)
				}
				added[s] = true
				if r.Get(s).Buf != b {
					t.Fatalf("seed %d: %d is another packet", seed, s)
				}
			}
			if rng.IntN(300) == 0 {
				r.Clear()
			}
		}
		r.Clear()
		if r.Len() != 0 {
			t.Fatalf("seed %d: %d left", seed, r.Len())
		}
	}
}

func BenchmarkPut(b *testing.B) {
	r := New(256, 256, 1<<40)
	buf := packet.Get()
	seq := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Put(seq, buf, int64(seq), 0)
		seq++
	}
	r.Clear()
	buf.Release()
}

// TestHold: a held packet stays at any age, as long as there is a slot for it. It goes as soon as it is held
// no more.
func TestHold(t *testing.T) {
	r := New(4, 16, 100)
	put := func(seq uint64, at int64) {
		b := packet.Get()
		if r.Put(seq, b, at, 0) != Added {
			t.Fatalf("%d is not added", seq)
		}
		b.Release()
	}
	for i := range int64(10) {
		put(uint64(10+i), i*1000)
		if i == 3 {
			r.Hold(13)
		}
	}
	if r.Get(13) == nil || r.Len() != 7 || r.Idle() {
		t.Fatalf("%d packets are held, want the 7 from 13 on", r.Len())
	}
	for i := range int64(10) {
		put(uint64(20+i), 10_000)
	}
	if r.Get(13) != nil || r.Len() != 16 {
		t.Errorf("%d packets are held, want what there are slots for", r.Len())
	}
	r.Hold(0)
	if r.Expire(11_000); r.Len() > 1 {
		t.Errorf("%d packets are held after all", r.Len())
	}
}
