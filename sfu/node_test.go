package sfu_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/router"
	"parlor/sfu"
	"parlor/transport"
	"parlor/transport/certtest"
	"parlor/transport/turn"
)

const secret = "only for tests, and long enough for HS256"

// free is a configuration on free ports of this machine.
func free(change func(*config.Config)) config.Config {
	c := config.Default()
	c.HTTP.Listen, c.Media.Listen, c.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	return c
}

// running is a node that was started; stop ends it and returns the error of Run, once.
type running struct {
	*sfu.Node
	stop func() error
	wait func() error // for it to end by itself
}

func run(t *testing.T, c config.Config, log io.Writer) *running {
	t.Helper()
	n, err := sfu.New(c, zerolog.New(log))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case <-n.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("node did not start: %v", err)
	}
	stopped := false
	r := &running{Node: n, stop: func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}}
	r.wait = func() error {
		stopped = true
		return <-ended
	}
	t.Cleanup(func() { require.NoError(t, r.stop()) })
	return r
}

func get(t *testing.T, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if change != nil {
		change(q)
	}
	// The certificate of the TLS test is self-signed.
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := c.Do(q)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

func TestNodesRunSideBySide(t *testing.T) {
	a, b := run(t, free(nil), io.Discard), run(t, free(nil), io.Discard)
	seen := map[string]bool{}
	for _, n := range []*running{a, b} {
		_, body := get(t, n.Addrs().URL()+"healthz", nil)
		var h sfu.Health
		require.NoError(t, json.Unmarshal([]byte(body), &h))
		require.Equal(t, "ok", h.Status)
		require.NotEmpty(t, h.Version)
		require.Equal(t, n.Addrs().HTTP.String(), h.HTTP)
		require.Equal(t, n.Addrs().Media.String(), h.Media)
		for _, what := range []string{h.Node, h.HTTP, h.Media, h.NATS} {
			require.False(t, seen[what], what)
			seen[what] = true
		}
		conn, err := net.Dial("tcp", h.Media) // ICE-TCP is on the port of UDP
		require.NoError(t, err)
		conn.Close()
		nc, err := nats.Connect(h.NATS)
		require.NoError(t, err)
		js, err := nc.JetStream()
		require.NoError(t, err)
		_, err = js.AccountInfo()
		require.NoError(t, err, "JetStream is there")
		nc.Close()
	}
}

func TestPortsInUseAreNamed(t *testing.T) {
	first := run(t, free(nil), io.Discard)
	a := first.Addrs()
	for key, change := range map[string]func(*config.Config){
		"http.listen":  func(c *config.Config) { c.HTTP.Listen = config.Address(a.HTTP.String()) },
		"media.listen": func(c *config.Config) { c.Media.Listen = config.Address(a.Media.String()) },
		"nats.listen":  func(c *config.Config) { c.NATS.Listen = config.Address(strings.TrimPrefix(a.NATS, "nats://")) },
	} {
		t.Run(key, func(t *testing.T) {
			c := free(change)
			n, err := sfu.New(c, zerolog.Nop())
			require.NoError(t, err)
			err = n.Run(t.Context())
			var fault *config.Error
			require.True(t, errors.As(err, &fault), "%v", err)
			require.Equal(t, key, fault.Key)
			require.Contains(t, fault.Reason, "another process listens on")
			require.Equal(t, sfu.Addrs{}, n.Addrs())
		})
	}
	_, body := get(t, a.URL()+"healthz", nil)
	require.Contains(t, body, `"ok"`, "the first node has not noticed")
}

func TestAFailedStartFreesItsPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	media := probe.Addr().String()
	probe.Close()
	c := free(func(c *config.Config) {
		c.HTTP.Listen, c.Media.Listen = config.Address(taken.Addr().String()), config.Address(media)
	})
	n, err := sfu.New(c, zerolog.Nop())
	require.NoError(t, err)
	require.Error(t, n.Run(t.Context()))
	run(t, free(func(c *config.Config) { c.Media.Listen = config.Address(media) }), io.Discard)
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	_, err := sfu.New(free(func(c *config.Config) { c.HTTP.Listen = ":0" }), zerolog.Nop())
	require.ErrorContains(t, err, "sfu key create")
	_, err = sfu.New(free(func(c *config.Config) { c.Auth.Keys = []config.Key{"a:short"} }), zerolog.Nop())
	require.ErrorContains(t, err, "auth.keys")
}

