package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func httpUsage(t *testing.T, p protocol) {
	empty := func(t *testing.T, r response) {
		require.Equal(t, 2, r.StatusCode/100, r.Status)
		require.Empty(t, r.body)
	}
	t.Run("GET of the endpoint has no content", func(t *testing.T) { empty(t, p.send(t, http.MethodGet, p.endpoint, "")) })
	t.Run("HEAD of the endpoint", func(t *testing.T) { empty(t, p.send(t, http.MethodHead, p.endpoint, "")) })
	t.Run("GET and HEAD of the session have no content", func(t *testing.T) {
		s := p.open(t, p.offer())
		empty(t, p.send(t, http.MethodGet, s.url, ""))
		empty(t, p.send(t, http.MethodHead, s.url, ""))
	})
	t.Run("GET of no session", func(t *testing.T) {
		p.send(t, http.MethodGet, p.open(t, p.offer()).another(t), "").requireRefused(t, 404, 410)
	})
	t.Run("a method that is not known names those that are (RFC 9110 15.5.6)", func(t *testing.T) {
		r := p.send(t, http.MethodPut, p.endpoint, p.offer(), "Content-Type", typeSDP)
		r.requireRefused(t, 405, 501)
		if r.StatusCode == http.StatusMethodNotAllowed {
			require.Contains(t, r.tokens("Allow"), "post")
		}
	})
	if p.plays {
		t.Run("discoverability: GET and HEAD tell the content type", func(t *testing.T) {
			for _, method := range []string{http.MethodHead, http.MethodGet} {
				r := p.send(t, method, p.endpoint, "")
				require.Equal(t, http.StatusOK, r.StatusCode)
				require.Equal(t, typeSDP, r.Header.Get("Content-Type"))
			}
		})
	}
}

func setUp(t *testing.T, p protocol) {
	t.Run("201 with answer and Location", func(t *testing.T) {
		s := p.open(t, p.offer())
		require.Equal(t, typeSDP, strings.ToLower(strings.Split(s.Header.Get("Content-Type"), ";")[0]))
		require.True(t, strings.HasPrefix(s.body, "v=0\r\n"), s.body)
		require.NotEqual(t, p.endpoint, s.url)
	})
	t.Run("the answer has the sections of the offer, for one direction", func(t *testing.T) {
		parts := sections(p.open(t, p.offer()).body)
		require.Len(t, parts, 3)
		for i, media := range []string{"audio", "video"} {
			require.True(t, strings.HasPrefix(parts[i+1], media+" "), parts[i+1])
			mid, _ := attribute(parts[i+1], "mid")
			require.Equal(t, string(rune('0'+i)), mid)
			_, ok := attribute(parts[i+1], p.answers)
			require.True(t, ok, "%s: %s", p.answers, parts[i+1])
		}
	})
	for name, direction := range map[string]string{"sendrecv": "sendrecv", "no direction": ""} {
		t.Run(name+" is answered for one direction", func(t *testing.T) {
			require.Equal(t, 2, strings.Count(p.open(t, p.directed(direction)).body, "a="+p.answers+"\r\n"))
		})
	}
	t.Run("every POST makes another session", func(t *testing.T) {
		require.NotEqual(t, p.open(t, p.offer()).url, p.open(t, p.offer()).url)
	})
	t.Run("the media type has parameters and no case", func(t *testing.T) {
		require.Equal(t, http.StatusCreated, p.post(t, p.offer(), "Content-Type", "Application/SDP; charset=utf-8").StatusCode)
	})
	t.Run("Accept may name the answer's type", func(t *testing.T) {
		require.Equal(t, http.StatusCreated, p.post(t, p.offer(), "Accept", typeSDP).StatusCode)
	})
	for name, media := range map[string]string{"JSON": "application/json", "text": "text/plain", "none": ""} {
		t.Run("another content type is refused: "+name, func(t *testing.T) {
			p.post(t, p.offer(), "Content-Type", media).requireRefused(t)
		})
	}
	other := map[string]string{"sendonly": "recvonly", "recvonly": "sendonly"}[p.offers]
	for name, body := range map[string]string{
		"empty": "", "no SDP": "hello", "half of it": p.offer()[:40], "no section": head,
		"JSON": `{"type":"offer"}`, "no fingerprint": p.offer("a=fingerprint", "a=x"), "no ICE credentials": p.offer("a=ice-", "a=x-"),
		"the other direction": p.directed(other), "inactive": p.directed("inactive"),
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			r := p.post(t, body)
			r.requireRefused(t)
			require.Empty(t, r.Header.Get("Location"))
		})
	}
}

