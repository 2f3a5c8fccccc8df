package stranger

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"parlor/session/remote"
)

// Guest is a client at a door, on a connection of its own, that has not entered yet. Its methods are called
// one after the other. A nil *Guest is bounded by nothing.
type Guest struct {
	b    *Budget
	c    *Conn // nil: the connection is none of a Listener's
	site netip.Prefix
	paid time.Duration // beside what its connection has
}

// Guest returns the guest that has sent a request whose connection is taken over. ok is false if its address
// has too many of them.
func (b *Budget) Guest(r *http.Request) (g *Guest, ok bool) {
	c := connOf(r)
	g = &Guest{b: b, c: c, site: remote.Of(r).Site(), paid: requestPrice}
	return g, c == nil || c.move(g.site)
}

// Pay waits until there is a share of CPU for a message of so many bytes. The message is then worked on until
// Done. The error is a *Busy, or ctx's.
func (g *Guest) Pay(ctx context.Context, bytes int) error {
	if g == nil {
		return nil
	}
	price := messagePrice + tokenPrice + time.Duration(bytes)*bytePrice
	if err := g.b.pay(ctx, g.site, price, Messages); err != nil {
		return err
	}
	g.paid += price
	g.busy(true)
	return nil
}

// Done says that the message is answered. A guest that is waited for again may have to go for others.
func (g *Guest) Done() {
	if g != nil {
		g.busy(false)
	}
}

func (g *Guest) busy(busy bool) {
	if g.c != nil {
		g.c.setBusy(busy)
	}
}

// Enter is called once the guest has shown a right. It waits until its address may enter once more, and has
// it take one of the places of those inside. ok is false if there is none. What was paid is given back. The
// error is a *Busy, or ctx's.
func (g *Guest) Enter(ctx context.Context) (ok bool, err error) {
	if g == nil {
		return true, nil
	}
	if err := g.b.enter(ctx, g.site); err != nil {
		return false, err
	}
	if g.c != nil && !g.c.enter() {
		return false, nil
	}
	g.b.giveBack(g.site, g.paid+g.c.refund())
	g.paid = 0
	return true, nil
}

// Leave says that nothing came of entering: the guest is a stranger as before.
func (g *Guest) Leave() {
	if g != nil && g.c != nil {
		g.c.leave()
	}
}

// Refuse counts what was refused to it.
func (g *Guest) Refuse(why Reason) {
	if g != nil {
		g.b.Refused(why)
	}
}
