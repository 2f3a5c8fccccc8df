package stranger

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// conns are the connections of a budget. Under Budget.mu.
type conns struct {
	sites     map[netip.Prefix][]*Conn // strangers, the oldest first
	strangers int
	inside    int
}

// Conn is one connection. It takes part of the budget until it is closed.
type Conn struct {
	net.Conn
	b      *Budget
	any    bool // of a trusted proxy: many clients share its address
	ending sync.Once

	// Under Budget.mu.
	site   netip.Prefix
	busy   bool // a request is under way
	inside bool
	gone   bool
	paid   time.Duration // for accepting it; 0 once that is given back
}

// Close closes the connection and frees its place.
func (c *Conn) Close() error {
	c.ending.Do(func() {
		c.b.mu.Lock()
		c.b.conns.remove(c)
		c.b.mu.Unlock()
	})
	return c.Conn.Close()
}

// NetConn returns the connection below, as that of tls.Conn does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// reset closes a connection at once and leaves nothing of it in the kernel.
func (c *Conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// admit takes a new connection in, or says that there is no place for it. Others may have to go.
func (b *Budget) admit(c *Conn) bool {
	b.mu.Lock()
	ok, evicted, why := b.admissionLocked(c)
	if ok {
		b.conns.add(c)
	}
	if evicted != nil {
		b.conns.remove(evicted)
	}
	b.mu.Unlock()
	if !ok || evicted != nil {
		b.Refused(why)
	}
	if evicted != nil {
		evicted.reset()
	}
	return ok
}

// admissionLocked returns whether there is a place for a new connection, and which one has to go for that. It
// changes nothing. If a site has all that one may have, its oldest idle one goes. If strangers have all, the
// oldest idle one goes of the site that has most, or else its oldest. So a client that comes from elsewhere
// gets in.
func (b *Budget) admissionLocked(c *Conn) (ok bool, evicted *Conn, why Reason) {
	if own := b.conns.sites[c.site]; !c.any && len(own) >= b.limits.ConnsPerSite {
		evicted = oldest(own, false)
		return evicted != nil, evicted, Address
	}
	if b.conns.strangers < b.limits.Conns {
		return true, nil, 0
	}
	most := b.conns.largest()
	if evicted = oldest(most, false); evicted == nil {
		evicted = oldest(most, true)
	}
	return evicted != nil, evicted, Full
}

// oldest returns the first connection that is idle, or the first of all.
func oldest(list []*Conn, busy bool) *Conn {
	for _, c := range list {
		if busy || !c.busy {
			return c
		}
	}
	return nil
}

func (s *conns) largest() (most []*Conn) {
	for _, list := range s.sites {
		if len(list) > len(most) {
			most = list
		}
	}
	return most
}

func (s *conns) add(c *Conn) {
	s.sites[c.site] = append(s.sites[c.site], c)
	s.strangers++
}

// remove takes a connection out, wherever it is. Again it does nothing.
func (s *conns) remove(c *Conn) {
	switch {
	case c.gone:
	case c.inside:
		s.inside--
	default:
		s.drop(c)
	}
	c.gone = true
}

// drop takes a stranger out of its site.
func (s *conns) drop(c *Conn) {
	list := s.sites[c.site]
	if i := slices.Index(list, c); i >= 0 {
		list = slices.Delete(list, i, i+1)
		s.strangers--
	}
	if len(list) == 0 {
		delete(s.sites, c.site)
		return
	}
	s.sites[c.site] = list
}

// refund returns what was paid for accepting a connection, once; nil has paid nothing.
func (c *Conn) refund() (paid time.Duration) {
	if c == nil {
		return 0
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	paid, c.paid = c.paid, 0
	return paid
}

// setBusy says whether something is under way on a connection.
func (c *Conn) setBusy(busy bool) {
	c.b.mu.Lock()
	c.busy = busy
	c.b.mu.Unlock()
}

// move counts a connection of a proxy for the site of its client, as far as that one has not too many.
func (c *Conn) move(site netip.Prefix) bool {
	if !c.any || !site.IsValid() || site == c.site {
		return true
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.gone {
		return false
	}
	var evicted *Conn
	if own := c.b.conns.sites[site]; len(own) >= c.b.limits.ConnsPerSite {
		if evicted = oldest(own, false); evicted == nil {
			c.b.Refused(Address)
			return false
		}
		c.b.conns.remove(evicted)
		c.b.Refused(Address)
		defer func() { go evicted.reset() }() // which locks
	}
	c.b.conns.drop(c)
	c.site, c.any = site, false
	c.b.conns.add(c)
	return true
}

// enter has a connection count as one of those inside, if there is a place.
func (c *Conn) enter() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	switch {
	case c.inside:
		return true
	case c.gone:
		return false
	case c.b.conns.inside >= c.b.limits.Inside:
		c.b.Refused(Inside)
		return false
	}
	c.b.conns.drop(c)
	c.inside = true
	c.b.conns.inside++
	return true
}

// Pass says that the client of a connection of a Listener has shown a right to somebody who bounds such
// connections as well. It counts no longer, and gets back what it has paid.
func Pass(nc net.Conn) {
	c := below(nc)
	if c == nil {
		return
	}
	c.b.giveBack(c.site, c.refund())
	c.b.mu.Lock()
	c.b.conns.remove(c)
	c.b.mu.Unlock()
}

// leave has a connection of those inside count as a stranger's again.
func (c *Conn) leave() {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.inside && !c.gone {
		c.inside = false
		c.b.conns.inside--
		c.b.conns.add(c)
	}
}
