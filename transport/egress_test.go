package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// srtpPair makes a sending and a receiving context of the same keys.
func srtpPair(t testing.TB) (send, recv *srtp.Context) {
	t.Helper()
	key, salt := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 12)
	profile := srtp.ProtectionProfileAeadAes128Gcm
	return must(srtp.CreateContext(key, salt, profile)), must(srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(64)))
}

// wiredPeer makes a peer that sends to an address without a handshake.
func wiredPeer(t testing.TB, e *Endpoint, to netip.AddrPort) (*Peer, *Writer) {
	t.Helper()
	w := e.NewWriter()
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: w, Events: newWitness()})
	if err != nil {
		t.Fatal(err)
	}
	send, _ := srtpPair(t)
	p.lane.setOut(p, send)
	p.lane.setDest(p, newPath(p, origin{addr: addrFrom(to), sock: p.lane.sock}))
	return p, w
}

func header(seq uint16) []byte {
	h := rtp.Header{Version: 2, PayloadType: 96, SSRC: 4711, SequenceNumber: seq}
	return must(h.Marshal())
}

// sink is a socket that media is sent to.
func sink(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func readPacket(t testing.TB, c *net.UDPConn) []byte {
	t.Helper()
	b := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// readWaiting returns a packet that has come already, or nil. A deadline would not do: once it has passed,
// Read fails without a look at what has come.
func readWaiting(t testing.TB, c *net.UDPConn) []byte {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b, n := make([]byte, 2000), 0
	var failed error
	err = raw.Control(func(fd uintptr) { n, _, failed = unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT) })
	switch {
	case err != nil:
		t.Fatal(err)
	case errors.Is(failed, unix.EAGAIN):
		return nil
	case failed != nil:
		t.Fatal(failed)
	}
	return b[:n]
}

// checkBurst sends bursts of packets to two receivers and opens what arrives.
func checkBurst(t *testing.T, e *Endpoint, sizes func(i int) int) {
	t.Helper()
	a, b := sink(t), sink(t)
	pa, w := wiredPeer(t, e, addrOf(a))
	pb, _ := wiredPeer(t, e, addrOf(b))
	pb.writer, pb.lane = w, w.assign()
	const n = 200
	for i := range n {
		for _, p := range []*Peer{pa, pb} {
			if i%10 == 0 && p == pb {
				continue // so that runs end
			}
			p.SendRTP(header(uint16(i)), bytes.Repeat([]byte{byte(i)}, sizes(i)))
		}
	}
	for i := range n {
		pa.SendRTP(header(uint16(n+i)), bytes.Repeat([]byte{byte(i)}, sizes(i)))
	}
	w.Flush()
	_, open := srtpPair(t)
	for i := range 2 * n {
		plain, err := open.DecryptRTP(nil, readPacket(t, a), nil)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if seq := binary.BigEndian.Uint16(plain[2:]); int(seq) != i || len(plain) != 12+sizes(i%n) || plain[12] != byte(i%n) {
			t.Fatalf("packet %d: sequence number %d, %d bytes", i, seq, len(plain))
		}
	}
	if got := e.Stats().PacketsOut; got != 2*n+n*9/10 {
		t.Errorf("%d packets counted", got)
	}
}

func TestBursts(t *testing.T) {
	for name, o := range map[string]Options{"gso": {}, "without gso": {NoGSO: true}} {
		for kind, sizes := range map[string]func(int) int{
			"equal":  func(int) int { return 1100 },
			"mixed":  func(i int) int { return 100 + i%7*100 },
			"shrink": func(i int) int { return 1100 - i%4/3*500 },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				e := start(t, o)
				checkBurst(t, e, sizes)
				if e.sockets[0].gso.Load() == o.NoGSO {
					t.Error("segmentation offload is not what was asked for")
				}
			})
		}
	}
}

