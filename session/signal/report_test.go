package signal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// reporting returns a connection and its client's end.
func reporting(t testing.TB) (*conn, *websocket.Conn) {
	t.Helper()
	conns := make(chan *conn)
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &hijack{ResponseWriter: w}
		d := New(Options{})
		limit := d.limiter()
		conns <- &conn{d: d, ws: d.accept(h, r, &pings{limit}), wire: h.conn, limit: limit}
		<-over
	}))
	ws, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	require.NoError(t, err)
	c := <-conns
	t.Cleanup(func() {
		c.endWrites()
		_ = ws.CloseNow()
		c.pumps.Wait()
		close(over)
		server.Close()
	})
	return c, ws
}

func read(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	_, b, err := ws.Read(t.Context())
	require.NoError(t, err)
	return string(b)
}

// TestReportsThatFindTheQueueFullAreMissed: a slow client gets some of the reports, in order, and holds
// nobody up.
func TestReportsThatFindTheQueueFullAreMissed(t *testing.T) {
	c, ws := reporting(t)
	c.writing.Lock() // as a client that does not read has it
	for i := range 100 {
		c.report(fmt.Appendf(nil, "%d", i))
	}
	c.reports.mu.Lock()
	require.Equal(t, "99", string(c.reports.waiting[maxReports-1]), "the last one is not missed")
	c.reports.mu.Unlock()
	c.reports.mu.Lock()
	waiting := len(c.reports.waiting)
	c.reports.mu.Unlock()
	require.LessOrEqual(t, waiting, maxReports)
	c.writing.Unlock()
	require.Equal(t, "0", read(t, ws))
	c.pumps.Wait()
	c.report([]byte("last"))
	last, got := "", 1
	for last != "last" {
		last = read(t, ws)
		got++
	}
	require.LessOrEqual(t, got, maxReports+2)
	c.pumps.Wait()
	require.Nil(t, c.reports.waiting, "the queue leaves no memory behind")
}

// TestNoReportFollowsTheLastEvent: `exited` is the last message but for an answer.
func TestNoReportFollowsTheLastEvent(t *testing.T) {
	c, ws := reporting(t)
	c.report([]byte("before"))
	c.pumps.Wait()
	require.NoError(t, c.writeEvent([]byte("exited"), true))
	c.report([]byte("after"))
	c.pumps.Wait()
	require.NoError(t, c.write([]byte("ok")))
	for _, want := range []string{"before", "exited", "ok"} {
		require.Equal(t, want, read(t, ws))
	}
}
