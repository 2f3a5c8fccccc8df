// Package acme gets the certificates of a server from an authority that speaks ACME (RFC 8555), such as Let's
// Encrypt, and renews them. Each host has a certificate of its own, so that one whose name is wrong leaves the
// others alone. A certificate is shown until there is a better one, whatever has become of the authority. It is
// a leaf.
//
//	acme.go    Options, Manager, New: what there is, and what a handshake is shown
//	run.go     Run: when a certificate is ordered, and when again
//	order.go   an order: from the account to the certificate
//	store.go   the files in which account and certificates are kept
//	advice.go  what has failed, and what to do about it
package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/acme"
)

// Protocol is what a client that checks a host by TLS-ALPN-01 asks for by ALPN (RFC 8737). The server's
// tls.Config has to have it among its NextProtos.
const Protocol = acme.ALPNProto

// Options of a Manager.
type Options struct {
	Hosts     []string          // names in lower case, the first of which stands for clients that give none
	Email     string            // where the authority writes to; empty: nowhere
	Directory string            // URL of the authority's directory
	Dir       string            // where account and certificates are kept, in a directory for each authority
	Client    http.RoundTripper // by which the authority is reached
	Agent     string            // what it is told of this program
	// Plain says that Challenges serves the hosts on port 80, so that the authority can check them by HTTP-01,
	// too.
	Plain bool
	// Other has a certificate for clients that name none of the hosts, and for hosts as long as they have
	// none. nil: they are shown that of the first host, or one that nobody believes.
	Other func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Log   zerolog.Logger
}

// Manager has the certificates of the hosts. Its methods may be called from any goroutine.
type Manager struct {
	o     Options
	store store
	hosts []*host
	none  *tls.Certificate // shown to clients that name no host as long as there is no other
	again chan struct{}

	client *acme.Client // that of the account; nil: it is not known yet. Of Run

	mu      sync.Mutex
	answers map[string]*tls.Certificate // of TLS-ALPN-01, by host
	texts   map[string]string           // of HTTP-01, by path
}

// host is a name with its certificate.
type host struct {
	name  string
	shown atomic.Pointer[tls.Certificate]

	orders [results]atomic.Uint64

	// Of Run.
	due      time.Time // when a certificate is to be ordered
	failures int       // orders that have failed since the last that has not
}

// New reads what is kept in Options.Dir. An error means that nothing can be kept there. New reaches nobody.
func New(o Options) (*Manager, error) {
	m := &Manager{
		o: o, store: newStore(o.Dir, o.Directory), again: make(chan struct{}, 1),
		answers: map[string]*tls.Certificate{}, texts: map[string]string{},
	}
	if err := m.store.check(); err != nil {
		return nil, err
	}
	var err error
	if m.none, err = placeholder(); err != nil {
		return nil, err
	}
	now := time.Now()
	for _, name := range o.Hosts {
		h := &host{name: name, due: now}
		m.hosts = append(m.hosts, h)
		kept, err := m.store.certificate(name)
		switch {
		case err != nil:
			o.Log.Warn().Err(err).Str("host", name).Msg("a kept certificate cannot be used, another one is ordered")
		case kept != nil:
			h.shown.Store(kept)
			h.due = renewal(kept.Leaf)
		}
	}
	return m, nil
}

// placeholder makes a certificate that nobody believes. Probes that believe all get an answer by it.
func placeholder() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "there is no certificate yet"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
	}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Certificate is for tls.Config.GetCertificate. It waits for nobody.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if slices.Equal(hello.SupportedProtos, []string{Protocol}) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c := m.answers[name]; c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("acme: nobody checks %.253q now", name)
	}
	h := m.host(name)
	if h != nil {
		if c := h.shown.Load(); c != nil {
			return c, nil
		}
	}
	switch {
	case m.o.Other != nil:
		return m.o.Other(hello)
	case h != nil:
		return nil, fmt.Errorf("acme: there is no certificate of %s yet", name)
	}
	for _, h := range m.hosts {
		if c := h.shown.Load(); c != nil {
			return c, nil
		}
	}
	return m.none, nil
}

func (m *Manager) host(name string) *host {
	for _, h := range m.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// challengePath is where HTTP-01 asks (RFC 8555 section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// Challenges returns the handler of port 80. It answers those who check a host by HTTP-01, and sends others to
// HTTPS.
func (m *Manager) Challenges() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, challengePath) {
			m.mu.Lock()
			text, ok := m.texts[r.URL.Path]
			m.mu.Unlock()
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write([]byte(text)) // if it cannot be written, nobody is left to tell
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "this is served over HTTPS alone", http.StatusBadRequest)
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
		if m.host(name) == nil {
			name = m.hosts[0].name
		}
		http.Redirect(w, r, "https://"+name+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
}

// Host is what there is of a host.
type Host struct {
	Name   string
	Until  time.Time         // end of the certificate that is shown; zero: there is none
	Orders map[string]uint64 // by result, see Results
}

// Report returns what there is of each host.
func (m *Manager) Report() []Host {
	list := make([]Host, len(m.hosts))
	for i, h := range m.hosts {
		list[i] = Host{Name: h.name, Orders: map[string]uint64{}}
		if c := h.shown.Load(); c != nil {
			list[i].Until = c.Leaf.NotAfter
		}
		for r := range h.orders {
			list[i].Orders[result(r).String()] = h.orders[r].Load()
		}
	}
	return list
}
