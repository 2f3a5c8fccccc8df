package acme_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/acme"
)

// authority is a small ACME server, which is asked without a network. It checks no signatures.
type authority struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	own *x509.Certificate

	mu       sync.Mutex
	life     time.Duration // of certificates
	asks     func(host, kind string) bool
	problem  string        // each order is answered with it; empty: orders are taken
	after    string        // Retry-After with it
	away     error         // nobody answers
	slow     time.Duration // until an answer
	orders   []time.Time
	accounts int
	serial   int64
	signed   []byte            // the certificate of the last order
	checked  map[string]string // by host, how it was checked
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	own := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(20, 0, 0),
	}
	// Answers take time: until the clock moves, a manager that runs has ordered nothing.
	return &authority{t: t, key: key, own: own, life: 90 * 24 * time.Hour, slow: time.Millisecond, checked: map[string]string{}}
}

// RoundTrip is how the manager reaches it.
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	away, slow := a.away, a.slow
	a.mu.Unlock()
	if away != nil {
		return nil, away
	}
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	w.Header().Set("Replay-Nonce", "n")
	a.serve(w, r)
	return w.Result(), nil
}

const at = "https://authority.test"

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	step, host, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	authz := func(status string) {
		answer(w, 200, map[string]any{
			"status": status, "identifier": map[string]string{"type": "dns", "value": host},
			"challenges": []map[string]any{
				{"type": "tls-alpn-01", "url": at + "/check-tls-alpn-01/" + host, "token": "token"},
				{"type": "http-01", "url": at + "/check-http-01/" + host, "token": "token", "error": map[string]any{"type": "urn:ietf:params:acme:error:connection", "detail": "timeout"}},
			},
		})
	}
	switch step {
	case "dir":
		answer(w, 200, map[string]string{"newNonce": at + "/nonce", "newAccount": at + "/account", "newOrder": at + "/order"})
	case "nonce":
	case "account":
		w.Header().Set("Location", at+"/account/1")
		a.accounts++
		answer(w, 201, map[string]string{"status": "valid"})
	case "order":
		a.orders = append(a.orders, time.Now())
		if a.problem != "" {
			w.Header().Set("Retry-After", a.after)
			answer(w, 429, map[string]any{"type": "urn:ietf:params:acme:error:" + a.problem, "detail": "no"})
			return
		}
		var asked struct{ Identifiers []struct{ Value string } }
		payload(a.t, r, &asked)
		host = asked.Identifiers[0].Value
		delete(a.checked, host)
		a.order(w, host, 201, "pending")
	case "authz":
		status := "pending"
		switch a.checked[host] {
		case "":
		case "no":
			status = "invalid"
		default:
			status = "valid"
		}
		authz(status)
	case "check-tls-alpn-01", "check-http-01":
		kind := strings.TrimPrefix(step, "check-")
		a.checked[host] = "no"
		if a.asks(host, kind) {
			a.checked[host] = kind
		}
		answer(w, 200, map[string]string{"type": kind, "status": "processing", "url": at + r.URL.Path})
	case "wait":
		a.order(w, host, 200, "ready")
	case "finalize":
		var asked struct{ CSR string }
		payload(a.t, r, &asked)
		a.sign(host, asked.CSR)
		a.order(w, host, 200, "valid")
	case "cert":
		_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.signed}))
	default:
		a.t.Errorf("%s is asked for", r.URL)
	}
}

func (a *authority) order(w http.ResponseWriter, host string, code int, status string) {
	w.Header().Set("Location", at+"/wait/"+host)
	answer(w, code, map[string]any{
		"status": status, "authorizations": []string{at + "/authz/" + host}, "finalize": at + "/finalize/" + host,
		"certificate": at + "/cert/" + host,
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func payload(t *testing.T, r *http.Request, into any) {
	var jws struct{ Payload string }
	require.NoError(t, json.NewDecoder(r.Body).Decode(&jws))
	text, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

func (a *authority) sign(host, csr string) {
	der, err := base64.RawURLEncoding.DecodeString(csr)
	require.NoError(a.t, err)
	asked, err := x509.ParseCertificateRequest(der)
	require.NoError(a.t, err)
	require.Equal(a.t, []string{host}, asked.DNSNames)
	a.serial++
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), DNSNames: asked.DNSNames, NotBefore: time.Now(), NotAfter: time.Now().Add(a.life),
	}, a.own, asked.PublicKey, a.key)
	require.NoError(a.t, err)
	a.signed = leaf
}

// book is a log that can be read.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// check asks a manager as those do who check hosts.
func check(m *acme.Manager, host, kind string) bool {
	if kind == "tls-alpn-01" {
		c, err := m.Certificate(&tls.ClientHelloInfo{ServerName: host, SupportedProtos: []string{acme.Protocol}})
		if err != nil {
			return false
		}
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		return err == nil && leaf.VerifyHostname(host) == nil
	}
	w := httptest.NewRecorder()
	m.Challenges().ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("http://%s/.well-known/acme-challenge/token", host), nil))
	return w.Code == 200 && strings.HasPrefix(w.Body.String(), "token.")
}
