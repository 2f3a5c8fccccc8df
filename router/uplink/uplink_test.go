package uplink

import (
	"math/rand/v2"
	"testing"
	"time"
)

// publisher sends packets over a network.
type publisher struct {
	loss Loss
	rnd  *rand.Rand
	now  time.Duration
	// of what was sent since the last look
	sent, lost, told, gap int
}

// send sends so many packets a second for a time, each of which is lost or not.
func (p *publisher) send(d time.Duration, rate int, lost func(at time.Duration) bool) {
	for end := p.now + d; p.now < end; p.now += time.Second / time.Duration(rate) {
		if p.sent++; lost(p.now) {
			p.gap++
			p.lost++
			continue
		}
		if !p.loss.Arrived(int64(p.now)+1e18, p.gap) {
			p.told += p.gap
		}
		p.gap = 0
	}
}

func (p *publisher) look() (lost, told float64) {
	lost, told = float64(p.lost)/float64(p.sent), float64(p.told)/float64(p.sent)
	p.sent, p.lost, p.told = 0, 0, 0
	return lost, told
}

func (p *publisher) by(share float64) func(time.Duration) bool {
	return func(time.Duration) bool { return p.rnd.Float64() < share }
}

// policer lets so many packets a second pass.
func policer(rate float64) func(time.Duration) bool {
	tokens, at := 5., time.Duration(0)
	return func(now time.Duration) bool {
		tokens, at = min(tokens+(now-at).Seconds()*rate, 5), now
		if tokens < 1 {
			return true
		}
		tokens--
		return false
	}
}

func seeds(t *testing.T, run func(t *testing.T, p *publisher)) {
	for seed := range uint64(50) {
		run(t, &publisher{rnd: rand.New(rand.NewPCG(seed, 3))})
	}
}

// TestRandomLossIsNotTold: it is not told once it was shown by a fall of what is sent. Loss beyond it is
// told.
func TestRandomLossIsNotTold(t *testing.T) {
	for _, share := range []float64{0.2, 0.3, 0.5} {
		seeds(t, func(t *testing.T, p *publisher) {
			p.send(2*time.Second, 200, p.by(share))
			if lost, told := p.look(); told < lost-0.02 || p.loss.Random() != 0 {
				t.Fatalf("%v: %.2f told of %.2f before anything was shown", share, told, lost)
			}
			p.send(4*time.Second, 70, p.by(share))
			if r := p.loss.Random(); r < share-0.1 || r > share+0.08 {
				t.Fatalf("%v is %.2f", share, r)
			}
			p.look()
			p.send(20*time.Second, 200, p.by(share))
			if lost, told := p.look(); told > 0.06 {
				t.Errorf("%.2f told of %.2f", told, lost)
			}
			p.send(2*time.Second, 200, p.by(0))
			p.look()
			p.send(2*time.Second, 200, p.by(0.1))
			if lost, told := p.look(); told < lost-0.02 {
				t.Errorf("%.2f told of %.2f after nothing was lost for a while", told, lost)
			}
		})
	}
}

// TestLossOfAFullLinkIsTold: it is told whether what is sent falls below the rate of the link or not.
func TestLossOfAFullLinkIsTold(t *testing.T) {
	for _, rates := range [][3]int{{200, 70, 100}, {200, 100, 100}, {200, 110, 60}, {200, 60, 40}} {
		seeds(t, func(t *testing.T, p *publisher) {
			lost := policer(float64(rates[2]) * (0.95 + p.rnd.Float64()/10))
			p.send(2*time.Second, rates[0], lost)
			for range 5 {
				p.send(3*time.Second, rates[1], lost)
				p.send(3*time.Second, rates[0], lost)
			}
			if lost, told := p.look(); told < lost-0.02 {
				t.Errorf("%v: %.2f told of %.2f", rates, told, lost)
			}
		})
	}
}

