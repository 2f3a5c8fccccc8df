package sfu_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"parlor/bench/client"
	"parlor/config"
	"parlor/sfu"
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
