package stranger_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/stranger"
)

// A crowd behind one address that shows rights gets back all that its connections have cost, with TLS too, and so is never refused.
func TestConnectionsOfWhoShowsARightCostNothing(t *testing.T) {
	for name, status := range map[string]string{"a WebSocket": "", "WHIP": "201 Created"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits
				l.Entries, l.Inside = 1000, 1000
				b, n := serveAt(t, l, nil, true, func(b *stranger.Budget) http.Handler {
					if status == "" {
						return enteringAtOnce(t, b)
					}
					yes := func(*http.Request) bool { return true }
					return b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }), yes, yes)
				})
				began := time.Now()
				for range 200 { // 200 ms, of which an address has 25 ms, and as much in a second
					c := n.dial("192.0.2.1")
					_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\n\r\n")
					require.NoError(t, err)
					res, err := http.ReadResponse(bufio.NewReader(c), nil)
					require.NoError(t, err)
					require.Less(t, res.StatusCode, 300)
					c.Close()
					synctest.Wait()
				}
				require.Zero(t, b.Stats().Refused["connects"])
				require.Zero(t, time.Since(began), "nobody has waited")
			})
		})
	}
}

// enteringAtOnce is a door whose guests show a right with the request.
func enteringAtOnce(t *testing.T, b *stranger.Budget) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, ok := b.Guest(r)
		if !ok {
			t.Error("too many connections")
		}
		if ok, err := g.Enter(r.Context()); !ok || err != nil {
			t.Errorf("not let in: %v", err)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
