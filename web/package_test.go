package web_test

import (
	"context"
	"fmt"
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

// scriptPage is a page without a bundler, for somebody who only watches.
const scriptPage = `<!doctype html><meta charset="utf-8"><div id="others"></div><script src="parlor.global.js"></script><script>
	const parlor = Parlor.create({ url: new URLSearchParams(location.search).get('node') });
	parlor.on('remote-video-available', ({ userId, streamType }) => parlor.startRemoteVideo({ userId, streamType, view: 'others' }));
	window.entered = parlor.enterRoom({ strRoomId: 'lobby', userId: 'tag' }).then(() => parlor.startLocalVideo({ fps: 1 }))
		.catch((err) => err instanceof Parlor.ParlorError && err.code + ' ' + err.field);
</script>`

// sealedPage is a page whose call is encrypted. It begins with what has the client.
const sealedPage = `
	const params = new URLSearchParams(location.search);
	const parlor = window.parlor = Parlor.create({ url: params.get('node'), encryption: {} });
	parlor.on('remote-video-available', ({ userId, streamType }) => parlor.startRemoteVideo({ userId, streamType, view: 'others' }));
	window.entered = parlor.enterRoom({ strRoomId: 'sealed', userId: params.get('user'), encryption: { sharedKey: 'open sesame' } })
		.then(() => parlor.startLocalVideo()).then(() => '', (err) => err.message);
</script>`

const (
	// byTag has the worker beside the script.
	byTag = `<!doctype html><meta charset="utf-8"><div id="others"></div><script src="parlor.global.js"></script><script>`
	// byBundler has the worker where the bundler has put it.
	byBundler = `<!doctype html><meta charset="utf-8"><div id="others"></div><script type="module">import { Parlor } from 'parlor-client';`
	bothPages = `export default { build: { rollupOptions: { input: ['index.html', 'bundled.html'] } } };`
)

// TestPackage makes a call through the npm package as applications take it in: the example, which is installed
// from the package's tarball and bundled, and a page with a script tag.
func TestPackage(t *testing.T) {
	app := installPackage(t)
	write(t, app, "bundled.html", byBundler+sealedPage)
	write(t, app, "vite.config.js", bothPages)
	run(t, app, "node", tool(t, "vite/bin/vite.js"), "build", "--logLevel", "error")
	workers, err := filepath.Glob(filepath.Join(app, "dist/assets/*-worker-*.js"))
	require.NoError(t, err)
	require.NotEmpty(t, workers, "the bundle has no worker for encryption")
	script, err := os.ReadFile(filepath.Join(app, "node_modules/parlor-client/parlor.global.js"))
	require.NoError(t, err)
	write(t, app, "dist/parlor.global.js", string(script))
	worker, err := os.ReadFile(filepath.Join(app, "node_modules/parlor-client/encryption-worker.js"))
	require.NoError(t, err)
	write(t, app, "dist/encryption-worker.js", string(worker))
	write(t, app, "dist/tag.html", scriptPage)
	write(t, app, "dist/sealed.html", byTag+sealedPage)
	pages := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(app, "dist"))))
	t.Cleanup(pages.Close)

	n := startNode(t)
	node := "?node=" + url.QueryEscape(n.url)
	ann, bob := openApp(t, pages.URL+"/"+node+"&user=ann"), openApp(t, pages.URL+"/"+node+"&user=bob")
	tag := openApp(t, pages.URL+"/tag.html"+node)
	ann.joinExample("Ann Müller")
	bob.joinExample("Bob")
	var refusal string
	tag.eval("entered", &refusal)
	require.Equal(t, "invalid_parameter fps", refusal)
	ann.shows("#me")
	bob.shows("[id^='tile ann']")
	bob.await("ann's name is there", "document.querySelector('[id^=\"tile ann\"] figcaption').textContent === 'Ann Müller'")
	tag.shows("#others")

	eve := openApp(t, pages.URL+"/sealed.html"+node+"&user=eve")
	fay := openApp(t, pages.URL+"/bundled.html"+node+"&user=fay")
	for _, p := range []*person{eve, fay} {
		var refused string
		p.eval("entered", &refused)
		require.Empty(t, refused, p.name)
	}
	for p, other := range map[*person]string{eve: "fay", fay: "eve"} {
		p.shows("#others")
		p.await(other+" is encrypted", fmt.Sprintf("parlor.encryptionState('%s') === 'encrypted'", other))
	}

	ann.await("she is offered cameras", "document.querySelector('#camera [value=clock]') !== null")
	ann.eval("(() => { const s = document.querySelector('#camera'); s.value = 'clock'; s.dispatchEvent(new Event('change')); })()", nil)
	bob.await("he sees ann's clock", exampleSeesClock)
	ann.eval("document.querySelector('#leave').click()", nil)
	ann.await("she has left", "document.querySelector('#news').textContent === 'You have left.'")
	bob.await("ann's tile is gone", "!document.querySelector('[id^=\"tile ann\"]')")
}

// exampleSeesClock is whether the corner of ann's picture is navy, which the fake camera's never is.
const exampleSeesClock = `(() => {
	const v = document.querySelector("[id^='tile ann'] video");
	if (!v?.videoWidth) return false;
	const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
	const context = canvas.getContext('2d');
	context.drawImage(v, 0, 0, v.videoWidth / 8, v.videoHeight / 8, 0, 0, 1, 1);
	const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
	return r < 40 && g < 40 && b > 90;
})()`

// joinExample joins by the example's form.
func (p *person) joinExample(user string) {
	p.t.Helper()
	p.name = user
	p.eval(fmt.Sprintf("(() => { document.querySelector('#name').value = %q; document.querySelector('#door').requestSubmit(); })()", user), nil)
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
		p.shows("#me")
		p.shows("#others")
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

// installPackage builds the client's package, and installs it in a copy of the example, whose folder it returns.
func installPackage(t *testing.T) string {
	t.Helper()
	tarball := strings.TrimSpace(run(t, ".", "node", "package/build.js", "--pack"))
	app := t.TempDir()
	require.NoError(t, os.CopyFS(app, os.DirFS("example")))
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

// shows waits until there is a picture in an element, and it moves. The element is named as in CSS.
func (p *person) shows(in string) {
	p.t.Helper()
	look := fmt.Sprintf("(() => { const v = document.querySelector(%q); return v?.videoWidth ? v.currentTime : 0; })()", in+" video")
	var first float64
	p.wait(limit, look, &first, "sees nothing in %s", in)
	p.wait(limit, look+" > "+strconv.FormatFloat(first, 'f', -1, 64), nil, "sees a picture in %s that stands still", in)
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