func TestRoutes(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	for path, want := range map[string]struct {
		status int
		typ    string
	}{
		"":                   {200, "text/html; charset=utf-8"},
		"client/parlor.js":   {200, "text/javascript; charset=utf-8"},
		"healthz":            {200, "application/json"},
		"readyz":             {200, "application/json"},
		"metrics":            {200, "text/plain"},
		"nothing":            {404, ""},
		"debug/pprof/":       {404, ""},
		"rtc":                {426, ""}, // no WebSocket
		"rtc/exit":           {404, ""}, // POST only
		"whip/lobby/session": {404, "application/problem+json"},
	} {
		res, body := get(t, n.Addrs().URL()+path, nil)
		require.Equal(t, want.status, res.StatusCode, path)
		require.True(t, strings.HasPrefix(res.Header.Get("Content-Type"), want.typ), "%s: %s", path, res.Header)
		require.NotEmpty(t, body, path)
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"whip", "whip/", "whep", "whep/"} {
		res, err := c.Post(n.Addrs().URL()+path, "application/sdp", strings.NewReader("v=0\r\n"))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
		require.Contains(t, string(body), "publish to /whip/{room}", path)
	}
}

// TestNodeUnderABasePath serves everything with and without it.
func TestNodeUnderABasePath(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.HTTP.BasePath = "/media" }), io.Discard)
	for path, status := range map[string]int{"healthz": 200, "media/healthz": 200, "media/": 200, "media/whip/lobby": 204, "media/media/healthz": 404} {
		res, _ := get(t, n.Addrs().URL()+path, nil)
		require.Equal(t, status, res.StatusCode, path)
	}
}

// TestPagesOfElsewhereAreKeptOut: without tokens the browser of this machine must not be turned against the
// node.
func TestPagesOfElsewhereAreKeptOut(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.HTTP.Origins = []string{"https://app.example"} }), io.Discard)
	url := n.Addrs().URL()
	for name, x := range map[string]struct {
		host, origin string
		status       int
	}{
		"another name for 127.0.0.1": {"evil.example", "", 421},
		"a page of elsewhere":        {"", "https://evil.example", 403},
		"an opaque origin":           {"", "null", 403},
		"a configured page":          {"", "https://app.example", 200},
		"a page of this machine":     {"", "http://localhost:3000", 200},
		"localhost":                  {"localhost", "", 200},
		"IPv6":                       {"[::1]:80", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := get(t, url+"healthz", func(q *http.Request) {
				if x.host != "" {
					q.Host = x.host
				}
				if x.origin != "" {
					q.Header.Set("Origin", x.origin)
				}
			})
			require.Equal(t, x.status, res.StatusCode)
		})
	}
	open := run(t, free(func(c *config.Config) { c.Auth.Keys = []config.Key{"k:" + secret} }), io.Discard)
	res, _ := get(t, open.Addrs().URL()+"healthz", func(q *http.Request) { q.Host = "meet.example" })
	require.Equal(t, 200, res.StatusCode, "with tokens any name will do")
}

func TestTokensAreAskedForWithAKey(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.Auth.Keys = []config.Key{"k:" + secret} }), io.Discard)
	_, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.ErrorIs(t, err, &client.Error{Code: "token_invalid"})
}

// TestStrangersTakeNobodysPlace: limits.signals counts those who have entered, so connections on which nobody
// has do not fill it.
func TestStrangersTakeNobodysPlace(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.Limits.Signals = 1 }), io.Discard)
	url := "ws" + strings.TrimPrefix(n.Addrs().URL(), "http") + "rtc"
	for range 5 {
		ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"parlor.v1"}})
		require.NoError(t, err)
		defer func() { _ = ws.CloseNow() }()
	}
	first, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.NoError(t, err)
	defer first.Close()
	_, err = client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "bob"})
	require.ErrorIs(t, err, &client.Error{Code: "room_full"})
	require.NoError(t, first.Exit(t.Context()))
	eventually(t, "the place is free again", func() bool {
		c, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "bob"})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certtest.New(t).Files(t, dir, "127.0.0.1")
	n := run(t, free(func(c *config.Config) { c.HTTP.TLS = config.TLS{Cert: cert, Key: key} }), io.Discard)
	require.True(t, strings.HasPrefix(n.Addrs().URL(), "https://"))
	res, _ := get(t, n.Addrs().URL()+"healthz", nil)
	require.Equal(t, 200, res.StatusCode)

	require.NoError(t, os.WriteFile(key, []byte("no key"), 0o600))
	broken, err := sfu.New(free(func(c *config.Config) { c.HTTP.TLS = config.TLS{Cert: cert, Key: key} }), zerolog.Nop())
	require.NoError(t, err)
	require.ErrorContains(t, broken.Run(t.Context()), "http.tls.cert")
}

