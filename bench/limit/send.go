package limit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchLen  = 64
	slotSize  = 1600
	headerLen = 12
	maxRun    = 16 // packets of one segmented send
	control   = 24 // CMSG_SPACE(sizeof(uint16))
)

// destination is one subscriber: its address, and the key that its packets are sealed with.
type destination struct {
	sa   unix.RawSockaddrInet4
	aead cipher.AEAD
	ssrc uint32
	seq  uint64
}

func newDestination(at netip.AddrPort, ssrc uint32) destination {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	d := destination{aead: aead, ssrc: ssrc}
	d.sa.Family = unix.AF_INET
	d.sa.Addr = at.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&d.sa.Port))[:], at.Port())
	return d
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// sender seals packets into a batch and sends it when it is full. It is for one goroutine.
type sender struct {
	fd       int
	segments bool
	n        int // packets in the batch
	to       [batchLen]*destination
	lens     [batchLen]int
	iov      [batchLen]unix.Iovec
	hdrs     [batchLen]mmsghdr
	ctl      [batchLen][control]byte
	arena    [batchLen][slotSize]byte
	frame    [][]byte

	sent, refused uint64
	err           error // the first one
}

func newSender(buffer int, segments bool) (*sender, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if buffer > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer) // as far as the system lets it
	}
	s := &sender{fd: fd, segments: segments}
	for i := range s.iov {
		s.iov[i].Base = &s.arena[i][0]
		h := (*unix.Cmsghdr)(unsafe.Pointer(&s.ctl[i][0]))
		h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		h.SetLen(unix.CmsgLen(2))
	}
	return s, nil
}

func (s *sender) close() { _ = unix.Close(s.fd) }

// plain is memory for packet i of a frame.
func (s *sender) plain(i int) []byte {
	for len(s.frame) <= i {
		s.frame = append(s.frame, make([]byte, slotSize))
	}
	return s.frame[i]
}

// send seals a packet for a destination (RFC 7714, section 8: header as associated data, nonce of SSRC,
// rollover counter and sequence number) and queues it.
func (s *sender) send(d *destination, plain []byte) {
	slot := s.arena[s.n][:]
	copy(slot, plain[:headerLen])
	binary.BigEndian.PutUint16(slot[2:], uint16(d.seq))
	binary.BigEndian.PutUint32(slot[8:], d.ssrc)
	var nonce [12]byte
	binary.BigEndian.PutUint32(nonce[2:], d.ssrc)
	binary.BigEndian.PutUint32(nonce[6:], uint32(d.seq>>16))
	binary.BigEndian.PutUint16(nonce[10:], uint16(d.seq))
	d.seq++
	sealed := d.aead.Seal(slot[headerLen:headerLen], nonce[:], plain[headerLen:], slot[:headerLen])
	s.to[s.n], s.lens[s.n] = d, headerLen+len(sealed)
	s.iov[s.n].SetLen(s.lens[s.n])
	if s.n++; s.n == batchLen {
		s.flush()
	}
}

// flush sends the batch.
func (s *sender) flush() {
	m := s.pack()
	for done := 0; done < m; {
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.hdrs[done])),
			uintptr(m-done), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			for i := done; i < done+int(r); i++ {
				s.sent += s.hdrs[i].hdr.Iovlen
			}
			done += int(r)
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			for ; done < m; done++ {
				s.refused += s.hdrs[done].hdr.Iovlen
			}
		default:
			if s.err == nil {
				s.err = errno
			}
			done++
		}
	}
	s.n = 0
}

// pack makes messages of the packets: one each, or one for a run to the same destination.
func (s *sender) pack() (m int) {
	for i := 0; i < s.n; m++ {
		run := 1
		for s.segments && i+run < s.n && run < maxRun && s.to[i+run] == s.to[i] && s.lens[i+run] == s.lens[i] {
			run++
		}
		h := &s.hdrs[m].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&s.to[i].sa)), unix.SizeofSockaddrInet4
		h.Iov = &s.iov[i]
		h.SetIovlen(run)
		h.Control = nil
		h.SetControllen(0)
		if run > 1 {
			*(*uint16)(unsafe.Pointer(&s.ctl[m][unix.CmsgLen(0)])) = uint16(s.lens[i])
			h.Control = &s.ctl[m][0]
			h.SetControllen(control)
		}
		i += run
	}
	return m
}
