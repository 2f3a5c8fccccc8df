package sfu

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/control/adminhttp"
	"parlor/control/cluster"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/router"
	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/signal"
	"parlor/session/stranger"
	"parlor/session/whip"
	"parlor/tracing"
	"parlor/transport"
)

// builder puts a node together.
type builder struct {
	n     *Node
	taken taken
}

// build makes all of a node, each piece of those before it, and returns the parts in order of starting. It
// takes ports, connects to NATS and starts the server inside the process; else nothing runs yet.
func (b *builder) build(ctx context.Context) (*parts, error) {
	n, c := b.n, &b.n.cfg
	trace, err := b.traces(ctx)
	if err != nil {
		return nil, err
	}
	// NATS, and what goes over it.
	server, err := b.natsServer(ctx)
	if err != nil {
		return nil, err
	}
	link, err := b.connect(server.Server)
	if err != nil {
		return nil, err
	}
	up := new(upcalls)
	member, err := b.member(server.Server, up)
	if err != nil {
		return nil, err
	}
	events := b.events(server.Server, member.Cluster, up)
	// Media.
	files := openFiles(c.Limits, n.log)
	endpoint, err := b.endpoint(files.tcp)
	if err != nil {
		return nil, err
	}
	rooms := session.New(sessionOptions(c, n.log, trace.Tracer, member.Cluster), session.OverEndpoint(endpoint), events.feed)
	load := &load{stats: endpoint.Stats}
	drain := newDrain(func() int { return rooms.Stats().Rooms }, c.Timers.Shutdown)
	// Commands. They are taken last of all that can fail, so that a ready node has them.
	meter := newCommandMeter()
	commands := command.New(command.Options{
		Rooms: rooms, Observe: meter.observe, Trace: trace.Tracer, Elsewhere: others{member.Cluster, natsapi.NewClient(link.Conn)},
		Node: steered{
			id: n.ID(), log: n.log, started: time.Now(), cluster: member.Cluster, endpoint: endpoint, rooms: rooms, load: load, drain: drain,
		},
	})
	ports, err := b.listen(ctx)
	if err != nil {
		return nil, err
	}
	service, err := b.service(link, trace, member.Cluster, commands)
	if err != nil {
		return nil, err
	}
	// HTTP.
	addrs := ports.addrs
	addrs.Media, addrs.NATS = endpoint.Addr(), server.shown
	health := &health{id: n.ID(), addrs: addrs, drain: drain, cluster: member.Cluster, away: n.NATSAway}
	budget, refusals := b.budget(files), refusal.New(n.log)
	metrics := &kept{next: metricsHandler(n.ID(), &wireCollector{endpoint}, &roomCollector{rooms, load}, &networkCollector{rooms},
		&messageCollector{rooms}, &undecodableCollector{rooms}, &feedCollector{link, events.feed, events.completer},
		&webhookCollector{events.webhooks}, &keyCollector{n.ring}, &strangerCollector{budget}, &refusalCollector{refusals},
		clusterCollector{member.Cluster, service}, meter.seconds, meter.results)}
	s := &surface{
		cfg: c.HTTP, log: n.log, url: addrs.URL(), keys: n.ring.keys, trace: trace.Tracer, budget: budget, cluster: member.Cluster,
		health: health, media: whip.New(rooms, n.ring.keys, refusals), metrics: metrics, foreign: seldom(n.log),
		admin: adminhttp.New(commands, n.ring.keys, n.log, refusals, trace.Tracer),
	}
	s.door = signal.New(signal.Options{
		Rooms: rooms, Auth: n.ring.keys.Authenticate, Origin: s.mayUse, Guest: budget.Guest, Refusals: refusals, Log: n.log,
		Trace: trace.Tracer, EnterWithin: c.Timers.Enter, MessageRate: c.Limits.SignalRate, NodeURL: member.NodeURL,
	})

	*up = upcalls{
		rooms: rooms, commands: commands, endpoint: endpoint, load: load, limits: c.Limits, url: clientURL(c, addrs),
	}
	n.addrs, n.link, n.cluster, n.endpoint, n.rooms, n.drain = addrs, link, member.Cluster, endpoint, rooms, drain

	// The order of starting; that of stopping is the reverse.
	p := newParts(n.log)
	p.add("trace", trace.run)
	p.add("nats server", server.run)
	p.add("nats connection", link.run)
	p.add("events", events.feed.Run)
	p.add("completer", events.completer.Run)
	if events.webhooks != nil {
		p.add("webhooks", events.webhooks.Run)
	}
	p.add("cluster connection", member.connected)
	p.add("cluster", member.among(rooms))
	p.add("media", endpoint.Run)
	p.add("rooms", rooms.Run)
	p.add("load", load.run)
	p.add("drain", drain.run)
	p.add("commands", service.Run)
	if c.Auth.KeysFile != "" {
		p.add("keys", n.ring.run)
	}
	p.add("http", s.serve(budget.Listen(ports.http, c.HTTP.TrustedProxies, addrs.TLS), ports.tls))
	p.add("monitor", b.monitor(ports.monitor, health, metrics))
	if len(n.certs.files()) > 0 {
		p.add("certificates", n.certs.run)
	}
	p.add("debug", b.debug(ports.debug, addrs.Debug))
	return p, nil
}

