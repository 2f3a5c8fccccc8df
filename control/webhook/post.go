package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// outcome is what came of a request.
type outcome int

const (
	failed  outcome = iota // try again
	taken                  // done
	refused                // the server will not have this event, also if it is sent again
)

// The headers of a request, besides SignatureHeader.
const (
	IDHeader = "Parlor-Event-Id"
)

// Limits of an answer, in bytes. If its body has more than answerLimit, the rest is not read: the connection
// is closed instead of used again.
const (
	answerLimit  = 16 << 10
	headersLimit = 16 << 10
)

var errTurnOver = errors.New("the turn is over")

// errHTTP1 says that a server does not speak HTTP/2.
var errHTTP1 = errors.New("no HTTP/2")

// poster sends requests: by HTTP/2 over connections that are used again, or else by HTTP/1.1 with a
// connection for each. On a connection that is used again, HTTP/1.1 takes whatever comes next for the answer
// to the next request. If a server answered twice, events would count as taken that it has not seen.
type poster struct {
	url, agent string
	key        []byte
	app        uint32 // see Options.App
	timeout    time.Duration
	many, one  *http.Client // HTTP/2, HTTP/1.1
	single     atomic.Bool  // one is used
}

func newPoster(o Options) *poster {
	p := &poster{url: o.URL, agent: o.Agent, key: o.Key, app: o.App, timeout: o.Timeout}
	one := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxConnsPerHost: parallel, TLSHandshakeTimeout: o.Timeout,
		MaxResponseHeaderBytes: headersLimit, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: o.Roots, ClientSessionCache: tls.NewLRUClientSessionCache(parallel)},
	}
	many := one.Clone()
	many.DisableKeepAlives, many.IdleConnTimeout, many.ForceAttemptHTTP2 = false, 90*time.Second, true
	many.TLSClientConfig.VerifyConnection = func(c tls.ConnectionState) error {
		if c.NegotiatedProtocol != "h2" {
			return errHTTP1
		}
		return nil
	}
	p.one, p.many = client(one), client(many)
	if o.Transport != nil {
		p.one = client(o.Transport)
	}
	p.single.Store(o.Transport != nil || !strings.HasPrefix(strings.ToLower(o.URL), "https:"))
	return p
}

// client returns a client that does not follow redirects.
func client(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (p *poster) close() { p.many.CloseIdleConnections() }

// do sends a request by the version of HTTP that the server speaks.
func (p *poster) do(r *http.Request) (*http.Response, error) {
	if p.single.Load() {
		return p.one.Do(r)
	}
	answer, err := p.many.Do(r)
	if err == nil || !errors.Is(err, errHTTP1) {
		return answer, err
	}
	p.single.Store(true)
	again := r.Clone(r.Context())
	if again.Body, err = r.GetBody(); err != nil {
		return nil, err
	}
	return p.one.Do(again)
}

// send makes one request. The error says why the event was not taken. It never holds the URL, which may have
// secrets in it.
func (p *poster) send(ctx context.Context, e *event) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	body, now := e.body, time.Now()
	if p.app != 0 {
		var err error
		if body, err = callback(e.body, now); err != nil {
			return refused, err // by this node: it never can be sent
		}
	}
	r, err := p.request(ctx, e.id, body, now)
	if err != nil {
		return failed, err
	}
	answer, err := p.do(r)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return failed, fmt.Errorf("no answer of the webhook server: %w", err)
	}
	// It is read for the connection to be used again; what it says is of no interest.
	_, _ = io.CopyN(io.Discard, answer.Body, answerLimit)
	_ = answer.Body.Close()
	o := meaning(answer.StatusCode)
	if o == taken {
		return taken, nil
	}
	return o, fmt.Errorf("the webhook server answers %d", answer.StatusCode)
}

// request makes the signed request for an event.
func (p *poster) request(ctx context.Context, id string, body []byte, now time.Time) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address of the webhook server cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", p.agent)
	r.Header.Set(IDHeader, id)
	if p.app == 0 {
		r.Header.Set(SignatureHeader, Sign(p.key, now, body))
		return r, nil
	}
	r.Header.Set(appHeader, strconv.FormatUint(uint64(p.app), 10))
	r.Header.Set(signHeader, signCallback(p.key, body))
	return r, nil
}

// meaning says what a status of an answer means. Refused is what is said about the event itself. Every other
// status that is no success may be a matter of configuration, or pass: redirects, which are not followed,
// 401, 403, 404, 429, 5xx.
func meaning(status int) outcome {
	switch {
	case status >= 200 && status < 300:
		return taken
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnprocessableEntity:
		return refused
	default:
		return failed
	}
}
