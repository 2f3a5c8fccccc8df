package transport

import (
	"math/bits"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addr is a remote transport address as a small comparable value, with IPv4 in its IPv6-mapped form. Tables
// are keyed by it. It is cheaper to hash than netip.AddrPort, and comes straight from a socket address.
type addr struct {
	ip    [16]byte
	scope uint32 // IPv6 zone
	port  uint16
}

// rawSockaddr has room for an IPv4 or an IPv6 socket address.
type rawSockaddr = unix.RawSockaddrInet6

var mappedPrefix = [12]byte{10: 0xff, 11: 0xff}

func addrFrom(ap netip.AddrPort) addr {
	a := addr{ip: ap.Addr().As16(), port: ap.Port()}
	if z := ap.Addr().Zone(); z != "" {
		n, _ := strconv.ParseUint(z, 10, 32)
		a.scope = uint32(n)
	}
	return a
}

// addrFromSockaddr reads what recvmmsg wrote. Other families give the zero addr.
func addrFromSockaddr(sa *rawSockaddr) (a addr) {
	switch sa.Family {
	case unix.AF_INET:
		s := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		copy(a.ip[:], mappedPrefix[:])
		copy(a.ip[12:], s.Addr[:])
		a.port = bits.ReverseBytes16(s.Port)
	case unix.AF_INET6:
		a.ip, a.scope, a.port = sa.Addr, sa.Scope_id, bits.ReverseBytes16(sa.Port)
	}
	return a
}

func (a addr) is4() bool { return [12]byte(a.ip[:12]) == mappedPrefix }

// sockaddr fills sa for a socket of the given family and returns its length.
func (a addr) sockaddr(v6 bool, sa *rawSockaddr) uint32 {
	if v6 {
		*sa = rawSockaddr{Family: unix.AF_INET6, Port: bits.ReverseBytes16(a.port), Addr: a.ip, Scope_id: a.scope}
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(sa)) = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: bits.ReverseBytes16(a.port), Addr: [4]byte(a.ip[12:]),
	}
	return unix.SizeofSockaddrInet4
}

func (a addr) addrPort() netip.AddrPort {
	ip := netip.AddrFrom16(a.ip).Unmap()
	if a.scope != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(a.scope), 10))
	}
	return netip.AddrPortFrom(ip, a.port)
}

func (a addr) String() string { return a.addrPort().String() }
