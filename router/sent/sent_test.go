package sent

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

const ms = int64(1e6)

func add(r *Ring, n int, now int64) {
	for range n {
		r.Add(now, 1000, Video, 0)
	}
}

// losses returns how many are booked as lost now.
func losses(r *Ring, now int64) (n int) {
	for _, ok := r.Lost(now); ok; _, ok = r.Lost(now) {
		n++
	}
	return n
}

func TestPacketIsRemembered(t *testing.T) {
	var r Ring
	add(&r, 3, 77*ms)
	seq := r.Add(100*ms+tick/2, 1<<20, Padding, 255)
	r.Begin(200 * ms)
	p, fate := r.Arrived(seq)
	if want := (Packet{At: 100 * ms, Size: 1<<16 - 1, Kind: Padding, Cluster: 255, Seq: 3}); p != want || fate != First || seq != 3 {
		t.Errorf("%d: %+v, %v", seq, p, fate)
	}
	if n := unsafe.Sizeof(entry{}); n != 8 {
		t.Errorf("an entry takes %d bytes", n)
	}
}

// TestTimesOutliveTheirTicks: the 32 bits of a time wrap after three days.
func TestTimesOutliveTheirTicks(t *testing.T) {
	var r Ring
	wrap := int64(1<<32) * tick
	seq := r.Add(wrap-ms, 1000, Video, 0)
	r.Add(wrap+ms, 1000, Video, 0)
	for i, want := range []int64{wrap - ms, wrap + ms} {
		if p, _ := r.Arrived(seq + uint16(i)); p.At != want {
			t.Errorf("%d, not %d", p.At, want)
		}
	}
}

func TestFates(t *testing.T) {
	type step struct {
		do   string // b(egin), a(rrived), m(issing), l(ost)
		seq  uint16
		want int // fate, 1: missing for the first time, or how many are lost
	}
	for name, steps := range map[string][]step{
		"arrives twice":      {{"b", 0, 0}, {"a", 5, int(First)}, {"a", 5, int(Known)}, {"b", 0, 0}, {"a", 5, int(Known)}, {"l", 0, 0}},
		"never given":        {{"b", 0, 0}, {"a", 10, int(Unknown)}, {"a", 40000, int(Unknown)}, {"m", 10, 0}, {"l", 0, 0}},
		"missing once":       {{"b", 0, 0}, {"m", 5, 1}, {"m", 5, 0}, {"l", 0, 0}},
		"next report":        {{"b", 0, 0}, {"m", 5, 1}, {"l", 0, 0}, {"b", 0, 0}, {"a", 7, int(First)}, {"l", 0, 1}, {"l", 0, 0}},
		"missing again":      {{"b", 0, 0}, {"m", 5, 1}, {"l", 0, 0}, {"b", 0, 0}, {"m", 5, 0}, {"l", 0, 1}, {"b", 0, 0}, {"m", 5, 0}, {"l", 0, 0}},
		"overtaken":          {{"b", 0, 0}, {"m", 5, 1}, {"l", 0, 0}, {"b", 0, 0}, {"a", 5, int(First)}, {"l", 0, 0}},
		"late":               {{"b", 0, 0}, {"m", 5, 1}, {"b", 0, 0}, {"l", 0, 1}, {"b", 0, 0}, {"a", 5, int(Late)}, {"a", 5, int(Known)}, {"m", 5, 0}, {"l", 0, 0}},
		"arrived, then lost": {{"b", 0, 0}, {"a", 5, int(First)}, {"b", 0, 0}, {"m", 5, 0}, {"b", 0, 0}, {"l", 0, 0}},
		"never told of":      {{"b", 0, 0}, {"a", 2, int(First)}, {"a", 9, int(First)}, {"b", 0, 0}, {"l", 0, 0}, {"b", 0, 0}, {"l", 0, 0}},
		"older one after":    {{"b", 0, 0}, {"m", 7, 1}, {"l", 0, 0}, {"b", 0, 0}, {"m", 3, 1}, {"l", 0, 1}, {"b", 0, 0}, {"l", 0, 1}},
	} {
		var r Ring
		add(&r, 10, 0)
		for i, s := range steps {
			got := 0
			switch s.do {
			case "b":
				r.Begin(ms)
			case "a":
				_, fate := r.Arrived(s.seq)
				got = int(fate)
			case "m":
				if r.Missing(s.seq) {
					got = 1
				}
			case "l":
				got = losses(&r, ms)
			}
			if got != s.want {
				t.Errorf("%s, step %d: %d, not %d", name, i, got, s.want)
			}
		}
	}
}

