// Package remote says who is at the other end of an HTTP request: the address of the client, also behind
// proxies. It says whether a trusted proxy has brought the request, and under which path the client sees the
// node. It is a leaf.
//
//	remote.go     Remote, Networks, Proxies: from a request to the client's address
//	base.go       Base, Prefix: the path that a proxy puts in front of the node's own
//	forwarded.go  what Forwarded (RFC 7239) and X-Forwarded-For say of each proxy's request
package remote

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Remote is who sent a request.
type Remote struct {
	// Trusted says that the connection is one of a trusted proxy. What its headers say of the request then
	// counts.
	Trusted bool
	// Addr is the client's address, never an IPv4 address in IPv6 form, without a zone. It is not valid if
	// the connection has none, such as a socket of the file system.
	Addr netip.Addr
	// Proto is by what, http or https, the client has come to the first of the trusted proxies, Host at which
	// Host. Both are as the proxies say, and each may be empty.
	Proto, Host string
}

// Site is what counts as one place that requests come from. It is an IPv4 address, or a /64 of IPv6, which a
// single client has to itself.
func (r Remote) Site() netip.Prefix { return Site(r.Addr) }

// Site returns the place of an address, see Remote.Site; the zero Prefix for an address that is not valid.
func Site(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// Networks are addresses, or networks of them.
type Networks []netip.Prefix

// Contain reports whether an address is one of them.
func (n Networks) Contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, net := range n {
		if net.Contains(a) {
			return true
		}
	}
	return false
}

// Proxies are the proxies that are trusted. The zero value: none. Then nothing in a request's headers says
// where it comes from.
type Proxies struct {
	Networks Networks
	// Forwarded says that they tell who the client is in Forwarded (RFC 7239), not in X-Forwarded-For, -Proto
	// and -Host. The other headers are not read: a proxy that does not write them passes them on as the
	// client has sent them.
	Forwarded bool
	// Other is called with each request of a trusted proxy that has the header that is not read, and not the
	// one that is. Such a proxy may write the other one. nil: nobody is told.
	Other func()
}

// Remote returns who sent a request. The header of trusted proxies is read from its end, which the nearest
// proxy has written. The first address that is no trusted proxy's is the client's. What stands before it
// anybody may have written.
func (p Proxies) Remote(r *http.Request) Remote {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Remote{}
	}
	peer := at.Addr().Unmap().WithZone("")
	if !p.Networks.Contain(peer) {
		return Remote{Addr: peer}
	}
	said, other, read := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded"), plain
	if p.Forwarded {
		said, other, read = other, said, element
	}
	if len(said) == 0 && len(other) > 0 && p.Other != nil {
		p.Other()
	}
	who := p.nearest(peer, hops(said, read))
	if !p.Forwarded {
		who.Proto, who.Host = strings.ToLower(r.Header.Get("X-Forwarded-Proto")), r.Header.Get("X-Forwarded-Host")
	}
	return who
}

// nearest goes through hops from the last to the first and returns the first that is no trusted proxy. An
// address that cannot be read ends the way: what is before it was not told by a proxy that is trusted.
func (p Proxies) nearest(proxy netip.Addr, list []hop) Remote {
	who := Remote{Trusted: true, Addr: proxy}
	for _, h := range slices.Backward(list) {
		// the farther proxy has seen more of the client
		who.Proto, who.Host = cmp.Or(h.proto, who.Proto), cmp.Or(h.host, who.Host)
		if !h.from.IsValid() {
			break
		}
		if who.Addr = h.from; !p.Networks.Contain(who.Addr) {
			break
		}
	}
	return who
}

type key struct{}

// Handler has Of tell next, and what is behind it, who sent a request.
func (p Proxies) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, p.Remote(r))))
	})
}

// Host returns what the client calls the node, with a port if it named one. A client says so itself, so it counts
// for what that client alone is told.
func Host(r *http.Request) string {
	if who := Of(r); who.Trusted {
		return cmp.Or(who.Host, r.Host)
	}
	return r.Host
}

// Of returns who sent a request. If no Proxies.Handler is before it, no proxy is trusted.
func Of(r *http.Request) Remote {
	if who, ok := r.Context().Value(key{}).(Remote); ok {
		return who
	}
	return Proxies{}.Remote(r)
}
