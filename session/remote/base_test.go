package remote_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/session/remote"
)

// TestPrefix: the prefix is the base path, or what a trusted proxy says. Nobody else is believed.
func TestPrefix(t *testing.T) {
	for name, c := range map[string]struct {
		base, path, from string
		said             []string
		want             string // the path that arrives, and the prefix before it
	}{
		"nothing":                     {"", "/whip/a", "10.0.0.5", nil, " /whip/a"},
		"base path passed on":         {"/media", "/media/whip/a", "192.0.2.1", nil, "/media /whip/a"},
		"base path taken off":         {"/media", "/whip/a", "192.0.2.1", nil, "/media /whip/a"},
		"only as a whole step":        {"/media", "/mediaserver", "192.0.2.1", nil, "/media /mediaserver"},
		"escaped":                     {"/media", "/media/whip/a%20b%3F", "192.0.2.1", nil, "/media /whip/a b?"},
		"a trusted proxy":             {"", "/whip/a", "10.0.0.5", []string{"/media"}, "/media /whip/a"},
		"with a slash":                {"", "/whip/a", "10.0.0.5", []string{"/media/"}, "/media /whip/a"},
		"root":                        {"/media", "/whip/a", "10.0.0.5", []string{"/"}, " /whip/a"},
		"over the base path":          {"/media", "/whip/a", "10.0.0.5", []string{"/live"}, "/live /whip/a"},
		"two proxies":                 {"", "/whip/a", "10.0.0.5", []string{"/out", "/in"}, "/out/in /whip/a"},
		"two proxies in a list":       {"", "/whip/a", "10.0.0.5", []string{"/out, /in"}, "/out/in /whip/a"},
		"a stranger":                  {"", "/whip/a", "192.0.2.1", []string{"/media"}, " /whip/a"},
		"another host":                {"", "/whip/a", "10.0.0.5", []string{"//evil.example"}, " /whip/a"},
		"a URL":                       {"/media", "/whip/a", "10.0.0.5", []string{"https://evil.example"}, "/media /whip/a"},
		"no slash before":             {"", "/whip/a", "10.0.0.5", []string{"media"}, " /whip/a"},
		"a step up":                   {"", "/whip/a", "10.0.0.5", []string{"/a/../b"}, " /whip/a"},
		"a header of its own (CR LF)": {"", "/whip/a", "10.0.0.5", []string{"/a\r\nX: y"}, " /whip/a"},
		"too long":                    {"", "/whip/a", "10.0.0.5", []string{"/" + strings.Repeat("a", 256)}, " /whip/a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			h := remote.Proxies{Networks: remote.Networks{netip.MustParsePrefix("10.0.0.0/8")}}.Handler(remote.Base(c.base).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = remote.Prefix(r) + " " + r.URL.Path
			})))
			r := httptest.NewRequest(http.MethodPost, c.path, nil)
			r.RemoteAddr = c.from + ":4000"
			for _, v := range c.said {
				r.Header.Add("X-Forwarded-Prefix", v)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, c.want, got)
		})
	}
}

// TestBaseAloneLeadsBelow: the page at the base path refers to what is below it.
func TestBaseAloneLeadsBelow(t *testing.T) {
	h := remote.Base("/media").Handler(http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/media", nil))
	require.Equal(t, http.StatusTemporaryRedirect, w.Code)
	require.Equal(t, "/media/", w.Header().Get("Location"))
}
