package sfu

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

// profileTime bounds how long a profile or trace may be collected for and handed over.
const profileTime = 10 * time.Minute

// debug binds the port of profiles, if one is configured.
func (b *builder) debug(ctx context.Context) error {
	n, at := b.n, b.n.cfg.Debug.Listen
	if at == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", string(at))
	if err != nil {
		return listenError("debug.listen", at, err)
	}
	n.addrs.Debug = listener.Addr().(*net.TCPAddr).AddrPort()
	var handler http.Handler = profiles()
	if n.addrs.Debug.Addr().IsLoopback() {
		handler = localOnly(handler)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: profileTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: serverLog(n.log),
	}
	run := func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	b.parts.add("debug", run, func() { _ = listener.Close() })
	return nil
}

// profiles serves Go's profiles. They are of the whole process.
func profiles() *http.ServeMux {
	runtime.SetMutexProfileFraction(100) // one in a hundred contended locks
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	return mux
}

// localOnly keeps out pages of elsewhere that run in a browser of this machine: see surface.guard.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); !loopbackHost(r.Host) || origin != "" && !loopbackOrigin(origin) {
			http.Error(w, "profiles are for this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
