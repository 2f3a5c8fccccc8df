// Package netns joins machines by a network that one can draw. Each machine is a network namespace of Linux
// with an address and a TUN device. This process carries IPv4 packets between them, each through the uplink
// of its sender and the downlink of its receiver (lab/link). Everything passes there: media, signalling, any
// server and any browser. The kernel needs no netem.
//
//	netns.go   Network: making it, its end
//	space.go   Space: a network namespace
//	host.go    Host: a machine, what runs on it, its links
//	tun.go     the device
//	loop.go    the thread that carries packets
//	way.go     one direction of a machine's cable
//
// Nothing stays behind, however the process ends. A namespace lives while its keeper does, which ends when
// its standard input closes, and what Start has started is killed by the kernel. The package needs root,
// iproute2 and /dev/net/tun.
package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parlor/lab/link"
)

// Network is machines and what carries packets between them. Its methods may be called from any goroutine.
type Network struct {
	start time.Time
	epoll int
	timer int // timerfd: the next packet arrives
	wake  int // eventfd: the network ends
	once  sync.Once
	ended chan struct{}
	err   error // of the loop; read after ended

	mu    sync.Mutex
	hosts []*Host // at most maxHosts; the last octet of the address is the index and one
	late  []time.Duration
	free  []*packet
}

// maxHosts is how many addresses the last octet has.
const maxHosts = 254

// New returns a network without machines. Close ends it.
func New() (*Network, error) {
	n := &Network{start: time.Now(), ended: make(chan struct{})}
	if err := n.open(); err != nil {
		n.closeFiles()
		return nil, fmt.Errorf("network: %w", err)
	}
	go n.carry()
	return n, nil
}

// Host adds a machine. Its links are perfect until Shape says otherwise; the seed decides what they do by
// chance.
func (n *Network) Host(name string, seed uint64) (*Host, error) {
	return n.add(name, &Host{seed: seed})
}

// Here adds this process as a machine, in the namespace where it is, which has to be one of its own. The
// machine's address is one more there, by a device named eth0.
func (n *Network) Here(seed uint64) (*Host, error) {
	return n.add("here", &Host{seed: seed, here: true})
}

func (n *Network) add(name string, h *Host) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.hosts) == maxHosts {
		return nil, errors.New("network: no address left")
	}
	h.net, h.addr, h.tun = n, netip.AddrFrom4([4]byte{198, 19, 0, byte(len(n.hosts) + 1)}), -1
	err := errors.Join(h.up.shape(0, link.Profile{}, h.upSeed()), h.down.shape(0, link.Profile{}, h.downSeed()), h.open())
	if err == nil {
		err = n.listen(h.tun, len(n.hosts))
	}
	if err != nil {
		h.close()
		return nil, fmt.Errorf("network: %s: %w", name, err)
	}
	n.hosts = append(n.hosts, h)
	return h, nil
}

// Close takes the network away; again does nothing. What still runs on its machines has none any more.
func (n *Network) Close() error {
	n.once.Do(n.stop)
	<-n.ended
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		h.close()
	}
	n.hosts = nil
	return n.err
}

// now is the time of the links.
func (n *Network) now() time.Duration { return time.Since(n.start) }

// Late is by how much packets since the previous look have come later than the links say, as the machine was
// busy: the median and the 99th percentile.
func (n *Network) Late() (p50, p99 time.Duration) {
	n.mu.Lock()
	late := n.late
	n.late = nil
	n.mu.Unlock()
	slices.Sort(late)
	return Percentile(late, 50), Percentile(late, 99)
}

// Percentile of sorted times; 0 without any.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
