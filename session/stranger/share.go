package stranger

import (
	"net/netip"
	"time"
)

// bucket is a token bucket whose level may be below zero: clients that wait have taken that in advance.
type bucket struct {
	level float64
	files float64 // how much of what is missing files have taken, at most
	at    time.Time
}

// fill adds what has come in since the last time.
func (b *bucket) fill(now time.Time, rate, burst float64) {
	if d := now.Sub(b.at); d > 0 {
		b.level, b.files, b.at = min(burst, b.level+d.Seconds()*rate), max(0, b.files-d.Seconds()*rate), now
	}
}

// wait is how long it takes until nothing is missing once amount is taken.
func (b *bucket) wait(amount, rate float64) time.Duration {
	if missing := amount - b.level; missing > 0 {
		return seconds(missing / rate)
	}
	return 0
}

// maxSites bounds the sites that are told apart; the others are taken for one. Higher costs memory, about 150
// bytes each. Lower lets a client with many addresses have others share one budget.
const maxSites = 8192

// buckets has one for each site that has taken something of late. Not safe for concurrent use.
type buckets struct {
	of    map[netip.Prefix]*bucket
	swept time.Time
}

// site returns the bucket of a site, filled; that of a new site is full.
func (b *buckets) site(now time.Time, s netip.Prefix, rate, burst float64) *bucket {
	if b.of == nil {
		b.of = map[netip.Prefix]*bucket{}
	}
	if now.Sub(b.swept) >= time.Second || len(b.of) >= maxSites {
		b.sweep(now, rate, burst)
	}
	x := b.of[s]
	if x == nil && len(b.of) >= maxSites {
		s = netip.Prefix{}
		x = b.of[s]
	}
	if x == nil {
		x = &bucket{level: burst, at: now}
		b.of[s] = x
	}
	x.fill(now, rate, burst)
	return x
}

// sweep forgets the sites whose bucket is full. It looks through all at most each tenth of a second.
func (b *buckets) sweep(now time.Time, rate, burst float64) {
	if now.Sub(b.swept) < 100*time.Millisecond {
		return
	}
	b.swept = now
	for s, x := range b.of {
		if x.fill(now, rate, burst); x.level >= burst {
			delete(b.of, s)
		}
	}
}

// share is the CPU time that strangers may take, in seconds. A site gets a quarter of it, and less if more
// than four want some. So nobody has to wait for others before all have had theirs. Sites are told apart by
// IPv4 address or /48 of IPv6, since a client with a /48 may come from 65,536 networks of it. Not safe for
// concurrent use.
type share struct {
	rate  float64 // seconds of CPU a second, in all; what is saved up is that of one second
	all   bucket
	sites buckets
}

const (
	// siteShare is how many sites share what strangers get, at least. Higher lets a single address do less, a
	// crowd behind one address included. Lower lets fewer hostile addresses keep the others waiting.
	siteShare = 4
	// personShare is what a site may always have saved up, in seconds of CPU: two connections with TLS and a
	// page, with room to spare. Higher lets a client with many addresses take more from each of them. Lower
	// has single people wait if many sites want some.
	personShare = .004
)

// take has a site pay. It returns how long to wait before the work is done. ok is false if that would be too
// long; then nothing was taken. A site waits for its own share at most as long as own says, longer if files
// have taken that share. inCommon bounds how long it may wait for what all have.
func (s *share) take(now time.Time, site netip.Prefix, price, own time.Duration) (wait time.Duration, ok bool) {
	rate, burst := s.perSite()
	b := s.sites.site(now, network(site), rate, burst)
	s.all.fill(now, s.rate, s.rate)
	cost := price.Seconds()
	wait, common := b.wait(cost, rate), s.all.wait(cost, s.rate)
	if wait > max(own, min(own+seconds(b.files/rate), filePatience)) || common > inCommon((b.level-cost)/burst) {
		return max(wait, common), false
	}
	b.level -= cost
	s.all.level -= cost
	return max(wait, common), true
}

// inCommon is how long a site may wait for what all sites have together: the less of its own share is left,
// the less. So a client that comes from one fresh address after the other, and uses each of them up, leaves
// something to those that begin.
func inCommon(left float64) time.Duration {
	return time.Duration(float64(patience) * (1 + max(0, min(left, 1))) / 2)
}

// owe has a site pay for what is done already. The site alone is held up for all of that. The others are held
// up for no longer than by what it could take.
func (s *share) owe(now time.Time, site netip.Prefix, price time.Duration) {
	rate, burst := s.perSite()
	s.sites.site(now, network(site), rate, burst).level -= price.Seconds()
	s.all.fill(now, s.rate, s.rate)
	most := -s.rate * inCommon(0).Seconds()
	s.all.level = min(s.all.level, max(s.all.level-price.Seconds(), most))
}

// forFile says that a site has paid so much for a file.
func (s *share) forFile(site netip.Prefix, price time.Duration) {
	if b := s.sites.of[network(site)]; b != nil {
		b.files += price.Seconds()
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// giveBack returns what a site has paid.
func (s *share) giveBack(now time.Time, site netip.Prefix, price time.Duration) {
	rate, burst := s.perSite()
	own := s.sites.site(now, network(site), rate, burst)
	own.level = min(burst, own.level+price.Seconds())
	s.all.level = min(s.rate, s.all.level+price.Seconds())
}

// perSite returns what a site gets in a second, and what it has saved up at most.
func (s *share) perSite() (rate, burst float64) {
	rate = s.rate / float64(max(siteShare, len(s.sites.of)))
	return rate, max(rate, min(personShare, s.rate/siteShare))
}

// network returns the /48 of a site of IPv6.
func network(site netip.Prefix) netip.Prefix {
	if site.Bits() > 48 && site.Addr().Is6() {
		return netip.PrefixFrom(site.Addr(), 48).Masked()
	}
	return site
}
