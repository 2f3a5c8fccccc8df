package red

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

const ms = int64(1e6)

// line is a guard that hears of a receiver ten times a second.
type line struct {
	g     Guard
	now   int64
	carry float64
	queue int64
}

func newLine() *line { return &line{now: 1e12, carry: 5e6} }

// run lets so many seconds go by with 100 packets each. A share of them is lost, evenly.
func (l *line) run(seconds, share float64) {
	for range int(seconds * 10) {
		l.now += 100 * ms
		lost := int64(share*float64(l.now/(100*ms))*10) - int64(share*float64(l.now/(100*ms)-1)*10)
		l.g.Report(l.now, uint64(10-lost), lost, l.carry, l.queue)
	}
}

func (l *line) depth() int { return bits.OnesCount16(l.g.Pattern()) }

func TestDepthByLoss(t *testing.T) {
	for share, want := range map[float64][2]int{
		0: {0, 0}, 0.01: {0, 0}, 0.05: {1, 1}, 0.12: {2, 2}, 0.3: {4, 4}, 0.45: {6, 5}, 0.55: {8, 6}, 0.65: {12, 6}, 0.9: {16, 6},
	} {
		l := newLine()
		l.run(20, share)
		if got := [2]int{l.depth(), bits.OnesCount16(l.g.Copies())}; got != want {
			t.Errorf("%v lost: %v, want %v", share, got, want)
		}
	}
}

// TestDepthRisesAtOnceAndFallsInSteps: it falls in steps so that loss which comes and goes still finds it
// there.
func TestDepthRisesAtOnceAndFallsInSteps(t *testing.T) {
	l := newLine()
	l.run(30, 0)
	l.run(1, 0.3)
	if d := l.depth(); d < 4 {
		t.Errorf("%d blocks after a second", d)
	}
	l.run(30, 0.3)
	before := l.depth()
	l.run(9, 0)
	if d := l.depth(); d != before {
		t.Errorf("%d blocks nine seconds after the loss, before %d", d, before)
	}
	last := before
	for range 60 {
		l.run(1, 0)
		d := l.depth()
		if d > last || last-d > 4 {
			t.Errorf("%d blocks, then %d", last, d)
		}
		last = d
	}
	if last != 0 {
		t.Errorf("%d blocks a minute later", last)
	}
	l.run(30, 0)
	l.run(0.2, 0.9) // what is lost in between counts at once
	if d := l.depth(); d == 0 {
		t.Error("nothing after 200 ms")
	}
}

// TestWhatComesLateIsAsGoodAsLost: a packet that comes late is as good as lost, and known at once.
func TestWhatComesLateIsAsGoodAsLost(t *testing.T) {
	l := newLine()
	l.run(10, 0)
	l.g.Tardy(0.3)
	l.run(0.1, 0)
	if d := l.depth(); d != 4 {
		t.Errorf("%d blocks with 0.3 too late", d)
	}
	l.g.Tardy(0)
	l.queue = 80 * ms // so it looks, before they are seen to overtake each other
	l.run(0.1, 0)
	if d := l.depth(); d != 1 {
		t.Errorf("%d blocks with a queue", d)
	}
	l.queue = 0
	l.g.Tardy(0.3)
	l.run(0.1, 0)
	if d := l.depth(); d != 4 {
		t.Errorf("%d blocks with 0.3 too late, after what looked like a queue", d)
	}
	l.g.Tardy(0)
	l.run(60, 0)
	if d := l.depth(); d != 0 {
		t.Errorf("%d blocks a minute after it", d)
	}
}

// TestTwoLostPacketsAreNone: nobody pays for chance.
func TestTwoLostPacketsAreNone(t *testing.T) {
	l := newLine()
	l.run(60, 0)
	l.g.Report(l.now, 8, 2, 5e6, 0)
	l.run(1, 0)
	if d := l.depth(); d != 0 {
		t.Errorf("%d blocks", d)
	}
	var fresh Guard
	fresh.Report(1e12, 1, 3, 5e6, 0)
	if fresh.Pattern() != 0 {
		t.Error("four packets say nothing")
	}
}

// TestRunsOfLossesSetBlocksApart: runs of losses also take one block more. Copies are only set apart.
func TestRunsOfLossesSetBlocksApart(t *testing.T) {
	for run, want := range map[int][2]uint16{
		1: {0b11, 0b11}, 2: {0b111, 0b11}, 4: {0b101010, 0b1010}, 6: {0b100100100, 0b100100}, 30: {0b100010001000, 0b10001000},
	} {
		l := newLine()
		l.run(20, 0.15)
		for n := range 40 {
			for i := range run {
				at := l.now + int64(n)*1000*ms + int64(i)*20*ms
				l.g.Lost(at)
				l.g.Lost(at) // of another speaker
			}
		}
		if got := [2]uint16{l.g.Pattern(), l.g.Copies()}; got != want {
			t.Errorf("runs of %d: %b, want %b", run, got, want)
		}
	}
	few := newLine()
	few.run(20, 0.01)
	for i := range 4 {
		few.g.Lost(few.now + int64(i)*20*ms)
	}
	if got := few.g.Pattern(); got != 0 {
		t.Errorf("one run of four, and next to nothing else lost: %b", got)
	}
	l := newLine() // by chance half of all
	l.run(20, 0.5)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		if rnd.IntN(2) == 0 {
			l.g.Lost(l.now + int64(i)*20*ms)
		}
	}
	if got := l.g.Pattern(); got != 0b111111 {
		t.Errorf("by chance: %b", got)
	}
}

