package stranger_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/session/remote"
	"parlor/session/stranger"
)

// network is a listener whose connections come from made-up addresses.
type network struct {
	in   chan net.Conn
	once sync.Once
	done chan struct{}
}

func newNetwork() *network { return &network{in: make(chan net.Conn), done: make(chan struct{})} }

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.in:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}
func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection with an address.
type from struct {
	net.Conn
	addr netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.addr) }

// dial connects from an address.
func (n *network) dial(addr string) net.Conn {
	near, far := net.Pipe()
	n.in <- from{far, netip.AddrPortFrom(netip.MustParseAddr(addr), 5)}
	return near
}

// open reports whether the other side has not closed a connection.
func open(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

var limits = stranger.Limits{Conns: 8, ConnsPerSite: 4, Inside: 2, CPU: .1, Entries: 10}

// serve runs an HTTP server over the network.
func serve(t *testing.T, l stranger.Limits, p remote.Networks, h func(*stranger.Budget) http.Handler) (*stranger.Budget, *network) {
	return serveAt(t, l, p, false, h)
}

// serveAt is serve; secure says that connections cost what they do with TLS.
func serveAt(t *testing.T, l stranger.Limits, p remote.Networks, secure bool, h func(*stranger.Budget) http.Handler) (*stranger.Budget, *network) {
	b, n := stranger.New(l), newNetwork()
	s := &http.Server{Handler: h(b), ConnContext: stranger.ConnContext, ConnState: stranger.ConnState, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(b.Listen(n, p, secure))
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return b, n
}

func nothing(*stranger.Budget) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
}

// TestIdleConnectionsOfOneAddress: one address holds so many idle connections, and no more; the oldest goes.
// Others come in beside it.
func TestIdleConnectionsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := serve(t, limits, nil, nothing)
		var held []net.Conn
		for range 10 {
			held = append(held, n.dial("192.0.2.1"))
		}
		synctest.Wait()
		require.Equal(t, 4, b.Stats().Strangers)
		for i, c := range held {
			require.Equal(t, i >= 6, open(c), i)
		}
		other := n.dial("192.0.2.2")
		require.True(t, open(other))
		require.EqualValues(t, 6, b.Stats().Refused["address"])
		for _, c := range append(held, other) {
			c.Close()
		}
		synctest.Wait()
		require.Zero(t, b.Stats().Strangers)
	})
}

// TestIdleConnectionsOfAnIPv6Network: the same holds for a /64 of IPv6, whatever the address in it.
func TestIdleConnectionsOfAnIPv6Network(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := serve(t, limits, nil, nothing)
		for _, addr := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"} {
			defer n.dial(addr).Close()
		}
		synctest.Wait()
		require.Equal(t, 4, b.Stats().Strangers)
	})
}

// TestAnotherAddressGetsInWhenAllIsTaken: hostile addresses hold all that strangers may have. They are the
// ones to lose a connection to a client from elsewhere.
func TestAnotherAddressGetsInWhenAllIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := serve(t, limits, nil, nothing)
		for range 4 {
			defer n.dial("192.0.2.1").Close()
			defer n.dial("192.0.2.2").Close()
		}
		one, two := n.dial("192.0.2.3"), n.dial("192.0.2.4")
		defer one.Close()
		defer two.Close()
		synctest.Wait()
		require.Equal(t, 8, b.Stats().Strangers)
		require.True(t, open(one))
		require.True(t, open(two))
		require.EqualValues(t, 2, b.Stats().Refused["full"])
	})
}

// TestBusyConnectionsStay: a request that is under way is not cut off for another connection of its address.
func TestBusyConnectionsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b, n := serve(t, limits, nil, func(*stranger.Budget) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { <-release })
		})
		var held []net.Conn
		for range 4 {
			c := n.dial("192.0.2.1")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			held = append(held, c)
		}
		synctest.Wait()
		fifth := n.dial("192.0.2.1")
		synctest.Wait()
		require.False(t, open(fifth), "all others are busy, so it is the new one")
		for _, c := range held {
			require.True(t, open(c))
		}
		require.Equal(t, 4, b.Stats().Strangers)
		close(release)
		for _, c := range held {
			_ = c.SetReadDeadline(time.Time{})
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.StatusCode)
			c.Close()
		}
	})
}

// TestConnectingAgainAndAgain: a client that connects all the time is held back, and hung up on beyond that.
// A client that comes once in a while from elsewhere never is.
func TestConnectingAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits
		l.Conns, l.ConnsPerSite = 2000, 1000
		b, n := serve(t, l, nil, nothing)
		for range 1000 {
			defer n.dial("192.0.2.1").Close()
		}
		synctest.Wait()
		// 25 ms are saved up and a second's 25 ms may be owed, at 200 µs each: 250. The refusals beyond the
		// first 83 take 1.2 ms each; in that time one of seven more is paid for.
		require.InDelta(t, 664, b.Stats().Refused["connects"], 10)
		other := n.dial("192.0.2.2")
		defer other.Close()
		synctest.Wait()
		require.True(t, open(other))
		time.Sleep(2 * time.Second)
	})
}

