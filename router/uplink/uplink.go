// Package uplink tells how much of the loss in a publisher's network has nothing to do with how much the
// publisher sends.
//
// Browsers take any loss above some percent for that of a full link: at 30 % of random loss libwebrtc sends
// 400 kbit/s (loss_based_bwe_v2.cc: 100 kbit/s over the loss less 5 %). So the publisher tries out by itself
// what a node cannot: it sends less. If as large a share is lost as before, the loss is random, and need not
// be told of. If it depends on what is sent, about as much arrives as before, and less is lost: then all is
// told.
//
//	uplink.go   Loss: how much is lost at random
//	account.go  Account: what is told of it
//
// It has no clock, goroutine or log: time is an argument in ns. A Loss is one flat value, and none of its
// methods allocates. Nothing is safe for concurrent use.
package uplink

import "math"

// What turning these costs is said of each.
const (
	// span is how long an observation takes, in ns, and kept how many there are. More compare what was sent
	// at different times.
	span = 250e6
	kept = 24
	// least is the share of loss from which its cause is looked for. Browsers send all they have up to a
	// tenth.
	least = 0.1
	// few is of how many observations before a fall, and after it, something is said. More tell it later.
	few = 3
	// shown bounds how much of the change is seen that a loss that depends on the rate would bring. Up to
	// that, loss is random. Higher errs more.
	shown = 0.3
	// certain is how many standard deviations that whole change must be, by the number of packets. Lower
	// tells sooner, and errs more.
	certain = 4
	// recent is how many observations say what is lost by now. Fewer follow chance.
	recent = 8
	// lately is how many observations say what Lately returns. Fewer follow chance, more are behind.
	lately = 5
	// more is how much more may be lost than was shown, as a share of what is sent, before nothing is shown
	// any more.
	more = 0.1
	// following says how fast what was shown follows what is lost: by one part of the difference in so many,
	// with each observation. Lower follows chance.
	following = 32
	// spared bounds how many packets are not told of in a row. Higher hides bursts.
	spared = 32
	// beside is the share beyond what was shown that is not told of either, as chance may lose that much.
	// Higher hides more of a full link.
	beside = 0.02
)

// observation is what was sent within a span.
type observation struct {
	sent, lost uint16
}

func (o observation) share() float64 { return float64(o.lost) / math.Max(float64(o.sent), 1) }

// Loss is the loss of one publisher's network. The zero value is ready.
type Loss struct {
	past   [kept]observation
	newest int64   // number of the newest span
	proved float64 // the share that is lost whatever is sent, as it was shown; 0: it was not
	random float64 // the same by now, no more than that
	quota  float64 // how many packets need not be told of
}

// Arrived takes a packet that came now, in ns, before which so many numbers were passed over. It says whether
// these need not be told of. For a packet that came late, passed is -1.
func (l *Loss) Arrived(now int64, passed int) (spare bool) {
	l.turn(now / span)
	o := l.at(l.newest)
	if passed < 0 {
		o.lost -= min(o.lost, 1)
		return false
	}
	o.sent = uint16(min(int(o.sent)+passed+1, math.MaxUint16))
	o.lost = uint16(min(int(o.lost)+passed, int(o.sent)))
	if l.random == 0 {
		return false
	}
	l.quota = min(l.quota+(l.random+beside)*float64(passed+1), spared)
	if l.quota < float64(passed) {
		return false
	}
	l.quota -= float64(passed)
	return true
}

// Lately returns the share that was lost of late.
func (l *Loss) Lately() float64 {
	var now sum
	for n := range lately {
		now.take(l.back(n))
	}
	return now.share()
}

// Lasting returns the least share that was lost in any part of the last second.
func (l *Loss) Lasting() float64 {
	least := 1.
	for n := 1; n < lately; n++ {
		least = min(least, l.back(n).share())
	}
	return least
}

// Random returns the share that is lost whatever is sent, 0 if it was not shown that there is any.
func (l *Loss) Random() float64 { return l.random }

// turn goes on to a span, and looks at those before it.
func (l *Loss) turn(slot int64) {
	if slot == l.newest {
		return
	}
	if slot < l.newest || uint64(slot-l.newest) >= kept {
		*l = Loss{newest: slot}
		return
	}
	for l.newest < slot {
		l.judge()
		l.newest++
		*l.at(l.newest) = observation{}
	}
}

// at returns the observation of a span.
func (l *Loss) at(slot int64) *observation { return &l.past[(slot%kept+kept)%kept] }

// back returns the observation so many spans before the newest.
func (l *Loss) back(n int) observation { return *l.at(l.newest - int64(n)) }

// judge looks at the observations up to the newest.
func (l *Loss) judge() {
	var now sum
	for n := range recent {
		now.take(l.back(n))
	}
	if l.random != 0 {
		switch p := now.share(); {
		case now.sent == 0:
		case p > l.proved+more+certain*deviation(p, now.sent)/2, p < l.random/4:
			l.proved, l.random, l.quota = 0, 0, 0
		default:
			l.random += min(p-l.random, l.proved-l.random) / following
		}
		return
	}
	var after sum
	for n := 0; n < recent; n++ {
		if after.take(l.back(n)); after.n < few || after.sent == 0 {
			continue
		}
		if p, ok := l.compare(&after, n+1); ok {
			l.proved, l.random = p, p
			return
		}
	}
}

// compare says how much is lost at random, by what was sent lately, and what was before that.
func (l *Loss) compare(after *sum, from int) (p float64, ok bool) {
	var before sum
	mean := after.mean()
	for n := from; n < kept-1; n++ {
		if o := l.back(n); o.share() >= least/2 && l.back(n+1).share() >= least/2 {
			before.take(o)
		}
	}
	if p = before.share(); before.n < few || p < least || mean == 0 {
		return 0, false
	}
	// full is what would be lost if as much arrived as before.
	if full := max(0, 1-(1-p)*before.mean()/mean); p-full > 0 {
		change := p - full
		off := math.Hypot(deviation(p, before.sent), deviation(p, after.sent))
		all := sum{sent: before.sent + after.sent, lost: before.lost + after.lost}
		return all.share(), off*certain <= change && (p-after.share())/change < shown
	}
	return 0, false
}

// deviation is the standard deviation of a share of so many packets.
func deviation(p float64, packets int) float64 {
	return math.Sqrt(p * (1 - p) / float64(max(packets, 1)))
}

// sum is observations together.
type sum struct{ n, sent, lost int }

func (s *sum) take(o observation) {
	s.n, s.sent, s.lost = s.n+1, s.sent+int(o.sent), s.lost+int(o.lost)
}
func (s *sum) share() float64 { return float64(s.lost) / float64(max(s.sent, 1)) }
func (s *sum) mean() float64  { return float64(s.sent) / float64(max(s.n, 1)) }
