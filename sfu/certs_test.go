package sfu

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/transport/certtest"
)

func TestCertificatesFollowTheirFiles(t *testing.T) {
	dir := t.TempDir()
	by := certtest.New(t)
	cert, key := by.Files(t, dir, "first.test")
	log := new(book)
	c := &certs{log: zerolog.New(log)}
	one := &certificate{section: "http.tls", cert: cert, key: key}
	require.NoError(t, c.add(one))
	shown := func() string {
		got, err := one.get(nil)
		require.NoError(t, err)
		return got.Leaf.DNSNames[0]
	}
	require.Equal(t, "first.test", shown())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.run(ctx) })
	defer running.Wait()
	defer cancel()
	by.Files(t, dir, "second.test")
	require.Eventually(t, func() bool { return shown() == "second.test" }, patience, 10*time.Millisecond)
	write(t, cert, "nothing of use")
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the one before stays") }, patience, 10*time.Millisecond)
	require.Equal(t, "second.test", shown())
	by.Files(t, dir, "third.test")
	require.Eventually(t, func() bool { return shown() == "third.test" }, patience, 10*time.Millisecond)

	c.mu.Lock() // the reading that brought it holds the lock until its end
	changes, failures := c.list[0].changes.Load(), c.list[0].failures.Load()
	c.mu.Unlock()
	require.EqualValues(t, 2, changes)
	require.EqualValues(t, 1, failures)

	var fault *config.Error
	require.ErrorAs(t, c.add(&certificate{section: "nats.tls", cert: cert, key: filepath.Join(dir, "none")}), &fault)
	require.Equal(t, "nats.tls.cert", fault.Key)
}

// TestAuthoritiesOfNATSFollowTheirFile: clients of the one before are refused, and none is while the file is
// broken.
func TestAuthoritiesOfNATSFollowTheirFile(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := certtest.New(t), certtest.New(t)
	cert, key := ours.Files(t, dir, "nats.test")
	believed := filepath.Join(dir, "ca.pem")
	believe := func(path string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		write(t, believed, string(text))
	}
	believe(ours.File(t))
	log := new(book)
	b := builder{n: &Node{certs: &certs{log: zerolog.New(log)}}}
	server, err := b.innerTLS(config.NATSTLS{Cert: cert, Key: key, CA: believed})
	require.NoError(t, err)
	takes := func(of *certtest.Authority) bool {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() {
			c := tls.Client(near, &tls.Config{ServerName: "nats.test", RootCAs: ours.Pool(), Certificates: []tls.Certificate{of.Issue(t, "client.test")}})
			if c.HandshakeContext(t.Context()) == nil {
				_, _ = c.Read(make([]byte, 1)) // it hears of a refusal
			}
		}()
		return tls.Server(far, server).HandshakeContext(t.Context()) == nil
	}
	require.True(t, takes(ours))
	require.False(t, takes(theirs))
	believe(theirs.File(t))
	require.NoError(t, b.n.certs.reload(false))
	require.False(t, takes(ours))
	require.True(t, takes(theirs))
	write(t, believed, "nothing of use")
	require.ErrorContains(t, b.n.certs.reload(false), "nats.tls.ca")
	require.True(t, takes(theirs))
	require.Contains(t, log.String(), "has no certificate in it")
}

// TestReadableSecretsAreSaid at start, whichever setting names them.
func TestReadableSecretsAreSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	write(t, path, line("a"))
	for mode, said := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 2} {
		require.NoError(t, os.Chmod(path, mode))
		log := new(book)
		c := config.Default()
		c.Auth.KeysFile, c.HTTP.TLS.Key = path, path
		warnReadable(c, zerolog.New(log))
		require.Equal(t, said, strings.Count(log.String(), "chmod 600"), "%v: %s", mode, log)
	}
}
