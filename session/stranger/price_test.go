package stranger_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/remote"
	"parlor/session/stranger"
)

// TestConnectionsOfWhoShowsARightCostNothing: a crowd behind one address shows rights. It gets back all that
// its connections have cost, with TLS too, and so is never refused.
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
					return b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }), yes, yes, func(*http.Request) bool { return false })
				})
				began := time.Now()
				// their connections cost 200 ms; an address has 25 ms, and as much again in a second
				for range 200 {
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

// TestPagesOfACrowdBehindOneAddress: people behind one address load a page of many modules at the same time.
// Some wait, and nobody gets a page of which a module is missing.
func TestPagesOfACrowdBehindOneAddress(t *testing.T) {
	const people, modules, size = 30, 30, 12_000
	synctest.Test(t, func(t *testing.T) {
		b := stranger.New(limits)
		never := func(*http.Request) bool { return false }
		yes := func(*http.Request) bool { return true }
		h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }), never, never, yes)
		began := time.Now()
		var all sync.WaitGroup
		for range people * modules {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/client/index.js", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.RemoteAddr = "192.0.2.1:5"
				w := &discard{header: http.Header{}}
				if h.ServeHTTP(w, r); w.status != http.StatusOK {
					t.Errorf("status %d", w.status)
				}
			})
		}
		all.Wait()
		require.Less(t, time.Since(began), 1500*time.Millisecond)
		require.Zero(t, b.Stats().Refused["requests"])
	})
}

// TestFilesAreBounded: a client that loads files all the time gets no more of them than its share pays for,
// bytes included.
func TestFilesAreBounded(t *testing.T) {
	const size = 100_000 // 200 µs, with the request 240
	synctest.Test(t, func(t *testing.T) {
		b := stranger.New(limits)
		never := func(*http.Request) bool { return false }
		yes := func(*http.Request) bool { return true }
		h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }), never, never, yes)
		began, answered := time.Now(), 0
		for time.Since(began) < 10*time.Second {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/client/index.js", nil)
			require.NoError(t, err)
			r.RemoteAddr = "192.0.2.1:5"
			w := &discard{header: http.Header{}}
			if h.ServeHTTP(w, r); w.status == http.StatusOK {
				answered++
			}
		}
		require.InDelta(t, 275_000/240, answered, 10, "25 ms saved up, and 10 s of 25 ms")
	})
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

// TestRefusalsArePaced: refusals have a share of their own. A client that is refused and comes again at once
// is not refused any faster than that share allows, and others get in meanwhile.
func TestRefusalsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := serve(t, limits, nil, nothing)
		ctx, stop := context.WithCancel(t.Context())
		var strangers sync.WaitGroup
		for range 100 {
			strangers.Go(func() {
				for ctx.Err() == nil {
					near, far := net.Pipe()
					select {
					case n.in <- from{far, netip.MustParseAddrPort("192.0.2.1:5")}:
						_, _ = near.Read(make([]byte, 1)) // until it is closed
						near.Close()
						time.Sleep(time.Millisecond)
					case <-ctx.Done():
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		other := n.dial("192.0.2.2")
		defer other.Close()
		require.Less(t, time.Since(began), time.Second/5)
		synctest.Wait()
		require.True(t, open(other))
		refused := b.Stats().Refused
		stop()
		n.Close()
		strangers.Wait()
		// Half of a tenth of a core, at 60 µs: 833 a second.
		require.Less(t, refused["connects"], uint64(11*833))
		require.Greater(t, refused["connects"], uint64(1000))
	})
}

// TestWhoIsRefusedHasNotEntered: tokens that are none are shown again and again. They do not keep others
// behind the same address from entering.
func TestWhoIsRefusedHasNotEntered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stranger.New(limits)
		yes := func(*http.Request) bool { return true }
		status := http.StatusUnauthorized
		h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), yes, yes,
			func(*http.Request) bool { return false })
		post := func() (got int) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/whip/room", nil)
			require.NoError(t, err)
			r.RemoteAddr = "192.0.2.1:5"
			w := &discard{header: http.Header{}}
			h.ServeHTTP(w, r)
			return w.status
		}
		for range 300 { // 200 entries are saved up
			require.Equal(t, http.StatusUnauthorized, post())
		}
		time.Sleep(2 * time.Second) // for the CPU that they have cost
		status = http.StatusCreated
		began := time.Now()
		for range 200 {
			require.Equal(t, http.StatusCreated, post())
		}
		require.Zero(t, time.Since(began), "nobody has waited")
	})
}

