package turn

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// askRate and askBurst are how many answers a second, and at once, one site gets over UDP that has no
	// allocation. An answer is about twice the size of its request, headers included. Higher lets forgers aim
	// more at a victim, lower makes crowds behind one address wait for a retransmission.
	askRate  = 20
	askBurst = 200
	// allRate and allBurst are the same of all sites together.
	allRate  = 1000
	allBurst = 2000
	// maxSites bounds the sites that are told apart; the others share one.
	maxSites = 4096
)

// strangers bounds what is answered over UDP to those who have shown nothing. Under Server.mu.
type strangers struct {
	all   *rate.Limiter
	sites map[netip.Prefix]*rate.Limiter
}

// mayAsk reports whether a site may have one more answer.
func (s *Server) mayAsk(site netip.Prefix) bool {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.strangers
	if t.all == nil {
		t.all, t.sites = rate.NewLimiter(allRate, allBurst), map[netip.Prefix]*rate.Limiter{}
	}
	one := t.sites[site]
	if one == nil && len(t.sites) >= maxSites {
		site = netip.Prefix{}
		one = t.sites[site]
	}
	if one == nil {
		one = rate.NewLimiter(askRate, askBurst)
		t.sites[site] = one
	}
	return one.AllowN(now, 1) && t.all.AllowN(now, 1)
}

// sweep forgets sites that have all that they may have.
func (t *strangers) sweep(now time.Time) {
	for site, one := range t.sites {
		if one.TokensAt(now) >= askBurst {
			delete(t.sites, site)
		}
	}
}
