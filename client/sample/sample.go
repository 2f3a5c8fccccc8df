// Package sample lets the kernel throw away media of which a load client only wants to count a sample. So the
// clients do not give out before the server. It is classic BPF (Linux, socket(7), SO_ATTACH_FILTER); offset 0
// is the UDP header.
package sample

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepOneIn builds a filter for k, a power of two up to 32768. It passes every packet that is not RTP. Of RTP
// it passes those whose sequence number is a multiple of k. A sample so chosen has no gaps but real ones: it
// is every k-th packet of the stream.
func keepOneIn(k int) []unix.SockFilter {
	const (
		udpHeader = 8
		pass      = 0xffffffff
	)
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: udpHeader},          // 0: first byte: RFC 7983
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 8, K: 128}, // 1: STUN, DTLS → 10
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 7, Jf: 0, K: 192}, // 2: not ours → 10
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: udpHeader + 1},      // 3: second byte: RFC 5761
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 1, K: 192}, // 4: below RTCP's → 6
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 0, Jf: 4, K: 224}, // 5: RTCP → 10
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: udpHeader + 2},      // 6: RTP sequence number
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: uint32(k - 1)},     // 7
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, Jf: 0, K: 0},   // 8: in the sample → 10
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},                                // 9: drop
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},                             // 10: pass
	}
}

// Valid reports whether k can be given to Attach.
func Valid(k int) bool { return k >= 1 && k <= 1<<15 && k&(k-1) == 0 }

// Attach has the kernel drop all RTP packets but those whose sequence number is a multiple of k; k = 1 takes
// the filter off.
func Attach(conn *net.UDPConn, k int) error {
	if !Valid(k) {
		return fmt.Errorf("sample one in %d: not a power of two up to 32768", k)
	}
	prog := keepOneIn(k)
	return control(conn, func(fd int) error {
		if k == 1 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil && err != unix.ENOENT {
				return fmt.Errorf("detach socket filter: %w", err)
			}
			return nil
		}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}); err != nil {
			return fmt.Errorf("attach socket filter: %w", err)
		}
		return nil
	})
}

// Drops returns how many datagrams the kernel has thrown away because the receive buffer was full. Sampled
// ones are counted there too, so it says nothing while a filter is attached.
func Drops(conn *net.UDPConn) (uint32, error) {
	const skMemInfoDrops = 8 // include/uapi/linux/sock_diag.h
	var drops uint32
	err := control(conn, func(fd int) error {
		var info [9]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return fmt.Errorf("read drops of media socket: %w", errno)
		}
		drops = info[skMemInfoDrops]
		return nil
	})
	return drops, err
}

func control(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
