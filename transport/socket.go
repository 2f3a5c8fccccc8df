package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a raw UDP descriptor that is not in Go's network poller itself. A registered one costs 0.65–0.75
// µs more per packet sent, because EPOLLOUT wakes the idle poller for every packet that the kernel frees. The
// poller has an epoll instance instead, which watches the socket for EPOLLIN alone. (A thread blocked in
// recvmmsg would do as well. But each of its waits counts as a system call that Go's monitor has to take the
// processor from, which keeps the monitor polling. That took a fifth of the node's CPU at a hundred reads a
// second.)
type socket struct {
	fd      int
	v6      bool
	any     bool          // bound to a wildcard address
	wait    time.Duration // sendWait; longer in a test
	gso     atomic.Bool   // segmentation offload still believed to work
	arrival *os.File      // the epoll instance; closing it ends the reader
	waiter  syscall.RawConn

	// mu is held for reading while a sender uses fd, so that close cannot hand its number to another file.
	mu      sync.RWMutex
	closed  bool
	dropped uint64 // overflow so far
}

var errSocketClosed = errors.New("socket is closed")

// openSocket binds one socket. With share, several may be bound to one port, and the kernel spreads the
// clients over them.
func openSocket(at netip.AddrPort, share bool, buffer int) (*socket, error) {
	s := &socket{wait: sendWait, v6: at.Addr().Is6() && !at.Addr().Is4In6()}
	family := unix.AF_INET
	if s.v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if err := s.setUp(at, share, buffer); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := s.watch(); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// watch makes the epoll instance on which the reader waits.
func (s *socket) watch() (err error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // so that os.File gives it to the poller
		_ = unix.Close(ep)
		return os.NewSyscallError("fcntl", err)
	}
	s.arrival = os.NewFile(uintptr(ep), "epoll")
	defer func() {
		if err != nil {
			_ = s.arrival.Close()
		}
	}()
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	if err := s.arrival.SetReadDeadline(time.Time{}); err != nil { // which only a file in the poller has
		return fmt.Errorf("watching the socket: %w", err)
	}
	if s.waiter, err = s.arrival.SyscallConn(); err != nil {
		return fmt.Errorf("watching the socket: %w", err)
	}
	return nil
}

func (s *socket) setUp(at netip.AddrPort, share bool, buffer int) error {
	if share {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return os.NewSyscallError("setsockopt SO_REUSEPORT", err)
		}
	}
	if s.v6 {
		both := 1
		if at.Addr().IsUnspecified() {
			both = 0
		}
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, both); err != nil {
			return os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	if buffer > 0 {
		s.sizeBuffers(buffer)
	}
	if s.any = at.Addr().IsUnspecified(); s.any {
		if err := s.wantPktinfo(); err != nil {
			return os.NewSyscallError("setsockopt PKTINFO", err)
		}
	}
	var sa rawSockaddr
	n := addrFrom(at).sockaddr(s.v6, &sa)
	if _, _, e := unix.Syscall(unix.SYS_BIND, uintptr(s.fd), uintptr(unsafe.Pointer(&sa)), uintptr(n)); e != 0 {
		return os.NewSyscallError("bind", e)
	}
	return nil
}

// sizeBuffers asks for buffers of the given size, beyond the system's limit if the process may exceed it.
func (s *socket) sizeBuffers(n int) {
	for force, plain := range map[int]int{unix.SO_RCVBUFFORCE: unix.SO_RCVBUF, unix.SO_SNDBUFFORCE: unix.SO_SNDBUF} {
		if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, n) != nil {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, plain, n)
		}
	}
}

// bufferSizes returns what was granted. The kernel states double of it, for its own bookkeeping.
func (s *socket) bufferSizes() (receive, send int) {
	receive, _ = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	send, _ = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return receive / 2, send / 2
}

// overflow returns how many datagrams the kernel has dropped, because the receive buffer was full or the
// checksum wrong.
func (s *socket) overflow() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.dropped
	}
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if e == 0 {
		s.dropped += uint64(info[unix.SK_MEMINFO_DROPS] - uint32(s.dropped)) // which has 32 bits and wraps
	}
	return s.dropped
}

// sendWait is how long a batch may wait once for room in the send buffer. Longer holds up the room. Shorter
// loses packets in a burst that the link would carry.
const sendWait = time.Millisecond

// waitWritable waits for room in the send buffer.
func (s *socket) waitWritable() bool {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	wait := unix.NsecToTimespec(int64(s.wait))
	n, err := unix.Ppoll(fds, &wait, nil)
	return err == nil && n > 0
}

func (s *socket) port() (uint16, error) {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), nil
	case *unix.SockaddrInet6:
		return uint16(a.Port), nil
	}
	return 0, fmt.Errorf("getsockname: unexpected address family %T", sa)
}

// sendTo sends one datagram without blocking, with a control message or none. It is safe for concurrent use.
func (s *socket) sendTo(b []byte, sa *rawSockaddr, salen uint32, ctl []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errSocketClosed
	}
	var e unix.Errno
	if len(ctl) == 0 {
		_, _, e = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(sa)), uintptr(salen))
	} else {
		iov := unix.Iovec{Base: &b[0]}
		iov.SetLen(len(b))
		h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(sa)), Namelen: salen, Iov: &iov, Control: &ctl[0]}
		h.SetIovlen(1)
		h.SetControllen(len(ctl))
		_, _, e = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	if e != 0 {
		return e
	}
	return nil
}

// stopReading makes the reader's wait fail; the socket can still send.
func (s *socket) stopReading() { _ = s.arrival.Close() }

// close waits for senders under way and closes the descriptor. The reader must have ended. It is idempotent.
func (s *socket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	_ = s.arrival.Close()
	return unix.Close(s.fd)
}
