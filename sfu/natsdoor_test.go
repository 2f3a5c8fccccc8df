package sfu_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/embedded"
	"parlor/sfu"
	"parlor/transport/certtest"
)

// TestANodeWhoseNATSAsksForAPassword works as any other: its own connections know it, strangers do not.
func TestANodeWhoseNATSAsksForAPassword(t *testing.T) {
	c := free(func(c *config.Config) {
		c.NATS.Listen, c.NATS.User, c.NATS.Password = "0.0.0.0:0", "sfu", "0123456789abcdef"
		c.NATS.StoreDir = filepath.Join(t.TempDir(), "nats")
	})
	n := run(t, c, io.Discard)
	u, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.NoError(t, err)
	defer u.Close()
	at := strings.Replace(n.Addrs().NATS, "0.0.0.0", "127.0.0.1", 1)
	_, err = nats.Connect(at)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	known := sfu.NATSServer(c.NATS)
	nc, err := nats.Connect(at, nats.UserInfo(known.User, known.Password))
	require.NoError(t, err)
	nc.Close()
	_, body := get(t, n.Addrs().URL()+"healthz", nil)
	require.NotContains(t, body, "0123456789abcdef")
}

// TestFilesOfNATSThatAreNoSuch keep the node from starting, and are named by their settings.
func TestFilesOfNATSThatAreNoSuch(t *testing.T) {
	dir := t.TempDir()
	cert, key := certtest.New(t).Files(t, dir, "127.0.0.1")
	junk := filepath.Join(dir, "junk")
	require.NoError(t, os.WriteFile(junk, []byte("hello"), 0o600))
	for name, c := range map[string]struct {
		key    string
		change func(*config.NATS)
	}{
		"no authority":       {"nats.tls.ca", func(c *config.NATS) { c.TLS.CA = junk }},
		"no authority there": {"nats.tls.ca", func(c *config.NATS) { c.TLS.CA = filepath.Join(dir, "none") }},
		"no certificate":     {"nats.tls.cert", func(c *config.NATS) { c.TLS.Cert, c.TLS.Key = junk, key }},
		"no key":             {"nats.tls.cert", func(c *config.NATS) { c.TLS.Cert, c.TLS.Key = cert, junk }},
		"no credentials":     {"nats.credentials", func(c *config.NATS) { c.Credentials = filepath.Join(dir, "none") }},
		"a directory":        {"nats.credentials", func(c *config.NATS) { c.Credentials = dir }},
	} {
		n, err := sfu.New(free(func(cfg *config.Config) {
			cfg.NATS.URL = "tls://127.0.0.1:1"
			c.change(&cfg.NATS)
		}), zerolog.Nop())
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			err = n.Run(ctx)
			cancel()
		}
		var fault *config.Error
		require.ErrorAs(t, err, &fault, name)
		require.Equal(t, c.key, fault.Key, "%s: %v", name, err)
	}
}

// TestThePasswordOfNATSIsChanged while NATS is away: /readyz, the log and a metric say so, those inside go
// on, and all is well when it is put right.
func TestThePasswordOfNATSIsChanged(t *testing.T) {
	dir, at := t.TempDir(), "127.0.0.1:0"
	var server *embedded.Server
	serve := func(password string) {
		eventually(t, "the server's port is free", func() bool {
			s, err := embedded.Start(t.Context(), embedded.Options{Listen: at, Dir: dir, User: "sfu", Password: password, Log: zerolog.Nop()})
			server = s
			return err == nil
		})
		at = server.Addr().String()
	}
	shut := func() { require.NoError(t, server.Shutdown(context.Background())) }
	serve("the first password")
	defer func() { shut() }()
	log := new(sfu.Book)
	n := run(t, free(func(c *config.Config) {
		c.NATS.URL, c.NATS.User, c.NATS.Password = "nats://"+at, "sfu", "the first password"
		c.Cluster.Lease = 2 * time.Second
	}), log)
	says := func(path, what string) bool {
		_, body := get(t, n.Addrs().URL()+path, nil)
		return strings.Contains(body, what)
	}
	eventually(t, "users may come", func() bool { return says("readyz", `"ready":true`) })
	ann, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.NoError(t, err)
	defer ann.Close()
	shut()
	serve("the second one")
	eventually(t, "/readyz says why", func() bool { return says("readyz", "Authorization Violation") })
	eventually(t, "a metric says so", func() bool { return says("metrics", "parlor_nats_connected 0") })
	eventually(t, "the log says what to do", func() bool { return strings.Contains(log.String(), "nats.password") })
	require.True(t, says("metrics", "parlor_users 1"), "ann is in")
	shut()
	serve("the first password")
	eventually(t, "users may come again", func() bool { return says("readyz", `"ready":true`) })
	eventually(t, "the metric as well", func() bool { return says("metrics", "parlor_nats_connected 1") })
	bob, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "bob"})
	require.NoError(t, err)
	defer bob.Close()
	require.NotContains(t, log.String(), "the first password")
}
