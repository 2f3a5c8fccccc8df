package webhook

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var key = []byte("only for tests, and long enough for a key")

func testEvent(id string) *event {
	return &event{id: id, kind: 103, room: "s-lobby", body: []byte(`{"id":"` + id + `","type":103}`), stored: time.Now()}
}

func testPoster(t *testing.T, at string, timeout time.Duration) *poster {
	p := newPoster(Options{URL: at, Key: key, Timeout: timeout, Agent: "parlor/test"})
	t.Cleanup(p.close)
	return p
}

// TestRequest checks the request that a receiver gets, and that it can be verified as the documentation says.
// It counts the connections that this takes.
func TestRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		tls, http2  bool
		connections int32
	}{
		"HTTP":            {false, false, 3},
		"HTTPS, HTTP/2":   {true, true, 1},
		"HTTPS, HTTP/1.1": {true, false, 1 + 3}, // the first finds that there is no HTTP/2
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if err := Verify(r.Header.Get(SignatureHeader), body, time.Now(), 5*time.Minute, key); err != nil {
					t.Error(err)
				}
				if r.Method != http.MethodPost || r.URL.Path != "/hook" || r.Header.Get("Content-Type") != "application/json" ||
					r.Header.Get(IDHeader) != "x.1" || r.Header.Get("User-Agent") != "parlor/test" || string(body) != `{"id":"x.1","type":103}` {
					t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
				}
				if want := map[bool]int{true: 2, false: 1}[tt.http2]; r.ProtoMajor != want {
					t.Errorf("%s", r.Proto)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					conns.Add(1)
				}
			}
			server.EnableHTTP2 = tt.http2
			var roots *x509.CertPool
			if tt.tls {
				server.StartTLS()
				roots = x509.NewCertPool()
				roots.AddCert(server.Certificate())
			} else {
				server.Start()
			}
			defer server.Close()
			p := newPoster(Options{URL: server.URL + "/hook", Key: key, Timeout: 5 * time.Second, Agent: "parlor/test", Roots: roots})
			defer p.close()
			for range 3 {
				if o, err := p.send(t.Context(), testEvent("x.1")); o != taken || err != nil {
					t.Errorf("%v, %v", o, err)
				}
			}
			if n := conns.Load(); n != tt.connections {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestRedirectIsNotFollowed: no redirect is followed, whatever its status. The signed event goes nowhere
// else.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		o, err := testPoster(t, server.URL, 5*time.Second).send(t.Context(), testEvent("x.1"))
		if o != failed || err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: %v, %v", status, o, err)
		}
		server.Close()
	}
}

// TestServerOfNoUse: each such server has its error. None takes longer than the time-out, and none is told
// with the address, which may hold a secret.
func TestServerOfNoUse(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, handler := range map[string]http.HandlerFunc{
		"hangs":        func(_ http.ResponseWriter, r *http.Request) { <-hang },
		"hangs up":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"long headers": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2*headersLimit)) },
		"fails":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			t.Cleanup(server.CloseClientConnections)
			p := testPoster(t, server.URL+"/?token=hunter2", 200*time.Millisecond)
			o, err := p.send(t.Context(), testEvent("x.1"))
			if o != failed || err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, %v", o, err)
			}
		})
	}
	if _, err := testPoster(t, "http://127.0.0.1:1/hunter2", time.Second).send(t.Context(), testEvent("x.1")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// TestEndlessAnswer: a body without an end is not read to the end, and the event is taken.
func TestEndlessAnswer(t *testing.T) {
	var wrote atomic.Int64
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		part := make([]byte, 64<<10)
		for {
			n, err := w.Write(part)
			wrote.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if o, err := testPoster(t, server.URL, 10*time.Second).send(t.Context(), testEvent("x.1")); o != taken || err != nil {
		t.Errorf("%v, %v", o, err)
	}
	<-ended
	if n := wrote.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

// TestCertificateIsChecked: a certificate that nobody has signed is refused before anything is sent.
func TestCertificateIsChecked(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the event was sent") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if o, err := testPoster(t, server.URL, 5*time.Second).send(t.Context(), testEvent("x.1")); o != failed || err == nil {
		t.Errorf("%v, %v", o, err)
	}
}

// TestAnswersAreReplayed: a server, or somebody before it, sends each answer twice. Every event reaches the
// server nevertheless, in order, before it counts as taken.
func TestAnswersAreReplayed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					mu.Lock()
					got = append(got, r.Header.Get(IDHeader))
					mu.Unlock()
					_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 2))
				}
			})
		}
	})
	p := testPoster(t, "http://"+listener.Addr().String(), 5*time.Second)
	var want []string
	for i := range 50 {
		id := fmt.Sprintf("x.%d", i)
		for {
			o, err := p.send(t.Context(), testEvent(id))
			if o == taken {
				break
			}
			if o == refused || errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(o, err)
			}
		}
		want = append(want, id)
	}
	p.close()
	listener.Close()
	serving.Wait()
	seen := map[string]bool{}
	var first []string
	for _, id := range got {
		if !seen[id] {
			first = append(first, id)
		}
		seen[id] = true
	}
	if fmt.Sprint(first) != fmt.Sprint(want) {
		t.Errorf("the server has got %q", got)
	}
}

