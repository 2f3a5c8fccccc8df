package sfu

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"parlor/session/remote"
	"parlor/session/stranger"
)

// mayUse reports whether the page that a request is of may use the node. That is a page of the node's own, of
// an origin that is configured, or of another node. Without keys it is also a page of this machine, on any
// port. A page that may not is counted and logged.
func (s *surface) mayUse(r *http.Request) bool {
	if s.permits(r) {
		return true
	}
	origin := r.Header.Get("Origin")
	s.budget.Refused(stranger.Origin)
	s.foreign.Warn().Str("origin", origin).Stringer("from", remote.Of(r).Addr).
		Msg("a page of an origin that may not use this node was refused; http.origins lets it in")
	return false
}

func (s *surface) permits(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return s.own(r, origin) || s.allowed(origin) || s.keys.Open() && loopbackOrigin(origin)
}

// own reports whether a page is the node's own. If clients are known to come by HTTPS, a page that came by
// HTTP is not: anybody on the way may have written it. A trusted proxy says by which scheme and host they
// come.
func (s *surface) own(r *http.Request, origin string) bool {
	host, secure := r.Host, r.TLS != nil
	if who := remote.Of(r); who.Trusted {
		host, secure = cmp.Or(who.Host, host), secure || who.Proto == "https"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !strings.EqualFold(u.Host, host) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && !secure
}

// allowed reports whether pages of an origin that is not the node's own may use the node.
func (s *surface) allowed(origin string) bool {
	for _, o := range *s.origins.Load() {
		if o == "*" || o == origin {
			return true
		}
	}
	return s.cluster.Trusts(origin)
}

// seldom returns a logger for what strangers can cause as often as they like: one line in ten seconds.
func seldom(l zerolog.Logger) zerolog.Logger {
	return l.Sample(&zerolog.BurstSampler{Burst: 1, Period: 10 * time.Second})
}
