package sfu

import (
	"context"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"time"
)

// profileTime bounds how long a profile or trace may be collected for and handed over.
const profileTime = 10 * time.Minute

// debug returns the part that serves profiles.
func (b *builder) debug(listener net.Listener, at netip.AddrPort) func(context.Context) error {
	if listener == nil {
		return nil
	}
	var handler http.Handler = profiles()
	if at.Addr().IsLoopback() {
		handler = localOnly(handler)
	}
	return serving(&http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: profileTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: serverLog(b.n.log),
	}, listener)
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