// refusedAll connects again and again from 192.0.2.1, each time when the connection before is hung up on.
func refusedAll(ctx context.Context, n *network, many int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			for ctx.Err() == nil {
				near, far := net.Pipe()
				select {
				case n.in <- from{far, netip.MustParseAddrPort("192.0.2.1:5")}:
					_, _ = near.Read(make([]byte, 1))
					near.Close()
				case <-ctx.Done():
				}
			}
		})
	}
	return func() {
		cancel()
		n.Close()
		all.Wait()
	}
}

// TestWhoIsRefusedIsHungUpOnLater: a flood of clients wait until they are hung up on, and come again then.
// They keep nobody waiting in the queue.
func TestWhoIsRefusedIsHungUpOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits
		l.Conns, l.ConnsPerSite = 500, 10
		b, n := serve(t, l, nil, nothing)
		stop := refusedAll(t.Context(), n, 300)
		for range 10 {
			time.Sleep(time.Second + time.Second/7)
			began := time.Now()
			other := n.dial("192.0.2.2")
			require.Less(t, time.Since(began), time.Millisecond)
			synctest.Wait()
			require.True(t, open(other))
			other.Close()
		}
		refused := b.Stats().Refused["connects"]
		stop()
		require.Greater(t, refused, uint64(1000), "they come again")
	})
}

// TestWhoIsRefusedTakesNobodysPlace: clients that are hung up on later take no place that strangers need, and
// none once the listener is closed.
func TestWhoIsRefusedTakesNobodysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits
		l.Conns, l.ConnsPerSite = 20, 4
		b, n := serve(t, l, nil, nothing)
		var refused []net.Conn
		for range 400 {
			refused = append(refused, n.dial("192.0.2.1"))
		}
		opened := func(list []net.Conn) (n int) {
			synctest.Wait()
			for _, c := range list {
				if open(c) {
					n++
				}
			}
			return n
		}
		require.InDelta(t, 20, opened(refused), 1, "four are in, and the last others wait to be hung up on")
		var others []net.Conn
		for i := range 12 {
			others = append(others, n.dial(netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i)}).String()))
		}
		require.Equal(t, 12, opened(others))
		require.InDelta(t, 8, opened(refused), 1)
		require.Equal(t, 16, b.Stats().Strangers)
		n.Close()
	})
}

// TestFilesDoNotHaveConnectionsRefused: a page's files do not have the connections refused by which it
// enters. As far as the files have used up the share, those connections wait for longer.
func TestFilesDoNotHaveConnectionsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		file  bool
		bytes int // 15 ms, of which 5 ms are saved up: 10 ms to go, at 5 ms a second
		open  bool
	}{"files": {true, 7_500_000, true}, "other answers": {false, 600_000, false}, "more files than that": {true, 18_000_000, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits
				l.CPU = .02
				b, n := serve(t, l, nil, func(b *stranger.Budget) http.Handler {
					never := func(*http.Request) bool { return false }
					return remote.Proxies{}.Handler(b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						_, _ = w.Write(make([]byte, c.bytes))
					}), never, never, func(*http.Request) bool { return c.file }))
				})
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/client/index.js", nil)
				first := n.dial("192.0.2.1")
				go func() { _ = r.Write(first) }()
				res, err := http.ReadResponse(bufio.NewReader(first), r)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				synctest.Wait()
				conn := n.dial("192.0.2.1")
				time.Sleep(4 * time.Second)
				require.Equal(t, c.open, open(conn))
				if c.open {
					require.Zero(t, b.Stats().Refused["connects"])
				}
				first.Close()
				conn.Close()
			})
		})
	}
}
