package turn

import (
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
)

// Options configures a Server. Peers and Relay are needed.
type Options struct {
	// Peers returns the addresses of the media port that clients are told: the only ones that are relayed to.
	Peers func() []netip.AddrPort
	// Relay takes the node's end of one client's way to one address of the media port. Packets pass on it in
	// frames of RFC 4571. relayed is the client's relayed transport address. Relay must not block. It reports
	// whether the media port takes it.
	Relay func(node net.Conn, relayed netip.AddrPort) bool
	// Shown is called when the client of a connection has shown credentials; nil: nobody wants to know.
	Shown func(net.Conn)
	Realm string // of the credentials; default: parlor
	Log   zerolog.Logger
	Now   func() time.Time // nil: time.Now

	Limits Limits
	// Lifetime is for how long credentials are good for new allocations. Default 1 h.
	Lifetime time.Duration
	// Idle is for how long an allocation may carry nothing. Browsers make one for each of their interfaces,
	// also if they end up using another way. Longer keeps those, shorter makes clients ask again that have
	// paused. Default 1 min.
	Idle time.Duration
	// Stranger is for how long a connection may be without an allocation. Default 10 s.
	Stranger time.Duration
}

// Limits bounds what clients can make the server hold.
type Limits struct {
	// Allocations is how many there may be in all, PerSession of one session, PerSite of one IPv4 address or
	// /64 of IPv6. Each costs 13 to 18 KB beside
	// its connection. Defaults 2000, 24 and 500.
	Allocations, PerSession, PerSite int
}

const (
	// sweepEvery is how often what is idle is looked for.
	sweepEvery = time.Second
	// writeTime is how long one packet may take on its way to a client's connection, which is closed then.
	writeTime = 10 * time.Second
	// maxMessage is the largest message that is taken from a client, in bytes: a packet of the media port with
	// the header of a Send indication.
	maxMessage = 1600
)

func (o Options) withDefaults() Options {
	num := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	dur := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	num(&o.Limits.Allocations, 2000)
	num(&o.Limits.PerSession, 24)
	num(&o.Limits.PerSite, 500)
	dur(&o.Lifetime, time.Hour)
	dur(&o.Idle, time.Minute)
	dur(&o.Stranger, 10*time.Second)
	if o.Realm == "" {
		o.Realm = "parlor"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Shown == nil {
		o.Shown = func(net.Conn) {}
	}
	return o
}
