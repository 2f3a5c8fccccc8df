// Package stranger bounds what clients cost that have not shown a right. That is the connections that they
// hold, what they send before anybody knows them, and the CPU time that it takes to find out. All of it is
// bounded by site and in all. A site is an IPv4 address, or a /64 of IPv6; for CPU a /48. The package also
// bounds how often one site enters, right or no right.
//
//	stranger.go  Budget, Limits, Reason: what there is, and what was refused
//	conns.go     connections: who is let in, and who goes first
//	share.go     CPU time, as token buckets
//	listener.go  Listener: a net.Listener that goes by a Budget
//	guest.go     Guest: one connection as the doors see it
//	http.go      Handler: requests that have shown no right yet
//
// CPU is not measured but priced. The prices are what the work takes on a slow core, so a bound holds without
// asking the kernel for each message. A client that shows a right gets back what the way there has cost. So a
// crowd that enters from one address pays only for what is under way. A client without a share left waits,
// and nothing is done meanwhile; it is refused only if it would wait for too long. So a client that goes on
// asking is slowed down to its share; refusals would cost more than what they refuse.
package stranger

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are what strangers may have. All are needed.
type Limits struct {
	// Conns is how many connections all strangers hold, ConnsPerSite how many those of one site.
	Conns, ConnsPerSite int
	// Inside is how many connections clients hold that have entered.
	Inside int
	// CPU is the share of a core that work for strangers takes, 0.1 for a tenth.
	CPU float64
	// Entries is how often one site enters or resumes in a second, after a burst of twenty times as many.
	Entries int
}

// Prices of work for strangers. They are upper bounds: a core that is half as fast takes twice as long for
// it.
const (
	connPrice    = 200 * time.Microsecond // accepting a connection, with what net/http does for it
	tlsPrice     = 900 * time.Microsecond // its handshake, with an RSA key of 2048 bits
	refusalPrice = 60 * time.Microsecond  // accepting a connection and resetting it
	requestPrice = 100 * time.Microsecond // reading a request and writing a small answer
	messagePrice = 120 * time.Microsecond // a message of a WebSocket, with an answer
	tokenPrice   = 40 * time.Microsecond  // finding out whether a token is genuine
	bytePrice    = 25 * time.Nanosecond   // reading a byte of JSON, or writing one of an answer
	filePrice    = 40 * time.Microsecond  // file in memory, unchanged or none: 30 (sfu, BenchmarkFileAnswers)
	fileByte     = 2 * time.Nanosecond    // a byte of it
)

const (
	// refusalShare is what refusing connections may take, as a part of what all work for strangers may, and
	// beside it. Higher refuses a flood sooner, so that clients behind it in the kernel's queue wait for
	// less. Lower leaves more CPU to calls meanwhile.
	refusalShare = .5
	// patience is how long a client without a share left waits, at most. Higher holds more connections, lower
	// refuses more.
	patience = time.Second
	// filePatience is the same for files. A page is dead if one of its modules is refused, and browsers do
	// not ask again. As far as files have used up the share, everything else waits for as long. So a page
	// that was loaded connects and enters.
	filePatience = 5 * time.Second
	// entryPatience is the same for clients that enter too often. A crowd behind one address is slowed down
	// by it rather than refused.
	entryPatience = 5 * time.Second
	// entryBurst is for how many seconds' entries of a site may come at once.
	entryBurst = 20
)

// Reason says why something was refused.
type Reason int

// The reasons, as they are counted.
const (
	Address  Reason = iota // the site had all its connections: its oldest idle one, or the new, was closed
	Full                   // strangers had all: the oldest idle connection of the site with most was closed
	Inside                 // those inside have all connections that they may have
	Connects               // the site connects more often than its share of CPU allows
	Requests               // the same, requests
	Messages               // the same, messages on a WebSocket
	Entries                // the site enters too often
	Size                   // a message too large, or nested too deeply, for a client that has not entered
	Attempts               // too many messages on one WebSocket without entering
	Origin                 // a page of an origin that may not connect
	reasons
)

var names = [reasons]string{"address", "full", "inside", "connects", "requests", "messages", "entries", "size", "attempts", "origin"}

// String returns the reason's name in metrics.
func (r Reason) String() string { return names[r] }

// Busy is the error for a client that has used its share.
type Busy struct {
	Reason Reason
	After  time.Duration // when to come again
}

// Error says when to come again.
func (b *Busy) Error() string {
	return fmt.Sprintf("too much from this address at the moment; come again in %d s", b.Seconds())
}

// Seconds is After in full seconds, at least 1.
func (b *Busy) Seconds() int { return int(max(1, (b.After+time.Second-1)/time.Second)) }

// Budget is what the strangers of a node have together. Safe for concurrent use.
type Budget struct {
	limits Limits
	counts [reasons]atomic.Uint64

	mu      sync.Mutex
	cpu     share
	entries buckets
	conns   conns
}

// New returns a budget of which nothing is taken.
func New(l Limits) *Budget {
	b := &Budget{limits: l, cpu: share{rate: l.CPU, all: bucket{level: l.CPU}}}
	b.conns.sites = map[netip.Prefix][]*Conn{}
	return b
}

// Refused counts something that was refused elsewhere.
func (b *Budget) Refused(why Reason) { b.counts[why].Add(1) }

// Stats is what a budget has counted.
type Stats struct {
	Strangers, Inside int // connections at the moment
	Refused           map[string]uint64
}

// Stats returns the counts.
func (b *Budget) Stats() Stats {
	s := Stats{Refused: make(map[string]uint64, reasons)}
	for i := range reasons {
		s.Refused[i.String()] = b.counts[i].Load()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Strangers, s.Inside = b.conns.strangers, b.conns.inside
	return s
}

// pay waits until a site may do work of a price. The error is a *Busy, counted under why, or ctx's.
func (b *Budget) pay(ctx context.Context, site netip.Prefix, price time.Duration, why Reason) error {
	return b.payWithin(ctx, site, price, why, patience)
}

// payWithin is pay with a limit of own on the wait, as far as it is the site's own share that is missing.
func (b *Budget) payWithin(ctx context.Context, site netip.Prefix, price time.Duration, why Reason, own time.Duration) error {
	b.mu.Lock()
	wait, ok := b.cpu.take(time.Now(), site, price, own)
	b.mu.Unlock()
	return b.await(ctx, wait, ok, why)
}

func (b *Budget) giveBack(site netip.Prefix, price time.Duration) {
	b.mu.Lock()
	b.cpu.giveBack(time.Now(), site, price)
	b.mu.Unlock()
}

// enter waits until a site may enter once more.
func (b *Budget) enter(ctx context.Context, site netip.Prefix) error {
	rate := float64(b.limits.Entries)
	b.mu.Lock()
	own := b.entries.site(time.Now(), site, rate, rate*entryBurst)
	wait := own.wait(1, rate)
	ok := wait <= entryPatience
	if ok {
		own.level--
	}
	b.mu.Unlock()
	return b.await(ctx, wait, ok, Entries)
}

// notEntered gives an entry back of which nothing came. So a client that shows tokens that are none keeps
// nobody behind its address from entering.
func (b *Budget) notEntered(site netip.Prefix) {
	rate := float64(b.limits.Entries)
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.entries.site(time.Now(), site, rate, rate*entryBurst)
	own.level = min(own.level+1, rate*entryBurst)
}

func (b *Budget) await(ctx context.Context, wait time.Duration, ok bool, why Reason) error {
	if !ok {
		b.Refused(why)
		return &Busy{Reason: why, After: wait}
	}
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
