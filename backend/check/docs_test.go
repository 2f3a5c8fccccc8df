package check

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
	"parlor/control/natstest"
	"parlor/control/webhook"
)

// programs are the files that a program of docs/backend.md needs beside it, and how it is started.
var programs = map[string]func(t *testing.T, dir, text string) *exec.Cmd{
	"go": func(t *testing.T, dir, text string) *exec.Cmd {
		write(t, dir, "main.go", text)
		write(t, dir, "go.mod", "module app\n\ngo 1.25.0\n\nrequire parlor/backend v0.0.0\n\nreplace parlor/backend => "+here(t, "go")+"\n")
		return exec.Command(build(t, dir))
	},
	"js": func(t *testing.T, dir, text string) *exec.Cmd {
		write(t, dir, "app.mjs", text)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "node_modules"), 0o755))
		require.NoError(t, os.Symlink(here(t, "node"), filepath.Join(dir, "node_modules", "parlor-backend")))
		return exec.Command("node", filepath.Join(dir, "app.mjs"))
	},
	"python": func(t *testing.T, dir, text string) *exec.Cmd {
		write(t, dir, "app.py", text)
		write(t, dir, "parlor.py", read(t, filepath.Join("..", "python", "parlor.py")))
		return exec.Command("python3", filepath.Join(dir, "app.py"))
	},
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// here is the folder of a package.
func here(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", name))
	require.NoError(t, err)
	return path
}

// TestProgramsOfTheDocumentation: each gives a token that a node takes, gets a webhook and refuses one that
// somebody has changed, has a user removed, and says what is wrong otherwise.
func TestProgramsOfTheDocumentation(t *testing.T) {
	page := read(t, filepath.Join("..", "..", "docs", "backend.md"))
	for language, prepare := range programs {
		t.Run(language, func(t *testing.T) {
			_, text, found := strings.Cut(page, "\n```"+language+"\n")
			require.True(t, found)
			text, _, _ = strings.Cut(text, "\n```\n")
			appPort, nodePort := natstest.FreePort(t), natstest.FreePort(t)
			app := fmt.Sprintf("http://127.0.0.1:%d", appPort)
			c := prepare(t, t.TempDir(), text+"\n")
			var out natstest.Journal
			c.Stdout, c.Stderr = &out, os.Stderr
			c.Env = append(os.Environ(), fmt.Sprint("PORT=", appPort), fmt.Sprintf("PARLOR_URL=http://127.0.0.1:%d", nodePort), "PARLOR_KEY="+keyLine, "PARLOR_WEBHOOK_KEY="+webhookKey)
			if language == "python" {
				c.Stderr = io.Discard // the standard library logs every request
			}
			require.NoError(t, c.Start())
			defer func() {
				require.NoError(t, c.Process.Kill())
				_ = c.Wait() // it was killed
			}()
			natstest.Eventually(t, "it listens", func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(app, "http://"))
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
			n := start(t, func(c *config.Config) {
				c.HTTP.Listen, c.Webhook.URL, c.Webhook.Key = config.Address(fmt.Sprintf("127.0.0.1:%d", nodePort)), app+"/parlor", webhookKey
			})
			use(t, app, n.Addrs().URL(), &out)
		})
	}
}

// use does with a back end what its users and its nodes do.
func use(t *testing.T, app, node string, out *natstest.Journal) {
	t.Helper()
	status, token := post(t, app+"/token?"+url.Values{"room": {"lobby"}, "user": {"ann"}}.Encode(), nil, "")
	require.Equal(t, http.StatusOK, status)
	c, err := client.Dial(t.Context(), client.Options{URL: node, Room: "lobby", User: "ann", Token: token})
	require.NoError(t, err)
	defer c.Close()
	natstest.Eventually(t, "the webhook has come", func() bool { return out.Count("entered", "lobby", "ann") == 1 })

	body := []byte(`{"id":"x.1","type":103,"timeMs":1,"node":"n1","room":"lobby","user":"eve","role":"anchor","reason":1}`)
	genuine := webhook.Sign([]byte(webhookKey), time.Now(), body)
	status, _ = post(t, app+"/parlor", bytes.Replace(body, []byte("eve"), []byte("bob"), 1), genuine)
	require.Equal(t, http.StatusForbidden, status, "another body")
	status, _ = post(t, app+"/parlor", body, webhook.Sign([]byte(webhookKey), time.Now().Add(-time.Hour), body))
	require.Equal(t, http.StatusForbidden, status, "an old one")
	status, _ = post(t, app+"/parlor", body, "")
	require.Equal(t, http.StatusForbidden, status, "none")
	status, _ = post(t, app+"/parlor", body, genuine)
	require.Equal(t, http.StatusOK, status)
	natstest.Eventually(t, "only the genuine one counts", func() bool { return out.Count("entered", "eve") == 1 })
	require.Zero(t, out.Count("bob"))

	status, text := post(t, app+"/remove?room=lobby&user=ann", nil, "")
	require.Equal(t, "200 removed", fmt.Sprint(status, " ", text))
	e, err := c.Await(t.Context(), client.Exited)
	require.NoError(t, err)
	require.Equal(t, 1, e.Reason)
	status, text = post(t, app+"/remove?room=lobby&user=ann", nil, "")
	require.Equal(t, "502 room_not_found StrRoomId", fmt.Sprint(status, " ", strings.TrimSpace(text)))
}

func post(t *testing.T, address string, body []byte, signature string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	require.NoError(t, err)
	if signature != "" {
		r.Header.Set(webhook.SignatureHeader, signature)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}