func TestPackRuns(t *testing.T) {
	a, b := &path{}, &path{}
	for _, c := range []struct {
		name string
		to   []*path
		lens []int
		want []int // packets of each message
	}{
		{"one", []*path{a}, []int{10}, []int{1}},
		{"equal", []*path{a, a, a}, []int{10, 10, 10}, []int{3}},
		{"last is shorter", []*path{a, a, a, a}, []int{10, 10, 4, 4}, []int{3, 1}},
		{"longer", []*path{a, a}, []int{10, 11}, []int{1, 1}},
		{"two paths", []*path{a, b, b, a}, []int{10, 10, 10, 10}, []int{1, 2, 1}},
		{"revoked", []*path{a, nil, a, nil}, []int{10, 10, 10, 10}, []int{1, 1}},
		{"all revoked", []*path{nil, nil}, []int{10, 10}, nil},
	} {
		e := newEgress()
		for i := range c.to {
			e.commit(c.to[i], c.lens[i])
		}
		var got []int
		for i := range e.pack(0, true) {
			got = append(got, int(e.hdrs[i].hdr.Iovlen))
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}

// TestQueuedIsTakenBack: what is queued at the moment of Close is not sent; what is queued for others is.
func TestQueuedIsTakenBack(t *testing.T) {
	e := start(t, Options{})
	a, b := sink(t), sink(t)
	pa, w := wiredPeer(t, e, addrOf(a))
	pb, _ := wiredPeer(t, e, addrOf(b))
	pb.writer, pb.lane = w, w.assign()
	for i := range uint16(6) {
		pa.SendRTP(header(i), []byte("taken back"))
		pb.SendRTP(header(i), []byte("sent"))
	}
	if err := pa.Close(); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	for range 6 {
		readPacket(t, b)
	}
	if got := e.Stats().PacketsOut; got != 6 {
		t.Errorf("%d packets sent, want 6", got)
	}
}

// TestNothingAfterClose: a room that goes on sending to a closed peer sends nothing.
func TestNothingAfterClose(t *testing.T) {
	e := start(t, Options{})
	c := sink(t)
	p, w := wiredPeer(t, e, addrOf(c))
	var sending sync.WaitGroup
	stop := make(chan struct{})
	sending.Go(func() {
		for i := uint16(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				p.SendRTP(header(i), []byte("x"))
				if i%5 == 0 {
					w.Flush()
				}
			}
		}
	})
	readPacket(t, c)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	marker := []byte("marker") // datagrams of one socket to one address stay in order
	var sa rawSockaddr
	n := addrFrom(addrOf(c)).sockaddr(false, &sa)
	if err := w.lanes[0].sock.sendTo(marker, &sa, n, nil); err != nil {
		t.Fatal(err)
	}
	dropped := e.Stats().Drops[DropNotConnected]
	eventually(t, "the room goes on sending", func() bool { return e.Stats().Drops[DropNotConnected] > dropped+1000 })
	close(stop)
	sending.Wait()
	w.Flush()
	for !bytes.Equal(readPacket(t, c), marker) {
	}
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a packet after Close (%v)", err)
	}
}

func TestSendRefusals(t *testing.T) {
	e := start(t, Options{})
	p, w := wiredPeer(t, e, addrOf(sink(t)))
	p.SendRTP(header(1), make([]byte, slotSize))
	p.SendRTP([]byte{1, 2, 3}, nil)
	p.SendRTCP([]byte{1})
	w.Flush()
	if s := e.Stats(); s.Drops[DropSealFailed] != 3 || s.PacketsOut != 0 {
		t.Errorf("%d refused, %d sent", s.Drops[DropSealFailed], s.PacketsOut)
	}
	q, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: w, Events: newWitness()})
	if err != nil {
		t.Fatal(err)
	}
	q.SendRTP(header(1), []byte("x"))
	q.SendRTCP(make([]byte, 8))
	if got := e.Stats().Drops[DropNotConnected]; got != 2 {
		t.Errorf("%d dropped before the connection", got)
	}
}
