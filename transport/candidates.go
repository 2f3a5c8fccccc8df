package transport

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"parlor/transport/negotiate"
)

// candidatesAge is how old the list of the machine's addresses may be. Longer tells clients of addresses that
// are gone. Shorter asks the kernel more often while many join, which takes about 0.1 ms each time.
const candidatesAge = 2 * time.Second

// candidates are the addresses that clients are told, each for UDP and TCP. They are the external ones if
// given, or the bound one if it is specific. Otherwise they are those that the machine's interfaces have at
// the time.
type candidates struct {
	bound      netip.AddrPort
	external   []netip.Addr
	choice     AddressChoice
	interfaces func() ([]netInterface, error)

	mu   sync.Mutex
	last []negotiate.Candidate
	at   time.Time
}

// list returns the candidates, to be read only. With an error it returns those of before.
func (c *candidates) list(now time.Time) ([]negotiate.Candidate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wildcard := len(c.external) == 0 && c.bound.Addr().IsUnspecified()
	if c.last != nil && (!wildcard || now.Sub(c.at) < candidatesAge) {
		return c.last, nil
	}
	ips := c.external
	switch {
	case wildcard:
		list, err := c.interfaces()
		if err != nil {
			return c.last, fmt.Errorf("list the machine's addresses: %w", err)
		}
		ips = c.choice.usable(list, c.bound.Addr().Is6())
	case len(ips) == 0:
		ips = []netip.Addr{c.bound.Addr()}
	}
	c.last, c.at = nil, now
	for _, tcp := range []bool{false, true} {
		for _, ip := range ips {
			c.last = append(c.last, negotiate.Candidate{Addr: netip.AddrPortFrom(ip.Unmap().WithZone(""), c.bound.Port()), TCP: tcp})
		}
	}
	return c.last, nil
}
