package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCandidatesFollowTheMachine: a node that was started before its network has its addresses later.
func TestCandidatesFollowTheMachine(t *testing.T) {
	var addrs []net.Addr
	var failure error
	asked := 0
	c := candidates{bound: netip.MustParseAddrPort("0.0.0.0:7882"), interfaces: func() ([]net.Addr, error) {
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
	cidr := func(s string) *net.IPNet {
		ip, n, _ := net.ParseCIDR(s)
		n.IP = ip
		return n
	}
	addrs = []net.Addr{cidr("127.0.0.1/8")}
	check(0, "127.0.0.1 127.0.0.1 ", 1)
	addrs = append(addrs, cidr("10.0.0.1/8"))
	check(candidatesAge-1, "127.0.0.1 127.0.0.1 ", 1)
	check(1, "10.0.0.1 10.0.0.1 ", 2)
	failure = os.ErrPermission
	check(candidatesAge, "10.0.0.1 10.0.0.1 ", 3)
	failure, addrs = nil, nil
	check(0, "", 4)
	c.external = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	check(candidatesAge, "192.0.2.1 192.0.2.1 ", 4)
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