// TestShutdownTellsEverybody also with a client that does not read, whose node must not wait for it.
func TestShutdownTellsEverybody(t *testing.T) {
	var log bytes.Buffer
	n := run(t, free(nil), zerolog.SyncWriter(&log))
	ann, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann", Seats: 1, Publish: []client.Source{client.Mic}})
	require.NoError(t, err)
	defer ann.Close()
	bob, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: 7, User: "bob"})
	require.NoError(t, err)
	defer bob.Close()
	stuck, err := net.Dial("tcp", n.Addrs().HTTP.String())
	require.NoError(t, err)
	defer stuck.Close()
	_, err = stuck.Write([]byte("GET /rtc HTTP/1.1\r\n")) // and never more
	require.NoError(t, err)

	silent, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.Addrs().URL(), "http")+"rtc",
		&websocket.DialOptions{Subprotocols: []string{"parlor.v1"}})
	require.NoError(t, err)
	defer func() { _ = silent.CloseNow() }()
	// who then never reads, not even the answer
	enter := `{"type":"enter","id":1,"room":"lobby","user":"silent"}`
	require.NoError(t, silent.Write(t.Context(), websocket.MessageText, []byte(enter)))
	eventually(t, "all are in", func() bool { return n.Stats().Users == 3 })

	began := time.Now()
	require.NoError(t, n.stop())
	require.Less(t, time.Since(began), config.Default().Timers.Shutdown)
	for _, c := range []*client.Client{ann, bob} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		e, err := c.Await(ctx, client.Exited)
		cancel()
		require.NoError(t, err)
		require.Equal(t, 4, e.Reason)
	}
	require.Contains(t, log.String(), `"message":"stopped"`)
	require.NotContains(t, log.String(), `"level":"warn"`, log.String())
	_, err = net.DialTimeout("tcp", n.Addrs().HTTP.String(), time.Second)
	require.Error(t, err, "the port is free")
}

// TestCommandsAreThereWhenReady: whoever starts a node and sends it a command at once is answered.
func TestCommandsAreThereWhenReady(t *testing.T) {
	n := run(t, free(nil), io.Discard)
	nc, err := nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	defer nc.Close()
	m, err := nc.Request("sfu.v1.ListRooms", nil, 5*time.Second)
	require.NoError(t, err)
	require.JSONEq(t, `{"Rooms":[],"Total":0}`, string(m.Data))
}

// metricsHave waits until a node's metrics have these lines: an answer is given again for a while (kept.go).
func metricsHave(t *testing.T, url string, lines ...string) {
	t.Helper()
	missing, deadline := "", time.Now().Add(3*time.Second)
	for {
		_, body := get(t, url+"/metrics", nil)
		missing = ""
		for _, line := range lines {
			if !strings.Contains(body, "\n"+line+"\n") {
				missing = line
			}
		}
		if missing == "" || time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Empty(t, missing, "it is not among the metrics")
}

func TestEventsThatWaitAreBounded(t *testing.T) {
	b := newBroker(t)
	b.start(t)
	n := run(t, free(func(c *config.Config) { c.NATS.URL, c.Cluster.Lease, c.Limits.Events = b.url(), 10*time.Second, 3 }), io.Discard)
	enter := func(user string) *client.Client {
		s, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: user})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		return s
	}
	ann := enter("ann")
	eventually(t, "events are stored", func() bool {
		_, body := get(t, n.Addrs().URL()+"metrics", nil)
		return strings.Contains(body, "\nparlor_events_queued 0\n")
	})
	b.stop(t)
	for range 2 {
		require.NoError(t, enter("bob").Exit(t.Context()))
	}
	require.NoError(t, ann.Exit(t.Context()))
	// Bob's coming and going is lost, ann's leaving and the room's end are not.
	metricsHave(t, strings.TrimSuffix(n.Addrs().URL(), "/"),
		"parlor_events_queued 2", `parlor_events_dropped_total{reason="undone"} 4`, `parlor_events_dropped_total{reason="untold"} 0`)
}

