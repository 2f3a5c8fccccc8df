package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Address is a host and a port to listen on, as in net.Listen: "127.0.0.1:8080", "[::1]:0", ":7882". Port 0
// means any free port, an empty host every interface.
type Address string

// Host returns the part before the port, without brackets.
func (a Address) Host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}

// Port returns the port number; 0 also for an Address that is not valid.
func (a Address) Port() int {
	_, port, _ := net.SplitHostPort(string(a))
	n, _ := strconv.Atoi(port)
	return n
}

// Loopback says whether only this machine can reach the address.
func (a Address) Loopback() bool {
	host := a.Host()
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Reachable returns the address that another process of this machine connects to: the loopback address in
// place of every interface.
func (a Address) Reachable() string {
	host := a.Host()
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port()))
}

// AddrPort returns the address for a socket. An empty host becomes the IPv6 wildcard, which takes IPv4 as
// well, and localhost becomes 127.0.0.1. Other names are refused, because a socket for media needs an
// address.
func (a Address) AddrPort() (netip.AddrPort, error) {
	ip := netip.IPv6Unspecified()
	switch host := a.Host(); host {
	case "":
	case "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		var err error
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q is no IP address", host)
		}
	}
	return netip.AddrPortFrom(ip, uint16(a.Port())), nil
}

func parseAddress(text string) (Address, error) {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("%q is not host:port, such as 127.0.0.1:8080 or :8080", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("port %q is no number from 0 to 65535", port)
	}
	if port != strconv.FormatUint(n, 10) {
		return "", errors.New("write the port as a plain number")
	}
	return Address(text), nil
}
