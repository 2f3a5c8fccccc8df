package sfu_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/sfu"
	"parlor/transport/certtest"
)

// dialPage opens a WebSocket as a page of an origin does, and returns the status of the answer.
func dialPage(t *testing.T, n *running, origin, host string) int {
	t.Helper()
	url := "ws" + strings.TrimPrefix(n.Addrs().URL(), "http") + "rtc"
	ws, res, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		Subprotocols: []string{"parlor.v1"}, Host: host, HTTPHeader: http.Header{"Origin": {origin}},
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	})
	if err == nil {
		_ = ws.CloseNow()
	}
	require.NotNil(t, res, "%v", err)
	return res.StatusCode
}

// TestPageOfAnotherLoopbackPort: who develops a page serves it on a port of its own; without keys it may use
// the node, and what may not is told by which setting it may, and logged.
func TestPageOfAnotherLoopbackPort(t *testing.T) {
	var log bytes.Buffer
	n := run(t, free(nil), zerolog.SyncWriter(&log))
	require.Equal(t, http.StatusSwitchingProtocols, dialPage(t, n, "http://localhost:5173", ""))
	require.Equal(t, http.StatusSwitchingProtocols, dialPage(t, n, "http://127.0.0.1:5173", ""))
	for range 3 {
		require.Equal(t, http.StatusForbidden, dialPage(t, n, "https://evil.example", ""))
	}
	res, body := get(t, n.Addrs().URL()+"rtc", func(q *http.Request) { q.Header.Set("Origin", "https://evil.example") })
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, body, "http.origins")
	require.NoError(t, n.stop())
	require.Equal(t, 1, strings.Count(log.String(), "https://evil.example"), "once in a while: %s", log.String())
	require.Contains(t, log.String(), "http.origins")
}

// TestOriginsHaveASchemeOfTheirOwn: a page that came by HTTP can be anybody's on the way, so it is not the
// one that came by HTTPS.
func TestOriginsHaveASchemeOfTheirOwn(t *testing.T) {
	cert, key := certtest.New(t).Files(t, t.TempDir(), "127.0.0.1")
	n := run(t, free(func(c *config.Config) {
		c.Auth.Keys, c.HTTP.Origins = []config.Key{"k:" + secret}, []string{"https://app.example"}
		c.HTTP.TLS = config.TLS{Cert: cert, Key: key}
	}), io.Discard)
	own := n.Addrs().HTTP.String()
	for origin, want := range map[string]int{
		"https://" + own: 101, "http://" + own: 403, "https://app.example": 101, "http://app.example": 403, "https://app.example:444": 403,
		"null": 403, "http://localhost:5173": 403,
	} {
		require.Equal(t, want, dialPage(t, n, origin, ""), origin)
	}
	_, metrics := get(t, n.Addrs().URL()+"metrics", nil)
	require.Contains(t, metrics, `parlor_strangers_refused_total{reason="origin"} 5`)
}

// TestNoHTTP2: one connection is one request at a time, which strangers are bounded by, so a client that
// wants HTTP/2 alone gets none.
func TestNoHTTP2(t *testing.T) {
	cert, key := certtest.New(t).Files(t, t.TempDir(), "127.0.0.1")
	n := run(t, free(func(c *config.Config) { c.HTTP.TLS = config.TLS{Cert: cert, Key: key} }), io.Discard)
	for _, protocols := range [][]string{{"h2"}, {"h2", "http/1.1"}} {
		c, err := tls.Dial("tcp", n.Addrs().HTTP.String(), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		if err != nil {
			require.Len(t, protocols, 1, "%v", err)
			continue
		}
		require.NotEqual(t, "h2", c.ConnectionState().NegotiatedProtocol)
		_ = c.Close()
	}
}

// TestInnerAddressesAreForThisMachine: whoever comes through a proxy is not on this machine, though the proxy
// is.
func TestInnerAddressesAreForThisMachine(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.Monitor.Listen = "127.0.0.1:0" }), io.Discard)
	health := func(url, header string) (h sfu.Health) {
		_, body := get(t, url+"healthz", func(q *http.Request) {
			if header != "" {
				q.Header.Set(header, "for=192.0.2.1")
			}
		})
		require.NoError(t, json.Unmarshal([]byte(body), &h))
		return h
	}
	require.Equal(t, n.Addrs().NATS, health(n.Addrs().URL(), "").NATS)
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		h := health(n.Addrs().URL(), header)
		require.Equal(t, sfu.Health{Status: "ok", Node: h.Node, Version: h.Version}, h, header)
	}
	h := health("http://"+n.Addrs().Monitor.String()+"/", "")
	require.Equal(t, n.Addrs().Media.String(), h.Media)
	require.Equal(t, n.Addrs().Monitor.String(), h.Monitor)
}

