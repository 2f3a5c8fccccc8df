package link

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func open(t testing.TB, text string, seed uint64) *Pipe[int] {
	t.Helper()
	p, err := Parse(text)
	require.NoError(t, err)
	l, err := NewPipe[int](p, seed)
	require.NoError(t, err)
	return l
}

// One packet, or a few, whose fate is known to the nanosecond.
func TestFate(t *testing.T) {
	type sent struct {
		at   time.Duration
		size int
		want Fate
	}
	arrives := func(at, waiting time.Duration) Fate {
		return Fate{Copies: 1, At: [2]time.Duration{at}, Waiting: waiting}
	}
	for name, c := range map[string]struct {
		shape   string
		packets []sent
	}{
		"a perfect link": {"", []sent{{5 * ms, 1000, arrives(5*ms, 0)}, {5 * ms, 1000, arrives(5*ms, 0)}}},
		"delay alone":    {"delay=40ms", []sent{{0, 1, arrives(40*ms, 0)}, {ms, 1_000_000, arrives(41*ms, 0)}}},
		"a rate":         {"rate=1M queue=1s", []sent{{0, 1000, arrives(8*ms, 0)}, {ms, 500, arrives(12*ms, 7*ms)}, {20 * ms, 125, arrives(21*ms, 0)}}},
		"a full queue, by time": {"rate=1M queue=10ms", []sent{
			{0, 1000, arrives(8*ms, 0)}, {0, 1000, arrives(16*ms, 8*ms)}, {0, 1, Fate{Drop: Full}}, {6 * ms, 125, arrives(17*ms, 10*ms)},
		}},
		"a full queue, by bytes": {"rate=1M queue=1500B", []sent{
			{0, 1000, arrives(8*ms, 0)}, {0, 501, Fate{Drop: Full}}, {0, 500, arrives(12*ms, 8*ms)}, {8 * ms, 1000, arrives(20*ms, 4*ms)},
		}},
		"slower while a packet leaves": {"rate=1M queue=1s @4ms rate=100k", []sent{{0, 1000, arrives(44*ms, 0)}, {50 * ms, 125, arrives(60*ms, 0)}}},
		"faster while packets wait": {"rate=100k queue=1s @40ms rate=1M", []sent{
			{0, 1000, arrives(44*ms, 0)}, {0, 1000, arrives(52*ms, 44*ms)}, {41 * ms, 125, arrives(53*ms, 11*ms)},
		}},
		"no bound any more while packets wait": {"rate=100k queue=1s @40ms rate=0", []sent{{0, 1000, arrives(40*ms, 0)}, {41 * ms, 1000, arrives(41*ms, 0)}}},
		"a bound after none":                   {"queue=1s @40ms rate=1M", []sent{{39 * ms, 1000, arrives(39*ms, 0)}, {40 * ms, 1000, arrives(48*ms, 0)}}},
		"policing": {"police=1M/1kB", []sent{
			{0, 1000, arrives(0, 0)}, {0, 1, Fate{Drop: Policed}}, {4 * ms, 500, arrives(4*ms, 0)}, {4 * ms, 1, Fate{Drop: Policed}}, {20 * ms, 1000, arrives(20*ms, 0)}, {20 * ms, 1, Fate{Drop: Policed}},
		}},
		"all lost, and the time of the rate taken": {"rate=1M queue=1s loss=100% @8ms loss=0", []sent{
			{0, 2000, Fate{Drop: Lost}}, {8 * ms, 125, arrives(17*ms, 8*ms)},
		}},
		"twice":                         {"duplicate=100% delay=1ms", []sent{{0, 9, Fate{Copies: 2, At: [2]time.Duration{ms, ms}}}}},
		"less delay does not overtake":  {"delay=40ms @10ms delay=10ms", []sent{{9 * ms, 1, arrives(49*ms, 0)}, {10 * ms, 1, arrives(49*ms, 0)}, {41 * ms, 1, arrives(51*ms, 0)}}},
		"unless packets may":            {"delay=40ms overtake @10ms delay=10ms", []sent{{9 * ms, 1, arrives(49*ms, 0)}, {10 * ms, 1, arrives(20*ms, 0)}}},
		"late ones hold nobody back":    {"late=100%/30ms @1ms late=0/0s", []sent{{0, 1, arrives(30*ms, 0)}, {2 * ms, 1, arrives(2*ms, 0)}}},
		"time that runs back stays":     {"delay=1ms", []sent{{5 * ms, 1, arrives(6*ms, 0)}, {2 * ms, 1, arrives(6*ms, 0)}}},
		"time that runs back, in steps": {"delay=1ms @4ms delay=2ms", []sent{{5 * ms, 1, arrives(7*ms, 0)}, {2 * ms, 1, arrives(7*ms, 0)}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, c.shape, 1)
			for i, p := range c.packets {
				require.Equal(t, p.want, l.Send(p.at, p.size, i), "packet %d", i)
			}
		})
	}
}

