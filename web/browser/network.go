package browser

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"parlor/lab/netns"
)

// Addresses of the switch: the first host is the test process, sites follow. 198.18.0.0/15 is set apart for
// tests of network devices (RFC 2544), so that no real network is meant by it.
const (
	hubAddr = "198.18.0.1"
	hubMAC  = "02:00:c6:12:00:01"
	hubName = "parlor0"
	maxSite = 254
)

// Network is a switch with the test process at one of its ports, at Addr, and Sites at the others. The test
// process must be in a namespace of its own (Isolate). There can be one Network at a time. Methods may be
// called from any goroutine.
type Network struct {
	mu   sync.Mutex
	next int // last octet of the next site
}

// NewNetwork sets the switch up.
func NewNetwork() (*Network, error) {
	err := netns.IP(fmt.Sprintf(`link add %[1]s address %[2]s type bridge stp_state 0 mcast_snooping 0
addr add %[3]s/24 dev %[1]s
link set %[1]s up`, hubName, hubMAC, hubAddr))
	if err != nil {
		return nil, fmt.Errorf("network: set the switch up: %w", err)
	}
	return &Network{next: 2}, nil
}

// Addr is the address of the test process, to which nodes under test bind.
func (n *Network) Addr() netip.Addr { return netip.MustParseAddr(hubAddr) }

// Close takes the switch away. Sites must have been closed.
func (n *Network) Close() error { return netns.IP("link del " + hubName) }

// Site is a machine at the switch: a network namespace with one cable, an address, and a default route.
type Site struct {
	space *netns.Space
	addr  netip.Addr
	port  string // name of the interface at the switch's end of the cable
}

// Join plugs a new machine in.
func (n *Network) Join() (*Site, error) {
	n.mu.Lock()
	host := n.next
	n.next++
	n.mu.Unlock()
	if host > maxSite {
		return nil, fmt.Errorf("network: no address left")
	}
	s := &Site{addr: netip.AddrFrom4([4]byte{198, 18, 0, byte(host)}), port: fmt.Sprintf("site%d", host)}
	var err error
	if s.space, err = netns.NewSpace(); err != nil {
		return nil, fmt.Errorf("network: site: %w", err)
	}
	if err := s.plug(host); err != nil {
		s.Close()
		return nil, fmt.Errorf("network: site: %w", err)
	}
	return s, nil
}

// plug lays the cable. All its addresses are there at once: none of IPv6 comes by itself. Neighbours are
// entered by hand. So a machine that is cut off is met with silence, as behind a router, and not with the
// kernel's "host unreachable" after three unanswered ARP requests.
func (s *Site) plug(host int) error {
	mac := fmt.Sprintf("02:00:c6:12:00:%02x", host)
	err := netns.IP(fmt.Sprintf(`link add name %[1]s type veth peer name eth0 address %[2]s netns %[3]d
link set %[1]s master %[4]s up
neigh replace %[5]s lladdr %[2]s dev %[4]s nud permanent`, s.port, mac, s.space.PID(), hubName, s.addr))
	if err != nil {
		return err
	}
	return s.space.IP(fmt.Sprintf(`link set lo up
addr add %[1]s/24 dev eth0
link set eth0 addrgenmode none up
neigh replace %[2]s lladdr %[3]s dev eth0 nud permanent
route add default via %[2]s`, s.addr, hubAddr, hubMAC))
}

// Addr is the machine's address.
func (s *Site) Addr() netip.Addr { return s.addr }

// Cut makes every packet from and to the machine vanish. Nothing there notices but by the silence: the link
// stays up.
func (s *Site) Cut() error { return netns.IP("link set " + s.port + " nomaster") }

// Restore ends Cut.
func (s *Site) Restore() error { return netns.IP("link set " + s.port + " master " + hubName) }

// Unplug pulls the cable: the machine sees its link go down, and nothing passes any more.
func (s *Site) Unplug() error { return netns.IP("link set " + s.port + " down") }

// Plug ends Unplug.
func (s *Site) Plug() error { return netns.IP("link set " + s.port + " up") }

// Close takes the machine away. What still runs there loses its network.
func (s *Site) Close() error {
	err := s.space.Close()
	// The kernel removes the cable with the namespace, but not before the last process in it has ended.
	if rm := netns.IP("link del " + s.port); rm != nil && !strings.Contains(rm.Error(), "Cannot find device") {
		return rm
	}
	return err
}

// Dial connects from the machine, as a program on it would. The address must be a literal: nothing resolves
// names there.
func (s *Site) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.space.Dial(ctx, network, address)
}