// TestPatience: a missing packet is lost after a while if no further report comes.
func TestPatience(t *testing.T) {
	var r Ring
	add(&r, 3, 0)
	r.Begin(100 * ms)
	r.Missing(1)
	if n := losses(&r, 349*ms); n != 0 {
		t.Errorf("%d before", n)
	}
	if n := losses(&r, 350*ms); n != 1 {
		t.Errorf("%d after", n)
	}
}

// TestLatePacketsAreAwaited: after one packet came 300 ms late, the others are not lost before that.
func TestLatePacketsAreAwaited(t *testing.T) {
	var r Ring
	add(&r, 3, 0)
	at := func(now int64, arrived, missing uint16) int {
		r.Begin(now)
		r.Arrived(arrived)
		r.Missing(missing)
		return losses(&r, now)
	}
	if n := at(100*ms, 2, 0) + at(200*ms, 2, 1); n != 1 {
		t.Fatalf("%d", n)
	}
	if n := at(300*ms, 0, 1); n != 1 {
		t.Fatalf("%d", n)
	}
	add(&r, 10, 300*ms)
	for i, want := range []int{0, 0, 0, 1} {
		if n := at(int64(i+4)*100*ms, 12, 11); n != want {
			t.Errorf("%d ms after sending %d are lost", (i+1)*100, n)
		}
	}
}

// TestWrappedNumbersAreUnknown: a packet that has left the ring is neither arrived nor lost, also if it was
// missing before.
func TestWrappedNumbersAreUnknown(t *testing.T) {
	var r Ring
	add(&r, 10, 0)
	r.Begin(ms)
	r.Missing(4)
	for i := range int64(60000) {
		r.Add(3e9+i*10*ms, 1000, Video, 0)
	}
	if len(r.entries) != Least {
		t.Errorf("grew to %d at 100 packets/s", len(r.entries))
	}
	if _, fate := r.Arrived(4); fate != Unknown {
		t.Errorf("fate %d", fate)
	}
	r.Begin(800e9)
	if n := losses(&r, 800e9); n != 0 {
		t.Errorf("%d lost", n)
	}
	if r.next != 60010 {
		t.Errorf("next is %d", r.next)
	}
}

// TestGrowth: the ring spans a second and the round trip, up to Most packets, and keeps what it knew.
func TestGrowth(t *testing.T) {
	for _, x := range []struct {
		perSecond int64
		rtt       int64
		want      int
	}{{300, 0, 512}, {700, 0, 1024}, {700, 1000 * ms, 2048}, {3000, 100 * ms, 4096}, {100000, 0, Most}} {
		var r Ring
		r.RoundTrip(x.rtt)
		for i := range 3 * x.perSecond {
			seq := r.Add(1e15+i*1e9/x.perSecond, int(i&0xffff), Video, uint8(i))
			if int(seq) != int(i&0xffff) {
				t.Fatal(seq)
			}
		}
		if len(r.entries) != x.want {
			t.Errorf("%+v: %d", x, len(r.entries))
		}
		for i := range r.n {
			seq := r.next - 1 - uint16(i)
			if p, fate := r.Arrived(seq); fate != First || p.Size != int(seq) {
				t.Fatalf("%+v: %d is %+v, %v", x, seq, p, fate)
			}
		}
	}
}

// TestBooksAgree: reports overlap, repeat, get lost and wrap, and packets come late or not at all. Each
// packet arrives at most once and is booked as lost at most once. A packet that was told to have arrived is
// not lost in the end.
func TestBooksAgree(t *testing.T) {
	const packets, never = 200_000, math.MaxInt64
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var r Ring
		arrival := make([]int64, packets)
		told := make([]int, packets)   // times told as arrived
		booked := make([]int, packets) // as lost, less what was taken back
		size := func(i int) int { return i % 50_000 }
		now, sent, late := int64(0), 0, 0
		type span struct {
			from, to int
			at       int64
		}
		var under []span // reports that are under way
		take := func(x span) {
			r.Begin(now)
			for i := x.from; i < x.to; i++ {
				if arrival[i] > x.at {
					r.Missing(uint16(i))
					continue
				}
				switch _, fate := r.Arrived(uint16(i)); fate {
				case First:
					told[i]++
				case Late:
					late++
					told[i]++
					booked[i]--
				}
			}
			for p, ok := r.Lost(now); ok; p, ok = r.Lost(now) {
				i := sent - 1
				for size(i) != p.Size {
					i--
				}
				booked[i]++
			}
		}
		for sent < packets-50 {
			for range 1 + rnd.IntN(40) {
				switch rnd.IntN(20) {
				case 0:
					arrival[sent] = never
				case 1:
					arrival[sent] = now + rnd.Int64N(300*ms)
				default:
					arrival[sent] = now + rnd.Int64N(20*ms)
				}
				if seq := r.Add(now, size(sent), Video, 0); seq != uint16(sent) {
					t.Fatal(seq)
				}
				sent++
			}
			now += 20 * ms
			if rnd.IntN(8) == 0 {
				continue // the report was lost
			}
			from := max(0, sent-1-rnd.IntN(400))
			under = append(under, span{from, min(sent, from+rnd.IntN(400)), now})
			if rnd.IntN(6) == 0 {
				continue // it is late
			}
			for _, x := range rnd.Perm(len(under)) {
				take(under[x])
			}
			under = under[:0]
		}
		lost := 0
		for i := range arrival {
			if told[i] > 1 || booked[i] < 0 || booked[i] > 1 || booked[i] == 1 && told[i] == 1 || told[i] == 1 && arrival[i] == never {
				t.Fatalf("seed %d, %d: arrives at %d, told %d, booked %d", seed, i, arrival[i], told[i], booked[i])
			}
			if arrival[i] == never {
				lost += booked[i]
			}
		}
		if late < 400 || lost < packets/33 {
			t.Errorf("seed %d: only %d late, %d lost", seed, late, lost)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var r Ring
	add(&r, 1, 0)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 10 * ms
		seq := r.Add(now, 1000, Video, 0)
		r.Begin(now)
		r.Arrived(seq)
		r.Missing(seq - 1)
		losses(&r, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var r Ring
	b.ReportAllocs()
	for now := int64(0); b.Loop(); now += ms {
		r.Add(now, 1000, Video, 0)
	}
}

func BenchmarkReport50(b *testing.B) {
	var r Ring
	b.ReportAllocs()
	for now := int64(0); b.Loop(); {
		for range 50 {
			now += 2 * ms
			r.Add(now, 1000, Video, 0)
		}
		r.Begin(now)
		for i := range uint16(50) {
			r.Arrived(r.next - 50 + i)
		}
		r.Lost(now)
	}
}

// TestSentAgain: the packet and its fate stay as they were. It is told how long after its first sending it
// was sent again.
func TestSentAgain(t *testing.T) {
	var r Ring
	seq := r.Add(100*ms, 200, Audio, 0)
	probe := r.Add(100*ms, 200, Resend, 7)
	late := r.Add(100*ms, 200, Audio, 0)
	r.Again(seq, 160*ms)
	r.Again(seq, 190*ms) // once is enough
	r.Again(probe, 160*ms)
	r.Again(late, 900*ms)
	r.Again(40000, 900*ms)
	r.Begin(1000 * ms)
	for seq, want := range map[uint16]Packet{
		seq: {At: 100 * ms, Size: 200, Again: 60 * ms}, probe: {At: 100 * ms, Size: 200, Kind: Resend, Cluster: 7},
		late: {At: 100 * ms, Size: 200, Again: 510 * ms},
	} {
		want.Seq = seq
		if p, fate := r.Arrived(seq); p != want || fate != First {
			t.Errorf("%+v, %v, want %+v", p, fate, want)
		}
	}
}