// With always something to send, exactly the rate passes, over hours and whatever the sizes are.
func TestRateIsExact(t *testing.T) {
	for _, rate := range []int64{100, 299_993, 400_000, 2_000_000, 999_999_937} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			l := open(t, fmt.Sprintf("rate=%d queue=20s", rate), 1)
			rng := rand.New(rand.NewPCG(7, 7))
			bits := int64(0)
			for range 20_000 {
				size := 40 + rng.IntN(1461)
				f := l.Send(max(0, l.Queueing(0)-10*time.Second), size, 0)
				require.Equal(t, Passed, f.Drop)
				bits += int64(size) * 8
				require.Equal(t, transmission(bits, rate), f.At[0])
			}
		})
	}
}

// In steps that come while packets wait, what has passed is the integral of the rate, but for a bit a step.
func TestRateIsExactOverSteps(t *testing.T) {
	const steps = 500
	rng := rand.New(rand.NewPCG(3, 3))
	var p Profile
	at := time.Duration(0)
	for range steps {
		p = append(p, Step{at, Shape{Rate: 10_000 + rng.Int64N(5_000_000), QueueTime: maxTime}})
		at += 1 + time.Duration(rng.Int64N(int64(30*ms)))
	}
	l, err := New(p, 1)
	require.NoError(t, err)
	allowed, sent, last, step := 0.0, 0.0, time.Duration(0), 0
	for last < at {
		size := 1 + rng.IntN(3000)
		f := l.Send(max(0, last-ms), size)
		sent += float64(size) * 8
		for ; last < f.At[0]; last = min(f.At[0], endOf(p, step)) {
			for step+1 < len(p) && p[step+1].At <= last {
				step++
			}
			allowed += float64(p[step].Rate) * (min(f.At[0], endOf(p, step)) - last).Seconds()
		}
		require.InDelta(t, allowed, sent, steps+1)
	}
}

func endOf(p Profile, step int) time.Duration {
	if step+1 < len(p) {
		return p[step+1].At
	}
	return math.MaxInt64
}

// troubled are shapes for what must hold of all.
var troubled = map[string]struct {
	shape string
	order bool // is kept
}{
	"all at once":      {"rate=1M queue=200ms loss=10% bursts=5%/5 runs=5%/8 delay=40ms jitter=10ms-60ms late=2%/30ms duplicate=3%", false},
	"narrow":           {"rate=400k queue=300ms delay=40ms", true},
	"bytes":            {"rate=1M queue=20kB delay=40ms duplicate=10%", true},
	"steps":            {"rate=2M queue=400ms delay=40ms @1s rate=300k delay=20ms @2s rate=0 loss=30% @2500ms rate=2M", true},
	"jitter in order":  {"delay=40ms jitter=200ms duplicate=10%", true},
	"wandering":        {"delay=40ms jitter=1000ms wander=100ms", true},
	"jitter":           {"delay=40ms jitter=0-1000ms overtake", false},
	"wandering, loose": {"delay=40ms jitter=1000ms wander=100ms overtake", false},
	"policed":          {"police=1M/15kB delay=5ms", true},
}

// flow sends for four seconds, in bursts, and returns what was sent and its fate.
func flow(l *Pipe[int], seed uint64) (at []time.Duration, size []int, fates []Fate) {
	rng := rand.New(rand.NewPCG(seed, 99))
	for now := time.Duration(0); now < 4*time.Second; now += time.Duration(rng.Int64N(int64(20 * ms))) {
		for range 1 + rng.IntN(5) {
			n := 40 + rng.IntN(1461)
			fates = append(fates, l.Send(now, n, len(fates)))
			at, size = append(at, now), append(size, n)
		}
	}
	return at, size, fates
}