// TestProbesAreAnsweredWhereStrangersHaveAll that http.listen has.
func TestProbesAreAnsweredWhereStrangersHaveAll(t *testing.T) {
	n := run(t, free(func(c *config.Config) {
		c.Monitor.Listen, c.Limits.Strangers, c.Limits.StrangersPer = "127.0.0.1:0", 3, 3
	}), io.Discard)
	var held []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", n.Addrs().HTTP.String())
		require.NoError(t, err)
		defer c.Close()
		held = append(held, c)
	}
	// Until then strangers may have fewer, as a connection waits in the kernel before it is accepted.
	_ = held[0].SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := held[0].Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the oldest was closed")
	monitor := "http://" + n.Addrs().Monitor.String()
	for path, want := range map[string]string{"/healthz": `"ok"`, "/readyz": `"ready":true`, "/metrics": "\nparlor_strangers 3\n"} {
		res, body := get(t, monitor+path, nil)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Contains(t, body, want)
	}
	res, _ := get(t, monitor+"/", nil)
	require.Equal(t, http.StatusNotFound, res.StatusCode, "nothing else is there")
	res, _ = get(t, monitor+"/metrics", func(q *http.Request) { q.Header.Set("Origin", "https://evil.example") })
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestMonitorHangsUpOnOthers(t *testing.T) {
	n := run(t, free(func(c *config.Config) {
		c.Monitor.Listen, c.Monitor.Allow = "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	}), io.Discard)
	from := func(ip string) error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		h := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
		res, err := h.Get("http://" + n.Addrs().Monitor.String() + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	require.Error(t, from("127.0.0.1"))
	require.NoError(t, from("127.0.0.2"))
}

// TestMetricsAreGatheredOnceInAWhile: of many who ask at once, all get the same.
func TestMetricsAreGatheredOnceInAWhile(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	answers := map[string]bool{}
	began := time.Now()
	for range 20 {
		res, body := get(t, n.Addrs().URL()+"metrics", func(q *http.Request) { q.Header.Set("Accept-Encoding", "identity") })
		require.Equal(t, http.StatusOK, res.StatusCode)
		answers[body] = true
	}
	require.LessOrEqual(t, len(answers), 1+int(time.Since(began)/time.Second)+1)
}

func TestTheDemoCanBeSwitchedOff(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.HTTP.Demo = false }), io.Discard)
	for path, want := range map[string]int{"": 404, "demo/demo.js": 404, "client/parlor.js": 200, "healthz": 200} {
		res, _ := get(t, n.Addrs().URL()+path, nil)
		require.Equal(t, want, res.StatusCode, path)
	}
}

// TestLargeAndDeepMessagesOfStrangers are not read, and after ten messages nothing is.
func TestLargeAndDeepMessagesOfStrangers(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	url := "ws" + strings.TrimPrefix(n.Addrs().URL(), "http") + "rtc"
	send := func(messages ...string) websocket.StatusCode {
		ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"parlor.v1"}})
		require.NoError(t, err)
		defer func() { _ = ws.CloseNow() }()
		for _, m := range messages {
			require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte(m)))
			if _, _, err := ws.Read(t.Context()); err != nil {
				return websocket.CloseStatus(err)
			}
		}
		return 0
	}
	require.Equal(t, websocket.StatusMessageTooBig, send(`{"type":"enter","id":1,"token":"`+strings.Repeat("x", 12<<10)+`"}`))
	require.Equal(t, websocket.StatusPolicyViolation, send(`{"type":"enter","id":1,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`))
	require.EqualValues(t, 4003, send(strings.Split(strings.Repeat(`{"type":"enter","id":1};`, 11), ";")...))
	require.EqualValues(t, 0, send(`{"type":"enter","id":1,"room":"lobby","user":"ann","token":"`+strings.Repeat("x", 8<<10)+`"}`), "a token of 8 KB fits")
}

// TestProxyThatWritesTheOtherHeaderIsSaid once: else everybody behind it shares one address, and its limits,
// and nobody knows why.
func TestProxyThatWritesTheOtherHeaderIsSaid(t *testing.T) {
	log := new(sfu.Book)
	n := run(t, free(func(c *config.Config) { c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }), log)
	for range 3 {
		get(t, n.Addrs().URL()+"readyz", func(q *http.Request) { q.Header.Set("Forwarded", "for=198.51.100.1") })
	}
	require.Equal(t, 1, strings.Count(log.String(), "http.proxy_header"), log.String())
}
