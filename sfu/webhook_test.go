package sfu_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/webhook"
)

// webServer takes webhooks, or hangs, redirects or fails.
type webServer struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	mood   string
	events []string
	asked  map[string]int // requests by mood
}

func newWebServer(t *testing.T) *webServer {
	w := &webServer{t: t, asked: map[string]int{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	t.Cleanup(w.CloseClientConnections)
	return w
}

func (w *webServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	mood := w.mood
	w.asked[mood]++
	w.mu.Unlock()
	switch mood {
	case "hang":
		<-r.Context().Done()
		return
	case "redirect":
		http.Redirect(rw, r, w.URL+"/elsewhere", http.StatusTemporaryRedirect)
		return
	case "fail":
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	if err := webhook.Verify(r.Header.Get(webhook.SignatureHeader), body, time.Now(), time.Minute, []byte(secret)); err != nil {
		w.t.Error(err)
	}
	var e struct {
		ID   string
		Type int
		User string
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID != r.Header.Get(webhook.IDHeader) || r.URL.Path != "/" {
		w.t.Errorf("%s: %v: %s", r.URL, err, body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprint(e.Type, " ", e.User))
}

func (w *webServer) is(mood string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mood = mood
}

func (w *webServer) requests(mood string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[mood]
}

func (w *webServer) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.events...)
}

// later is eventually, for what is tried again after up to half a minute.
func later(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, time.Minute, 20*time.Millisecond, what)
}

// TestWebServerOfNoUse: a web server that hangs, redirects or fails costs a call nothing: media goes on
// without a gap, people enter, commands are answered. When it takes events, it gets all of them, in order.
func TestWebServerOfNoUse(t *testing.T) {
	w := newWebServer(t)
	w.is("hang")
	l := startLive(t, func(c *config.Config) {
		c.Webhook.URL, c.Webhook.Key, c.Webhook.Timeout = w.URL, secret, 300*time.Millisecond
	})
	ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Camera}})
	bob := l.join(t, "bob", client.Options{Seats: 1})
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, client.Camera)
	want := []string{"101 ", "103 ann", "103 bob", "201 ann"}
	for _, mood := range []string{"hang", "redirect", "fail"} {
		w.is(mood)
		from := w.requests(mood)
		later(t, "the web server is asked", func() bool { return w.requests(mood) > from })
		s := client.Section{Seat: seatName(1)}
		packets := bob.received(s)
		eventually(t, "media flows", func() bool { return bob.received(s) > packets+200 })
		began := time.Now()
		cat := l.join(t, "cat-"+mood, client.Options{Seats: 1})
		l.command(t, "RemoveUser", `{"StrRoomId":"lobby","UserIds":["cat-`+mood+`"]}`)
		require.Equal(t, 1, cat.await(t, client.Exited).Reason)
		require.Less(t, time.Since(began), 5*time.Second)
		want = append(want, "103 cat-"+mood, "104 cat-"+mood)
	}
	require.Zero(t, bob.gaps.Load(), "packets lost or out of order")
	require.Empty(t, w.taken())
	_, metrics := get(t, l.Addrs().URL()+"metrics", nil)
	require.Contains(t, metrics, "\nparlor_webhook_sending 1\n")
	require.Contains(t, metrics, "\nparlor_webhook_sent_total 0\n")
	require.NotContains(t, metrics, "\nparlor_webhook_failed_total 0\n")
	require.NotContains(t, metrics, "\nparlor_webhook_oldest_seconds 0\n")

	w.is("")
	later(t, "all events are taken", func() bool { return len(w.taken()) >= len(want) })
	got := w.taken()
	require.ElementsMatch(t, want, got)
	// Which of the first two is published first is of no interest here.
	require.Equal(t, want[4:], got[4:], "in order")
	require.True(t, strings.HasPrefix(strings.Join(got, "|"), "101 |103 ann|"), "%q", got)
}

// TestEndWhileTheWebServerHangs: a node stops in time nevertheless.
func TestEndWhileTheWebServerHangs(t *testing.T) {
	w := newWebServer(t)
	w.is("hang")
	n := run(t, free(func(c *config.Config) { c.Webhook.URL, c.Webhook.Key, c.Webhook.Timeout = w.URL, secret, time.Minute }), io.Discard)
	l := &live{Node: n.Node, url: "http://" + n.Addrs().HTTP.String()}
	l.join(t, "ann", client.Options{Seats: 1})
	eventually(t, "a request hangs", func() bool { return w.requests("hang") > 0 })
	began := time.Now()
	require.NoError(t, n.stop())
	require.Less(t, time.Since(began), 4*time.Second)
}

// TestEveryEventCanBeSent: webhooks can be asked for each type of the feed's events. config knows them as
// numbers, since it imports nothing of the project.
func TestEveryEventCanBeSent(t *testing.T) {
	source, err := parser.ParseFile(token.NewFileSet(), "../session/terms/feed.go", nil, 0)
	require.NoError(t, err)
	var types []string
	ast.Inspect(source, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Type != nil && v.Type.(*ast.Ident).Name == "FeedType" {
			types = append(types, v.Values[0].(*ast.BasicLit).Value)
		}
		return true
	})
	require.Greater(t, len(types), 5)
	list := strings.Join(types, ",")
	c, err := config.Load(config.Sources{Environ: []string{
		"SFU_WEBHOOK_URL=https://app.example.org", "SFU_WEBHOOK_KEY=" + strings.Repeat("0", 64), "SFU_WEBHOOK_EVENTS=" + list,
	}})
	require.NoError(t, err)
	require.Len(t, c.Webhook.Events, len(types))
}
