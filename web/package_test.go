package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

// packageApp is what two pages of an application do: each shows itself if it has a camera, and everybody else.
const packageApp = `
	const asked = new URLSearchParams(location.search);
	const parlor = Parlor.create({ url: asked.get('node') });
	window.parlor = parlor;
	window.code = (err) => err instanceof ParlorError ? err.code : 'foreign: ' + err;
	parlor.on('remote-video-available', ({ userId, streamType }) => parlor.startRemoteVideo({ userId, streamType, view: 'others' }));
	parlor.on('exit-room', ({ reason }) => { window.left = reason === ExitReason.EXIT; });
	window.entered = parlor.enterRoom({ strRoomId: 'lobby', userId: asked.get('user') })
		.then(() => asked.has('camera') && parlor.startLocalVideo({ view: 'me' })).then(() => true);`

const packagePage = `<!doctype html><meta charset="utf-8"><div id="me"></div><div id="others"></div>`

// TestPackage makes a call through the npm package as applications take it in: installed from its tarball and
// bundled, and by a script tag.
func TestPackage(t *testing.T) {
	app := installPackage(t)
	write(t, app, "main.js", "import { ExitReason, Parlor, ParlorError } from 'parlor-client';"+packageApp)
	write(t, app, "index.html", packagePage+`<script type="module" src="main.js"></script>`)
	run(t, app, "node", tool(t, "vite/bin/vite.js"), "build", "--logLevel", "error")
	script, err := os.ReadFile(filepath.Join(app, "node_modules/parlor-client/parlor.global.js"))
	require.NoError(t, err)
	write(t, app, "dist/parlor.global.js", string(script))
	write(t, app, "dist/tag.html", packagePage+`<script src="parlor.global.js"></script><script>
		const { ExitReason, ParlorError } = Parlor;`+packageApp+`</script>`)
	pages := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(app, "dist"))))
	t.Cleanup(pages.Close)

	n := startNode(t)
	address := func(page, user, more string) string {
		return pages.URL + page + "?user=" + user + "&node=" + url.QueryEscape(n.url) + more
	}
	ann := openApp(t, address("/index.html", "ann", "&camera"))
	bob := openApp(t, address("/index.html", "bob", ""))
	tag := openApp(t, address("/tag.html", "tag", ""))
	for _, p := range []*person{ann, bob, tag} {
		p.eval("entered", nil)
	}
	for _, p := range []*person{bob, tag} {
		p.shows("others")
		var code string
		p.eval("parlor.startLocalVideo({ profile: 1 }).catch(code)", &code)
		require.Equal(t, "invalid_parameter", code)
	}
	ann.shows("me")
	ann.eval("parlor.exitRoom()", nil)
	ann.eval("(() => { if (!left) throw new Error('no exit-room'); })()", nil)
	require.NoError(t, bob.page.Wait(within(t, limit), "!document.querySelector('#others video')?.videoWidth", nil), "bob still sees ann")
}

// TestQuickStart does what docs/client.md tells newcomers to do: its back end, its page, two tabs.
func TestQuickStart(t *testing.T) {
	page, err := os.ReadFile("../docs/client.md")
	require.NoError(t, err)
	_, quick, found := strings.Cut(string(page), "## Quick start")
	require.True(t, found)
	port := freePort(t)
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.Auth.Keys = []config.Key{"app:" + secret}
	cfg.HTTP.Origins = []string{"http://localhost:" + port}
	n := runNode(t, cfg, nil)

	backend := t.TempDir()
	write(t, backend, "server.mjs", strings.Replace(codeOf(t, quick, "js"), "listen(3000)", "listen("+port+")", 1))
	write(t, backend, "index.html", strings.ReplaceAll(codeOf(t, quick, "html"), "http://127.0.0.1:8080", n.url))
	cmd := exec.CommandContext(t.Context(), "node", "server.mjs")
	cmd.Dir, cmd.Env, cmd.Stderr = backend, append(os.Environ(), "KEY="+secret), os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", "localhost:"+port)
		return err == nil && c.Close() == nil
	}, limit, 20*time.Millisecond, "the back end does not listen")

	one, two := openApp(t, "http://localhost:"+port), openApp(t, "http://localhost:"+port)
	for _, p := range []*person{one, two} {
		p.shows("me")
		p.shows("others")
	}
}

// codeOf is the first block of code in that language.
func codeOf(t *testing.T, page, language string) string {
	t.Helper()
	_, code, found := strings.Cut(page, "```"+language+"\n")
	require.True(t, found, language)
	code, _, _ = strings.Cut(code, "```\n")
	return code
}

// freePort is one that nothing listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return port
}

// installPackage builds the client's package, and installs it in a new project. It returns the project's folder.
func installPackage(t *testing.T) string {
	t.Helper()
	tarball := strings.TrimSpace(run(t, ".", "node", "package/build.js", "--pack"))
	app := t.TempDir()
	write(t, app, "package.json", `{"name": "app", "private": true, "type": "module"}`)
	run(t, app, "npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", tarball)
	return app
}

// tool is the path of one of the development tools of package.json.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("node_modules", name))
	require.NoError(t, err)
	require.FileExists(t, path, "npm ci --prefix web installs it")
	return path
}

// openApp opens a page of an application.
func openApp(t *testing.T, address string) *person {
	t.Helper()
	page, err := shared.get(t).Open(within(t, limit), address)
	require.NoError(t, err)
	p := &person{t: t, name: address, page: page}
	t.Cleanup(p.cleanUp)
	return p
}

// shows waits until there is a picture in the element with that id, and it moves.
func (p *person) shows(id string) {
	p.t.Helper()
	look := "(() => { const v = document.querySelector('#" + id + " video'); return v?.videoWidth ? v.currentTime : 0; })()"
	var first float64
	require.NoError(p.t, p.page.Wait(within(p.t, limit), look, &first), "%s sees nothing in #%s", p.name, id)
	require.NoError(p.t, p.page.Wait(within(p.t, limit), look+" > "+strconv.FormatFloat(first, 'f', -1, 64), nil), "%s sees a picture in #%s that stands still", p.name, id)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// run runs a command to its end, and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // on a busy machine
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
