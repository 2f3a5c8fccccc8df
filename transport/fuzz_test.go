package transport

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"parlor/packet"
)

func FuzzClassify(f *testing.F) {
	for _, b := range [][]byte{nil, {0}, {0, 1}, {22, 254}, {128, 96}, {128, 200}, {191, 223}, {64, 0}, {255, 255}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := classify(b)
		if c > classRTCP {
			t.Fatalf("class %d", c)
		}
		if c == classRTCP && (b[0]>>6 != 2 || b[1] < 192) || c == classSTUN && b[0]>>6 != 0 {
			t.Fatalf("% x is class %d", b[:2], c)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frame([]byte("hello")))
	f.Add(append(frame(make([]byte, 3000)), frame([]byte{1})...))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 64)
		dst := make([]byte, packet.Size)
		read := 0
		for {
			n, cut, err := readFrame(r, dst)
			if err != nil {
				return
			}
			if n > len(dst) && !cut {
				t.Fatal("larger than the buffer")
			}
			if read += frameHeader + n; read > len(b) {
				t.Fatal("more read than there is")
			}
			frameBuffered(r)
		}
	})
}

func FuzzCheckRecords(f *testing.F) {
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, false, true, true)
	f.Add([]byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1}, true, false, true)
	f.Add([]byte{20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0}, true, true, false)
	f.Fuzz(func(t *testing.T, b []byte, established, plain, data bool) {
		r, ok := filterRecords(b, recordRules{established: established, plain: plain, data: data})
		if r.data && !data {
			t.Fatal("application data that was not negotiated")
		}
		if ok && len(b) > 4 && b[0] == recordAlert && b[4] == 0 {
			t.Fatal("a plaintext alert")
		}
	})
}

// FuzzCollectHello feeds fragments of ClientHellos, two datagrams of the same bytes with different ends.
func FuzzCollectHello(f *testing.F) {
	whole := helloBody(1)
	f.Add(dtlsRecord(recordHandshake, 0, whole...), []byte{1})
	f.Add(dtlsRecord(recordHandshake, 0, append(handshakePart(300, 280, 20), make([]byte, 20)...)...), []byte{})
	f.Fuzz(func(t *testing.T, b, tail []byte) {
		var s hellos
		defer s.clear()
		for _, d := range [][]byte{b, append(bytes.Clone(b), tail...)} {
			if len(d) > packet.Size {
				return
			}
			if r, ok := filterRecords(d, recordRules{first: true}); !ok || !r.hello {
				continue
			}
			buf := bufferOf(d)
			h, ok := s.collect(buf)
			buf.Release()
			if h != nil && (!ok || !wellFormed(h.body) || h.missing != 0) {
				t.Fatal("a ClientHello that is not whole")
			}
			if h != nil {
				h.release()
			}
			if len(s.list) > maxPieces {
				t.Fatal("too many parts are kept")
			}
		}
	})
}

// FuzzCheck feeds the STUN entry. Whatever comes, only a check with the right password may be accepted.
func FuzzCheck(f *testing.F) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	p, err := e.NewPeer(PeerOptions{Inbox: newBox(), Writer: e.NewWriter(), Events: newWitness()})
	if err != nil {
		f.Fatal(err)
	}
	c := &credential{peer: p, ufrag: "ufrag", key: stun.NewShortTermIntegrity("a password nobody knows"), gen: 1}
	if err := p.registerLocked(c, "remote", ""); err != nil {
		f.Fatal(err)
	}
	user := stun.NewUsername("ufrag:remote")
	for _, s := range [][]stun.Setter{
		{user, stun.NewShortTermIntegrity("wrong"), stun.Fingerprint}, {user, stun.Fingerprint}, {stun.Fingerprint},
		{user, useCandidate{}, stun.RawAttribute{Type: 0x7777, Value: []byte{1}}, stun.Fingerprint}, {user},
	} {
		f.Add(build(f, s...).Raw)
	}
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	f.Add(must(stun.Build(stun.BindingSuccess, stun.TransactionID, stun.NewShortTermIntegrity("wrong"), stun.Fingerprint)).Raw)
	from := origin{addr: addrFrom(netip.MustParseAddrPort("127.0.0.1:9")), sock: e.sockets[0]}
	in := e.readers[0].in
	at := time.Now()
	f.Fuzz(func(t *testing.T, b []byte) {
		in.takeSTUN(b, from, at)
		if e.count.checksIn.Load() != 0 || len(p.ice.paths) != 0 {
			t.Fatal("a check without the password was accepted")
		}
	})
}

// FuzzTCPStream feeds a whole connection's worth of bytes through framing and sorting.
func FuzzTCPStream(f *testing.F) {
	e, err := Listen(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Sockets: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	f.Add(append(frame([]byte{128, 200, 0}), frame([]byte{0, 1, 0, 0})...))
	f.Add(frame(make([]byte, 2000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &tcpConn{t: e.tcp, out: newTCPQueue(new(deadlines))}
		c.in = &ingress{ep: e, tcp: c, errors: &e.tcp.errors, arrivals: make([]arrival, tcpBatch)}
		r := bufio.NewReaderSize(bytes.NewReader(b), 4096)
		for {
			err := c.readBatch(r)
			if err == nil {
				continue
			}
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
			return
		}
	})
}