// TestRequestsWaitForTheirShare: requests of one address wait for their share, and those of another do not.
func TestRequestsWaitForTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(*http.Request) bool { return false }
		b := stranger.New(limits)
		answered := 0
		var mu sync.Mutex
		h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			answered++
			mu.Unlock()
			_, _ = w.Write(make([]byte, 10_000)) // 250 µs, with the request 350
		}), never, never, never)
		ask := func(addr string) int {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			require.NoError(t, err)
			r.RemoteAddr = addr + ":5"
			w := &discard{header: http.Header{}}
			h.ServeHTTP(w, r)
			return w.status
		}
		stop := make(chan struct{})
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						ask("192.0.2.1")
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		require.Equal(t, http.StatusOK, ask("192.0.2.2"))
		require.Zero(t, time.Since(began), "it has not waited")
		close(stop)
		workers.Wait()
		// 25 ms saved up and 10 s of 25 ms, at 350 µs: 785; eight are under way.
		require.InDelta(t, 785, answered, 20)
	})
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(s int)   { d.status = s }
func (d *discard) Write(p []byte) (int, error) {
	if d.status == 0 {
		d.status = http.StatusOK
	}
	return len(p), nil
}

// TestEnteringAgainAndAgain: an address that enters again and again comes in as often as it may, waits, and
// is refused. One that shows no right pays for it.
func TestEnteringAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stranger.New(limits)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/rtc", nil)
		require.NoError(t, err)
		r.RemoteAddr = "192.0.2.1:5"
		began := time.Now()
		entered, refused := 0, 0
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 400 {
			all.Go(func() {
				g, ok := b.Guest(r)
				if !ok {
					return
				}
				ok, err := g.Enter(context.Background())
				mu.Lock()
				defer mu.Unlock()
				var busy *stranger.Busy
				switch {
				case errors.As(err, &busy):
					refused++
					if busy.Seconds() != 6 {
						t.Errorf("come again in %d s", busy.Seconds())
					}
				case ok:
					entered++
				}
			})
		}
		all.Wait()
		require.Equal(t, 250, entered, "200 at once, and those who wait for up to five seconds")
		require.Equal(t, 150, refused)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.EqualValues(t, 150, b.Stats().Refused["entries"])
	})
}

// TestWhoHasEnteredIsNoStranger: a client that has entered counts for those inside, of whom there are as many
// as may be. It counts for its address no longer.
func TestWhoHasEnteredIsNoStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var guests []*stranger.Guest
		b, n := serve(t, limits, nil, func(b *stranger.Budget) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				g, ok := b.Guest(r)
				if !ok {
					panic(http.ErrAbortHandler)
				}
				_, _, _ = http.NewResponseController(w).Hijack()
				mu.Lock()
				guests = append(guests, g)
				mu.Unlock()
			})
		})
		var held []net.Conn
		for range 3 {
			c := n.dial("192.0.2.1")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			held = append(held, c)
			synctest.Wait()
		}
		require.Equal(t, 3, b.Stats().Strangers)
		for i, want := range []bool{true, true, false} {
			ok, err := guests[i].Enter(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, ok)
		}
		require.Equal(t, 1, b.Stats().Strangers)
		require.Equal(t, 2, b.Stats().Inside)
		require.EqualValues(t, 1, b.Stats().Refused["inside"])
		guests[0].Leave()
		guests[0].Leave()
		require.Equal(t, 2, b.Stats().Strangers)
		require.Equal(t, 1, b.Stats().Inside)
		for range 8 { // fills the address: those inside stay
			c := n.dial("192.0.2.1")
			held = append(held, c)
		}
		synctest.Wait()
		require.True(t, open(held[1]))
		require.False(t, open(held[0]), "the oldest that is no longer inside")
	})
}

// TestClientsOfAProxy: clients of a trusted proxy are told apart by what it says of them.
func TestClientsOfAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits
		l.Conns = 100
		p := remote.Networks{netip.MustParsePrefix("10.0.0.1/32")}
		b, n := serve(t, l, p, func(b *stranger.Budget) http.Handler {
			return remote.Proxies{Networks: p}.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := b.Guest(r); !ok {
					panic(http.ErrAbortHandler)
				}
				_, _, _ = http.NewResponseController(w).Hijack()
			}))
		})
		come := func(client string) net.Conn {
			c := n.dial("10.0.0.1")
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: "+client+"\r\n\r\n")
			synctest.Wait()
			return c
		}
		var held []net.Conn
		for range 6 {
			held = append(held, come("192.0.2.1"))
		}
		other := come("192.0.2.2")
		require.False(t, open(held[0]))
		require.False(t, open(held[1]))
		require.True(t, open(held[2]))
		require.True(t, open(other))
		require.Equal(t, 5, b.Stats().Strangers)
	})
}
