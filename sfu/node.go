// Package sfu is the node: it puts the parts together, starts and stops them in order, and serves HTTP.
//
//	node.go     Node: New, Run, Ready, Addrs
//	build.go    puts a node together: what it is made of, and its parts in order of starting
//	parts.go    parts: what runs; started in order, stopped in reverse
//	keys.go     the keys of tokens, read again when their file changes
//	certs.go    certificates, likewise; watch.go notices the change
//	acme.go     certificates that the node gets by itself
//	reload.go   what can change while the node runs
//	rights.go   warns of files with secrets that everybody can read
//	nats.go     the NATS server, and what goes over NATS
//	natsconn.go the connection to NATS, and why there is none
//	cluster.go  the node's part among others; what is called from below
//	memory.go   how many events the NATS server inside the process keeps
//	load.go     what the node has had to do of late
//	history.go  the last quarter of an hour
//	drain.go    draining, and the node as commands see it
//	http.go     the HTTP surface: routes, limits, listener
//	origin.go   which pages may use the node
//	turn.go     the TURN server: where clients are sent, the port that it shares with HTTPS, its metrics
//	monitor.go  a listener of its own for those who watch over the node
//	files.go    how many files each kind of connection may have open
//	health.go   /healthz, /readyz
//	kept.go     answers that are given again for a moment
//	debug.go    profiles, on a port of their own
//	metrics.go  /metrics; certmetrics.go, commandmetrics.go, messagemetrics.go, networkmetrics.go, strangermetrics.go,
//	            undecodablemetrics.go, webhookmetrics.go
//	trace.go    where traces go
//	version.go  Version
//
// # Starting and stopping
//
// builder.build makes each piece of those before it. built.parts lists what runs, in the order in which it
// starts:
//
//  1. what sends traces, the NATS server inside the process, the connection to NATS
//  2. the event feed, the completer of dead nodes' events, webhooks
//  3. the cluster's own connection to NATS, the registration in the cluster
//  4. the media port, the rooms, the measuring of load, the history, the wait of draining
//  5. the commands over NATS, the watch over the keys
//  6. HTTP, the listener of monitor.go, ACME, the watch over certificates, profiles
//
// All ports are bound before the first part runs, so that a port in use stops the start before anybody is let
// in.
//
// Stopping is the reverse, with one step before it. /readyz says no, no new rooms are made, and rooms are given
// to other nodes; until then users enter those that are there. Everybody inside is told `exited` 4, with where
// to go, over connections that still stand. The whole takes at most timers.shutdown.
package sfu

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/control/cluster"
	"parlor/session"
	"parlor/session/refusal"
)

// Node is one media node. New makes one, Run runs it, once.
type Node struct {
	cfg   config.Config
	log   zerolog.Logger
	ring  *keyring
	certs *certs
	ready chan struct{}
	began atomic.Bool

	applying sync.Mutex               // held by Apply
	origins  atomic.Pointer[[]string] // http.origins

	// What the node asks of its parts. Written by Run before ready is closed, read-only afterwards.
	addrs   Addrs
	conn    *natsConn
	cluster *cluster.Cluster
	media
}

// Addrs says where a node can be reached, with real port numbers.
type Addrs struct {
	HTTP  netip.AddrPort
	TLS   bool           // HTTP is HTTPS
	Host  string         // host, with a port if needed, that the certificate of HTTP is for; empty: it is not known
	Media netip.AddrPort // the same for UDP and TCP
	Debug netip.AddrPort // profiles; not valid: they are not served
	// Monitor is where health and metrics are served to those that watch over the node; not valid: only at
	// HTTP.
	Monitor netip.AddrPort
	// Challenges is where an ACME authority checks hosts over plain HTTP; not valid: nowhere.
	Challenges netip.AddrPort
	NATS       string // URL of the server: the one in this process, or nats.url without its password
}

// URL returns the address of the demo page for a browser on this machine.
func (a Addrs) URL() string {
	scheme := "http"
	if a.TLS {
		scheme = "https"
	}
	if a.Host != "" {
		return "https://" + a.Host + "/"
	}
	at := a.HTTP
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return scheme + "://" + at.String() + "/"
}

// New checks what a Config does not check and returns a node. It starts nothing and binds nothing. cfg is one
// of config.Load, or made by hand from config.Default.
func New(cfg config.Config, log zerolog.Logger) (*Node, error) {
	if err := cfg.Complete(); err != nil {
		return nil, err
	}
	log = log.With().Str("node", cfg.Node.ID).Logger()
	warnReadable(cfg, log)
	ring, err := newKeyring(cfg.Auth, log)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: log, ring: ring, certs: &certs{log: log}, ready: make(chan struct{})}
	n.origins.Store(&cfg.HTTP.Origins)
	return n, nil
}

// Run starts the node and serves until ctx is done, the node has drained, or a part fails. Then it stops the
// node within timers.shutdown. It returns the error of the start, or of the part that failed first; nil after
// ctx is done and after draining. Faults of the configuration that only show at the start, such as a port in
// use, are *config.Error.
func (n *Node) Run(ctx context.Context) error {
	if n.began.Swap(true) {
		return fmt.Errorf("node %s was run before", n.cfg.Node.ID)
	}
	b := builder{n: n, refusals: refusal.New(n.log)}
	made, err := b.build(ctx)
	if err != nil {
		b.taken.release()
		return err
	}
	n.addrs, n.conn, n.cluster, n.media = made.addrs, made.conn, made.member.Cluster, made.media
	parts := made.parts(n)
	parts.start()
	n.awaitLease(ctx)
	close(n.ready)
	var cause error
	select {
	case <-ctx.Done():
		n.log.Info().Msg("shutting down")
	case <-n.drain.over:
		n.log.Info().Msg("drained, shutting down")
	case cause = <-parts.failed:
		n.log.Error().Err(cause).Msg("a part has failed, shutting down")
	}
	n.stop(parts)
	return cause
}

// stop is the orderly shutdown.
func (n *Node) stop(p *parts) {
	n.drain.leaving.Store(true)
	began := time.Now()
	// The last tenth is for what then is still to be asked to stop.
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Timers.Shutdown*9/10)
	defer cancel()
	// Telling everybody gets the larger part of the time. What comes after frees what the process's end would
	// free too.
	tell, told := context.WithTimeout(ctx, n.cfg.Timers.Shutdown*3/5)
	n.rooms.Drain()
	n.cluster.Drain()
	n.cluster.MoveAll(tell)
	if err := n.rooms.Shutdown(tell); err != nil {
		n.log.Warn().Err(err).Msg("not everybody could be told in time")
	}
	told()
	p.stop(ctx)
	n.log.Info().Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("stopped")
}

// Ready returns a channel that is closed when the node serves.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Addrs returns where the node can be reached. It is empty until Ready.
func (n *Node) Addrs() Addrs {
	select {
	case <-n.ready:
		return n.addrs
	default:
		return Addrs{}
	}
}

// Stats says how much is going on.
type Stats struct {
	session.Stats
	Peers int // media connections
}

// Stats returns the node's counts. They are zero until Ready.
func (n *Node) Stats() Stats {
	select {
	case <-n.ready:
		return Stats{Stats: n.rooms.Stats(), Peers: n.endpoint.Stats().Peers}
	default:
		return Stats{}
	}
}

// ID returns the node's name.
func (n *Node) ID() string { return n.cfg.Node.ID }
