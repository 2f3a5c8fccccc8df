package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
)

// client follows no redirect by itself, so that a POST cannot become a GET unseen.
var client = &http.Client{
	Timeout:       20 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// response is an answer that has been read.
type response struct {
	*http.Response
	body string
}

// send sends a request with these headers, in pairs, as they are; it adds no token.
func send(t *testing.T, method, at, body string, headers ...string) response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	got := response{resp, string(b)}
	got.requireSound(t)
	return got
}

// requireSound checks what holds for every answer: a document of RFC 9457 says the status again.
func (r response) requireSound(t *testing.T) {
	t.Helper()
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/problem+json") || r.body == "" {
		return
	}
	var p struct{ Status int }
	require.NoError(t, json.Unmarshal([]byte(r.body), &p), r.body)
	require.Equal(t, r.StatusCode, p.Status)
}

// requireRefused checks for one of these statuses; none given: any 4xx.
func (r response) requireRefused(t *testing.T, statuses ...int) {
	t.Helper()
	if len(statuses) > 0 {
		require.Contains(t, statuses, r.StatusCode, r.body)
		return
	}
	require.True(t, r.StatusCode >= 400 && r.StatusCode < 500, "%s: %s", r.Status, r.body)
}

// send sends a request with the token.
func (p protocol) send(t *testing.T, method, at, body string, headers ...string) response {
	t.Helper()
	if p.token != "" {
		headers = append([]string{"Authorization", "Bearer " + p.token}, headers...)
	}
	return send(t, method, at, body, headers...)
}

// post offers, and follows redirects as RFC 9725 §4.5 has clients do.
func (p protocol) post(t *testing.T, offer string, headers ...string) response {
	t.Helper()
	headers = append([]string{"Content-Type", typeSDP}, headers...)
	at := p.endpoint
	for range 5 {
		r := p.send(t, http.MethodPost, at, offer, headers...)
		if r.StatusCode != http.StatusTemporaryRedirect && r.StatusCode != http.StatusPermanentRedirect {
			return r
		}
		next, err := r.Location()
		require.NoError(t, err)
		at = next.String()
	}
	t.Fatal("more than five redirects")
	return response{}
}

// resource is a session that was made. It is deleted when the test ends.
type resource struct {
	protocol
	response
	url, etag string
}

// open makes a session with an offer.
func (p protocol) open(t *testing.T, offer string) *resource {
	t.Helper()
	r := p.post(t, offer)
	require.Equal(t, http.StatusCreated, r.StatusCode, r.body)
	at, err := r.Location()
	require.NoError(t, err, "Location")
	s := &resource{protocol: p, response: r, url: at.String(), etag: r.Header.Get("ETag")}
	t.Cleanup(func() {
		q, err := http.NewRequest(http.MethodDelete, s.url, nil)
		if err != nil {
			return
		}
		if p.token != "" {
			q.Header.Set("Authorization", "Bearer "+p.token)
		}
		if resp, err := client.Do(q); err == nil {
			_ = resp.Body.Close()
		}
	})
	return s
}

func (s *resource) patch(t *testing.T, fragment string, headers ...string) response {
	t.Helper()
	return s.send(t, http.MethodPatch, s.url, fragment, append([]string{"Content-Type", typeFragment}, headers...)...)
}

// another returns the URL of another session than that of s.
func (s *resource) another(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(s.url)
	require.NoError(t, err)
	u.Path += "x"
	return u.String()
}

// tokens splits a header that is a list.
func (r response) tokens(header string) (list []string) {
	for _, v := range strings.Split(strings.Join(r.Header.Values(header), ","), ",") {
		list = append(list, strings.ToLower(strings.TrimSpace(v)))
	}
	return list
}