// No packet is faster than the link, the order is kept unless told otherwise, nothing is lost without a
// count, and the same seed makes the same network.
func TestAlways(t *testing.T) {
	for name, c := range troubled {
		for seed := range uint64(6) {
			l := open(t, c.shape, seed)
			at, size, fates := flow(l, seed)
			last, arriving := time.Duration(0), 0
			for i, f := range fates {
				s := shapeAt(l.profile, at[i])
				arriving += f.Copies
				require.Equal(t, f.Drop == Passed, f.Copies > 0, name)
				require.GreaterOrEqual(t, f.Waiting, time.Duration(0), name)
				for _, arrival := range f.At[:f.Copies] {
					least := at[i] + s.Delay + s.JitterMin + f.Waiting
					if len(l.profile) == 1 && s.Rate > 0 {
						least += transmission(int64(size[i])*8, s.Rate)
					}
					require.GreaterOrEqual(t, arrival, least, name)
					if c.order {
						require.GreaterOrEqual(t, arrival, last, name)
					}
					last = arrival
				}
				if s.QueueTime > 0 && s.Rate > 0 {
					require.LessOrEqual(t, f.Waiting, s.QueueTime, name)
				}
			}
			tallied(t, l, fates, arriving)
			if c.order {
				require.Zero(t, l.Counters().Overtaking, name)
			} else {
				require.Positive(t, l.Counters().Overtaking, name)
			}

			again := open(t, c.shape, seed)
			_, _, same := flow(again, seed)
			require.Equal(t, fates, same, name)
		}
	}
}

func shapeAt(p Profile, at time.Duration) (s Shape) {
	for _, step := range p {
		if step.At <= at {
			s = step.Shape
		}
	}
	return s
}

// tallied compares the counters with what has happened, and takes out of the pipe what arrives.
func tallied(t *testing.T, l *Pipe[int], fates []Fate, arriving int) {
	t.Helper()
	c := l.Counters()
	var drops [drops]uint64
	for _, f := range fates {
		drops[f.Drop]++
	}
	require.Equal(t, drops, c.Dropped)
	require.Equal(t, uint64(len(fates)), c.Sent)
	require.Equal(t, uint64(arriving)-c.Duplicated, c.Dropped[Passed])
	require.Equal(t, arriving, l.Underway())
	last := time.Duration(0)
	for range arriving {
		at, ok := l.Next()
		require.True(t, ok)
		require.GreaterOrEqual(t, at, last)
		_, early := l.Receive(at - 1)
		require.False(t, early)
		i, ok := l.Receive(at)
		require.True(t, ok)
		require.Contains(t, fates[i].At[:fates[i].Copies], at)
		last = at
	}
	require.Zero(t, l.Underway())
	_, ok := l.Next()
	require.False(t, ok)
}

// Another seed is another network.
func TestSeeds(t *testing.T) {
	_, _, one := flow(open(t, "loss=10%", 1), 1)
	_, _, two := flow(open(t, "loss=10%", 2), 1)
	require.NotEqual(t, one, two)
}

// One trouble more leaves the others as they were, so that scenarios can be compared.
func TestTroublesAreApart(t *testing.T) {
	lost := func(shape string) (list []Drop) {
		_, _, fates := flow(open(t, shape, 5), 5)
		for _, f := range fates {
			list = append(list, f.Drop)
		}
		return list
	}
	require.Equal(t, lost("loss=10%"), lost("loss=10% jitter=50ms duplicate=5% late=5%/9ms"))
	require.Equal(t, lost("bursts=10%/5"), lost("bursts=10%/5 jitter=50ms duplicate=5%"))
}

// The policer lets no more pass in any time than its bucket and its rate, and all of a stream below it.
func TestPolicer(t *testing.T) {
	l := open(t, "police=1M/10kB", 1)
	at, size, fates := flow(l, 1)
	excess := 0.0
	for i := range fates {
		bits := 0.0
		for j := i; j < len(fates); j++ {
			if fates[j].Drop == Passed {
				bits += float64(size[j]) * 8
			}
			excess = max(excess, bits-1e6*(at[j]-at[i]).Seconds()-80_000)
		}
	}
	require.LessOrEqual(t, excess, 1.)
	require.Positive(t, l.Counters().Dropped[Policed])
	require.InEpsilon(t, 4e6/8, l.Counters().Bytes, 0.1, "and it lets pass what it may")

	steady := open(t, "police=1M/1250B", 1)
	for i := range 1000 {
		require.Equal(t, Passed, steady.Send(time.Duration(i)*10*ms, 1250, i).Drop)
	}
}

