// Package web holds what browsers load from a node. That is the client, an ES module that applications import,
// the demo page that uses it, the pages that publish and play one room, and the operator's page. All are
// embedded in the binary and served as they are; there is no build step.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"
)

// FS holds client/*.js, compat/*.js, demo/*, stream/* and admin/*.
//
//go:embed client/*.js compat/*.js demo/* stream/* admin/*.* admin/vendor/*
var FS embed.FS

// contentTypes of everything that is embedded. The system's table is not asked: it differs from
// machine to machine, and a module with a wrong type does not run.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml; charset=utf-8",
	".txt":  "text/plain; charset=utf-8", // licences
}

// pagePolicy lets a page load its own files and nothing else. It may talk to any node: its room may be on
// one, or move to one, that nobody knew of when the page was loaded.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; " +
	"connect-src 'self' https: wss: http: ws:; base-uri 'self'; form-action 'none'"

// ownFrame keeps a page out of the frames of others. The page that plays is for them, and opens no device.
const ownFrame = "; frame-ancestors 'none'"

// adminPolicy lets the operator's page load its own files and talk to its own node, and nothing else. What is
// not text cannot be made into elements, either.
const adminPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

type file struct {
	content []byte
	typ     string
	etag    string
}

// Pages says which pages are served beside the client.
type Pages struct {
	Demo   bool // the demo, at /
	Stream bool // /publish/{room}, /play/{room} and /play/{room}/{user}
}

// Handler serves pages (their files at /demo/… and /stream/…), the operator's page at /admin (/admin/…), the
// client at /client/… and its form for applications of another SDK at /compat/…, to GET and HEAD. Other paths get
// 404. Pages refer to all else by relative addresses, so they work below any path that a proxy puts in front.
// Files are revalidated by ETag on every load, so that a page never mixes the modules of two versions. Pages of
// other origins may import the client.
func Handler(p Pages) http.Handler {
	files := load()
	maps.DeleteFunc(files, func(name string, _ file) bool {
		return !p.Demo && strings.HasPrefix(name, "demo/") || !p.Stream && strings.HasPrefix(name, "stream/")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := page(r.URL.EscapedPath())
		if name == "admin/" || name == "admin/index.html" && r.URL.Path != "/admin" {
			w.Header().Set("Location", "../admin") // its files are named from there
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		f, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		setHeaders(w.Header(), name, f)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.content))
	})
}

// ofUser is the name of the page that plays one user, which is one step further down.
const ofUser = "stream/play.html of a user"

// page returns the name of the file that a path stands for.
func page(escaped string) string {
	steps := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	switch {
	case escaped == "/":
		return "demo/index.html"
	case escaped == "/admin":
		return "admin/index.html"
	case len(steps) == 2 && steps[1] != "" && (steps[0] == "play" || steps[0] == "publish"):
		return "stream/" + steps[0] + ".html"
	case len(steps) == 3 && steps[0] == "play" && steps[1] != "" && steps[2] != "":
		return ofUser
	}
	return strings.Join(steps, "/")
}

func setHeaders(h http.Header, name string, f file) {
	h.Set("Content-Type", f.typ)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(name, "client/") || strings.HasPrefix(name, "compat/") {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		return
	}
	h.Set("Referrer-Policy", "no-referrer") // the address may carry a token
	if strings.HasPrefix(name, "admin/") {
		h.Set("Content-Security-Policy", adminPolicy)
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		return
	}
	// Chromium looks at fewer networks for a page to which camera and microphone are closed: none, on a machine
	// that has only loopback. So they are open to the page that plays as well.
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)")
	if strings.HasPrefix(name, "stream/play.html") {
		h.Set("Content-Security-Policy", pagePolicy)
		return
	}
	h.Set("Content-Security-Policy", pagePolicy+ownFrame)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// load reads the embedded files once. It panics on one without a content type, which is a mistake
// of whoever added the file and shows at the first start.
func load() map[string]file {
	files := map[string]file{}
	err := fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		typ, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("no content type for %s", name)
		}
		content, err := FS.ReadFile(name)
		if err != nil {
			return err
		}
		files[name] = newFile(content, typ)
		return nil
	})
	if err != nil {
		panic("web: embedded files: " + err.Error())
	}
	play := files["stream/play.html"]
	files[ofUser] = newFile(bytes.Replace(play.content, []byte(`<base href="../">`), []byte(`<base href="../../">`), 1), play.typ)
	return files
}

func newFile(content []byte, typ string) file {
	sum := sha256.Sum256(content)
	return file{content: content, typ: typ, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}