func termination(t *testing.T, p protocol) {
	t.Run("DELETE is 200, afterwards there is nothing", func(t *testing.T) {
		s := p.open(t, p.offer())
		require.Equal(t, http.StatusOK, p.send(t, http.MethodDelete, s.url, "").StatusCode)
		for _, method := range []string{http.MethodDelete, http.MethodGet} {
			p.send(t, method, s.url, "").requireRefused(t, 404, 410)
		}
		s.patch(t, trickle(candidates), "If-Match", s.etag).requireRefused(t, 404, 410)
	})
	t.Run("DELETE ignores entity tags", func(t *testing.T) {
		s := p.open(t, p.offer())
		require.Equal(t, http.StatusOK, p.send(t, http.MethodDelete, s.url, "", "If-Match", `"of another time"`).StatusCode)
	})
}

func options(t *testing.T, p protocol) {
	preflight := func(t *testing.T, at, method, headers string) response {
		r := send(t, http.MethodOptions, at, "", "Origin", "https://player.example.org", "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers)
		require.Equal(t, 2, r.StatusCode/100, r.Status)
		require.Contains(t, []string{"*", "https://player.example.org"}, r.Header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, r.tokens("Access-Control-Allow-Methods"), strings.ToLower(method))
		for _, h := range strings.Split(headers, ",") {
			require.Contains(t, r.tokens("Access-Control-Allow-Headers"), h)
		}
		return r
	}
	t.Run("Accept-Post of the endpoint", func(t *testing.T) {
		r := p.send(t, http.MethodOptions, p.endpoint, "")
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.Contains(t, r.tokens("Accept-Post"), typeSDP)
	})
	t.Run("preflight of the endpoint, without a token", func(t *testing.T) {
		preflight(t, p.endpoint, http.MethodPost, "authorization,content-type")
	})
	t.Run("preflight of the session, without a token", func(t *testing.T) {
		s := p.open(t, p.offer())
		preflight(t, s.url, http.MethodPatch, "authorization,content-type,if-match")
		preflight(t, s.url, http.MethodDelete, "authorization")
	})
	t.Run("pages of other origins can read the answer", func(t *testing.T) {
		r := p.post(t, p.offer(), "Origin", "https://player.example.org")
		require.Contains(t, []string{"*", "https://player.example.org"}, r.Header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, r.tokens("Access-Control-Expose-Headers"), "location")
		require.Contains(t, r.tokens("Access-Control-Expose-Headers"), "etag")
	})
	t.Run("and errors", func(t *testing.T) {
		r := p.post(t, "hello", "Origin", "https://player.example.org")
		require.Contains(t, []string{"*", "https://player.example.org"}, r.Header.Get("Access-Control-Allow-Origin"))
	})
}

func redirections(t *testing.T, p protocol) {
	t.Run("no 301 and no 302", func(t *testing.T) {
		for _, at := range []string{p.endpoint, p.endpoint + "/"} {
			r := p.send(t, http.MethodPost, at, p.offer(), "Content-Type", typeSDP)
			require.NotContains(t, []int{301, 302, 303}, r.StatusCode)
			if r.StatusCode/100 == 3 {
				require.Equal(t, http.StatusTemporaryRedirect, r.StatusCode)
				require.NotEmpty(t, r.Header.Get("Location"))
			}
		}
	})
}

func iceServers(t *testing.T, p protocol) {
	t.Run("links are STUN and TURN URIs", func(t *testing.T) {
		for _, link := range p.open(t, p.offer()).Header.Values("Link") {
			if strings.Contains(link, "ice-server") {
				require.Regexp(t, `^<(stuns?|turns?):[^>]+>;.*rel="?ice-server"?`, link)
			}
		}
	})
	t.Run("not in a preflight", func(t *testing.T) {
		r := send(t, http.MethodOptions, p.endpoint, "", "Origin", "https://player.example.org", "Access-Control-Request-Method", "POST")
		require.NotContains(t, strings.Join(r.Header.Values("Link"), ","), "ice-server")
	})
}

func authentication(t *testing.T, p protocol) {
	if p.token == "" {
		t.Skip("another server is checked, without --token: what it asks for is not known; the node of these tests has one")
	}
	t.Run("without a token", func(t *testing.T) {
		r := send(t, http.MethodPost, p.endpoint, p.offer(), "Content-Type", typeSDP)
		r.requireRefused(t, 401)
		require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
		require.NotContains(t, r.Header.Get("WWW-Authenticate"), "error=", "RFC 6750 3.1")
	})
	for name, authorization := range map[string]string{"nonsense": "Bearer x", "another scheme": "Basic YTpi", "no scheme": p.token, "half of it": "Bearer " + p.token[:len(p.token)/2]} {
		t.Run("refused: "+name, func(t *testing.T) {
			r := send(t, http.MethodPost, p.endpoint, p.offer(), "Content-Type", typeSDP, "Authorization", authorization)
			r.requireRefused(t, 401, 403)
			if r.StatusCode == http.StatusUnauthorized {
				require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
			}
		})
	}
	t.Run("the scheme has no case (RFC 9110 11.1)", func(t *testing.T) {
		require.Equal(t, http.StatusCreated, p.post(t, p.offer(), "Authorization", "bearer "+p.token).StatusCode)
	})
}
