package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// compose reads compose.yaml as `docker compose` does: by its schema, and with what holds between its parts.
func compose(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(env))
	require.NoError(t, err)
	return o.LoadProject(t.Context())
}

func TestCompose(t *testing.T) {
	_, err := compose(t)
	require.ErrorContains(t, err, "sfu key create", "without keys it says how to make one")
	p, err := compose(t, "PARLOR_KEYS=a:secret")
	require.NoError(t, err)

	media := map[string]string{}
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		s, err := p.GetService(name)
		require.NoError(t, err)
		port := strings.TrimPrefix(*s.Environment["SFU_MEDIA_LISTEN"], ":")
		require.Empty(t, media[port], "%s and %s have the same port", name, media[port])
		media[port] = name
		var published []string
		for _, x := range s.Ports {
			published = append(published, x.Published+">"+x.Protocol)
			if x.Published == port {
				require.Equal(t, port, itoa(x.Target), "%s: the media port is the same inside and outside", name)
			}
		}
		require.Contains(t, published, port+">udp", name)
		require.Contains(t, published, port+">tcp", name)
		require.Equal(t, name, *s.Environment["SFU_NODE_ID"])
		require.Equal(t, "http://127.0.0.1:"+s.Ports[0].Published, *s.Environment["SFU_NODE_URL"], "users are sent to where it is published")
		require.True(t, s.ReadOnly, name)
		for server := range strings.SplitSeq(*s.Environment["SFU_NATS_URL"], ",") {
			host := strings.TrimSuffix(strings.TrimPrefix(server, "nats://"), ":4222")
			require.Contains(t, p.Services, host)
		}
	}
	for _, c := range p.Configs {
		require.FileExists(t, c.File)
	}
}

// TestNATS has nats-server read its configuration, with unknown keys refused.
func TestNATS(t *testing.T) {
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} {
		t.Setenv("SERVER_NAME", name)
		o := &server.Options{CheckConfig: true}
		require.NoError(t, o.ProcessConfigFile("../nats.conf"))
		require.Equal(t, name, o.ServerName)
		require.True(t, o.JetStream)
		require.Len(t, o.Routes, 3)
		require.Equal(t, "/data", o.StoreDir)
	}
	bad := filepath.Join(t.TempDir(), "nats.conf")
	text, err := os.ReadFile("../nats.conf")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(bad, append(text, "jetstreem: enabled\n"...), 0o600))
	require.Error(t, (&server.Options{CheckConfig: true}).ProcessConfigFile(bad), "the check can fail")
}
