package transport

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// given counts the sockets that have given up segmentation.
func given(e *Endpoint) (n int) {
	for _, s := range e.sockets {
		if !s.gso.Load() {
			n++
		}
	}
	return n
}

// TestSmallMTU: runs to a client behind a small MTU go out one by one, and nobody else loses segmentation for
// it.
func TestSmallMTU(t *testing.T) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("[::1]:0"), Sockets: 1})
	if err != nil {
		t.Fatalf("the test needs IPv6 on loopback: %v", err)
	}
	defer e.Close()
	// The loopback's MTU is large, so the socket says that it will not go beyond 1280; single packets are
	// fragmented.
	if err := unix.SetsockoptInt(e.sockets[0].fd, unix.IPPROTO_IPV6, unix.IPV6_MTU, 1280); err != nil {
		t.Fatal(err)
	}
	to, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	narrow, w := wiredPeer(t, e, addrOf(to))
	wide, _ := wiredPeer(t, e, addrOf(to))
	wide.writer, wide.lane = w, w.assign()
	round := func() {
		t.Helper()
		for _, p := range []*Peer{wide, narrow, wide} {
			for i := range 4 {
				p.sequences = nil
				p.SendRTP(header(uint16(i)), bytes.Repeat([]byte{1}, map[*Peer]int{wide: 500, narrow: 1300}[p]))
			}
		}
		w.Flush()
		for range 12 {
			readPacket(t, to)
		}
	}
	round()
	round()
	if s := e.Stats(); s.PacketsOut != 24 || s.Drops[DropSendFailed] != 0 {
		t.Errorf("%d packets sent, %d refused", s.PacketsOut, s.Drops[DropSendFailed])
	}
	if !narrow.dest.noGSO.Load() || wide.dest.noGSO.Load() || given(e) != 0 {
		t.Errorf("without segmentation: narrow path %v, wide path %v, %d sockets", narrow.dest.noGSO.Load(), wide.dest.noGSO.Load(), given(e))
	}
}

// TestGSOIsTriedAgain: a path's MTU may grow.
func TestGSOIsTriedAgain(t *testing.T) {
	pt, at := new(path), time.Unix(1000, 0)
	for _, c := range []struct {
		refused bool
		after   time.Duration
		want    bool
	}{{true, 0, true}, {false, retryGSO - time.Second, true}, {false, time.Second, false}, {true, time.Second, true}, {false, time.Second, true}} {
		if c.refused {
			pt.noGSO.Store(true)
		}
		at = at.Add(c.after)
		pt.tickLocked(at)
		if got := pt.noGSO.Load(); got != c.want {
			t.Errorf("at %v: without segmentation %v, want %v", at, got, c.want)
		}
	}
}

// TestGSORefused: a socket without UDP checksums refuses segmentation with EINVAL; all packets arrive
// nevertheless.
func TestGSORefused(t *testing.T) {
	e := start(t, Options{})
	for _, s := range e.sockets {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Fatal(err)
		}
	}
	checkBurst(t, e, func(int) int { return 1000 })
}

// TestGSOIsGivenUp: UDP-Lite, for which the kernel answers EIO, stands for a way out that cannot segment.
func TestGSOIsGivenUp(t *testing.T) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, s := range e.sockets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)
		if err != nil {
			t.Fatalf("the test needs a kernel with UDP-Lite: %v", err)
		}
		if err := unix.Dup3(fd, s.fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
	p, w := wiredPeer(t, e, netip.MustParseAddrPort("127.0.0.1:9"))
	for i := range 8 {
		p.SendRTP(header(uint16(i)), make([]byte, 500))
	}
	w.Flush()
	if s := e.Stats(); given(e) != 1 || s.PacketsOut != 8 {
		t.Errorf("given up on %d sockets, want the one that was used; %d packets sent, %v", given(e), s.PacketsOut, s.Drops)
	}
}

// TestAnIdleBatchKeepsNobody: what the pool holds must not keep closed peers in memory.
func TestAnIdleBatchKeepsNobody(t *testing.T) {
	e := start(t, Options{})
	p, w := wiredPeer(t, e, addrOf(sink(t)))
	for i := range 5 {
		p.SendRTP(header(uint16(i)), make([]byte, 100*i))
	}
	batch := w.lanes[0].batch
	batch.flush(w.lanes[0].sock, &e.count)
	for i := range batch.hdrs {
		if batch.hdrs[i].hdr.Name != nil || batch.paths[i] != nil {
			t.Fatalf("message %d still names a path", i)
		}
	}
}