// endpoint binds the media port.
func (b *builder) endpoint(tcp int) (*transport.Endpoint, error) {
	c := &b.n.cfg
	at, err := c.Media.Listen.AddrPort()
	if err != nil {
		return nil, &config.Error{Key: "media.listen", Reason: err.Error()}
	}
	include, exclude, err := c.Media.Prefixes()
	if err != nil {
		return nil, &config.Error{Key: "media.networks", Reason: err.Error()}
	}
	e, err := transport.Listen(transport.Options{
		Listen: at, ExternalIPs: c.Media.ExternalIPs, Log: b.n.log,
		Addresses: transport.AddressChoice{Interfaces: c.Media.Interfaces, Networks: include, ExcludedNetworks: exclude},
		Limits:    transport.Limits{Peers: c.Limits.Peers, Handshakes: c.Limits.Handshakes, TCPConns: tcp},
		Timers:    transport.Timers{Consent: c.Timers.Consent, Handshake: c.Timers.Handshake},
	})
	if err != nil {
		return nil, listenError("media.listen", c.Media.Listen, err)
	}
	b.taken.add(func() { _ = e.Close() })
	return e, nil
}

// ports are the listeners of HTTP, and their addresses.
type ports struct {
	http, monitor, debug net.Listener // nil: it is not configured
	tls                  *tls.Config  // of http; nil: none
	addrs                Addrs
}

// listen binds the ports of HTTP.
func (b *builder) listen(ctx context.Context) (p ports, err error) {
	c := &b.n.cfg
	if p.tls, err = b.serverTLS(c.HTTP.TLS); err != nil {
		return p, err
	}
	// Every connection is timed and those inside ping. TCP's own keepalive would only make connections dearer
	// to accept.
	quiet := net.ListenConfig{KeepAlive: -1}
	if p.http, p.addrs.HTTP, err = b.bind(ctx, quiet, "http.listen", c.HTTP.Listen); err != nil {
		return p, err
	}
	p.addrs.TLS = p.tls != nil
	if c.Monitor.Listen != "" {
		p.monitor, p.addrs.Monitor, err = b.bind(ctx, net.ListenConfig{}, "monitor.listen", c.Monitor.Listen)
		if err != nil {
			return p, err
		}
	}
	if c.Debug.Listen != "" {
		p.debug, p.addrs.Debug, err = b.bind(ctx, net.ListenConfig{}, "debug.listen", c.Debug.Listen)
	}
	return p, err
}

func (b *builder) bind(ctx context.Context, how net.ListenConfig, key string, at config.Address) (
	net.Listener, netip.AddrPort, error,
) {
	l, err := how.Listen(ctx, "tcp", string(at))
	if err != nil {
		return nil, netip.AddrPort{}, listenError(key, at, err)
	}
	b.taken.add(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// budget bounds what connections cost that have not entered.
func (b *builder) budget(f files) *stranger.Budget {
	l := &b.n.cfg.Limits
	return stranger.New(stranger.Limits{
		Conns: f.strangers, ConnsPerSite: min(f.strangers, l.StrangersPer), Inside: f.inside,
		CPU: float64(l.StrangersCPU) / 100, Entries: l.AddressEntries,
	})
}

func sessionOptions(c *config.Config, log zerolog.Logger, trace *tracing.Tracer, among *cluster.Cluster) session.Options {
	l, t := &c.Limits, &c.Timers
	return session.Options{
		Node: c.Node.ID, Log: log, Trace: trace, Cluster: among, Marks: among, Loudest: c.Room.Loudest,
		Router: router.Options{NoEstimate: c.Room.NoEstimate, NoCache: c.Room.NoKeyframeCache},
		Limits: session.Limits{
			CallUsers: l.CallUsers, CallPublishers: l.CallPublishers, LiveAnchors: l.LiveAnchors, Rooms: l.Rooms, Users: l.Users, Seats: l.Seats,
			Entries: l.Entries,
		},
		Timers: session.Timers{
			Ping: t.Ping, Lost: t.Lost, Reconnect: t.Reconnect, Timeout: t.Timeout, EmptyLive: t.EmptyLive, TokenExpiring: t.TokenExpiring,
			Media: t.Consent,
		},
	}
}

// listenError explains why an address could not be listened on.
func listenError(key string, at config.Address, err error) error {
	reason := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		reason = "another process listens on " + string(at) + "; choose another port with --" + key + ", or port 0 for any free one"
	case errors.Is(err, os.ErrPermission):
		reason = "this user may not listen on " + string(at) + " (ports below 1024 need a privilege)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "this machine does not have the address " + string(at)
	}
	return &config.Error{Key: key, Reason: reason}
}
