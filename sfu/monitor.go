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

// monitor binds the port for those that watch over the node, if one is configured.
func (b *builder) monitor(ctx context.Context, metrics http.Handler) error {
	n, at := b.n, b.n.cfg.Monitor.Listen
	if at == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", string(at))
	if err != nil {
		return listenError("monitor.listen", at, err)
	}
	n.addrs.Monitor = listener.Addr().(*net.TCPAddr).AddrPort()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", n.healthz)
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.Handle("GET /metrics", metrics)
	var handler http.Handler = mux
	if n.addrs.Monitor.Addr().IsLoopback() {
		handler = localOnly(handler)
	}
	budget := stranger.New(monitorLimits)
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: serverLog(n.log), ConnContext: stranger.ConnContext, ConnState: stranger.ConnState,
		Protocols: onlyHTTP1(),
	}
	few := budget.Listen(&allowing{listener, n.cfg.Monitor.Allow}, nil, false)
	run := func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		if err := server.Serve(few); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	b.parts.add("monitor", run, func() { _ = listener.Close() })
	return nil
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
