package transport

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// TestSmallBuffersAreSaid: nobody gets a buffer of 2 GB, not even who may go beyond the system's limit.
func TestSmallBuffersAreSaid(t *testing.T) {
	for asked, want := range map[int]bool{math.MaxInt32: true, 8192: false} {
		var log bytes.Buffer
		e, err := Listen(Options{
			Listen: netip.MustParseAddrPort("127.0.0.1:0"), Limits: Limits{SocketBuffer: asked}, Log: zerolog.New(&log),
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = e.Close()
		if got := strings.Contains(log.String(), "net.core.rmem_max"); got != want {
			t.Errorf("asked for %d: warned %v, want %v: %s", asked, got, want, log.String())
		}
	}
}

// TestReceiveOverflowIsCounted: what a full receive buffer loses never reaches the reader, only the kernel
// knows of it.
func TestReceiveOverflowIsCounted(t *testing.T) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 1, Limits: Limits{SocketBuffer: 8192}})
	if err != nil {
		t.Fatal(err)
	}
	s := newStranger(t, e)
	for range 500 {
		s.send(make([]byte, 1000))
	}
	lost := e.Stats().Drops[DropReceiveFull]
	if lost < 400 || lost > 500 {
		t.Errorf("%d lost of 500", lost)
	}
	_ = e.Close()
	if got := e.Stats().Drops[DropReceiveFull]; got != lost {
		t.Errorf("%d lost after Close, %d before", got, lost)
	}
}

// fullSocket has the endpoint's only socket be one end of a pair of Unix sockets, whose buffer is full after
// a few messages, and returns the other end and a peer that sends over it.
func fullSocket(t *testing.T) (*Endpoint, int, *Peer, *Writer) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 1, NoGSO: true})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	// One byte asks for the smallest buffer that there is.
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(pair[0], e.sockets[0].fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(pair[0])
	t.Cleanup(func() { _ = e.Close(); _ = unix.Close(pair[1]) })
	p, w := wiredPeer(t, e, netip.MustParseAddrPort("127.0.0.1:9"))
	p.dest.salen = 0
	return e, pair[1], p, w
}

func TestAFullBatchWaitsForRoom(t *testing.T) {
	e, other, p, w := fullSocket(t)
	e.sockets[0].wait = patience
	got := make(chan int, 1)
	go func() { // makes room as fast as it can
		n := 0
		for b := make([]byte, 2000); n < 40; n++ {
			if _, err := unix.Read(other, b); err != nil {
				break
			}
		}
		got <- n
	}()
	for n := 0; n < 40; { // a few at a time, so that each batch has to wait once at most
		for range 4 {
			p.SendRTP(header(uint16(n)), []byte("x"))
			n++
		}
		w.Flush()
	}
	if n := wait(t, "all packets", got); n != 40 || e.Stats().Drops[DropSendFull] != 0 {
		t.Errorf("%d packets came, %d dropped", n, e.Stats().Drops[DropSendFull])
	}
}

func TestAFullBatchDoesNotWaitForLong(t *testing.T) {
	e, _, p, w := fullSocket(t)
	for i := range 60 {
		p.SendRTP(header(uint16(i)), []byte("x"))
	}
	w.Flush()
	s := e.Stats()
	if s.SendWaits != 1 || s.PacketsOut == 0 || s.Drops[DropSendFull] != 60-s.PacketsOut {
		t.Errorf("%d waits, %d sent, %d dropped", s.SendWaits, s.PacketsOut, s.Drops[DropSendFull])
	}
}