// TestMoreIsTold: the loss of a link that gets full is told beside random loss.
func TestMoreIsTold(t *testing.T) {
	seeds(t, func(t *testing.T, p *publisher) {
		p.send(2*time.Second, 200, p.by(0.3))
		p.send(4*time.Second, 70, p.by(0.3))
		full := policer(70)
		p.look()
		p.send(2*time.Second, 200, func(at time.Duration) bool { return p.rnd.Float64() < 0.3 || full(at) })
		p.look()
		p.send(3*time.Second, 200, func(at time.Duration) bool { return p.rnd.Float64() < 0.3 || full(at) })
		if lost, told := p.look(); told < lost-0.02 {
			t.Errorf("%.2f told of %.2f", told, lost)
		}
	})
}

// TestLateIsNotLost: late packets are not lost, and times and numbers that leap do no harm.
func TestLateIsNotLost(t *testing.T) {
	var l Loss
	for i := range int64(4000) { // every second packet comes after its successor
		rate := int64(200)
		if i > 400 {
			rate = 60
		}
		l.Arrived(1e18+i*1e9/rate, 1)
		l.Arrived(1e18+i*1e9/rate, -1)
		if l.Random() != 0 {
			t.Fatalf("%v at %d", l.Random(), i)
		}
	}
	for _, at := range []int64{0, -1e18, 1 << 62, -1 << 62, 5} {
		if l.Arrived(at, 1<<15) {
			t.Errorf("all are spared at %d", at)
		}
		l.Arrived(at, -1)
	}
}

func BenchmarkArrived(b *testing.B) {
	var l Loss
	b.ReportAllocs()
	for i := range b.N {
		l.Arrived(int64(i)*5e6, i%3)
	}
}

// TestItIsShownSoon: it is shown soon after the fall, within five observations in most calls.
func TestItIsShownSoon(t *testing.T) {
	soon := 0
	seeds(t, func(_ *testing.T, p *publisher) {
		p.send(2*time.Second, 200, p.by(0.4))
		p.send((few+2)*span, 100, p.by(0.4))
		if p.loss.Random() != 0 {
			soon++
		}
	})
	if soon < 40 {
		t.Errorf("in %d of 50", soon)
	}
}

// TestASlowFallShowsAsMuch: a slow fall shows as much as one at once.
func TestASlowFallShowsAsMuch(t *testing.T) {
	soon := 0
	seeds(t, func(_ *testing.T, p *publisher) {
		for rate := 200; rate > 60; rate -= 10 {
			p.send(span, rate, p.by(0.3))
		}
		if p.loss.Random() != 0 {
			soon++
		}
	})
	if soon < 40 {
		t.Errorf("in %d of 50", soon)
	}
}

// TestFewPacketsShowNothing: few packets show nothing, as chance may lose as large a share although loss
// depends on the rate.
func TestFewPacketsShowNothing(t *testing.T) {
	wrong := 0
	seeds(t, func(_ *testing.T, p *publisher) {
		// Only 12 packets a second fit.
		lost := func(rate float64) func(time.Duration) bool { return p.by(max(0, 1-12/rate)) }
		for range 20 {
			p.send(2*time.Second, 24, lost(24))
			p.send(time.Second, 14, lost(14))
			if p.loss.Random() != 0 {
				wrong++
				return
			}
		}
	})
	if wrong > 2 {
		t.Errorf("in %d of 50 calls", wrong)
	}
}

// TestWhatIsLostChanges: less is hidden if less is lost, and a burst is told of.
func TestWhatIsLostChanges(t *testing.T) {
	seeds(t, func(t *testing.T, p *publisher) {
		p.send(2*time.Second, 200, p.by(0.3))
		p.send(4*time.Second, 70, p.by(0.3))
		p.send(20*time.Second, 200, p.by(0.15))
		if r := p.loss.Random(); r < 0.12 || r > 0.22 {
			t.Errorf("%.2f of 0.15", r)
		}
		p.send(10*time.Second, 200, p.by(0.12)) // what need not be told adds up
		p.look()
		p.send(200*time.Millisecond, 1000, p.by(1))
		p.send(20*time.Millisecond, 1000, p.by(0))
		if p.told < 200-spared-60 {
			t.Errorf("%d told of 200 in a row", p.told)
		}
	})
}
