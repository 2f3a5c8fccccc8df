package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
)

// below puts a proxy in front of a node, under the path /media. It takes that off, or passes it on. It returns
// the node as its clients see it.
func below(t *testing.T, n *node, strips bool) *node {
	t.Helper()
	to, err := url.Parse(n.url)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	var handler http.Handler = proxy
	if strips {
		handler = http.StripPrefix("/media", handler)
	}
	mux := http.NewServeMux() // nothing else is served there
	mux.Handle("/media/", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.CloseClientConnections)
	seen := *n
	seen.t, seen.url = t, server.URL+"/media"
	return &seen
}

// openAt opens a page of a node.
func openAt(t *testing.T, n *node, name, path string) *person {
	t.Helper()
	page, err := shared.get(t).Open(within(t, limit), n.url+path)
	require.NoError(t, err)
	p := &person{t: t, name: name, page: page}
	t.Cleanup(p.cleanUp)
	return p
}

const (
	// pictures is how many of them move.
	pictures = `[...document.querySelectorAll('.picture video')].filter((v) => v.videoWidth > 0 && v.currentTime > 0).length`
	says     = "document.getElementById('status').textContent"
)

// TestStreamPagesBelowAPath: somebody publishes from a page, others watch in pages, all behind a proxy that puts
// a path in front of the node.
func TestStreamPagesBelowAPath(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.HTTP.BasePath = "/media"
	inner := runNode(t, cfg, nil)
	for name, strips := range map[string]bool{"taken off": true, "passed on": false} {
		t.Run(name, func(t *testing.T) {
			n := below(t, inner, strips)
			room := strings.ReplaceAll(name, " ", "-")
			viewer := openAt(t, n, "viewer", "/play/"+room+"?muted=1")
			one := openAt(t, n, "one", "/play/"+room+"/enc?muted=1&controls=0")
			viewer.await("the page waits", says+`.startsWith('Waiting for somebody')`)
			one.await("the page waits", says+`.startsWith('Waiting for enc')`)
			cam := openAt(t, n, "cam", "/publish/"+room+"?user=cam")
			require.NoError(t, cam.page.Resize(within(t, limit), 320, 640))
			cam.shoot("publish-off-320")
			cam.eval("document.getElementById('go').click()", nil)
			cam.await("it is live", says+`.startsWith('Live as cam')`)
			viewer.await("a picture moves", pictures+" === 1")
			encoder := openWhip(t, n, "encoder")
			var m made
			encoder.eval(fmt.Sprintf("whip.publish('/media/whip/%s?user=enc')", room), &m)
			require.True(t, strings.HasPrefix(m.Resource, n.url+"/whip/"), m.Resource)
			viewer.await("two pictures move", pictures+" === 2")
			one.await("one picture moves, and it is the encoder's", pictures+` === 1 && document.querySelector('.picture').dataset.user === 'enc'`)
			viewer.shoot("play-two")
			require.NoError(t, viewer.page.Resize(within(t, limit), 320, 568))
			viewer.shoot("play-two-320")
			cam.await("it says how much is sent", `/^[1-9]\d* kbit\/s, \d+×\d+ at/.test(document.getElementById('rate').textContent)`)
			for _, p := range []*person{cam, viewer} {
				var wide bool
				p.eval("document.documentElement.scrollWidth > innerWidth", &wide)
				require.False(t, wide, "%s has to be moved sideways", p.name)
			}
			cam.shoot("publish-on-320")
			cam.eval("document.getElementById('go').click()", nil)
			viewer.await("one picture is left", pictures+" === 1 && document.querySelectorAll('.picture').length === 1")
			var status struct{ Status int }
			encoder.eval("whip.stop()", &status)
			require.Equal(t, 200, status.Status)
			viewer.await("the page waits again", says+`.startsWith('Waiting for somebody')`)
			viewer.shoot("play-waiting-320")

			demo := openAt(t, n, "demo", "/?camera=0&mic=0&user=ann&room="+room)
			demo.await("the form is filled in", "document.body.dataset.role && document.querySelector('#user').value")
			demo.eval("document.querySelector('#enter').click()", nil)
			demo.await("one is in the room", "document.body.dataset.view === 'call'")
			res, err := http.Post(n.url+"/admin/v1/ListRooms", "application/json", strings.NewReader("{}"))
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, http.StatusOK, res.StatusCode)
		})
	}
}

// TestStreamPagesWantATokenBehindTheHash: a link without one says so, and what to do. With one the page enters as
// the token's user.
func TestStreamPagesWantATokenBehindTheHash(t *testing.T) {
	cfg := nodeConfig(t, netip.MustParseAddr("127.0.0.1"), timers{})
	cfg.Auth.Keys = []config.Key{keyID + ":" + secret}
	keys, err := token.New(nil, token.Key{ID: keyID, Secret: []byte(secret)})
	require.NoError(t, err)
	n := runNode(t, cfg, keys)
	viewer := openAt(t, n, "viewer", "/play/lobby")
	viewer.await("the token is missing", says+`.includes('#token=') && !document.getElementById('again').hidden`)
	viewer.shoot("play-no-token")
	viewer = openAt(t, n, "viewer", "/play/lobby#token="+n.token("lobby", "fan"))
	viewer.await("it waits", says+`.startsWith('Waiting for somebody')`)
	require.True(t, n.has("lobby", "fan"))
	outside := openAt(t, n, "outside", "/play/later#token="+n.mint("later", "eve", may(t, terms.RightEnter, terms.RightRecvVideo)))
	outside.await("it waits for somebody who may open the room", says+`.startsWith('Waiting for somebody') && document.getElementById('advice').textContent`)
	require.False(t, n.has("later", "eve"))
}

// may is a set of rights.
func may(t *testing.T, rights ...terms.Right) terms.Rights {
	t.Helper()
	set, err := terms.NewRights(rights...)
	require.NoError(t, err)
	return set
}
