package transport

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"parlor/packet"
)

const (
	// sealOverhead has room for the most that SRTP or SRTCP adds: a 16 byte tag and a 4 byte index.
	sealOverhead = 32
	slotSize     = packet.Size + sealOverhead

	// The kernel takes at most 64 segments (UDP_MAX_SEGMENTS of older kernels) and 64 KB in one call.
	maxSegments = 64
	maxGSOBytes = 65000
	gsoControl  = 24 // CMSG_SPACE(sizeof(uint16))
	ctlSize     = pktinfoSpace + gsoControl
)

// egress is a batch of sealed packets with all that sendmmsg needs, in one piece of memory. A Writer takes
// one from the pool for the first packet of a batch and gives it back at the flush. So idle rooms hold none.
type egress struct {
	n      int
	used   int             // messages in hdrs
	waited bool            // for room in the send buffer, once for a batch
	paths  [batchLen]*path // nil: taken back before it was sent
	lens   [batchLen]int
	iov    [batchLen]unix.Iovec
	hdrs   [batchLen]mmsghdr
	first  [batchLen]int // index of the first packet of message i
	ctl    [batchLen][ctlSize]byte
	arena  [batchLen][slotSize]byte
}

var egressPool = sync.Pool{New: func() any { return newEgress() }}

func newEgress() *egress {
	e := new(egress)
	for i := range e.iov {
		e.iov[i].Base = &e.arena[i][0]
	}
	return e
}

// slot is the memory for the next packet.
func (e *egress) slot() []byte { return e.arena[e.n][:] }

// commit queues what was put into slot: n bytes for a UDP path.
func (e *egress) commit(to *path, n int) {
	e.paths[e.n], e.lens[e.n] = to, n
	e.iov[e.n].SetLen(n)
	e.n++
}

func (e *egress) full() bool { return e.n == batchLen }

// revoke takes back what is queued for a peer.
func (e *egress) revoke(p *Peer) {
	for i, to := range e.paths[:e.n] {
		if to != nil && to.peer == p {
			e.paths[i] = nil
		}
	}
}

// flush sends the batch and empties it.
func (e *egress) flush(s *socket, c *counters) {
	s.mu.RLock()
	if s.closed {
		c.dropN(DropNotConnected, e.n)
	} else {
		for from := 0; from < e.n; {
			from = e.sendSome(s, c, from)
		}
	}
	s.mu.RUnlock()
	// The pool keeps no closed peer alive.
	clear(e.paths[:e.n])
	for i := range e.hdrs[:e.used] {
		e.hdrs[i].hdr.Name = nil
	}
	e.n, e.used, e.waited = 0, 0, false
}

// sendSome makes messages of the packets from index from on, and sends them. It returns the index of the
// first packet that is neither sent nor dropped: usually the end.
func (e *egress) sendSome(s *socket, c *counters, from int) int {
	gso := s.gso.Load()
	m := e.pack(from, gso)
	for done := 0; done < m; {
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&e.hdrs[done])),
			uintptr(m-done), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == 0:
			e.countSent(c, done, int(r))
			done += int(r)
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && !e.waited:
			e.waited = true
			c.sendWaits.Add(1)
			s.waitWritable()
		case errno == unix.EAGAIN:
			for ; done < m; done++ {
				c.dropN(DropSendFull, int(e.hdrs[done].hdr.Iovlen))
			}
		case e.hdrs[done].hdr.Iovlen > 1 && s.noteGSOError(errno, e.paths[e.first[done]]):
			return e.first[done]
		default:
			reason := DropSendFailed
			if errno == unix.ENOBUFS { // the queue of one device
				reason = DropSendFull
			}
			c.dropN(reason, int(e.hdrs[done].hdr.Iovlen))
			done++
		}
	}
	return e.n
}

// noteGSOError takes notice of an error of a segmented send, and says whether the packets may go out one by
// one.
// If segments are larger than the path's MTU, the error is EMSGSIZE since Linux 6.14, and EINVAL before. That
// concerns one client alone, and the kernel fragments its packets if they are sent one by one. EIO means that
// the way out cannot do it for any client.
func (s *socket) noteGSOError(errno unix.Errno, to *path) bool {
	switch errno {
	case unix.EMSGSIZE, unix.EINVAL:
		to.noGSO.Store(true)
	case unix.EIO:
		s.gso.Store(false)
	default:
		return false
	}
	return true
}

// pack fills hdrs from the queued packets and returns how many messages there are. With gso, neighbours share
// a message if they have one path and equal sizes. The last one may be shorter.
func (e *egress) pack(from int, gso bool) (m int) {
	for i := from; i < e.n; m++ {
		for i < e.n && e.paths[i] == nil {
			i++
		}
		if i == e.n {
			break
		}
		run := 1
		if gso && !e.paths[i].noGSO.Load() {
			run = e.segments(i)
		}
		h := &e.hdrs[m].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&e.paths[i].sa)), e.paths[i].salen
		h.Iov = &e.iov[i]
		h.SetIovlen(run)
		h.Control = nil
		h.SetControllen(0)
		if pt := e.paths[i]; run > 1 || pt.ctlLen > 0 {
			ctl := &e.ctl[m]
			n := copy(ctl[:], pt.ctl[:pt.ctlLen])
			if run > 1 {
				n += putSegment((*[gsoControl]byte)(ctl[n:]), e.lens[i])
			}
			h.Control = &ctl[0]
			h.SetControllen(n)
		}
		e.first[m] = i
		i += run
	}
	e.used = max(e.used, m)
	return m
}

// putSegment writes the control message that has the kernel cut a message into datagrams of a size.
func putSegment(b *[gsoControl]byte, size int) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(b))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Pointer(&b[unix.CmsgLen(0)])) = uint16(size)
	return gsoControl
}

// segments is the number of packets from index i on that one segmented send can take.
func (e *egress) segments(i int) int {
	j, total := i+1, e.lens[i]
	for j < e.n && j-i < maxSegments && e.paths[j] == e.paths[i] && e.lens[j-1] == e.lens[i] && e.lens[j] <= e.lens[i] {
		if total += e.lens[j]; total > maxGSOBytes {
			break
		}
		j++
	}
	return j - i
}

func (e *egress) countSent(c *counters, from, n int) {
	packets, bytes := 0, 0
	for i := from; i < from+n; i++ {
		k := int(e.hdrs[i].hdr.Iovlen)
		packets += k
		for j := e.first[i]; j < e.first[i]+k; j++ {
			bytes += e.lens[j]
		}
	}
	c.packetsOut.Add(uint64(packets))
	c.bytesOut.Add(uint64(bytes))
}
