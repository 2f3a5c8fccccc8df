package turn_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"parlor/transport/certtest"
	"parlor/transport/turn"
)

// cpu reports what the process has used of the CPU since before, for each iteration.
func cpu(b *testing.B, before int64) {
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
}

func used() int64 {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

// BenchmarkTLS is what a packet costs over TLS alone, both ends together: what BenchmarkRelayed has as well.
func BenchmarkTLS(b *testing.B) {
	authority := certtest.New(b)
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority.Issue(b, "127.0.0.1")}})
	require.NoError(b, err)
	defer l.Close()
	packet := make([]byte, 1204)
	began := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil || c.(*tls.Conn).Handshake() != nil {
			return
		}
		began <- used()
		for range b.N {
			_, _ = c.Write(packet)
		}
	}()
	c, err := tls.Dial("tcp4", l.Addr().String(), &tls.Config{RootCAs: authority.Pool()})
	require.NoError(b, err)
	defer c.Close()
	_, err = io.CopyN(io.Discard, c, int64(b.N*len(packet)))
	require.NoError(b, err)
	cpu(b, <-began)
}

// BenchmarkRelayed is what a packet of 1200 bytes costs between the media port and a client over TLS, the
// client's own work included, which is that of BenchmarkTLS.
func BenchmarkRelayed(b *testing.B) {
	way := make(chan net.Conn, 1)
	s, err := turn.New(turn.Options{
		Peers: func() []netip.AddrPort { return []netip.AddrPort{media} },
		Relay: func(c net.Conn, _ netip.AddrPort) bool { way <- c; return true },
	})
	require.NoError(b, err)
	authority := certtest.New(b)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(b, err)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Issue(b, "127.0.0.1")}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, nil, []net.Listener{tls.NewListener(l, config)}) }()
	defer func() { stop(); <-ended }()
	c, err := tls.Dial("tcp4", l.Addr().String(), &tls.Config{RootCAs: authority.Pool()})
	require.NoError(b, err)
	defer c.Close()

	who := &speaker{t: b, conn: c, c: s.Issue("ann")}
	require.Zero(b, who.say(stun.MethodAllocate, overUDP))
	require.Zero(b, who.say(stun.MethodChannelBind, attribute{stun.AttrChannelNumber, []byte{0x40, 0, 0, 0}}, v4(media)))
	const size = 1200
	up := append([]byte{0x40, 0, size >> 8, size & 255}, make([]byte, size)...)
	_, err = c.Write(up)
	require.NoError(b, err)
	node := <-way
	defer node.Close()
	framed := make([]byte, 2+size)
	binary.BigEndian.PutUint16(framed, size)
	read := func(r io.Reader, n int) {
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			b.Error(err)
		}
	}
	read(node, len(framed))

	b.Run("to the client", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		before := used()
		go func() {
			for range b.N {
				_, _ = node.Write(framed)
			}
		}()
		read(c, b.N*len(up))
		cpu(b, before)
	})
	b.Run("from the client", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		before := used()
		go func() {
			for range b.N {
				_, _ = c.Write(up)
			}
		}()
		read(node, b.N*len(framed))
		cpu(b, before)
	})
}
