package whip_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session"
	"parlor/session/terms"
)

type turn struct{}

func (turn) Servers(string, string) ([]terms.ICEServer, time.Duration) {
	return []terms.ICEServer{{URLs: []string{"turn:h:1?transport=udp", "turns:h:443?transport=tcp"}, Username: "9:x", Credential: "a-_b"}}, time.Hour
}

func (turn) End(string) {}

// TestLinksOfServers: as RFC 9725 section 4.6 has them, in the answer to POST alone.
func TestLinksOfServers(t *testing.T) {
	h := newHouse(t, session.Options{Relay: turn{}})
	want := []string{
		`<turn:h:1?transport=udp>; rel="ice-server"; username="9:x"; credential="a-_b"; credential-type="password"`,
		`<turns:h:443?transport=tcp>; rel="ice-server"; username="9:x"; credential="a-_b"; credential-type="password"`,
	}
	for _, path := range []string{"/whip/lobby?user=ann", "/whep/lobby?user=ben"} {
		offer := sendOffer
		if path[:5] == "/whep" {
			offer = recvOffer
		}
		resp, body := h.post(path, offer)
		require.Equal(t, http.StatusCreated, resp.StatusCode, body)
		require.Equal(t, want, resp.Header.Values("Link"))
		require.Contains(t, resp.Header.Get("Access-Control-Expose-Headers"), "Link")
		resp, _ = h.do(http.MethodOptions, path, "")
		require.Empty(t, resp.Header.Values("Link"))
		resp, _ = h.post(path, "no offer")
		require.Empty(t, resp.Header.Values("Link"))
	}
	plain := newHouse(t, session.Options{})
	resp, _ := plain.post("/whip/lobby?user=ann", sendOffer)
	require.Empty(t, resp.Header.Values("Link"))
}
