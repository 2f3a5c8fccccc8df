package sfu

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session/remote"
)

// pipes is a listener whose connections a test makes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p pipes) dial() net.Conn {
	here, there := net.Pipe()
	p <- there
	return here
}

// TestClientsAreNotWaitedForForEver: one that does not finish its headers or its body, does not read its
// answer, or sends nothing more has its connection closed.
func TestClientsAreNotWaitedForForEver(t *testing.T) {
	for name, c := range map[string]struct {
		send    string
		answers bool // the client reads one answer first
		deaf    bool // it reads nothing
		want    time.Duration
	}{
		"nothing at all":   {want: headerTime},
		"half a header":    {send: "GET / HTTP/1.1\r\nHost:", want: headerTime},
		"half a body":      {send: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc", want: requestTime},
		"no other request": {send: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", answers: true, want: idleTime},
		"no reader":        {send: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", deaf: true, want: answerTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := make(pipes)
				ended := make(chan struct{}, 10)
				server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err == nil {
						_, _ = w.Write(make([]byte, 1<<20))
					}
					ended <- struct{}{}
				}), zerolog.Nop())
				go func() { _ = server.Serve(l) }()
				defer server.Close()
				defer close(l)
				conn := l.dial()
				defer conn.Close()
				began := time.Now()
				_, err := io.WriteString(conn, c.send)
				require.NoError(t, err)
				r := bufio.NewReader(conn)
				switch {
				case c.deaf:
					<-ended
				case c.answers:
					res, err := http.ReadResponse(r, nil)
					require.NoError(t, err)
					_, err = io.Copy(io.Discard, res.Body)
					require.NoError(t, err)
					fallthrough
				default:
					_, err = io.Copy(io.Discard, r)
					require.NoError(t, err)
				}
				require.InDelta(t, c.want.Seconds(), time.Since(began).Seconds(), 1)
			})
		})
	}
}

// TestPagesBehindAProxy: the node's own pages are those of the scheme and the host by which clients come, as
// a trusted proxy says.
func TestPagesBehindAProxy(t *testing.T) {
	for name, c := range map[string]struct {
		from, proto, host string
		origin            string
		own               bool
		forwarded         string // instead, of a proxy that writes that header
	}{
		"no proxy":                      {"192.0.2.1", "", "", "http://node:8080", true, ""},
		"its scheme":                    {"10.0.0.5", "https", "", "https://node:8080", true, ""},
		"another scheme than it says":   {"10.0.0.5", "https", "", "http://node:8080", false, ""},
		"its host":                      {"10.0.0.5", "https", "app.example", "https://app.example", true, ""},
		"the host within":               {"10.0.0.5", "https", "app.example", "https://node:8080", false, ""},
		"a stranger's host":             {"192.0.2.1", "https", "evil.example", "https://evil.example", false, ""},
		"a stranger cannot forbid HTTP": {"192.0.2.1", "https", "", "http://node:8080", true, ""},

		"Forwarded":                       {"10.0.0.5", "", "", "https://app.example", true, "for=192.0.2.1;proto=https;host=app.example"},
		"Forwarded, another scheme":       {"10.0.0.5", "", "", "http://app.example", false, "for=192.0.2.1;proto=https;host=app.example"},
		"Forwarded, HTTP":                 {"10.0.0.5", "", "", "http://app.example:81", true, `for=192.0.2.1;Host="app.example:81";proto=http`},
		"Forwarded, the host within":      {"10.0.0.5", "", "", "https://node:8080", false, "host=app.example"},
		"Forwarded, no host":              {"10.0.0.5", "", "", "https://node:8080", true, "for=192.0.2.1;proto=https"},
		"Forwarded of a stranger":         {"192.0.2.1", "", "", "https://evil.example", false, "host=evil.example"},
		"what a client wrote before it":   {"10.0.0.5", "", "", "https://evil.example", false, "host=evil.example, for=192.0.2.1;host=app.example"},
		"X-Forwarded-Host beside it":      {"10.0.0.5", "", "evil.example", "https://evil.example", false, "for=192.0.2.1;host=app.example"},
		"X-Forwarded-Proto does not bind": {"10.0.0.5", "https", "", "http://app.example", true, "for=192.0.2.1;proto=http;host=app.example"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://node:8080/rtc", nil)
		r.RemoteAddr = c.from + ":4000"
		for header, value := range map[string]string{"X-Forwarded-Proto": c.proto, "X-Forwarded-Host": c.host} {
			if value != "" {
				r.Header.Set(header, value)
			}
		}
		if c.forwarded != "" {
			r.Header.Set("Forwarded", c.forwarded)
		}
		own := false
		p := remote.Proxies{Forwarded: c.forwarded != "", Networks: remote.Networks{netip.MustParsePrefix("10.0.0.0/8")}}
		p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { own = new(surface).own(r, c.origin) })).
			ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, c.own, own, name)
	}
}
