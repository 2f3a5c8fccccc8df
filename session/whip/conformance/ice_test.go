package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func patching(t *testing.T, p protocol) {
	s := p.open(t, p.offer())
	t.Run("201 has a strong entity tag", func(t *testing.T) { require.Regexp(t, `^"[^"]+"$`, s.etag) })
	t.Run("another content type is refused", func(t *testing.T) {
		s.patch(t, trickle(candidates), "If-Match", s.etag, "Content-Type", typeSDP).requireRefused(t)
	})
	t.Run("a malformed fragment is refused", func(t *testing.T) {
		s.patch(t, "hello", "If-Match", s.etag).requireRefused(t)
		s.patch(t, trickle("a=candidate:1 1 udp\r\n"), "If-Match", s.etag).requireRefused(t)
	})
	t.Run("428 without an entity tag", func(t *testing.T) { s.patch(t, trickle(candidates)).requireRefused(t, 428) })
	t.Run("412 with another one", func(t *testing.T) {
		s.patch(t, trickle(candidates), "If-Match", `"of another time"`).requireRefused(t, 412)
		s.patch(t, trickle(candidates), "If-Match", "W/"+s.etag).requireRefused(t, 412)
	})
	t.Run("no session", func(t *testing.T) {
		p.send(t, http.MethodPatch, s.another(t), trickle(candidates), "Content-Type", typeFragment, "If-Match", "*").requireRefused(t, 404, 410)
	})
	t.Run("what was refused has ended nothing", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, s.patch(t, trickle(candidates), "If-Match", s.etag).StatusCode)
	})
}

func trickling(t *testing.T, p protocol) {
	s := p.open(t, p.offer())
	for name, candidate := range map[string]string{
		"candidates":          candidates,
		"none":                "",
		"a name (mDNS)":       "a=candidate:1 1 udp 2122194687 4ff63f1e-a2c3-4a3e-9b7e-000000000000.local 61765 typ host\r\n",
		"a transport unheard": "a=candidate:1 1 sctp 2122194687 192.0.2.1 61765 typ host\r\n",
		"a relay":             "a=candidate:1 1 udp 41885439 192.0.2.9 61765 typ relay raddr 192.0.2.1 rport 5000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := s.patch(t, trickle(candidate), "If-Match", s.etag)
			require.Equal(t, http.StatusNoContent, r.StatusCode, r.body)
			require.Empty(t, r.body)
			require.Empty(t, r.Header.Get("ETag"))
		})
	}
	t.Run("the tag may be one of a list", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, s.patch(t, trickle(candidates), "If-Match", `"another", `+s.etag).StatusCode)
	})
	t.Run("the answer has all candidates of the server", func(t *testing.T) { require.Contains(t, s.body, "a=candidate:") })
}

func restarting(t *testing.T, p protocol) {
	for name, offered := range map[string]string{"trickle ice2": "trickle ice2", "trickle": "trickle", "none": ""} {
		t.Run("wildcard, offered ice-options "+name, func(t *testing.T) {
			lines := "a=ice-options:" + offered + "\r\n"
			if offered == "" {
				lines = ""
			}
			s := p.open(t, p.offer("a=ice-options:trickle ice2\r\n", lines))
			r := s.patch(t, restart("ysXw"), "If-Match", "*")
			s.requireRestarted(t, r)
			s.patch(t, restart("ysXx"), "If-Match", s.etag).requireRefused(t, 412)
			require.Equal(t, http.StatusNoContent, s.patch(t, strings.Replace(restart("ysXw"), "a=ice-options", "a=x", 1), "If-Match", r.Header.Get("ETag")).StatusCode)
		})
	}
	t.Run("new credentials under the present tag are a restart", func(t *testing.T) {
		s := p.open(t, p.offer())
		s.requireRestarted(t, s.patch(t, restart("ysXw"), "If-Match", s.etag))
	})
	t.Run("what cannot be done keeps the ICE session", func(t *testing.T) {
		s := p.open(t, p.offer())
		s.patch(t, strings.Replace(restart("ysXw"), "a=ice-pwd", "a=x", 1), "If-Match", "*").requireRefused(t)
		s.patch(t, "a=end-of-candidates\r\n", "If-Match", "*").requireRefused(t)
		require.Equal(t, http.StatusNoContent, s.patch(t, trickle(candidates), "If-Match", s.etag).StatusCode)
	})
}

// requireRestarted checks the answer to a restart against that of the offer.
func (s *resource) requireRestarted(t *testing.T, r response) {
	t.Helper()
	require.Equal(t, http.StatusOK, r.StatusCode, r.body)
	require.Equal(t, typeFragment, r.Header.Get("Content-Type"))
	require.Regexp(t, `^"[^"]+"$`, r.Header.Get("ETag"))
	require.NotEqual(t, s.etag, r.Header.Get("ETag"))
	for _, key := range []string{"ice-ufrag", "ice-pwd"} {
		before, _ := attribute(s.body, key)
		now, ok := attribute(r.body, key)
		require.True(t, ok && now != before, "%s: %s", key, r.body)
	}
	for _, key := range []string{"ice-options", "ice-lite", "ice-pacing"} {
		before, had := attribute(s.body, key)
		now, has := attribute(r.body, key)
		require.Equal(t, had, has, "%s: %s", key, r.body)
		require.Equal(t, before, now, key)
	}
	require.Contains(t, r.body, "a=candidate:")
}