func TestSignature(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	body := []byte(`{"type":103}`)
	// As another implementation makes it:
	// printf '1700000000.{"type":103}' | openssl dgst -sha256 -hmac secret
	const known = "t=1700000000,v1=dc7056367fef2c41855d19b18315c517601c887985ddba621b08e3b387162158"
	if got := Sign([]byte("secret"), now, body); got != known {
		t.Errorf("%s", got)
	}
	good := Sign(key, now, body)
	for name, tt := range map[string]struct {
		header string
		body   string
		now    time.Time
		want   error
	}{
		"good":               {good, string(body), now, nil},
		"within the window":  {good, string(body), now.Add(5 * time.Minute), nil},
		"replayed later":     {good, string(body), now.Add(5*time.Minute + time.Second), ErrTooOld},
		"from the future":    {good, string(body), now.Add(-6 * time.Minute), ErrTooOld},
		"another body":       {good, `{"type":104}`, now, ErrSignature},
		"another time":       {strings.Replace(good, "t=17", "t=18", 1), string(body), now.Add(1e8 * time.Second), ErrSignature},
		"another key":        {Sign([]byte("x"), now, body), string(body), now, ErrSignature},
		"one of two keys":    {good + ",v1=" + strings.Repeat("0", 64), string(body), now, nil},
		"later versions":     {good + ",v2=abc", string(body), now, nil},
		"no time":            {strings.TrimPrefix(good, "t=1700000000,"), string(body), now, ErrSignature},
		"nothing":            {"", string(body), now, ErrSignature},
		"an empty signature": {"t=1700000000,v1=", string(body), now, ErrSignature},
	} {
		if err := Verify(tt.header, []byte(tt.body), tt.now, 5*time.Minute, []byte("old key"), key); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("t=1,v1=00", "body")
	f.Add(Sign(key, time.Unix(1, 0), []byte("body")), "body")
	f.Add("t=99999999999999999999", "")
	f.Add(" t = 1 ,, v1=zz", "")
	f.Fuzz(func(t *testing.T, header, body string) {
		if Verify(header, []byte(body), time.Unix(1, 0), time.Minute, key) != nil {
			return
		}
		for part := range strings.SplitSeq(header, ",") {
			at, ok := strings.CutPrefix(strings.TrimSpace(part), "t=")
			if ok && strings.Contains(strings.ToLower(header), hex.EncodeToString(mac(key, at, []byte(body)))) {
				return
			}
		}
		t.Errorf("%q is taken for a signature of %q", header, body)
	})
}

// TestAddressIsNotLogged: errors of the client hold the address; ours do not.
func TestAddressIsNotLogged(t *testing.T) {
	p := testPoster(t, "http://user:hunter2@127.0.0.1:1/", time.Second)
	p.one.Transport = failing{}
	_, err := p.send(t.Context(), testEvent("x.1"))
	var withURL *url.Error
	if err == nil || errors.As(err, &withURL) {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }
