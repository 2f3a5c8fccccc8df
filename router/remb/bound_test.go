package remb

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

const s = int64(1e9)

// report is of the second up to a time, in s. So many kbit/s were sent, and a share of them was lost.
func (b *Bound) report(at int64, sent, lost float64) bool {
	return b.Report(Reported{From: (at - 1) * s, To: at * s, Sent: sent * 1e3, Arrived: sent * 1e3 * (1 - lost), Lost: lost})
}

func TestNothingBoundsUntilItIsTold(t *testing.T) {
	var b Bound
	require.EqualValues(t, Unlimited, b.Rate())
	require.False(t, b.report(10, 5000, 0.05))
	require.EqualValues(t, Unlimited, b.Rate())
	require.False(t, b.Try(11*s, 9e6), "there is nothing to try")
}

func TestToldRates(t *testing.T) {
	for told, want := range map[float64]float64{300e3: 300e3, 0: Least, 1: Least, 1 << 63: Unlimited, 4e6: 4e6} {
		var b Bound
		b.Told(s, told)
		require.InDelta(t, want, b.Rate(), 0)
		require.False(t, b.ByLoss())
	}
}

func TestLossBounds(t *testing.T) {
	var b Bound
	require.False(t, b.report(10, 1000, 0.2), "once may be chance")
	require.False(t, b.report(11, 1000, 0))
	require.False(t, b.report(12, 1000, 0.2))
	require.True(t, b.report(13, 1000, 0.2))
	require.InDelta(t, 0.9*800e3, b.Rate(), 1)
	require.True(t, b.ByLoss())
	require.False(t, b.report(14, 1000, 0.2), "that was on the way by then")
	require.InDelta(t, 0.9*800e3, b.Rate(), 1)

	b = Bound{}
	require.True(t, b.report(10, 1600, 0.5), "so much is none")
	require.InDelta(t, 0.5*800e3, b.Rate(), 1, "the queue is to be emptied")
	b.report(11, 800, 0.5) // what arrives now is what the network carries
	for at := int64(12); at < 20; at++ {
		require.False(t, b.report(at, 300, 0))
	}
	require.InDelta(t, 0.5*800e3, b.Rate(), 1)
	b.cut.arrived = 600e3
	b.report(20, 300, 0)
	require.InDelta(t, 500e3, b.Rate(), 1)
	b.report(21, 300, 0)
	require.InDelta(t, 0.9*600e3, b.Rate(), 1)

	b = Bound{}
	for at := int64(10); at < 40; at += 2 {
		b.report(at, 60, 1)
	}
	require.InDelta(t, Least, b.Rate(), 0)
}

// TestLossThatIsThereAnyway: it bounds nothing until it gets worse.
func TestLossThatIsThereAnyway(t *testing.T) {
	var b Bound
	require.True(t, b.report(10, 1600, 0.3))
	require.False(t, b.report(12, 500, 0.32))
	require.EqualValues(t, Unlimited, b.Rate())
	require.InDelta(t, 0.32, b.Inherent(12*s), 0)
	for at := int64(13); at < 200; at++ {
		require.False(t, b.report(at, 1600, 0.3))
	}
	require.True(t, b.report(201, 1600, 0.6))
	require.NotEqualValues(t, Unlimited, b.Rate())
	require.Zero(t, b.Inherent(300*s), "it is forgotten")
}

// TestMoreIsTried: half as much again is tried, for as long as three reports take. It is tried less often
// after that fails.
func TestMoreIsTried(t *testing.T) {
	var b Bound
	b.report(10, 1600, 0.5)
	b.report(11, 800, 0.5)
	require.False(t, b.Try(24*s, 2e6))
	require.True(t, b.Try(25*s, 2e6))
	require.InDelta(t, 600e3, b.Rate(), 1)
	for at := int64(26); at < 29; at++ {
		b.report(at, 600, 0)
		require.False(t, b.Try(at*s, 2e6))
	}
	require.InDelta(t, 600e3, b.Rate(), 1, "it has got through")
	require.False(t, b.Try(31*s, 500e3), "nobody wants more")
	require.True(t, b.Try(31*s, 2e6))
	require.InDelta(t, 900e3, b.Rate(), 1)
	require.True(t, b.report(32, 900, 0.3), "one report is enough: it is known what for")
	require.InDelta(t, 600e3, b.Rate(), 1)
	require.False(t, b.Try(61*s, 2e6))
	require.True(t, b.Try(62*s, 2e6), "after twice the time")
	require.False(t, b.Try(63*s, 2e6), "there is one")
	require.False(t, b.Try(91*s, 2e6))
	require.InDelta(t, 900e3, b.Rate(), 1)
	require.False(t, b.Try(92*s, 2e6), "no report comes any more")
	require.InDelta(t, 600e3, b.Rate(), 1)
}

// TestATrialLasts: a trial lasts for three seconds and three reports, whichever takes longer.
func TestATrialLasts(t *testing.T) {
	for every, ends := range map[int64]int64{s / 2: 28 * s, 2 * s: 31 * s} {
		var b Bound
		b.report(10, 1600, 0.5)
		b.report(11, 800, 0.5)
		require.True(t, b.Try(25*s, 550e3))
		require.InDelta(t, 550e3, b.Rate(), 1, "no more than is wanted")
		for at := 25*s + every; at <= ends; at += every {
			b.Report(Reported{From: at - every, To: at, Sent: 550e3, Arrived: 550e3})
			require.False(t, b.Try(at, 2e6))
		}
		require.False(t, b.Try(ends+trialAgain-1, 2e6), "not over before %v", ends)
		require.True(t, b.Try(ends+trialAgain, 2e6), "over at %v", ends)
	}
}

// TestTrialsThatFail: the wait gets longer with each trial that fails. It does not for one trouble that has
// bounded the rate twice, nor for a failure of long ago.
func TestTrialsThatFail(t *testing.T) {
	var b Bound
	require.True(t, b.report(10, 1600, 0.5))
	require.True(t, b.report(12, 1500, 0.5), "the same trouble")
	require.False(t, b.Try(26*s, 2e6))
	require.True(t, b.Try(27*s, 2e6))
	require.True(t, b.report(29, 600, 0.5))
	require.False(t, b.Try(58*s, 2e6))
	require.True(t, b.Try(59*s, 2e6), "after twice the time")
	require.True(t, b.report(300, 600, 0.5))
	require.False(t, b.Try(314*s, 2e6))
	require.True(t, b.Try(315*s, 2e6), "four minutes later as if it were the first one")
}

// TestTrialsOfWhoTellsRates: a trial gets through if more is told because of it, also if that goes on for
// long.
func TestTrialsOfWhoTellsRates(t *testing.T) {
	for name, x := range map[string]struct{ told, more, ends, next float64 }{
		"as before":       {told: 200e3, more: 1, ends: 28, next: 43},
		"a little more":   {told: 202e3, more: 1, ends: 29, next: 31},
		"more and more":   {told: 202e3, more: 1.01, ends: 55, next: 57},
		"all of it":       {told: 300e3, more: 1, ends: 29, next: 31},
		"less than it is": {told: 190e3, more: 1, ends: 26, next: 41},
	} {
		var b Bound
		b.Told(10*s, 200e3)
		require.True(t, b.Try(25*s, 900e3))
		for at, told := int64(26), x.told; at <= int64(x.ends); at, told = at+1, told*x.more {
			require.NotZero(t, b.trial.rate, "%s at %d", name, at)
			b.Told(at*s, told)
			b.report(at, 200, 0)
			require.False(t, b.Try(at*s, 900e3))
		}
		require.Zero(t, b.trial.rate, name)
		require.False(t, b.Try(int64(x.next)*s-1, 900e3), name)
		require.True(t, b.Try(int64(x.next)*s, 900e3), name)
	}
}

// TestTrialsOfWhichNothingComes: a trial without a result is followed by one of more, up to what is needed.
// This ends once one is of use or too much.
func TestTrialsOfWhichNothingComes(t *testing.T) {
	var b Bound
	b.Told(10*s, 200e3)
	at := int64(25)
	trial := func(rate float64) {
		t.Helper()
		require.False(t, b.Try(at*s-1, 900e3))
		require.True(t, b.Try(at*s, 900e3))
		require.InDelta(t, rate, b.Rate(), 1)
		for range 3 {
			at++
			b.report(at, 200, 0)
		}
	}
	for _, rate := range []float64{300e3, 450e3, 675e3, 900e3} {
		trial(rate)
		require.False(t, b.Try(at*s, 900e3))
		require.InDelta(t, 200e3, b.Rate(), 1)
		at += 15
	}
	trial(900e3)
	b.Told(at*s, 300e3) // it is of use
	for range 3 {
		at++
		b.Try(at*s, 900e3)
	}
	require.InDelta(t, 300e3, b.Rate(), 1)
	at += 2
	trial(450e3)
}

// TestMoreIsTriedThanIsTold: a receiver that tells a rate tells no more than comes, for as long as no more
// does.
func TestMoreIsTriedThanIsTold(t *testing.T) {
	var b Bound
	b.Told(10*s, 200e3)
	require.False(t, b.Try(24*s, 900e3))
	require.True(t, b.Try(25*s, 900e3))
	for at, told := int64(26), 210e3; at < 35; at, told = at+1, told*1.08 {
		require.InDelta(t, 300e3, b.Rate(), 1e5)
		b.Told(at*s, told)
		b.report(at, 300, 0)
		b.Try(at*s, 900e3)
	}
	require.Greater(t, b.Rate(), 350e3)

	b = Bound{}
	b.Told(10*s, 200e3)
	require.True(t, b.Try(25*s, 900e3))
	b.Told(26*s, 180e3)
	require.InDelta(t, 180e3, b.Rate(), 0, "it has turned out to be too much")
	require.False(t, b.Try(40*s, 900e3))
	require.True(t, b.Try(41*s, 900e3))
}

// FuzzBound: the bound is a rate, and never below what sound needs, whatever is told.
func FuzzBound(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 255, 255, 2, 9, 9, 1, 0, 128, 1, 0, 128, 1, 0, 128, 2, 1, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		var b Bound
		now := s
		for ; len(in) >= 3; in = in[3:] {
			x := float64(binary.BigEndian.Uint16(in[1:]))
			now += int64(in[0]>>2) * s / 16
			switch in[0] & 3 {
			case 0:
				b.Told(now, x*x)
			case 1:
				b.Report(Reported{From: now - s, To: now, Sent: x * 100, Arrived: x, Lost: float64(in[2]) / 255})
			default:
				b.Try(now, x*1000)
			}
			if r := b.Rate(); !(r >= Least && r <= Unlimited) {
				t.Fatalf("%v: %+v", r, b)
			}
		}
	})
}
