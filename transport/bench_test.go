package transport

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"

	"parlor/packet"
)

// cpu reports the processor time of the process per op, which holds on a busy machine too. Call it before the
// loop, and what it returns after it.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// drained is a socket whose packets the kernel drops, so that only sending is measured.
func drained(t testing.TB) netip.AddrPort {
	// It is not in the poller, which would wake for each packet.
	s, err := openSocket(netip.MustParseAddrPort("127.0.0.1:0"), false, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop}); err != nil {
		t.Fatal(err)
	}
	port, err := s.port()
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
}

// fanOut sends one packet to every peer and flushes, as a room does for each batch.
func fanOut(peers []*Peer, w *Writer, head, payload []byte, seq uint16) {
	binary.BigEndian.PutUint16(head[2:], seq)
	for _, p := range peers {
		p.SendRTP(head, payload)
	}
	w.Flush()
}

func room(t testing.TB, e *Endpoint, n int) ([]*Peer, *Writer) {
	var peers []*Peer
	w := e.NewWriter()
	for range n {
		p, _ := wiredPeer(t, e, drained(t))
		p.dest.sock = w.lanes[0].sock
		p.writer, p.lane = w, w.assign()
		peers = append(peers, p)
	}
	return peers, w
}

// BenchmarkSend seals 1200-byte packets for 50 peers and sends them by sendmmsg; ns/op is per packet.
func BenchmarkSend(b *testing.B) {
	peers, w := room(b, start(b, Options{}), 50)
	head, payload := header(0), make([]byte, 1188)
	b.ReportAllocs()
	seq := uint16(0)
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%50 == 0 {
			seq++
			fanOut(peers, w, head, payload, seq)
		}
	}
}

// BenchmarkSendRuns is the same with four packets in a row to each peer, so that segmentation offload has
// something to do.
func BenchmarkSendRuns(b *testing.B) {
	peers, w := room(b, start(b, Options{}), 50)
	head, payload := header(0), make([]byte, 1188)
	b.ReportAllocs()
	seq := uint16(0)
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%200 != 0 {
			continue
		}
		for _, p := range peers {
			for k := range uint16(4) {
				binary.BigEndian.PutUint16(head[2:], seq+k)
				p.SendRTP(head, payload)
			}
		}
		seq += 4
		w.Flush()
	}
}

// BenchmarkSealOnly is the sealing alone, without the system call.
func BenchmarkSealOnly(b *testing.B) {
	p, w := wiredPeer(b, start(b, Options{}), drained(b))
	head, payload := header(0), make([]byte, 1188)
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint16(head[2:], uint16(i))
		p.SendRTP(head, payload)
		if w.lanes[0].batch != nil {
			w.lanes[0].batch.n = 0
		}
	}
}

// receiveBench feeds sealed packets to an ingress as a reader does.
type receiveBench struct {
	in    *ingress
	send  *srtp.Context
	plain []byte
	from  addr
	seq   uint16
	n     int
	got   int
	at    time.Time
}

type countingBox struct{ n *int }

func (c *countingBox) Deliver(b *packet.Batch) { *c.n += len(b.Items); b.Release() }

func newReceiveBench(t testing.TB, n int) *receiveBench {
	e := start(t, Options{Sockets: 1})
	b := &receiveBench{n: n, from: addrFrom(netip.MustParseAddrPort("127.0.0.1:9")), at: time.Now()}
	p, err := e.NewPeer(PeerOptions{Inbox: &countingBox{&b.got}, Writer: e.NewWriter(), Events: newWitness()})
	if err != nil {
		t.Fatal(err)
	}
	b.send, p.rx.ctx = srtpPair(t)
	p.rx.ssrcs = map[uint32]*source{}
	e.table.addPath(newPath(p, origin{addr: b.from, sock: e.sockets[0]}), 0)
	b.in = &ingress{ep: e, sock: e.sockets[0], errors: new(tokens), arrivals: make([]arrival, batchLen)}
	b.plain = append(header(0), make([]byte, 1188)...)
	return b
}

func (b *receiveBench) round() {
	for i := range b.n {
		buf := packet.Get()
		b.seq++
		binary.BigEndian.PutUint16(b.plain[2:], b.seq)
		var err error
		if buf.B, err = b.send.EncryptRTP(buf.B, b.plain, &b.in.scratch.rtp); err != nil {
			panic(err)
		}
		b.in.arrivals[i] = arrival{buf: buf, from: b.from}
	}
	b.in.process(b.n, b.at)
}

// BenchmarkReceive seals (the client's work) and opens, sorts and delivers 64 packets a read; ns/op is per
// packet. Sealing alone is BenchmarkSealOnly.
func BenchmarkReceive(b *testing.B) {
	r := newReceiveBench(b, 64)
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%64 == 0 {
			r.round()
		}
	}
}

// BenchmarkCheck answers a connectivity check.
func BenchmarkCheck(b *testing.B) {
	e := start(b, Options{Sockets: 1})
	_, c, _ := offered(b, e)
	m := checkOf(b, c)
	in := &ingress{ep: e, sock: e.sockets[0], errors: new(tokens)}
	from := origin{addr: addrFrom(drained(b)), sock: e.sockets[0]}
	at := time.Now()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		in.takeSTUN(m, from, at)
	}
}
