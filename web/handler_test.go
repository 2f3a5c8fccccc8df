package web_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	slash "path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parlor/web"
)

func request(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler(web.Pages{Demo: true, Stream: true}).ServeHTTP(w, r)
	return w.Result()
}

func TestHandlerTypes(t *testing.T) {
	for path, typ := range map[string]string{
		"/":                 "text/html; charset=utf-8",
		"/demo/demo.js":     "text/javascript; charset=utf-8",
		"/demo/demo.css":    "text/css; charset=utf-8",
		"/demo/icon.svg":    "image/svg+xml; charset=utf-8",
		"/client/parlor.js": "text/javascript; charset=utf-8",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res := request(method, path)
			assert.Equal(t, 200, res.StatusCode, path)
			assert.Equal(t, typ, res.Header.Get("Content-Type"), path)
			assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		}
	}
}

func TestHandlerRevalidates(t *testing.T) {
	res := request("GET", "/client/parlor.js")
	etag := res.Header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{24}"$`, etag)
	require.Equal(t, "no-cache", res.Header.Get("Cache-Control"))
	require.Equal(t, 304, request("GET", "/client/parlor.js", "If-None-Match", etag).StatusCode)
	require.Equal(t, 200, request("GET", "/client/parlor.js", "If-None-Match", `"other"`).StatusCode)
	require.NotEqual(t, etag, request("GET", "/client/signal.js").Header.Get("ETag"))
}

func TestHandlerRefuses(t *testing.T) {
	for _, path := range []string{"/nothing", "/client/", "/client/test/signal.test.js", "/demo/../web.go", "/demo/", "/web.go", "/index.html"} {
		assert.Equal(t, 404, request("GET", path).StatusCode, path)
	}
	res := request("POST", "/")
	assert.Equal(t, 405, res.StatusCode)
	assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
}

// TestStreamPages: a page for a room, and one for a user of it, each of which finds its files by a base of its
// own. Others may frame what plays, and nothing else.
func TestStreamPages(t *testing.T) {
	for path, base := range map[string]string{
		"/play/lobby": `<base href="../">`, "/play/lobby/ann": `<base href="../../">`, "/publish/lobby": `<base href="../">`, "/play/a%2Fb": `<base href="../">`,
	} {
		res := request("GET", path)
		require.Equal(t, 200, res.StatusCode, path)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Contains(t, string(text), base, path)
		framed := !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		assert.Equal(t, strings.HasPrefix(path, "/play"), framed, path)
		assert.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"), path)
	}
	assert.NotEqual(t, request("GET", "/play/a").Header.Get("ETag"), request("GET", "/play/a/b").Header.Get("ETag"))
	for _, path := range []string{"/play", "/play/", "/play/a/", "/play/a/b/c", "/publish/a/b", "/publish/"} {
		assert.Equal(t, 404, request("GET", path).StatusCode, path)
	}
	for path, there := range map[string]bool{"/play/a": false, "/publish/a": false, "/stream/play.js": false, "/": false, "/client/parlor.js": true} {
		w := httptest.NewRecorder()
		web.Handler(web.Pages{}).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		assert.Equal(t, there, w.Code == 200, path)
	}
}

// Pages of other origins may import the client; the demo is a page of its own and loads nothing from
// elsewhere.
func TestHandlerOrigins(t *testing.T) {
	client, demo := request("GET", "/client/parlor.js").Header, request("GET", "/").Header
	assert.Equal(t, "*", client.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, demo.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, demo.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
	assert.NotContains(t, demo.Get("Content-Security-Policy"), "unsafe")
	assert.Equal(t, "no-referrer", demo.Get("Referrer-Policy"))
}

// What the policy forbids must not be there: a page that needs it would be broken.
func TestFilesKeepToThePolicy(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"another origin":  regexp.MustCompile(`(src|href|url|import|from)\s*[=( ]\s*['"]?(https?:)?//`),
		"an inline style": regexp.MustCompile(`\sstyle="|<style`),
		"inline script":   regexp.MustCompile(`\son[a-z]+="|<script(?:\s[^>]*)?>[^<]`),
		"text as HTML":    regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write`),
	}
	moved := regexp.MustCompile(`(src|href|import|from)\s*[=( ]\s*['"]/`) // the root is a proxy's
	seen := 0
	require.NoError(t, fs.WalkDir(web.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		content, err := web.FS.ReadFile(name)
		for what, re := range forbidden {
			assert.Falsef(t, re.Match(content), "%s has %s: %s", name, what, re.Find(content))
		}
		if !strings.HasPrefix(name, "client/") { // whose comments are for pages at the root
			assert.Falsef(t, moved.Match(content), "%s has a path from the root: %s", name, moved.Find(content))
		}
		return err
	}))
	require.Greater(t, seen, 15)
}

// Every module that a module imports is served.
func TestModulesAreThere(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^import [^'";]*'([^']+)'`)
	require.NoError(t, fs.WalkDir(web.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".js") {
			return err
		}
		content, err := web.FS.ReadFile(name)
		for _, m := range imports.FindAllStringSubmatch(string(content), -1) {
			path := m[1]
			if strings.HasPrefix(path, ".") {
				path = "/" + slash.Join(slash.Dir(name), path)
			}
			assert.Equal(t, 200, request("GET", path).StatusCode, "%s imports %s", name, path)
		}
		return err
	}))
}
