package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCandidatesFollowTheMachine: a node that was started before its network has its addresses later.
func TestCandidatesFollowTheMachine(t *testing.T) {
	var addrs []netInterface
	var failure error
	asked := 0
	c := candidates{bound: netip.MustParseAddrPort("0.0.0.0:7882"), interfaces: func() ([]netInterface, error) {
		asked++
		return addrs, failure
	}}
	at := time.Unix(1000, 0)
	check := func(after time.Duration, want string, times int) {
		t.Helper()
		at = at.Add(after)
		list, err := c.list(at)
		if !errors.Is(err, failure) {
			t.Errorf("%v", err)
		}
		got := ""
		for _, c := range list {
			got += fmt.Sprint(c.Addr.Addr(), " ")
		}
		if got != want || asked != times {
			t.Errorf("told %q, want %q; asked %d times, want %d", got, want, asked, times)
		}
	}
	with := func(name, ip string) netInterface { return netInterface{name, []netip.Addr{netip.MustParseAddr(ip)}} }
	addrs = []netInterface{with("lo", "127.0.0.1")}
	check(0, "127.0.0.1 127.0.0.1 ", 1)
	addrs = append(addrs, with("eth0", "10.0.0.1"))
	check(candidatesAge-1, "127.0.0.1 127.0.0.1 ", 1)
	check(1, "10.0.0.1 10.0.0.1 ", 2)
	failure = os.ErrPermission
	check(candidatesAge, "10.0.0.1 10.0.0.1 ", 3)
	failure, addrs = nil, nil
	check(0, "", 4)
	c.external = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	check(candidatesAge, "192.0.2.1 192.0.2.1 ", 4)
}

func TestAddressesOfContainersAreLeftOut(t *testing.T) {
	machine := []netInterface{
		{"lo", []netip.Addr{netip.MustParseAddr("127.0.0.1")}},
		{"docker0", []netip.Addr{netip.MustParseAddr("172.17.0.1")}},
		{"br-0a1b2c", []netip.Addr{netip.MustParseAddr("172.18.0.1")}},
		{"eth0", []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::5")}},
		{"wg0", []netip.Addr{netip.MustParseAddr("10.9.0.1")}},
	}
	prefix := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	for _, tc := range []struct {
		name   string
		choice AddressChoice
		list   []netInterface
		want   string
	}{
		{"by default", AddressChoice{}, machine, "[192.0.2.5 2001:db8::5 10.9.0.1]"},
		{"nothing else", AddressChoice{}, machine[:3], "[172.17.0.1 172.18.0.1]"},
		{"only loopback", AddressChoice{}, machine[:1], "[127.0.0.1]"},
		{"named", AddressChoice{Interfaces: []string{"docker*"}}, machine, "[172.17.0.1]"},
		{"excluded", AddressChoice{Interfaces: []string{"!wg*"}}, machine, "[192.0.2.5 2001:db8::5]"},
		{"named and excluded", AddressChoice{Interfaces: []string{"*", "!wg*"}}, machine, "[172.17.0.1 172.18.0.1 192.0.2.5 2001:db8::5]"},
		{"network", AddressChoice{Networks: prefix("10.0.0.0/8")}, machine, "[10.9.0.1]"},
		{"network excluded", AddressChoice{ExcludedNetworks: prefix("2001:db8::/32")}, machine, "[192.0.2.5 10.9.0.1]"},
	} {
		if got := fmt.Sprint(tc.choice.usable(tc.list, true)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestWithoutIPv6(t *testing.T) {
	for _, c := range []struct {
		at   string
		err  error
		want string
		ok   bool
	}{
		{"[::]:7882", os.NewSyscallError("socket", syscall.EAFNOSUPPORT), "0.0.0.0:7882", true},
		{"[::1]:7882", syscall.EAFNOSUPPORT, "[::1]:7882", false},
		{"[::]:7882", syscall.EADDRINUSE, "[::]:7882", false},
		{"[::]:7882", nil, "[::]:7882", false},
	} {
		got, ok := withoutIPv6(netip.MustParseAddrPort(c.at), c.err)
		if got.String() != c.want || ok != c.ok {
			t.Errorf("%s after %v: %v %v", c.at, c.err, got, ok)
		}
	}
}
