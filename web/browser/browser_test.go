package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/lab/netns"
	"parlor/web/browser"
)

func TestMain(m *testing.M) {
	if err := browser.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const document = `<!doctype html><title>probe</title><input id=name autofocus><button onclick="pressed = document.querySelector('input').value">go</button>
<script>
let pressed = ''
addEventListener('pagehide', () => navigator.sendBeacon('/gone', location.search))
console.warn('hello from', 'the page')
</script>`

// pages serves the document and reports beacons.
func pages(t *testing.T, addr string) (url string, beacons <-chan string) {
	t.Helper()
	ch := make(chan string, 8)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) })
	mux.HandleFunc("POST /gone", func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		ch <- body.String()
	})
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, ch
}

func network(t *testing.T) *browser.Network {
	t.Helper()
	n, err := browser.NewNetwork()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func join(t *testing.T, n *browser.Network) *browser.Site {
	t.Helper()
	s, err := n.Join()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Each kind of browser on a machine of its own: script, promises, console, keys, screenshot, fake devices,
// the way a page goes, and the cable.
func TestDrivers(t *testing.T) {
	kinds := map[string]func(browser.Options) (*browser.Browser, error){
		"chromium": browser.StartChromium, "firefox": browser.StartFirefox,
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			n := network(t)
			site := join(t, n)
			url, beacons := pages(t, n.Addr().String())
			b, err := start(browser.Options{Site: site, Width: 800, Height: 600})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			ctx := deadline(t, 60*time.Second)
			p, err := b.Open(ctx, url+"/?one")
			require.NoError(t, err)

			testScript(t, ctx, p)
			testKeysAndPicture(t, ctx, p)
			testDevices(t, ctx, p)
			testCable(t, ctx, p, site)

			require.NoError(t, p.Close(ctx))
			select {
			case body := <-beacons:
				require.Equal(t, "?one", body)
			case <-ctx.Done():
				t.Fatal("the page went without its beacon")
			}
		})
	}
}

