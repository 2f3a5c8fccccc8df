package sfu

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
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
	"parlor/control/tc3"
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
	n        *Node
	taken    taken
	refusals *refusal.Log
}

// built is a node that is put together and does not run yet.
type built struct {
	trace                traces
	server               natsServer
	conn                 *natsConn
	member               member
	events               events
	media                media
	service              *natsapi.Service
	here                 here
	http, monitor, debug func(context.Context) error // nil: it is not configured
	challenges           func(context.Context) error // likewise
	addrs                Addrs
}

// build makes each piece of those before it. It takes ports, connects to NATS and starts the server inside
// the process. Nothing else runs yet.
func (b *builder) build(ctx context.Context) (*built, error) {
	trace, err := b.traces(ctx)
	if err != nil {
		return nil, err
	}
	server, err := b.natsServer(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := b.connect(server.Server)
	if err != nil {
		return nil, err
	}
	member, err := b.member(server.Server)
	if err != nil {
		return nil, err
	}
	events := b.events(server.Server, member.Cluster)
	files := openFiles(b.n.cfg.Limits, b.n.log)
	media, err := b.media(files.tcp, trace, member, events)
	if err != nil {
		return nil, err
	}
	budget := b.budget(files)
	if err := b.listenTURN(ctx, media.relay, budget); err != nil {
		return nil, err
	}
	meter := newCommandMeter()
	commands := b.commands(trace, conn, member, media, meter)
	ports, err := b.listen(ctx)
	if err != nil {
		return nil, err
	}
	// Commands are taken once all is there that can fail, so that a ready node has them.
	service, err := b.service(conn, trace, member.Cluster, commands)
	if err != nil {
		return nil, err
	}
	addrs := ports.addrs
	addrs.Media, addrs.NATS = media.endpoint.Addr(), server.shown
	health := &health{id: b.n.ID(), addrs: addrs, drain: media.drain, cluster: member.Cluster, away: b.n.NATSAway}
	rooms := media.rooms
	metrics := &kept{next: metricsHandler(b.n.ID(),
		&wireCollector{media.endpoint}, &turnCollector{media.relay}, &roomCollector{rooms, media.load}, &networkCollector{rooms},
		&messageCollector{rooms}, &undecodableCollector{rooms},
		&feedCollector{conn, events.feed, events.completer}, &webhookCollector{events.webhooks},
		&keyCollector{b.n.ring}, &certCollector{b.n.certs}, &strangerCollector{budget}, &refusalCollector{b.refusals},
		clusterCollector{member.Cluster, service}, meter.seconds, meter.results)}
	surface := b.surface(trace, member, rooms, commands, health, budget, metrics)
	web, secure := media.relay.share(budget.Listen(ports.http, b.n.cfg.HTTP.TrustedProxies, addrs.TLS), ports.tls)
	return &built{
		trace: trace, server: server, conn: conn, member: member, events: events, media: media, service: service,
		addrs: addrs, here: here{media.rooms, media, commands, b.n.cfg.Limits, clientURL(&b.n.cfg, addrs)},
		challenges: b.challenges(ports.challenges, budget),
		http:       surface.serve(web, secure),
		monitor:    b.monitor(ports.monitor, health, metrics), debug: b.debug(ports.debug, addrs.Debug),
	}, nil
}

// parts returns what runs of a node, in the order of starting. That of stopping is the reverse.
func (b *built) parts(n *Node) *parts {
	p := newParts(n.log)
	p.add("trace", b.trace.run)
	p.add("nats server", b.server.run)
	p.add("nats connection", b.conn.run)
	p.add("events", b.events.tell(b.media.rooms))
	p.add("completer", b.events.completer.Run)
	if b.events.webhooks != nil {
		p.add("webhooks", b.events.webhooks.Run)
	}
	p.add("cluster connection", b.member.connected)
	p.add("cluster", b.member.among(b.here))
	p.add("turn", b.media.relay.run()) // before media, so that the last words of media still pass
	p.add("media", b.media.endpoint.Run)
	p.add("rooms", b.media.rooms.Run)
	p.add("load", b.media.load.run)
	p.add("history", b.media.history.run)
	p.add("drain", b.media.drain.run)
	p.add("commands", b.service.Run)
	if n.cfg.Auth.KeysFile != "" {
		p.add("keys", n.ring.run)
	}
	p.add("http", b.http)
	p.add("monitor", b.monitor)
	p.add("challenges", b.challenges)
	if n.certs.acme != nil {
		p.add("acme", n.certs.acme.Run)
	}
	if len(n.certs.files()) > 0 {
		p.add("certificates", n.certs.run)
	}
	p.add("debug", b.debug)
	return p
}

// media is the media port, the rooms, and what looks at both.
type media struct {
	endpoint *transport.Endpoint
	relay    *relay // nil: there is none
	rooms    *session.Rooms
	load     *load
	history  *history
	recent   *command.Recent
	drain    *drain
}

func (b *builder) media(tcp int, t traces, m member, e events) (media, error) {
	n := b.n
	endpoint, err := b.endpoint(tcp)
	if err != nil {
		return media{}, err
	}
	relay, err := b.relay(endpoint)
	if err != nil {
		return media{}, err
	}
	o := sessionOptions(&n.cfg, n.log, t.Tracer, m.Cluster)
	if relay != nil {
		o.Relay = relay
	}
	recent := command.NewRecent(e.feed)
	rooms := session.New(o, session.OverEndpoint(endpoint), recent)
	left := func() int { return rooms.Stats().Rooms }
	load := &load{stats: endpoint.Stats}
	return media{endpoint, relay, rooms, load, &history{look: lookAt(rooms, load)}, recent, newDrain(left, n.cfg.Timers.Shutdown)}, nil
}

// commands makes what carries out commands.
func (b *builder) commands(t traces, c *natsConn, m member, of media, meter *commandMeter) *command.Commands {
	return command.New(command.Options{
		Rooms: of.rooms, Observe: meter.observe, Trace: t.Tracer, Recent: of.recent, Refusals: b.refusals,
		Elsewhere: others{m.Cluster, natsapi.NewClient(c.Conn)}, Application: b.n.ring.keys.Application,
		Node: steered{id: b.n.ID(), log: b.n.log, started: time.Now(), cluster: m.Cluster, media: of},
	})
}

// surface makes the doors that are behind the HTTP port.
func (b *builder) surface(t traces, m member, rooms *session.Rooms, commands *command.Commands, h *health,
	budget *stranger.Budget, metrics http.Handler) *surface {
	n, keys := b.n, b.n.ring.keys
	s := &surface{
		cfg: n.cfg.HTTP, log: n.log, url: h.addrs.URL(), keys: keys, origins: &n.origins, trace: t.Tracer, budget: budget,
		cluster: m.Cluster, health: h,
		whip: whip.New(rooms, keys, b.refusals), metrics: metrics, foreign: seldom(n.log),
		admin: adminhttp.New(commands, keys, n.log, b.refusals, t.Tracer),
	}
	if pairs := n.cfg.Auth.RestKeys; len(pairs) > 0 {
		s.actions = tc3.New(tc3.Options{
			Commands: commands, Keys: secrets(pairs), Application: keys.Application, Now: time.Now, Log: n.log, Refusals: b.refusals, Trace: t.Tracer,
		})
	}
	s.door = signal.New(signal.Options{
		Rooms: rooms, Auth: keys.Authenticate, Origin: s.mayUse, Guest: budget.Guest, Refusals: b.refusals, Log: n.log,
		Trace: t.Tracer, EnterWithin: n.cfg.Timers.Enter, MessageRate: n.cfg.Limits.SignalRate, NodeURL: m.NodeURL,
	})
	return s
}

// secrets are keys by their ids.
func secrets(keys []config.Key) map[string][]byte {
	m := make(map[string][]byte, len(keys))
	for _, k := range keys {
		m[k.ID()] = []byte(k.Secret())
	}
	return m
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
	challenges           net.Listener // of ACME, likewise
	tls                  *tls.Config  // of http; nil: none
	addrs                Addrs
}

// listen binds the ports of HTTP.
func (b *builder) listen(ctx context.Context) (p ports, err error) {
	c := &b.n.cfg
	if p.tls, err = b.serverTLS(&c.HTTP); err != nil {
		return p, err
	}
	// Every connection is timed and those inside ping. TCP's own keepalive would only make connections dearer
	// to accept.
	timed := net.ListenConfig{KeepAlive: -1}
	if p.http, p.addrs.HTTP, err = b.bind(ctx, timed, "http.listen", c.HTTP.Listen); err != nil {
		return p, err
	}
	p.addrs.TLS, p.addrs.Host = p.tls != nil, hostOf(&c.HTTP, p.addrs.HTTP.Port())
	if c.HTTP.ACME.Listen != "" {
		p.challenges, p.addrs.Challenges, err = b.bind(ctx, timed, "http.acme.listen", c.HTTP.ACME.Listen)
		if err != nil {
			return p, err
		}
	}
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

func sessionOptions(c *config.Config, log zerolog.Logger, trace *tracing.Tracer, among *cluster.Cluster,
) session.Options {
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
