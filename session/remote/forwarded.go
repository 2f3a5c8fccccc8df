package remote

import (
	"net/netip"
	"strings"
)

// maxHops is how many addresses of a request are looked at, the last ones: no request comes through more proxies.
const maxHops = 16

// addresses reads the values of a header, lists with commas, the last of which the nearest proxy has written. One that is no address is
// not valid. At most maxHops are returned, the last ones.
func addresses(values []string, read func(string) string) (list []netip.Addr) {
	for i := len(values) - 1; i >= 0 && len(list) < maxHops; i-- {
		rest, more := values[i], true
		for more && len(list) < maxHops {
			var last string
			rest, last, more = cutLast(rest)
			list = append(list, parse(read(last)))
		}
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// cutLast splits a list at its last comma. A comma in quotes is taken for one as well: no address has one.
func cutLast(list string) (before, last string, found bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", strings.TrimSpace(list), false
	}
	return list[:i], strings.TrimSpace(list[i+1:]), true
}

// plain is an element of X-Forwarded-For, which is the address.
func plain(s string) string { return s }

// element returns the value of for= in an element of Forwarded (RFC 7239 section 4), without quotes; "" where there is none.
func element(s string) string {
	for pair := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
		}
	}
	return ""
}

// parse reads an address with or without a port, IPv6 with or without brackets. `unknown` and made-up names (RFC 7239 section 6) are
// not valid.
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
