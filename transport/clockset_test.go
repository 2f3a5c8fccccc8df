package transport

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"parlor/transport/clocktest"
)

// TestSettingTheClockChangesNobodysLife: a peer that was heard just now was heard, and one that was not was
// not, whatever the machine's wall clock is set to meanwhile.
func TestSettingTheClockChangesNobodysLife(t *testing.T) {
	for _, by := range []time.Duration{120 * time.Second, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			e := start(t, Options{Sockets: 1})
			p, c, _ := offered(t, e)
			other, oc, _ := offered(t, e)
			from := origin{addr: addrFrom(netip.MustParseAddrPort("127.0.0.1:9")), sock: e.sockets[0]}
			var clock clocktest.Clock

			if _, ok := p.takeCheck(c, from, check{tx: stun.NewTransactionID(), use: true, size: 100}, clock.Now()); !ok {
				t.Fatal("the check is refused")
			}
			clock.Set(by)
			if d := clock.Now().Sub(p.LastHeard()); d < 0 || d > patience {
				t.Errorf("last heard %v ago", d)
			}
			if why, ok := other.takeCheck(oc, from, check{tx: stun.NewTransactionID(), use: true, size: 100}, clock.Now()); ok || why != DropSTUNAddressTaken {
				t.Errorf("another has taken the address: %v", why)
			}
			if _, ok := other.takeCheck(oc, from, check{tx: stun.NewTransactionID(), use: true, size: 100}, clock.Now().Add(addressGrace+time.Second)); !ok {
				t.Error("who is gone keeps the address")
			}
		})
	}
}
