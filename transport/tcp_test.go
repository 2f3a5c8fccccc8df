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
	eventually(t, "both are in", func() bool { return e.Stats().TCPConns == 2 })
	if c := dialTCP(t, e); !ended(c) {
		t.Error("a third stranger was let in")
	}
	if e.Stats().Drops[DropTCPLimit] != 1 {
		t.Errorf("%d counted", e.Stats().Drops[DropTCPLimit])
	}
	if _, err := a.Write(frame([]byte("rubbish"))); err != nil {
		t.Fatal(err)
	}
	if !ended(a) || !ended(b) {
		t.Error("strangers may stay")
	}
	eventually(t, "nothing is left", func() bool {
		e.tcp.mu.Lock()
		defer e.tcp.mu.Unlock()
		return len(e.tcp.conns) == 0 && e.tcp.strangers == 0
	})
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

// TestSlowTCPReader: a client that does not read has its packets dropped and counted, and is cut off; others do not wait.
func TestSlowTCPReader(t *testing.T) {
	e := start(t, Options{Limits: Limits{TCPQueue: 20000}, Timers: Timers{TCPWrite: 500 * time.Millisecond}})
	p, cr, _ := offered(t, e)
	c := dialTCP(t, e)
	_ = c.SetReadBuffer(4096)
	if _, err := c.Write(frame(build(t, stun.NewUsername(cr.ufrag+":x"), useCandidate{}, cr.key, stun.Fingerprint).Raw)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nomination", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.ice.nominated != nil })
	send, _ := srtpPair(t)
	p.writer.setOut(p, send)
	p.mu.Lock()
	p.writer.setDest(p, p.ice.nominated)
	p.mu.Unlock()
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