// TestRedundancyLeavesRoom: it takes 40 % of what the network carries at most, and one block if a queue
// stands.
func TestRedundancyLeavesRoom(t *testing.T) {
	l := newLine()
	l.carry = 300e3
	spend := func(seconds int) {
		for range seconds * 10 {
			l.g.Spent(l.depth() * 50_000 / 8 / 10) // 50 kbit/s each
			l.run(0.1, 0.55)
		}
	}
	spend(10)
	if d := l.depth(); d != 3 {
		t.Errorf("%d blocks of 50 kbit/s, 150 are spared", d)
	}
	l.carry = 5e6
	spend(10)
	if d := l.depth(); d != 8 {
		t.Errorf("%d blocks when there is room", d)
	}
	l.queue = 200 * ms
	spend(1)
	if d := l.depth(); d != 1 || l.g.Copies() != 1 {
		t.Errorf("%d blocks, %b, into a queue", d, l.g.Copies())
	}
	l.queue = 0
	spend(10)
	if d := l.depth(); d != 8 {
		t.Errorf("%d blocks after the queue", d)
	}
}

// TestCopiesLeaveRoom: as many copies are dropped at once as must be, since the cost of each is known. They
// come back.
func TestCopiesLeaveRoom(t *testing.T) {
	l := newLine()
	l.run(20, 0.9)
	times := func() int { return bits.OnesCount16(l.g.Copies()) }
	if n := times(); n != 6 {
		t.Fatalf("%d copies", n)
	}
	spend := func(seconds float64, carry float64) {
		l.carry = carry
		for range int(seconds * 10) {
			l.g.Copied(times() * 100_000 / 8 / 10) // 100 kbit/s each
			l.run(0.1, 0.9)
		}
	}
	spend(0.6, 300e3)
	if n := times(); n != 1 {
		t.Errorf("%d copies of 100 kbit/s after the first look, 150 are spared", n)
	}
	spend(5, 300e3)
	if n := times(); n != 1 {
		t.Errorf("%d copies of 100 kbit/s, 150 are spared", n)
	}
	spend(5, 5e6)
	if n := times(); n != 6 {
		t.Errorf("%d copies when there is room", n)
	}
}

// TestWhatIsTakenBackWasNotLost: redundancy for packets that were only late ends as soon as it may.
func TestWhatIsTakenBackWasNotLost(t *testing.T) {
	l := newLine()
	l.run(20, 0)
	l.g.Report(l.now, 30, 20, l.carry, 0)
	if l.depth() == 0 {
		t.Fatal("no redundancy for what seems to be lost")
	}
	l.g.Report(l.now+100*ms, 20, -20, l.carry, 0)
	if s := l.g.Share(); s != 0 {
		t.Errorf("a share of %v is lost", s)
	}
	l.g.Report(l.now+200*ms, 0, -1000, l.carry, 0)
	l.run(1, 0.3)
	if l.g.Share() < 0.2 {
		t.Error("more is taken back than there was")
	}
}

// TestLossesOfAQueueAreNotAnswered: loss of a queue that overflows asks for no redundancy, then or later.
// Loss without a queue does.
func TestLossesOfAQueueAreNotAnswered(t *testing.T) {
	var g Guard
	now := int64(1e12)
	report := func(seconds int, lost, queue int64) {
		for range seconds * 10 {
			now += 100e6
			g.Report(now, uint64(10-lost), lost, 1e6, queue)
		}
	}
	report(5, 4, 200e6)
	report(5, 0, 0)
	if m := g.Pattern(); m != 0 {
		t.Errorf("redundancy of %b for a queue", m)
	}
	report(5, 4, 0)
	if m := g.Pattern(); m == 0 {
		t.Error("no redundancy for loss")
	}
}

// TestAQueueOfBeforeHoldsNothingBack: redundancy rises at once for loss, also if a queue stood long ago.
func TestAQueueOfBeforeHoldsNothingBack(t *testing.T) {
	l := newLine()
	l.queue = 200 * ms
	l.run(1, 0)
	l.queue = 0
	l.run(30, 0)
	l.run(1, 0.3)
	if d := l.depth(); d < 4 {
		t.Errorf("%d blocks", d)
	}
}
