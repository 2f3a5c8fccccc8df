package sfu

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/control/adminhttp"
	"parlor/control/cluster"
	"parlor/session/remote"
	"parlor/session/signal"
	"parlor/session/stranger"
	"parlor/session/token"
	"parlor/tracing"
	"parlor/web"
)

// Bounds of HTTP. They hold for plain requests; the WebSocket and WHIP have their own.
const (
	headerTime    = 10 * time.Second // until a request's headers are in
	requestTime   = 30 * time.Second // until its body is in
	answerTime    = time.Minute      // until the client has taken the answer
	idleTime      = 2 * time.Minute  // between two requests of a connection
	maxHeader     = 16 << 10         // bytes; tokens may be long
	farewell      = 500 * time.Millisecond
	plainRequests = time.Second // for requests under way when the node stops
)

// surface is the HTTP server's routes and connections.
type surface struct {
	cfg     config.HTTP
	log     zerolog.Logger
	url     string // of the demo page on this machine
	keys    *token.Keys
	origins *atomic.Pointer[[]string] // http.origins, as they are now
	trace   *tracing.Tracer           // nil: none
	budget  *stranger.Budget          // of connections that have not entered
	cluster *cluster.Cluster
	health  *health

	door    *signal.Door
	whip    http.Handler // WHEP, too
	admin   http.Handler // commands
	actions http.Handler // commands, as another RTC engine has them; nil: none
	metrics http.Handler
	foreign zerolog.Logger // of pages that may not use the node
	sockets sync.WaitGroup
}

// routes returns the handler of everything that the node serves.
func (s *surface) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rtc", s.rtc)
	mux.Handle("POST /rtc/exit", s.crossOrigin(http.HandlerFunc(s.door.Exit)))
	for _, path := range []string{"/whip", "/whip/", "/whep", "/whep/"} {
		mux.Handle(path, s.whip)
	}
	mux.Handle(adminhttp.Path, s.admin)
	if s.actions != nil {
		mux.Handle("POST /{$}", s.actions)
	}
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.health.readyz)
	mux.Handle("GET /metrics", s.metrics)
	mux.Handle("/", web.Handler(web.Pages{Demo: s.cfg.Demo, Stream: s.cfg.Stream}))
	paid := s.budget.Handler(s.guard(s.traced(mux)), asksRight, enters, file)
	c := &s.cfg
	proxies := remote.Proxies{
		Networks: c.TrustedProxies, Forwarded: c.ProxyHeader == config.Forwarded,
		Other: sync.OnceFunc(func() {
			s.log.Warn().Str("read", c.ProxyHeader).Msg("a trusted proxy does not send the header of http.proxy_header, but the other one: " +
				"its clients are taken for one, whose address is the proxy's")
		}),
	}
	return proxies.Handler(remote.Base(c.BasePath).Handler(paid))
}

// asksRight reports whether a request that is answered well has shown a right.
func asksRight(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodDelete:
		return door(r) || strings.HasPrefix(r.URL.Path, adminhttp.Path) // not actions, which are answered 200 always
	}
	return false
}

// enters reports whether a request is to enter a room.
func enters(r *http.Request) bool { return r.Method == http.MethodPost && door(r) }

// pages are where what the binary holds is served, beside /.
var pages = []string{"/client/", "/demo/", "/stream/", "/play/", "/publish/"}

// file reports whether a request is for what the binary holds.
func file(r *http.Request) bool {
	p := r.URL.Path
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(p == "/" || p == "/admin" || adminFile(p) || slices.ContainsFunc(pages, func(dir string) bool { return strings.HasPrefix(p, dir) }))
}

func adminFile(path string) bool {
	return strings.HasPrefix(path, "/admin/") && !strings.HasPrefix(path, adminhttp.Path)
}

func door(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/whip/") || strings.HasPrefix(r.URL.Path, "/whep/")
}

// guard protects a node that asks for no token, and so serves this machine only. It keeps out pages of
// elsewhere that run in a browser of this machine. Those whose host name resolves to 127.0.0.1 (DNS
// rebinding) come with a foreign Host, all others with a foreign Origin.
func (s *surface) guard(next http.Handler) http.Handler {
	if !s.keys.Open() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			http.Error(w, "this node serves its own machine only; open it as "+s.url, http.StatusMisdirectedRequest)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !s.mayUse(r) {
			http.Error(w, "pages of "+origin+" may not use this node (http.origins)", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && loopbackHost(u.Host)
}

// loopbackHost says whether the Host header names this machine.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && ip.Unmap().IsLoopback()
}

func trimBrackets(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// rtc serves a WebSocket. Taking the connection over lifts the server's time limits.
func (s *surface) rtc(w http.ResponseWriter, r *http.Request) {
	s.sockets.Add(1)
	s.door.Take(w, r, s.sockets.Done)
}

// crossOrigin lets the pages of configured origins read the answer.
func (s *surface) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && s.permits(r) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Add("Vary", "Origin")
		}
		next.ServeHTTP(w, r)
	})
}

// newServer returns a server that waits for clients for as long as the times above say.
func newServer(h http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: serverLog(log), ConnContext: stranger.ConnContext, ConnState: stranger.ConnState, Protocols: onlyHTTP1(),
	}
}

// serve returns the part that runs the server until its context is done. Then no new connection is taken and
// plain requests end. WebSockets get a moment to close by themselves, and are then cut off.
func (s *surface) serve(l net.Listener, t *tls.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		base, cut := context.WithCancel(context.WithoutCancel(ctx))
		defer cut()
		server := newServer(s.routes(), s.log)
		server.TLSConfig, server.BaseContext = t, func(net.Listener) context.Context { return base }
		ended := make(chan error, 1)
		go func() {
			if t != nil {
				ended <- server.ServeTLS(l, "", "")
				return
			}
			ended <- server.Serve(l)
		}()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
		s.close(server, cut)
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// onlyHTTP1 is for http.Server, which otherwise offers HTTP/2 with TLS, whatever NextProtos says. A WebSocket
// needs a connection of its own, and strangers are bounded by their connections.
func onlyHTTP1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

func (s *surface) close(server *http.Server, cut context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), plainRequests)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
	gone := make(chan struct{})
	go func() {
		s.sockets.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return
	case <-time.After(farewell):
		cut()
	}
	select {
	case <-gone:
	case <-time.After(farewell):
		s.log.Warn().Msg("a WebSocket does not end")
	}
}
