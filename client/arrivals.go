package client

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arrivals remembers when the kernel took in the latest RTP packets of a client's socket. So what a packet
// waited for its reader can be told from what it took to get there. One Arrivals is for one socket, see
// Media.Arrivals.
type Arrivals struct {
	slots [arrivalSlots]arrivalSlot
}

// arrivalSlots is how many packets are remembered: more than a socket's buffer holds.
const arrivalSlots = 4096

type arrivalSlot struct {
	key atomic.Uint64 // SSRC and sequence number; written last
	at  atomic.Int64  // Unix nanoseconds
}

// key names an RTP packet by SSRC and sequence number; false for anything else (RFC 7983, RFC 5761).
func (a *Arrivals) key(b []byte) (uint64, bool) {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] < 224 {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(b[8:]))<<16 | uint64(binary.BigEndian.Uint16(b[2:])), true
}

func (a *Arrivals) note(b []byte, at time.Time) {
	key, ok := a.key(b)
	if !ok || at.IsZero() {
		return
	}
	s := &a.slots[key%arrivalSlots]
	s.key.Store(0)
	s.at.Store(at.UnixNano())
	s.key.Store(key)
}

// Of returns when a packet, given from its RTP header on, came to the socket, in Unix nanoseconds; false if
// that is not known any more.
func (a *Arrivals) Of(packet []byte) (int64, bool) {
	key, ok := a.key(packet)
	if !ok {
		return 0, false
	}
	s := &a.slots[key%arrivalSlots]
	at := s.at.Load()
	return at, s.key.Load() == key
}

// stampArrivals has the kernel note when each datagram comes.
func stampArrivals(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}); err != nil {
		return err
	}
	return inner
}

// arrivalOf reads the control message of a datagram; the zero time if there is none.
func arrivalOf(oob []byte) time.Time {
	if len(oob) < unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{}))) {
		return time.Time{}
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_TIMESTAMPNS {
		return time.Time{}
	}
	ts := (*unix.Timespec)(unsafe.Pointer(&oob[unix.CmsgLen(0)]))
	return time.Unix(ts.Sec, ts.Nsec)
}
