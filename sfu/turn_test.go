package sfu

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/transport/turn"
)

// TestWhereClientsAreSentForTURN: to the name that is configured, that of node.url, or the one by which they
// came.
func TestWhereClientsAreSentForTURN(t *testing.T) {
	server, err := turn.New(turn.Options{Peers: func() []netip.AddrPort { return nil }})
	require.NoError(t, err)
	for _, c := range []struct {
		what, node, host, came string
		port                   int
		tls                    bool
		urls                   []string
	}{
		{"as it came", "", "", "sfu.example.org", 0, true, []string{"turns:sfu.example.org:443?transport=tcp"}},
		{"with a port", "", "", "sfu.example.org:8443", 0, true, []string{"turns:sfu.example.org:8443?transport=tcp"}},
		{"IPv6", "", "", "[2001:db8::1]:8443", 3478, true,
			[]string{"turn:[2001:db8::1]:3478?transport=udp", "turn:[2001:db8::1]:3478?transport=tcp", "turns:[2001:db8::1]:8443?transport=tcp"}},
		{"IPv6 without a port", "", "", "[2001:db8::1]", 0, true, []string{"turns:[2001:db8::1]:443?transport=tcp"}},
		{"node.url", "sfu-1.example.org", "", "proxy.example.org:8443", 0, true, []string{"turns:sfu-1.example.org:443?transport=tcp"}},
		{"turn.host", "sfu-1.example.org:8443", "turn.example.org", "x", 3478, true,
			[]string{"turn:turn.example.org:3478?transport=udp", "turn:turn.example.org:3478?transport=tcp", "turns:turn.example.org:8443?transport=tcp"}},
		{"without TLS", "", "", "127.0.0.1:8080", 3478, false, []string{"turn:127.0.0.1:3478?transport=udp", "turn:127.0.0.1:3478?transport=tcp"}},
		{"nothing is known", "", "", "", 3478, true, nil},
		{"no host", "", "", `x"; rel="next`, 3478, true, nil},
		{"no port", "", "", "x:y", 3478, true, nil},
		{"a zone", "", "", "[fe80::1%eth0]:1", 3478, true, nil},
	} {
		r := &relay{Server: server, c: config.TURN{Host: c.host}, node: c.node, tls: c.tls, port: c.port}
		servers, left := r.Servers("ann", c.came)
		if c.urls == nil {
			require.Nil(t, servers, c.what)
			continue
		}
		require.Len(t, servers, 1, c.what)
		require.Equal(t, c.urls, servers[0].URLs, c.what)
		require.NotEmpty(t, servers[0].Credential, c.what)
		require.Positive(t, left)
	}
}

// TestAnAddressForTURNIsSaid at the start: Firefox does not take it.
func TestAnAddressForTURNIsSaid(t *testing.T) {
	for _, c := range []struct {
		node, host string
		tls, said  bool
	}{
		{"203.0.113.1:8443", "", true, true},
		{"[2001:db8::1]", "", true, true},
		{"sfu.example.org", "203.0.113.1", true, true},
		{"203.0.113.1", "turn.example.org", true, false},
		{"sfu.example.org", "", true, false},
		{"", "", true, false},
		{"203.0.113.1", "", false, false},
	} {
		log := new(book)
		(&relay{c: config.TURN{Host: c.host}, node: c.node, tls: c.tls}).warn(zerolog.New(log))
		require.Equal(t, c.said, strings.Contains(log.String(), "node.url or turn.host"), "%+v: %s", c, log)
	}
}
