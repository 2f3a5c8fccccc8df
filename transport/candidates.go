package transport

import (
	"fmt"
	"net"
	"net/netip"

	"parlor/transport/negotiate"
)

// hostCandidates lists the addresses that clients are told, each for UDP and TCP: the external ones if given, the bound one
// if it is specific, and otherwise those of the machine's interfaces.
func hostCandidates(bound netip.AddrPort, external []netip.Addr) ([]negotiate.Candidate, error) {
	ips := external
	if len(ips) == 0 {
		ips = []netip.Addr{bound.Addr()}
		if bound.Addr().IsUnspecified() {
			list, err := net.InterfaceAddrs()
			if err != nil {
				return nil, fmt.Errorf("list the machine's addresses: %w", err)
			}
			ips = usableAddrs(list, bound.Addr().Is6())
		}
	}
	var out []negotiate.Candidate
	for _, tcp := range []bool{false, true} {
		for _, ip := range ips {
			out = append(out, negotiate.Candidate{Addr: netip.AddrPortFrom(ip.Unmap().WithZone(""), bound.Port()), TCP: tcp})
		}
	}
	return out, nil
}

// usableAddrs chooses from interface addresses: link-local ones, which need a zone that SDP cannot carry, never; loopback
// only when there is nothing else, for a machine without a network.
func usableAddrs(list []net.Addr, v6 bool) []netip.Addr {
	var out, loopback []netip.Addr
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		switch {
		case !ok || ip.Is6() && !v6 || ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		default:
			out = append(out, ip)
		}
	}
	if len(out) == 0 {
		return loopback
	}
	return out
}
