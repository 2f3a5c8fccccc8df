package remote

import (
	"net/netip"
	"slices"
	"strings"
)

// maxHops is how many hops of a request are looked at, the last ones: no request comes through more proxies.
const maxHops = 16

// hop is what a proxy says of the request that it got.
type hop struct {
	from  netip.Addr // who sent it; not valid: it does not say, or not with an address
	proto string     // by what it came, http or https; may be empty
	host  string     // its Host; may be empty
}

// hops reads the values of a header, lists with commas, the last of which the nearest proxy has written. It
// returns at most maxHops, the last ones.
func hops(values []string, read func(string) hop) (list []hop) {
	for i := len(values) - 1; i >= 0 && len(list) < maxHops; i-- {
		rest, more := values[i], true
		for more && len(list) < maxHops {
			var last string
			rest, last, more = cutLast(rest)
			list = append(list, read(last))
		}
	}
	slices.Reverse(list)
	return list
}

// cutLast splits a list at its last comma. A comma in quotes is taken for one as well. No address and no host
// has one, and what a client begins to quote must not swallow what a proxy adds.
func cutLast(list string) (before, last string, found bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.TrimSpace(list), false
	}
	return list[:i], strings.TrimSpace(list[i+1:]), true
}

// plain reads an element of X-Forwarded-For, which is the address.
func plain(s string) hop { return hop{from: parse(s)} }

// element reads an element of Forwarded (RFC 7239 section 4). Of a parameter that comes twice the first
// counts.
func element(s string) (h hop) {
	var from string
	missing := map[string]*string{"for": &from, "proto": &h.proto, "host": &h.host}
	for pair := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		name = strings.ToLower(name)
		if field := missing[name]; field != nil {
			*field = unquote(value)
			delete(missing, name)
		}
	}
	h.from, h.proto = parse(from), strings.ToLower(h.proto)
	return h
}

// unquote takes the quotes off a value. One with escapes is no address, scheme or host, and stays what it is.
func unquote(value string) string { return strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`) }

// parse reads an address with or without a port, IPv6 with or without brackets. `unknown` and made-up names
// (RFC 7239 section 6) are not valid.
func parse(s string) netip.Addr {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
