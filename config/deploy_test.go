package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

// TestDeployedSettingsExist: a node refuses to start with a variable or a line that it does not know, so the
// files of deploy/ must not have any.
func TestDeployedSettingsExist(t *testing.T) {
	known := map[string]bool{}
	for _, f := range config.Fields() {
		known[f.Env] = true
	}
	for _, file := range []string{"compose.yaml", "kubernetes/statefulset.yaml"} {
		text, err := os.ReadFile("../deploy/" + file)
		require.NoError(t, err)
		names := regexp.MustCompile(`\bSFU_[A-Z_]+`).FindAllString(string(text), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.True(t, known[name], "%s: there is no setting %s", file, name)
		}
	}
}

// TestDeployedFile loads the file of the Kubernetes manifests, with the secrets that are mounted there
// elsewhere.
func TestDeployedFile(t *testing.T) {
	text, err := os.ReadFile("../deploy/kubernetes/sfu.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, body := range map[string]string{"tls.crt": "", "tls.key": "", "sfu.keys": "a:" + secret + "\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	here := strings.NewReplacer("/tls/", dir+"/", "/keys/", dir+"/").Replace(string(text))
	c, err := config.Load(sources(t, here, []string{"SFU_NODE_ID=parlor-0", "SFU_NATS_URL=nats://u:p@nats.nats.svc:4222"}))
	require.NoError(t, err)
	require.EqualValues(t, ":8443", c.HTTP.Listen)
	require.Equal(t, 3, c.NATS.Replicas)
	require.True(t, c.Monitor.Listen.Loopback())
}
