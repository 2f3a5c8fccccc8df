package stranger

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConnectionsAreGivenBackOnce(t *testing.T) {
	c := &Conn{b: New(Limits{CPU: .1}), paid: connPrice + tlsPrice}
	require.Equal(t, 1100*time.Microsecond, c.refund())
	require.Zero(t, c.refund())
}

// site makes up an address.
func site(i int) netip.Prefix {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(10<<24|i))
	return netip.PrefixFrom(netip.AddrFrom4(a), 32)
}

// TestShareIsBoundedAndFair: hostile addresses want CPU all the time, as much as they can get. In all they
// get the share and what was saved up. One more that comes later waits for no longer than its own work takes
// at a fair part.
func TestShareIsBoundedAndFair(t *testing.T) {
	const price = 200 * time.Microsecond
	for _, hostile := range []int{1, 3, 20, 100} {
		s := &share{rate: .1, all: bucket{level: .1}}
		now := time.Unix(1e9, 0)
		s.all.at = now
		began, free := now, make([][16]time.Time, hostile) // when each of what is under way is done
		var spent, first time.Duration
		for ; now.Sub(began) < 10*time.Second; now = now.Add(10 * time.Millisecond) {
			for i := range free {
				for j := range free[i] {
					if free[i][j].After(now) {
						continue
					}
					wait, ok := s.take(now, site(i), price, time.Second)
					if free[i][j] = now.Add(wait); !ok {
						free[i][j] = now.Add(10 * time.Millisecond)
						continue
					}
					spent += price
				}
			}
		}
		require.LessOrEqual(t, spent, 10*100*time.Millisecond+200*time.Millisecond, "%d addresses", hostile)
		wait, ok := s.take(now, site(5000), price, patience)
		require.True(t, ok)
		first = wait
		if hostile <= 3 {
			require.Zero(t, first, "there is a share left for others")
		}
		require.LessOrEqual(t, first, patience, "%d addresses", hostile)
	}
}

func TestOneAddressGetsAQuarter(t *testing.T) {
	s := &share{rate: .1, all: bucket{level: .1}}
	now := time.Unix(1e9, 0)
	s.all.at = now
	taken := 0
	for range 10 * 1000 {
		for {
			if wait, ok := s.take(now, site(1), time.Millisecond, 0); !ok || wait > 0 {
				break
			}
			taken++
		}
		now = now.Add(time.Millisecond)
	}
	require.InDelta(t, 25+10*25, taken, 2, "milliseconds: what was saved up, and 2.5 % of 10 s")
}

func TestGivingBackLeavesNothingOwed(t *testing.T) {
	s := &share{rate: .1, all: bucket{level: .1}}
	now := time.Unix(1e9, 0)
	s.all.at = now
	for range 10_000 {
		wait, ok := s.take(now, site(1), time.Millisecond, time.Second)
		require.True(t, ok)
		require.Zero(t, wait, "who shows a right each time never waits")
		s.giveBack(now, site(1), time.Millisecond)
	}
}

// TestFreshAddressesLeaveSomethingToOthers: somebody comes from fresh addresses all the time, and uses up
// what each of them may have. That does not keep out a client that comes once.
func TestFreshAddressesLeaveSomethingToOthers(t *testing.T) {
	const price = 200 * time.Microsecond
	for _, each := range []time.Duration{250 * time.Millisecond, 100 * time.Millisecond} {
		s := &share{rate: .1, all: bucket{level: .1}}
		now := time.Unix(1e9, 0)
		s.all.at = now
		hostile := 0
		for i := range int(20 * time.Second / each) {
			now = now.Add(each)
			for range 4 {
				hostile++
				for ok := true; ok; {
					_, ok = s.take(now, site(hostile), price, patience)
				}
			}
			if i < int(3*time.Second/each) || i%5 > 0 {
				continue
			}
			newcomer := site(1<<20 + i)
			for _, p := range []time.Duration{connPrice + tlsPrice, requestPrice, messagePrice + tokenPrice} {
				wait, ok := s.take(now, newcomer, p, patience)
				require.True(t, ok, "four fresh addresses each %v: a newcomer is let in, after %v", each, wait)
			}
			s.giveBack(now, newcomer, connPrice+tlsPrice+requestPrice+messagePrice+tokenPrice)
		}
	}
}

// TestNetworksOfAnIPv6Site: a /48 of IPv6 is one site, from whichever of its networks somebody comes.
func TestNetworksOfAnIPv6Site(t *testing.T) {
	s := &share{rate: .1, all: bucket{level: .1}}
	now := time.Unix(1e9, 0)
	s.all.at = now
	taken := 0
	for i := range 1000 {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i >> 8), byte(i)})
		if wait, ok := s.take(now, netip.PrefixFrom(a, 64), time.Millisecond, patience); ok && wait == 0 {
			taken++
		}
	}
	require.Equal(t, 25, taken)
	_, ok := s.take(now, netip.MustParsePrefix("2001:db8:2::/64"), time.Millisecond, 0)
	require.True(t, ok, "another one has its own")
}

// TestManyAddressesAreBounded: any number of addresses is remembered in bounded memory, and the whole share
// is not exceeded.
func TestManyAddressesAreBounded(t *testing.T) {
	s := &share{rate: .1, all: bucket{level: .1}}
	now := time.Unix(1e9, 0)
	s.all.at = now
	var spent time.Duration
	for i := range 100_000 {
		if _, ok := s.take(now, site(i), time.Millisecond, time.Second); ok {
			spent += time.Millisecond
		}
		require.LessOrEqual(t, len(s.sites.of), maxSites+1)
		now = now.Add(20 * time.Microsecond)
	}
	require.LessOrEqual(t, spent, 1400*time.Millisecond, "0.1 s saved up, a tenth of 2 s, and what waits for a second")
}
