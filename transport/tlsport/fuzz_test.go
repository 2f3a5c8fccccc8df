package tlsport_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/transport/certtest"
	"parlor/transport/tlsport"
)

// FuzzFirstBytes: whatever a client that names nothing says first comes to one side, whole.
func FuzzFirstBytes(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00\x03\x00\x08!\x12\xa4B", "\x00", "\r\n", "@\x00\x00\x04", "\xff", "PRI * HTTP/2.0"} {
		f.Add([]byte(s))
	}
	authority := certtest.New(f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f, err)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Issue(f, "127.0.0.1")}, NextProtos: []string{"http/1.1"}}
	p := tlsport.New(tls.NewListener(l, config), 5*time.Second)
	f.Cleanup(func() { _ = p.HTTP().Close() })
	came := make(chan struct {
		stun bool
		conn net.Conn
	})
	take := func(from net.Listener, stun bool) {
		for {
			c, err := from.Accept()
			if err != nil {
				return
			}
			came <- struct {
				stun bool
				conn net.Conn
			}{stun, c}
		}
	}
	go take(p.HTTP(), false)
	go take(p.TURN(), true)
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) == 0 || len(said) > 4096 {
			return
		}
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.Pool()})
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write(said)
		require.NoError(t, err)
		got := <-came
		defer got.conn.Close()
		require.Equal(t, said[0] < 0x40 && said[0] != '\r' && said[0] != '\n', got.stun)
		heard := make([]byte, len(said))
		_, err = io.ReadFull(got.conn, heard)
		require.NoError(t, err)
		require.Equal(t, said, heard)
	})
}
