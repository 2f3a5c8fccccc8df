package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket on a wildcard address has the kernel choose the source of what it sends by route. On a machine
// with several addresses that may be another one than the client has sent to. The client does not accept such
// an answer. So these sockets, and only they, are told the local address of each datagram. They state it for
// what they send (IP_PKTINFO, RFC 3542 for IPv6).

// pktinfoSpace holds the control message of either family.
const pktinfoSpace = 40 // CMSG_SPACE(sizeof(struct in6_pktinfo)); of IPv4 it is 32

// localIP is an address of the node, with IPv4 in its mapped form. The zero value means not stated: the
// kernel chooses.
type localIP [16]byte

// wantPktinfo has the kernel state the local address of each datagram.
func (s *socket) wantPktinfo() error {
	if s.v6 {
		// on such a socket it covers IPv4, too
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// readPktinfo finds the local address in the control message that came with a datagram.
func readPktinfo(b []byte) (ip localIP) {
	if len(b) < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
		return ip
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	data := b[unix.CmsgLen(0):]
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
		copy(ip[:], mappedPrefix[:])
		copy(ip[12:], data[4:8]) // ipi_spec_dst
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 16:
		copy(ip[:], data)
	}
	return ip
}

// putPktinfo writes the control message that states the source of a datagram, and returns its size.
func putPktinfo(b *[pktinfoSpace]byte, ip localIP, v6 bool) int {
	if ip == (localIP{}) {
		return 0
	}
	clear(b[:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(b))
	data := b[unix.CmsgLen(0):]
	if v6 {
		h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		copy(data, ip[:])
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	copy(data[4:8], ip[12:])
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}
