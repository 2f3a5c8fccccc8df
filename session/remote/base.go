package remote

import (
	"context"
	"net/http"
	"path"
	"strings"
)

// maxPrefix bounds a path in front of the node's own ones, in bytes.
const maxPrefix = 256

// Base is the path in front of the node's own paths as its clients see them, such as /media; "": there is
// none. A proxy may take it off or pass it on.
type Base string

// prefixChars are the slash and the characters of RFC 3986 section 2.3, which mean themselves everywhere in a
// URL.
const prefixChars = "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// validPrefix reports whether a path can stand in front of others. It is "", or steps of plain characters
// that each begin with one slash, none of them . or ..
func validPrefix(p string) bool {
	return p == "" || len(p) <= maxPrefix && p[0] == '/' && path.Clean(p) == p && strings.Trim(p, prefixChars) == ""
}

type prefixKey struct{}

// Handler takes the base path off a request that still has it. It has Prefix tell next, and what is behind
// it, what clients put in front of the node's paths. It stands behind Proxies.Handler.
func (b Base) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix := string(b)
		if said, ok := forwardedPrefix(r.Header); ok && Of(r).Trusted {
			prefix = said
		}
		r = r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
		if b == "" || !strings.HasPrefix(r.URL.Path+"/", string(b)+"/") {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == string(b) { // what a page refers to is below it
			w.Header().Set("Location", prefix+"/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		http.StripPrefix(string(b), next).ServeHTTP(w, r)
	})
}

// forwardedPrefix reads X-Forwarded-Prefix, to which each proxy adds what it takes off, the outermost first.
// A value that is no path in front of others does not count.
func forwardedPrefix(h http.Header) (string, bool) {
	values := h.Values("X-Forwarded-Prefix")
	prefix := ""
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		prefix += strings.TrimRight(strings.TrimSpace(part), "/")
	}
	return prefix, len(values) > 0 && validPrefix(prefix)
}

// Prefix returns what the client of a request puts in front of the node's own paths, such as /media, without
// a slash at its end. It returns "" if the client puts nothing there, or if no Base.Handler is before.
func Prefix(r *http.Request) string {
	prefix, _ := r.Context().Value(prefixKey{}).(string)
	return prefix
}
