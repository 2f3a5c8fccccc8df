package sfu

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// keepFor is how long an answer of kept is given again. Longer has graphs lag behind. Shorter lets a client
// that asks all the time cost more.
const keepFor = time.Second

// kept has one request at a time answered by next, and gives that answer to all that ask within keepFor. Safe
// for concurrent use.
type kept struct {
	next http.Handler

	mu   sync.Mutex
	last [2]answerKept // plain, and for clients that take gzip
}

type answerKept struct {
	at     time.Time
	header http.Header
	status int
	body   []byte
}

// ServeHTTP implements http.Handler.
func (k *kept) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := k.answer(r)
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone; there is nobody else to tell
}

// answer returns the one there is, or asks for another. Of a client's headers only gzip matters, so that
// there are two answers at most.
func (k *kept) answer(r *http.Request) answerKept {
	i, encoding := 0, "identity"
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		i, encoding = 1, "gzip"
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.last[i].at) < keepFor {
		return k.last[i]
	}
	q := r.Clone(r.Context())
	q.Header = http.Header{"Accept-Encoding": {encoding}}
	got := answering{header: http.Header{}, status: http.StatusOK}
	k.next.ServeHTTP(&got, q)
	k.last[i] = answerKept{at: time.Now(), header: got.header, status: got.status, body: got.body.Bytes()}
	return k.last[i]
}

// answering is an http.ResponseWriter into memory.
type answering struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answering) Header() http.Header         { return a.header }
func (a *answering) WriteHeader(status int)      { a.status = status }
func (a *answering) Write(p []byte) (int, error) { return a.body.Write(p) }
