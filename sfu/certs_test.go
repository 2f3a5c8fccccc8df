package sfu

import (
	"context"
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
	one, err := c.add("http.tls", cert, key)
	require.NoError(t, err)
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

	_, err = c.add("nats.tls", cert, filepath.Join(dir, "none"))
	var fault *config.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "nats.tls.cert", fault.Key)
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
