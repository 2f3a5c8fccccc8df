package sfu

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"

	"parlor/session/remote"
	"parlor/session/stranger"
)

// Bounds of the monitor's listener, for clients that may connect: probes and scrapers are few.
var monitorLimits = stranger.Limits{Conns: 128, ConnsPerSite: 32, Inside: 1, CPU: .2, Entries: 1}

// monitor returns the part that serves those who watch over the node.
func (b *builder) monitor(listener net.Listener, h *health, metrics http.Handler) func(context.Context) error {
	if listener == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", metrics)
	var handler http.Handler = mux
	if h.addrs.Monitor.Addr().IsLoopback() {
		handler = localOnly(handler)
	}
	budget := stranger.New(monitorLimits)
	few := budget.Listen(&allowing{listener, b.n.cfg.Monitor.Allow}, nil, false)
	return serving(newServer(handler, b.n.log), few)
}

// serving returns the part that runs a server until its context is done. Then it is closed at once.
func serving(server *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// allowing is a listener that hangs up on everybody but the networks given; none: on nobody.
type allowing struct {
	net.Listener
	only []netip.Prefix
}

// Accept returns the next connection of a client that may connect.
func (a *allowing) Accept() (net.Conn, error) {
	for {
		c, err := a.Listener.Accept()
		if err != nil || len(a.only) == 0 {
			return c, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && remote.Networks(a.only).Contain(from.Addr()) {
			return c, nil
		}
		_ = c.Close()
	}
}
