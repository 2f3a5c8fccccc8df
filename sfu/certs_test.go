package sfu

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
)

// writeCertificate makes a certificate of that name, in place of what is in the files.
func writeCertificate(t *testing.T, name, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})))
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

func TestCertificatesFollowTheirFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, "first.test", cert, key)
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
	writeCertificate(t, "second.test", cert, key)
	require.Eventually(t, func() bool { return shown() == "second.test" }, patience, 10*time.Millisecond)
	write(t, cert, "nothing of use")
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the one before stays") }, patience, 10*time.Millisecond)
	require.Equal(t, "second.test", shown())
	writeCertificate(t, "third.test", cert, key)
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
