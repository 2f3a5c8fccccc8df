package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"parlor/packet"
)

// batchLen is how many datagrams one system call takes. sendmmsg by raw system call holds the processor (P)
// for about a microsecond each, so more would delay other goroutines. Fewer would pay for the call more
// often.
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
	ctl  *[batchLen][pktinfoSpace]byte // nil: no control messages are asked for
	used int                           // headers that the last read has written to
}

func newReceiveRing(control bool) *receiveRing {
	r := &receiveRing{used: batchLen}
	if control {
		r.ctl = new([batchLen][pktinfoSpace]byte)
	}
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.from[i]))
		if control {
			h.Control = &r.ctl[i][0]
		}
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
	// Most reads bring a few datagrams; what they have not touched is as it was.
	for i := range r.hdrs[:r.used] {
		r.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet6
		r.hdrs[i].hdr.Flags = 0
		if r.ctl != nil {
			r.hdrs[i].hdr.SetControllen(pktinfoSpace)
		}
	}
	r.used = 0
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdrs[0])), batchLen,
		unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		r.used = 1 // a failed read may have begun with the first
		return 0, e
	}
	r.used = int(n)
	return r.used, 0
}

// local returns the address of the node that datagram i was sent to, if the kernel states it.
func (r *receiveRing) local(i int) localIP {
	if r.ctl == nil {
		return localIP{}
	}
	return readPktinfo(r.ctl[i][:min(int(r.hdrs[i].hdr.Controllen), pktinfoSpace)])
}

// length returns the size of datagram i, and whether it was cut off because it was larger than the buffer.
func (r *receiveRing) length(i int) (n int, cut bool) {
	return int(r.hdrs[i].n), r.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0
}