// Chromium runs in a namespace of somebody else's, films a file, and takes an origin without TLS as if it had
// it.
func TestChromiumElsewhere(t *testing.T) {
	n, err := netns.New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	server, err := n.Host("server", 1)
	require.NoError(t, err)
	user, err := n.Host("user", 2)
	require.NoError(t, err)
	l, err := server.Listen("0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	from := make(chan string, 8)
	go func() {
		// until it is closed
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from <- r.RemoteAddr
			fmt.Fprint(w, document)
		}))
	}()

	camera := filepath.Join(t.TempDir(), "camera.y4m")
	film := "YUV4MPEG2 W96 H64 F25:1 Ip A1:1 C420jpeg\n" + strings.Repeat("FRAME\n"+strings.Repeat("\x80", 96*64*3/2), 5)
	require.NoError(t, os.WriteFile(camera, []byte(film), 0o600))
	url := "http://" + l.Addr().String()
	b, err := browser.StartChromium(browser.Options{Host: user, Camera: camera, Trusted: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	ctx := deadline(t, 60*time.Second)
	p, err := b.Open(ctx, url)
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(<-from)
	require.NoError(t, err)
	require.Equal(t, user.Addr().String(), host)
	var got struct{ Width, Height int }
	require.NoError(t, p.Eval(ctx, "navigator.mediaDevices.getUserMedia({video: true}).then(m => m.getVideoTracks()[0].getSettings())", &got))
	require.Equal(t, 96*64, got.Width*got.Height)
}

func testScript(t *testing.T, ctx context.Context, p *browser.Page) {
	var sum struct{ A, B int }
	require.NoError(t, p.Eval(ctx, "new Promise(r => setTimeout(() => r({A: 1, B: 2}), 10))", &sum))
	require.Equal(t, 3, sum.A+sum.B)
	require.NoError(t, p.Eval(ctx, "undefined", nil))
	require.ErrorContains(t, p.Eval(ctx, "Promise.reject(new Error('no luck'))", nil), "no luck")
	require.ErrorContains(t, p.Eval(ctx, "nonsense.at.all", nil), "nonsense")

	brief := deadline(t, 2*time.Second)
	require.ErrorContains(t, p.Wait(brief, "false", nil), "still false")
	brief = deadline(t, 2*time.Second)
	require.ErrorContains(t, p.Wait(brief, "new Promise(() => {})", nil), "still null")
	brief = deadline(t, 2*time.Second)
	require.ErrorContains(t, p.Wait(brief, "nonsense.at.all", nil), "still ReferenceError")
	require.NoError(t, p.Eval(ctx, "void setTimeout(() => { window.late = {by: 7} }, 100)", nil))
	var late int
	require.NoError(t, p.Wait(ctx, "window.late.by", &late), "what throws is not true yet")
	require.Equal(t, 7, late)

	require.NoError(t, p.Eval(ctx, "void setTimeout(() => { throw new Error('uncaught one') })", nil))
	require.Eventually(t, func() bool {
		var all []string
		for _, m := range p.Console() {
			all = append(all, m.Level+" "+m.Text)
		}
		text := strings.Join(all, "\n")
		return strings.Contains(text, "hello from the page") && strings.Contains(text, "exception") &&
			strings.Contains(text, "uncaught one")
	}, 5*time.Second, 10*time.Millisecond)
}

func testKeysAndPicture(t *testing.T, ctx context.Context, p *browser.Page) {
	require.NoError(t, p.Eval(ctx, "document.querySelector('input').focus()", nil))
	require.NoError(t, p.Press(ctx, "ann\t\r"))
	var name string
	require.NoError(t, p.Wait(ctx, "pressed", &name))
	require.Equal(t, "ann", name)

	require.NoError(t, p.Resize(ctx, 390, 700))
	require.NoError(t, p.Wait(ctx, "innerWidth === 390", nil))
	require.NoError(t, p.Resize(ctx, 720, 600))
	shot, err := p.Screenshot(ctx)
	require.NoError(t, err)
	picture, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	require.Greater(t, picture.Bounds().Dx(), 700)
}

func testDevices(t *testing.T, ctx context.Context, p *browser.Page) {
	var kinds []string
	require.NoError(t, p.Eval(ctx,
		"navigator.mediaDevices.getUserMedia({audio: true, video: true}).then(s => s.getTracks().map(t => { t.stop(); return t.kind }).sort())", &kinds))
	require.Equal(t, []string{"audio", "video"}, kinds)
	// A candidate of the machine's own address is what media needs.
	var candidates string
	require.NoError(t, p.Eval(ctx, `(async () => {
		const pc = new RTCPeerConnection()
		pc.createDataChannel('x')
		await pc.setLocalDescription()
		await new Promise(r => { pc.onicegatheringstatechange = () => pc.iceGatheringState == 'complete' && r() })
		return pc.localDescription.sdp
	})()`, &candidates))
	require.Contains(t, candidates, "a=candidate")
}

// testCable: what is cut is silent, not refused, and goes on after it is restored.
func testCable(t *testing.T, ctx context.Context, p *browser.Page, site *browser.Site) {
	fetch := "fetch('/x', {cache: 'no-store', signal: AbortSignal.timeout(%d)}).then(r => 'got ' + r.status, e => e.name)"
	var got string
	require.NoError(t, p.Eval(ctx, fmt.Sprintf(fetch, 20000), &got))
	require.Equal(t, "got 200", got)
	for _, way := range []struct{ cut, restore func() error }{{site.Cut, site.Restore}, {site.Unplug, site.Plug}} {
		require.NoError(t, way.cut())
		require.NoError(t, p.Eval(ctx, fmt.Sprintf(fetch, 500), &got))
		require.NotEqual(t, "got 200", got)
		require.NoError(t, way.restore())
		require.NoError(t, p.Wait(ctx, "("+fmt.Sprintf(fetch, 5000)+").then(s => s == 'got 200')", nil))
	}
}

// A browser that is not there is an error that says how to get it.
func TestMissingBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := browser.StartChromium(browser.Options{})
	require.ErrorContains(t, err, "apt-get install -y chromium")
	_, err = browser.StartFirefox(browser.Options{})
	require.ErrorContains(t, err, "apt-get install -y firefox-esr")
}

// Nothing of a browser or a site is left behind.
func TestNothingIsLeft(t *testing.T) {
	home := t.TempDir()
	t.Setenv("TMPDIR", home)
	for range 2 {
		n, err := browser.NewNetwork()
		require.NoError(t, err)
		site, err := n.Join()
		require.NoError(t, err)
		b, err := browser.StartChromium(browser.Options{Site: site})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.NoError(t, site.Close())
		require.NoError(t, n.Close())
	}
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, left)
}
