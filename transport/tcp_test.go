package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/sys/unix"

	"parlor/packet"
)

func frame(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func TestReadFrame(t *testing.T) {
	big := make([]byte, 3000)
	stream := bytes.Join([][]byte{frame([]byte("one")), frame(nil), frame(big), frame([]byte("two")), {0, 9, 1}}, nil)
	r := bufio.NewReaderSize(bytes.NewReader(stream), 4096)
	dst := make([]byte, packet.Size)
	for i, want := range []struct {
		text string
		cut  bool
	}{{"one", false}, {"", false}, {"", true}, {"two", false}} {
		n, cut, err := readFrame(r, dst)
		if err != nil || cut != want.cut || !cut && string(dst[:n]) != want.text {
			t.Fatalf("frame %d: %q, cut %v, %v", i, dst[:n], cut, err)
		}
	}
	if frameBuffered(r) {
		t.Error("an unfinished frame counts as here")
	}
	if _, _, err := readFrame(r, dst); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("unfinished frame: %v", err)
	}
}

func dialTCP(t testing.TB, e *Endpoint) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(e.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ended waits for the node to close a connection.
func ended(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestTCPStrangers(t *testing.T) {
	e := start(t, Options{Limits: Limits{TCPStrangers: 2}, Timers: Timers{Stranger: 300 * time.Millisecond}})
	a, b := dialTCP(t, e), dialTCP(t, e)
	if _, err := a.Write(frame([]byte("rubbish"))); err != nil {
		t.Fatal(err)
	}
	if !ended(a) || !ended(b) {
		t.Error("strangers may stay")
	}
	eventually(t, "nothing is left", func() bool {
		e.tcp.mu.Lock()
		defer e.tcp.mu.Unlock()
		return len(e.tcp.conns) == 0 && len(e.tcp.strangers) == 0
	})
	eventually(t, "who has said something counts", func() bool { return e.Stats().Drops[DropTCPLimit] == 1 })
}

// TestWhoSaysNothingIsRefusedNothing: browsers open a TCP connection for each candidate, and if UDP works
// they send nothing on it.
func TestWhoSaysNothingIsRefusedNothing(t *testing.T) {
	e := start(t, Options{Timers: Timers{Stranger: 300 * time.Millisecond}})
	late, left := dialTCP(t, e), dialTCP(t, e)
	eventually(t, "both are in", func() bool { return e.Stats().TCPConns == 2 })
	_ = left.Close()
	if !ended(late) {
		t.Error("who says nothing may stay")
	}
	eventually(t, "both are gone", func() bool { return e.Stats().TCPConns == 0 })
	_ = e.Close() // waits for those who count
	if n := e.Stats().Drops[DropTCPLimit]; n != 0 {
		t.Errorf("%d count as refused", n)
	}
}

// from connects from another address of the loopback.
func from(t testing.TB, e *Endpoint, ip string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(ip)}, net.TCPAddrFromAddrPort(e.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// greet makes a connection known by a valid check, and the path proven by an answer to the node's.
func greet(t testing.TB, c net.Conn, cr *credential) {
	t.Helper()
	if _, err := c.Write(frame(checkOf(t, cr))); err != nil {
		t.Fatal(err)
	}
	for asked := (*stun.Message)(nil); asked == nil; {
		var size [frameHeader]byte
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(c, size[:]); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		if asked = requestOf(b); asked != nil {
			if _, err := c.Write(frame(responseTo(t, asked, cr))); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.SetReadDeadline(time.Time{})
	p := cr.peer
	eventually(t, "nomination", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.ice.nominated != nil })
}

// TestTheOldestStrangerMakesRoom: who keeps connections open without a word keeps nobody out.
func TestTheOldestStrangerMakesRoom(t *testing.T) {
	e := start(t, Options{Limits: Limits{TCPStrangers: 3, TCPStrangersPerIP: 2}})
	_, cr, _ := offered(t, e)
	in := func(n int) {
		eventually(t, "connections", func() bool { return e.Stats().TCPConns == n })
	}
	known := from(t, e, "127.0.0.1")
	greet(t, known, cr)
	a := from(t, e, "127.0.0.2")
	in(2)
	b := from(t, e, "127.0.0.3")
	in(3)
	c := from(t, e, "127.0.0.3")
	in(4)
	from(t, e, "127.0.0.3") // one too many of its address: b goes, though a is older
	if !ended(b) {
		t.Error("the oldest of the same address stays")
	}
	in(4)
	from(t, e, "127.0.0.4") // one too many altogether
	if !ended(a) {
		t.Error("the oldest of all stays")
	}
	in(4)
	_ = c.SetReadDeadline(time.Now())
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("another one went: %v", err)
	}
	if err := known.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := known.Write(frame(checkOf(t, cr))); err != nil {
		t.Error("a known connection went")
	}
	eventually(t, "both are counted", func() bool { return e.Stats().Drops[DropTCPLimit] == 2 })
}

// TestTCPOneOwner: a connection that belongs to one peer cannot be used to check for another.
func TestTCPOneOwner(t *testing.T) {
	e := start(t, Options{})
	_, a, _ := offered(t, e)
	_, b, _ := offered(t, e)
	c := dialTCP(t, e)
	check := func(cr *credential) []byte {
		return frame(build(t, stun.NewUsername(cr.ufrag+":x"), useCandidate{}, cr.key, stun.Fingerprint).Raw)
	}
	if _, err := c.Write(append(check(a), check(b)...)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second peer's check is refused", func() bool { return e.Stats().Drops[DropSTUNAddressTaken] == 1 })
	if e.Stats().ChecksIn != 1 {
		t.Errorf("%d checks accepted", e.Stats().ChecksIn)
	}
	c.Close()
	eventually(t, "the path is forgotten", func() bool {
		a.peer.mu.Lock()
		defer a.peer.mu.Unlock()
		return len(a.peer.ice.paths) == 0 && e.Stats().TCPConns == 0
	})
}

// TestConnectionEndsUnderPeer: the loss is told at once, and so is that the client is back.
func TestConnectionEndsUnderPeer(t *testing.T) {
	e := start(t, Options{})
	k := dial(t, e, clientOptions{setting: tcp4})
	k.checkDown(1, 5)
	_ = k.nominated().tcp.nc.Close() // as far as the node can tell, the client might have done it
	began := time.Now()
	if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrConsent) {
		t.Fatalf("lost by %v", err)
	}
	if took := time.Since(began); took > e.o.Timers.Consent/4 {
		t.Errorf("told after %v", took)
	}
	k.sendDown(6, 10)
	if got := e.Stats().Drops[DropNotConnected]; got != 10 {
		t.Errorf("%d of 10 packets dropped after the loss", got)
	}
	c := dialTCP(t, e)
	greet(t, c, k.peer.credentialInUse())
	wait(t, "PeerConnected again", k.seen.connected)
	k.sendDown(16, 1)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	r, b := bufio.NewReader(c), make([]byte, packet.Size)
	for classify(b) != classRTP {
		if _, _, err := readFrame(r, b); err != nil {
			t.Fatalf("nothing is sent on the new connection: %v", err)
		}
	}
	select {
	case err := <-k.seen.lost:
		t.Errorf("lost once more: %v", err)
	default:
	}
}

// stuck makes a peer whose client has connected over TCP and reads nothing.
func stuck(t *testing.T, e *Endpoint, window int) (*Peer, *net.TCPConn) {
	t.Helper()
	p, cr, _ := offered(t, e)
	c := dialTCP(t, e)
	_ = c.SetReadBuffer(window)
	greet(t, c, cr)
	send, _ := srtpPair(t)
	p.lane.setOut(p, send)
	p.mu.Lock()
	p.lane.setDest(p, p.ice.nominated)
	p.mu.Unlock()
	return p, c
}

// TestNothingAfterCloseOverTCP: what the kernel has not got when Close begins is not sent, but for the end of
// a packet.
func TestNothingAfterCloseOverTCP(t *testing.T) {
	e := start(t, Options{})
	p, c := stuck(t, e, 1<<20)
	raw := must(p.ice.nominated.tcp.nc.(*net.TCPConn).SyscallConn())
	taken := func() (n int) { // by the kernel
		if err := raw.Control(func(fd uintptr) {
			n = must(unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)) + int(must(unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)).Bytes_acked)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	seq, last, same := uint16(0), 0, 0
	eventually(t, "the kernel takes no more", func() bool {
		for range 100 {
			seq++
			p.SendRTP(header(seq), make([]byte, 1000+seq%100))
		}
		time.Sleep(30 * time.Millisecond) // the writer and the kernel's timers may be slower than this loop
		now := taken()
		if same++; now != last {
			last, same = now, 0
		}
		return same == 3
	})
	before := taken()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	r, got := bufio.NewReader(c), 0
	for b := make([]byte, packet.Size); ; {
		n, _, err := readFrame(r, b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		got += frameHeader + n
	}
	if got < before || got > before+packet.Size {
		t.Errorf("%d bytes sent, %d when Close began", got, before)
	}
}

// TestSlowTCPReader: a client that does not read has its packets dropped and counted, and is cut off; others
// do not wait.
func TestSlowTCPReader(t *testing.T) {
	e := start(t, Options{Limits: Limits{TCPQueue: 20000}, Timers: Timers{TCPWrite: 500 * time.Millisecond}})
	p, _ := stuck(t, e, 4096)
	began := time.Now()
	for i := range 20000 {
		p.SendRTP(header(uint16(i)), make([]byte, 1100))
	}
	p.writer.Flush()
	if took := time.Since(began); took > patience {
		t.Errorf("sending blocked for %v", took)
	}
	if e.Stats().Drops[DropSlowReader] == 0 {
		t.Error("nothing was dropped")
	}
	eventually(t, "the connection is closed when more comes than the kernel takes", func() bool {
		for i := range 500 {
			p.SendRTP(header(uint16(20000+i)), make([]byte, 1100))
		}
		return e.Stats().TCPConns == 0
	})
}