// Losses have the share that was asked for, and come in the way that was.
func TestLosses(t *testing.T) {
	const n = 200_000
	for shape, c := range map[string]struct {
		drop        Drop
		share, mean float64 // mean length of what is lost in a row
	}{
		"loss=10%":         {Lost, 0.1, 1 / 0.9},
		"loss=80%":         {Lost, 0.8, 5},
		"bursts=5%/5":      {Burst, 0.05, 5},
		"bursts=10%/4/50%": {Burst, 0.1, 0},
		// A run may follow at once: one packet in 73 begins one.
		"runs=10%/8": {Burst, 0.1, 8 / (1 - 1./73)},
		"runs=50%/1": {Burst, 0.5, 2},
	} {
		t.Run(shape, func(t *testing.T) {
			l := open(t, shape, 11)
			var lengths []int
			row := 0
			for i := range n {
				if l.Send(time.Duration(i), 100, 0).Drop != Passed {
					row++
				} else if row > 0 {
					lengths, row = append(lengths, row), 0
				}
			}
			require.InEpsilon(t, c.share, float64(l.Counters().Dropped[c.drop])/n, 0.04)
			require.Equal(t, uint64(n), l.Counters().Dropped[Passed]+l.Counters().Dropped[c.drop])
			total := 0
			for _, x := range lengths {
				total += x
			}
			if c.mean > 0 {
				require.InEpsilon(t, c.mean, float64(total)/float64(len(lengths)), 0.04)
			}
			if shape == "runs=10%/8" {
				require.False(t, slices.ContainsFunc(lengths, func(x int) bool { return x%8 != 0 }), "runs have eight packets")
			}
		})
	}
}

// Jitter is spread over its range; wandering jitter moves in a line.
func TestJitter(t *testing.T) {
	l := open(t, "jitter=50ms-150ms overtake", 1)
	var all []time.Duration
	for range 20_000 {
		all = append(all, l.Send(0, 1, 0).At[0])
	}
	slices.Sort(all)
	for i, part := range []float64{0, 0.25, 0.5, 0.75, 1} {
		require.InDelta(t, 50+100*part, all[i*(len(all)-1)/4].Seconds()*1000, 2)
	}

	l = open(t, "jitter=100ms wander=100ms overtake", 1)
	before, least, most := time.Duration(0), time.Hour, time.Duration(0)
	for at := time.Duration(0); at < 20*time.Second; at += ms {
		j := l.Send(at, 1, 0).At[0] - at
		if at > 0 {
			require.LessOrEqual(t, (j - before).Abs(), ms+1, "at %s", at)
		}
		before, least, most = j, min(least, j), max(most, j)
	}
	require.Less(t, least, 10*ms)
	require.Greater(t, most, 90*ms)
}

// Packets that arrive at the same time keep their order.
func TestPipeKeepsOrder(t *testing.T) {
	l := open(t, "duplicate=50%", 1)
	sent := 0
	for ; sent < 50; sent++ {
		l.Send(ms, 1000, sent)
	}
	last := 0
	for l.Underway() > 0 {
		i, ok := l.Receive(ms)
		require.True(t, ok)
		require.GreaterOrEqual(t, i, last)
		last = i
	}
	require.Equal(t, sent-1, last)
}

// The queue can be looked at between packets.
func TestQueueing(t *testing.T) {
	l := open(t, "rate=1M queue=1s", 1)
	for range 5 {
		l.Send(0, 1000, 0)
	}
	require.Equal(t, 40*ms, l.Queueing(0))
	require.Equal(t, 5000, l.Backlog(0))
	require.Equal(t, 30*ms, l.Queueing(10*ms))
	require.Equal(t, 4000, l.Backlog(10*ms))
	require.Zero(t, l.Queueing(50*ms))
	require.Zero(t, l.Backlog(50*ms))
}

// A link that is busy for hours allocates nothing.
func TestSendAllocatesNothing(t *testing.T) {
	l := open(t, "rate=10M queue=100ms delay=5ms jitter=20ms loss=5% bursts=2%/4 duplicate=1%", 1)
	now := time.Duration(0)
	step := func() {
		now += 500 * time.Microsecond
		l.Send(now, 1200, 1)
		for {
			if _, ok := l.Receive(now); !ok {
				return
			}
		}
	}
	for range 5000 {
		step()
	}
	require.Zero(t, testing.AllocsPerRun(5000, step))
	require.Less(t, cap(l.wire.waiting), 1000, "what has left is forgotten")
}

func BenchmarkPipe(b *testing.B) {
	l := open(b, "rate=50M queue=100ms delay=40ms jitter=20ms loss=5%", 1)
	now := time.Duration(0)
	for b.Loop() {
		now += 200 * time.Microsecond
		l.Send(now, 1200, 1)
		l.Receive(now)
	}
}
