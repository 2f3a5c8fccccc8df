package pebble

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/sfu"
)

const host = "sfu.test"

// names is a DNS server for which every name leads to one address.
type names struct {
	leads atomic.Value // string
	at    string
}

func (n *names) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	if question := q.Question[0]; question.Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(n.leads.Load().(string)),
		}}
	}
	_ = w.WriteMsg(m)
}

func newNames(t *testing.T) *names {
	n := new(names)
	n.leads.Store("127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0") // by which Pebble asks
	require.NoError(t, err)
	n.at = l.Addr().String()
	s := &dns.Server{Listener: l, Handler: n}
	var running sync.WaitGroup
	running.Go(func() { _ = s.ActivateAndServe() })
	t.Cleanup(func() {
		_ = s.Shutdown()
		running.Wait()
	})
	return n
}

// TestMain sets what Pebble asks of the environment.
func TestMain(m *testing.M) {
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "5") // percent; a client has to bear that
	os.Setenv("PEBBLE_AUTHZREUSE", "0")      // each order is checked
	os.Exit(m.Run())
}

// authority runs Pebble, which checks hosts at the ports given and issues certificates for a few seconds.
func authority(t *testing.T, by *names, plain, secure int, life uint64) (directory, file string, roots *x509.CertPool) {
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: life}})
	checker := va.New(quiet, plain, secure, true, by.at, store)
	front := wfe.New(quiet, store, checker, signer, []string{"pebble.test"}, true, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	file = t.TempDir() + "/authority.pem"
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(file, text, 0o600))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(signer.GetRootCert(0).PEM())
	return server.URL + wfe.DirectoryPath, file, roots
}

// node runs one that gets its certificate from an authority.
func node(t *testing.T, set func(*config.HTTP), logged io.Writer) *sfu.Node {
	c := config.Default()
	c.Media.Listen, c.NATS.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.HTTP.ACME.Hosts, c.HTTP.ACME.Agree, c.HTTP.ACME.Email = []string{host}, true, "ops@example.org"
	c.HTTP.ACME.StoreDir = t.TempDir()
	set(&c.HTTP)
	n, err := sfu.New(c, zerolog.New(logged).Level(zerolog.InfoLevel))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	select {
	case <-n.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the node does not start")
	}
	return n
}

// shown returns the certificate that a client is shown which believes everything but another name.
func shown(n *sfu.Node) *x509.Certificate {
	c, err := tls.Dial("tcp", n.Addrs().HTTP.String(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func metrics(t *testing.T, n *sfu.Node) string {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get("https://" + n.Addrs().HTTP.String() + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(text)
}

const patience = 15 * time.Second

// relays holds a TURN server to answering on the node's port of TLS, to a client that names nothing in ALPN as
// browsers do.
func relays(t *testing.T, n *sfu.Node, roots *x509.CertPool) {
	c, err := tls.Dial("tcp", n.Addrs().HTTP.String(), &tls.Config{ServerName: host, RootCAs: roots})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	allocate := append([]byte{0, 3, 0, 0, 0x21, 0x12, 0xA4, 0x42}, "transaction."...) // RFC 8489 section 5, without a right
	_, err = c.Write(allocate)
	require.NoError(t, err)
	answer := make([]byte, len(allocate))
	_, err = io.ReadFull(c, answer)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0x13}, answer[:2], "an error response to the allocation")
	require.Equal(t, allocate[4:], answer[4:])
}

// TestNodeGetsItsCertificate by TLS-ALPN-01, on the port on which it serves pages and TURN. It renews it. An order
// that fails leaves what was.
func TestNodeGetsItsCertificate(t *testing.T) {
	t.Parallel()
	port, by, book := free(t), newNames(t), new(book)
	directory, file, roots := authority(t, by, free(t), port, 6)
	n := node(t, func(c *config.HTTP) {
		c.Listen = config.Address(fmt.Sprintf("127.0.0.1:%d", port))
		c.ACME.Directory, c.ACME.CA = directory, file
	}, book)
	require.Equal(t, fmt.Sprintf("https://%s:%d/", host, port), n.Addrs().URL())
	var first *x509.Certificate
	require.Eventually(t, func() bool { first = shown(n); return first != nil }, patience, 20*time.Millisecond, "%s", book)
	c, err := tls.Dial("tcp", n.Addrs().HTTP.String(), &tls.Config{ServerName: host, RootCAs: roots, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err, "a browser believes it")
	require.Equal(t, "http/1.1", c.ConnectionState().NegotiatedProtocol)
	c.Close()
	relays(t, n, roots)
	newer := func(than *x509.Certificate) func() bool {
		return func() bool { return shown(n).NotAfter.After(than.NotAfter) }
	}
	require.Eventually(t, newer(first), patience, 20*time.Millisecond)

	by.leads.Store("127.0.0.9") // nobody is there
	// what is logged was counted before
	require.Eventually(t, func() bool { return strings.Contains(book.String(), "the certificate before stays") }, patience, 100*time.Millisecond, "%s", book)
	require.Contains(t, metrics(t, n), fmt.Sprintf(`parlor_acme_orders_total{host="%s",result="refused"} 1`, host))
	stays := shown(n)
	require.NotNil(t, stays)
	require.Contains(t, book.String(), "TCP port 443 to http.listen")
	require.Contains(t, metrics(t, n), fmt.Sprintf(`parlor_certificate_expires_timestamp_seconds{certificate="http.acme",host="%s"} %s`,
		host, strconv.FormatFloat(float64(stays.NotAfter.Unix()), 'g', -1, 64))) // as Prometheus writes it
	by.leads.Store("127.0.0.1")
	require.NoError(t, n.Reload())
	require.Eventually(t, newer(stays), patience, 20*time.Millisecond, "%s", book)
}

// TestNodeIsCheckedOnPort80 by HTTP-01. While there is no certificate those that watch over it get answers.
func TestNodeIsCheckedOnPort80(t *testing.T) {
	t.Parallel()
	port, by, book := free(t), newNames(t), new(book)
	directory, file, _ := authority(t, by, port, free(t), 3600)
	by.leads.Store("127.0.0.9")
	n := node(t, func(c *config.HTTP) {
		c.Listen = "127.0.0.1:0"
		c.ACME.Directory, c.ACME.CA, c.ACME.Listen = directory, file, config.Address(fmt.Sprintf("127.0.0.1:%d", port))
	}, book)
	require.Eventually(t, func() bool { return strings.Contains(book.String(), "browsers do not get in") }, patience, 20*time.Millisecond)
	require.Nil(t, shown(n))
	require.Contains(t, metrics(t, n), `result="refused"} 1`)
	by.leads.Store("127.0.0.1")
	require.NoError(t, n.Reload()) // the other way of checking
	require.Eventually(t, func() bool { return strings.Contains(metrics(t, n), `result="refused"} 2`) }, patience, 50*time.Millisecond, "%s", book)
	require.NoError(t, n.Reload())
	require.Eventually(t, func() bool { return shown(n) != nil }, patience, 20*time.Millisecond, "%s", book)
}

// free returns a port on which nobody listens.
func free(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// book is a log that can be read while it is written.
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
