package signal

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpEstablished is the state of a TCP connection that neither side has begun to end (TCP_ESTABLISHED of
// Linux).
const tcpEstablished = 1

// taken returns how many bytes of a connection the client's TCP has acknowledged, and how many were written
// to it. ok is false if the kernel does not say: then it is no TCP connection.
func taken(wire net.Conn) (acknowledged, written uint64, ok bool) {
	ok = control(wire, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		waiting, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err != nil {
			return err
		}
		acknowledged, written = info.Bytes_acked, info.Bytes_acked+uint64(waiting)
		return nil
	})
	return acknowledged, written, ok
}

// hungUp reports whether a connection's client has ended it, even if messages before its end were not read
// yet.
func hungUp(wire net.Conn) (yes bool) {
	return control(wire, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			yes = info.State != tcpEstablished && info.State != 0
		}
		return err
	}) && yes
}

// control calls f with the socket below a connection, and reports whether that was possible and f returned
// nil.
func control(wire net.Conn, f func(fd int) error) bool {
	for {
		switch c := wire.(type) {
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return false
			}
			failed := error(nil)
			err = raw.Control(func(fd uintptr) { failed = f(int(fd)) })
			return err == nil && failed == nil
		case interface{ NetConn() net.Conn }: // TLS
			wire = c.NetConn()
		default:
			return false
		}
	}
}
