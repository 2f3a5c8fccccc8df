package tlsport_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/transport/certtest"
	"parlor/transport/tlsport"
)

// port is a Port on loopback whose TURN side says "turn" to whoever comes, and whose HTTP side answers what
// r.TLS holds.
type port struct {
	*tlsport.Port
	addr   string
	client *tls.Config
}

func start(t testing.TB, within time.Duration) *port {
	t.Helper()
	authority := certtest.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "127.0.0.1")}, NextProtos: []string{"http/1.1", tlsport.ALPN}}
	p := &port{tlsport.New(tls.NewListener(l, config), within), l.Addr().String(), &tls.Config{RootCAs: authority.Pool()}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, "http "+r.URL.Path)
	})}
	go func() { _ = server.Serve(p.HTTP()) }()
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for {
			c, err := p.TURN().Accept()
			if err != nil {
				return
			}
			go func() {
				first := make([]byte, 4)
				if _, err := io.ReadFull(c, first); err == nil {
					_, _ = c.Write(append([]byte("turn "), first...))
				}
				_ = c.Close()
			}()
		}
	}()
	return p
}

// say opens a connection with ALPN, sends what is given, and returns the answer.
func (p *port) say(t testing.TB, what string, alpn ...string) string {
	t.Helper()
	config := p.client.Clone()
	config.NextProtos = alpn
	c, err := tls.Dial("tcp", p.addr, config)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, what)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	answer := make([]byte, 9)
	n, _ := io.ReadFull(c, answer)
	return string(answer[:n])
}

func TestConnectionsGoWhereTheyBelong(t *testing.T) {
	p := start(t, 5*time.Second)
	const stun = "\x00\x03\x00\x00"
	const get = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		what, says, answer string
		alpn               []string
	}{
		{"TURN of browsers, which name nothing", stun, "turn " + stun, nil},
		{"TURN by its name", stun, "turn " + stun, []string{tlsport.ALPN}},
		{"HTTP by its name", get, "HTTP/1.1 ", []string{"http/1.1"}},
		{"a browser that would take HTTP/2", get, "HTTP/1.1 ", []string{"h2", "http/1.1"}},
		{"HTTP without a name", get, "HTTP/1.1 ", nil},
		{"HTTP after an empty line", "\r\n" + get, "HTTP/1.1 ", nil},
		{"STUN under the name of HTTP", stun + "\r\n\r\n", "HTTP/1.1 ", []string{"http/1.1"}},
	} {
		require.Equal(t, c.answer, p.say(t, c.says, c.alpn...), c.what)
	}
}

// TestARequestKnowsItsTLS: also if its client has named nothing.
func TestARequestKnowsItsTLS(t *testing.T) {
	p := start(t, 5*time.Second)
	for _, alpn := range [][]string{nil, {"http/1.1"}} {
		config := p.client.Clone()
		config.NextProtos = alpn
		c, err := tls.Dial("tcp", p.addr, config)
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /path HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, "http /path", string(body))
	}
}

// TestTheSlowHoldNobodyUp: some have not begun the handshake, others say nothing after it. They are hung up on
// in time, and others are served meanwhile.
func TestTheSlowHoldNobodyUp(t *testing.T) {
	const within = 400 * time.Millisecond
	p := start(t, within)
	began := time.Now()
	var slow []net.Conn
	for i := range 20 {
		c, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		defer c.Close()
		if i%2 == 0 {
			secure := tls.Client(c, p.client.Clone())
			go func() { _ = secure.Handshake() }()
		}
		slow = append(slow, c)
	}
	require.Equal(t, "turn \x00\x03\x00\x00", p.say(t, "\x00\x03\x00\x00"))
	require.Less(t, time.Since(began), within, "it waited for the slow ones")
	for i, c := range slow {
		if i%2 == 1 {
			require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}
	}
	require.Eventually(t, func() bool { return p.Unsorted() == 20 }, 10*time.Second, 10*time.Millisecond)
}

func TestPlainHTTPIsToldWhatToDo(t *testing.T) {
	p := start(t, 5*time.Second)
	c, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP request to an HTTPS server")
}

// TestOneSideGoesOnWithoutTheOther: TURN stops before HTTP does.
func TestOneSideGoesOnWithoutTheOther(t *testing.T) {
	p := start(t, 5*time.Second)
	require.NoError(t, p.TURN().Close())
	require.Empty(t, p.say(t, "\x00\x03\x00\x00"))
	require.Equal(t, "HTTP/1.1 ", p.say(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, p.HTTP().Close())
	_, err := p.HTTP().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = tls.Dial("tcp", p.addr, p.client)
	require.Error(t, err)
}