func TestNodeWithoutItsNATSTakesNobody(t *testing.T) {
	// Nobody is there.
	n := run(t, free(func(c *config.Config) { c.NATS.URL = "nats://user:hunter2@127.0.0.1:9" }), io.Discard)
	_, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	var refusal *client.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "node_draining", refusal.Code)
	res, body := get(t, n.Addrs().URL()+"healthz", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NotContains(t, body, "hunter2")
	res, _ = get(t, n.Addrs().URL()+"readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	_, body = get(t, n.Addrs().URL()+"metrics", nil)
	require.Contains(t, body, "\nparlor_nats_connected 0\n")
	require.Contains(t, body, "\nparlor_cluster_lease 0\n")
}

func TestMetricsFollowACall(t *testing.T) {
	l := startLive(t)
	ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Mic}})
	bob := l.join(t, "bob", client.Options{Seats: 1})
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, client.Mic)
	eventually(t, "sound", func() bool { return bob.received(client.Section{Seat: seatName(1), Audio: true}) > 10 })
	_, body := get(t, l.url+"/metrics", nil)
	for _, line := range []string{
		"parlor_rooms 1", "parlor_users 2", "parlor_publishers 1", "parlor_transport_peers 2", "parlor_nats_connected 1",
		`parlor_joins_total{result="entered"} 2`, `parlor_leaves_total{reason="exit"} 0`,
		`parlor_transport_dropped_total{reason="auth_failed"} 0`, `parlor_media_dropped_total{reason="inbox_full"} 0`,
	} {
		require.Contains(t, body, "\n"+line+"\n")
	}
	for _, name := range []string{"parlor_media_packets_forwarded_total", "parlor_transport_packets_sent_total", "parlor_residence_seconds_count", "go_goroutines", "process_resident_memory_bytes", "process_cpu_seconds_total"} {
		require.Regexp(t, "(?m)^"+name+" [1-9]|^"+name+" 0.[0-9]", body)
	}
}

// TestMetricsAreInOrder has Prometheus's own linter read them: names, types, help.
func TestMetricsAreInOrder(t *testing.T) {
	_, body := get(t, run(t, free(nil), io.Discard).Addrs().URL()+"metrics", nil)
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	require.NoError(t, err)
	for name, f := range families {
		require.NotEmpty(t, f.GetHelp(), name)
	}
}

// TestProfilesHaveAPortOfTheirOwn, and pages of elsewhere do not get at it.
func TestProfilesHaveAPortOfTheirOwn(t *testing.T) {
	n := run(t, free(func(c *config.Config) { c.Debug.Listen = "127.0.0.1:0" }), io.Discard)
	at := n.Addrs().Debug.String()
	_, body := get(t, n.Addrs().URL()+"healthz", nil)
	require.Contains(t, body, `"debug":"`+at+`"`)
	res, _ := get(t, n.Addrs().URL()+"debug/pprof/heap", nil)
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	res, body = get(t, "http://"+at+"/debug/pprof/goroutine?debug=1", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, body, "sfu.(*Node).Run")
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "evil.example:80" }, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		res, _ = get(t, "http://"+at+"/debug/pprof/heap", change)
		require.Equal(t, http.StatusForbidden, res.StatusCode)
	}
}

// TestOperationsNameEveryMetric keeps docs/operations.md complete.
func TestOperationsNameEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	doc := string(text)
	n := run(t, free(func(c *config.Config) {
		c.Monitor.Listen = "127.0.0.1:0"
		c.HTTP.TLS.Cert, c.HTTP.TLS.Key = certtest.New(t).Files(t, t.TempDir(), "127.0.0.1")
		c.HTTP.ACME.Hosts, c.HTTP.ACME.Agree, c.HTTP.ACME.StoreDir = []string{"sfu.test"}, true, t.TempDir()
		c.HTTP.ACME.Directory = "https://127.0.0.1:1/" // nobody is there
	}), io.Discard)
	_, body := get(t, "http://"+n.Addrs().Monitor.String()+"/metrics", nil)
	names := regexp.MustCompile(`(?m)^# HELP (parlor_\w+)`).FindAllStringSubmatch(body, -1)
	require.Greater(t, len(names), 30)
	for _, m := range names {
		require.True(t, strings.Contains(doc, "`"+m[1]+"`") || strings.Contains(doc, "`"+m[1]+"{"), "docs/operations.md does not have %s", m[1])
	}
	exported := map[string]bool{}
	for _, m := range names {
		exported[m[1]] = true
	}
	for _, m := range regexp.MustCompile("`(parlor_[a-z][a-z0-9_]*)").FindAllStringSubmatch(doc, -1) {
		require.True(t, exported[m[1]], "docs/operations.md names %s, which does not exist", m[1])
	}
	wire, media, found := strings.Cut(doc, "\n`parlor_media_dropped_total` counts")
	require.True(t, found)
	_, wire, found = strings.Cut(wire, "\n`parlor_transport_dropped_total` counts")
	require.True(t, found)
	for why := range transport.NumDrops {
		require.True(t, strings.Contains(wire, "| `"+why.String()+"` | "), "docs/operations.md does not explain %s of the transport", why)
	}
	for why := range turn.NumReasons {
		require.True(t, strings.Contains(doc, "| `"+why.String()+"` | "), "docs/operations.md does not explain %s of TURN", why)
	}
	for _, why := range router.DropReasons() {
		require.True(t, strings.Contains(media, "| `"+why.String()+"` | "), "docs/operations.md does not explain %s of rooms", why)
	}
}
