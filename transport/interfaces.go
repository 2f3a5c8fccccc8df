package transport

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// AddressChoice says which of the machine's addresses clients are told, if the media port is bound to all of
// them.
type AddressChoice struct {
	// Interfaces are patterns of names as filepath.Match has them, such as "eth*"; a leading "!" excludes. If
	// no pattern includes, all interfaces count but those of container networks. Those are told nevertheless
	// if there are no others.
	Interfaces []string
	// Networks are prefixes, such as 10.0.0.0/8; if there are none, every network counts. ExcludedNetworks
	// are left out in any case.
	Networks, ExcludedNetworks []netip.Prefix
}

// containerInterfaces are the names that container and virtual machine networks give to the host's end.
// Nobody outside can reach their addresses, and each costs every client checks in vain.
var containerInterfaces = []string{
	"docker*", "br-*", "veth*", "cni*", "cali*", "tunl*", "vxlan.calico", "flannel*", "podman*", "virbr*", "vnet*", "lxc*", "lxdbr*", "cilium*",
	"weave*", "kube-*", "nodelocaldns*", "cbr0",
}

// netInterface is an interface that is up, with its addresses.
type netInterface struct {
	name  string
	addrs []netip.Addr
}

// machineInterfaces asks the kernel.
func machineInterfaces() ([]netInterface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netInterface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		list = append(list, netInterface{i.Name, ipsOf(addrs)})
	}
	return list, nil
}

func ipsOf(addrs []net.Addr) (ips []netip.Addr) {
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				ips = append(ips, ip.Unmap())
			}
		}
	}
	return ips
}

// usable chooses from the machine's addresses. Link-local ones are never taken: they need a zone, which SDP
// cannot carry. Those of containers and loopback, in this order, are taken only if there is nothing else.
func (c *AddressChoice) usable(list []netInterface, v6 bool) []netip.Addr {
	var out, containers, loopback []netip.Addr
	for _, i := range list {
		take, container := c.named(i.name)
		for _, ip := range i.addrs {
			switch {
			case !take || ip.Is6() && !v6 || ip.IsLinkLocalUnicast() || !c.within(ip):
			case ip.IsLoopback():
				loopback = append(loopback, ip)
			case container:
				containers = append(containers, ip)
			default:
				out = append(out, ip)
			}
		}
	}
	switch {
	case len(out) > 0:
		return out
	case len(containers) > 0:
		return containers
	}
	return loopback
}

// named says whether an interface is taken by its name, and whether that is only for want of others.
func (c *AddressChoice) named(name string) (take, container bool) {
	includes := false
	for _, p := range c.Interfaces {
		pattern, excludes := strings.CutPrefix(p, "!")
		match, _ := filepath.Match(pattern, name) // the configuration has checked the pattern
		if excludes && match {
			return false, false
		}
		includes, take = includes || !excludes, take || match && !excludes
	}
	if includes {
		return take, false
	}
	for _, p := range containerInterfaces {
		if match, _ := filepath.Match(p, name); match {
			return true, true
		}
	}
	return true, false
}

// within says whether an address is taken by its network.
func (c *AddressChoice) within(ip netip.Addr) bool {
	for _, n := range c.ExcludedNetworks {
		if n.Contains(ip) {
			return false
		}
	}
	for _, n := range c.Networks {
		if n.Contains(ip) {
			return true
		}
	}
	return len(c.Networks) == 0
}
