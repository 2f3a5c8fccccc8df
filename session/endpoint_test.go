package session_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"parlor/session"
	"parlor/transport"
)

func TestCandidatesAreThoseOfTheMediaPort(t *testing.T) {
	e, err := transport.Listen(transport.Options{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), ExternalIPs: []netip.Addr{netip.MustParseAddr("203.0.113.7")}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	port := e.Addr().Port()
	want := []string{
		fmt.Sprintf("candidate:1 1 udp 2130706431 203.0.113.7 %d typ host", port),
		fmt.Sprintf("candidate:2 1 tcp 1520434943 203.0.113.7 %d typ host tcptype passive", port),
	}
	if got := session.OverEndpoint(e).Candidates(); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
