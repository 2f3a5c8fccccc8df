package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"parlor/packet"
)

// batchLen is how many datagrams one system call takes. sendmmsg by raw system call holds the processor (P) for about a
// microsecond each, so more would delay other goroutines; fewer would pay the call more often.
const batchLen = 64

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// receiveRing is the preallocated argument of recvmmsg.
type receiveRing struct {
	hdrs [batchLen]mmsghdr
	iov  [batchLen]unix.Iovec
	from [batchLen]rawSockaddr
}

func newReceiveRing() *receiveRing {
	r := new(receiveRing)
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.from[i]))
	}
	return r
}

// setBuffer says where datagram i goes: the whole store of b.
func (r *receiveRing) setBuffer(i int, b *packet.Buffer) {
	store := b.B[:packet.Size]
	r.iov[i].Base = &store[0]
	r.iov[i].SetLen(len(store))
}

// read takes what is there without blocking and returns how many datagrams that is.
func (r *receiveRing) read(fd int) (int, unix.Errno) {
	for i := range r.hdrs {
		r.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet6
		r.hdrs[i].hdr.Flags = 0
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdrs[0])), batchLen,
		unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}

// length is the size of datagram i and whether it was cut off because it was larger than the buffer.
func (r *receiveRing) length(i int) (n int, cut bool) {
	return int(r.hdrs[i].n), r.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0
}
