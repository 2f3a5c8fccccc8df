package sfu

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"parlor/config"
	"parlor/control/adminhttp"
	"parlor/control/bus"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/router"
	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/signal"
	"parlor/session/stranger"
	"parlor/session/whip"
	"parlor/transport"
)

// builder makes the parts of a node: it takes their ports and puts them in order.
type builder struct {
	n      *Node
	parts  *parts
	server bus.Server

	refusals *refusal.Log // of all doors
}

func (b *builder) build(ctx context.Context) error {
	n := b.n
	if err := b.tracing(ctx); err != nil {
		return err
	}
	nc, events, err := b.nats(ctx)
	if err != nil {
		return err
	}
	if err := b.cluster(); err != nil {
		return err
	}
	n.files = openFiles(n.cfg.Limits, n.log)
	if err := b.media(); err != nil {
		return err
	}
	n.rooms = session.New(sessionOptions(n), session.OverEndpoint(n.endpoint), events)
	b.parts.add("rooms", n.rooms.Run, nil)
	n.started = time.Now()
	n.load = &load{stats: n.endpoint.Stats}
	n.drain = newDrain(func() int { return n.rooms.Stats().Rooms }, n.cfg.Timers.Shutdown)
	b.parts.add("load", n.load.run, nil)
	b.parts.add("drain", n.drain.run, nil)
	n.meter = newCommandMeter()
	n.commands = command.New(command.Options{
		Rooms: n.rooms, Node: steered{n}, Elsewhere: others{n.cluster, natsapi.NewClient(nc)}, Observe: n.meter.observe, Trace: n.trace,
	})
	register := b.commands(nc)
	if n.cfg.Auth.KeysFile != "" {
		b.parts.add("keys", n.ring.run, nil)
	}
	n.budget = stranger.New(stranger.Limits{
		Conns: n.files.strangers, ConnsPerSite: min(n.files.strangers, n.cfg.Limits.StrangersPer), Inside: n.files.inside,
		CPU: float64(n.cfg.Limits.StrangersCPU) / 100, Entries: n.cfg.Limits.AddressEntries,
	})
	b.refusals = refusal.New(n.log)
	metrics := &kept{next: metricsHandler(n, events, b.refusals)}
	if err := b.http(ctx, metrics); err != nil {
		return err
	}
	if err := b.monitor(ctx, metrics); err != nil {
		return err
	}
	if len(n.certs.files()) > 0 {
		b.parts.add("certificates", n.certs.run, nil)
	}
	if err := b.debug(ctx); err != nil {
		return err
	}
	return register() // last, so that a ready node has its commands
}

// media binds the media port.
func (b *builder) media() error {
	c := &b.n.cfg
	at, err := c.Media.Listen.AddrPort()
	if err != nil {
		return &config.Error{Key: "media.listen", Reason: err.Error()}
	}
	include, exclude, err := c.Media.Prefixes()
	if err != nil {
		return &config.Error{Key: "media.networks", Reason: err.Error()}
	}
	e, err := transport.Listen(transport.Options{
		Listen: at, ExternalIPs: c.Media.ExternalIPs, Log: b.n.log,
		Addresses: transport.AddressChoice{Interfaces: c.Media.Interfaces, Networks: include, ExcludedNetworks: exclude},
		Limits:    transport.Limits{Peers: c.Limits.Peers, Handshakes: c.Limits.Handshakes, TCPConns: b.n.files.tcp},
		Timers:    transport.Timers{Consent: c.Timers.Consent, Handshake: c.Timers.Handshake},
	})
	if err != nil {
		return listenError("media.listen", c.Media.Listen, err)
	}
	b.n.endpoint, b.n.addrs.Media = e, e.Addr()
	b.parts.add("media", e.Run, func() { _ = e.Close() })
	return nil
}

// http binds the HTTP port and puts the doors behind it.
func (b *builder) http(ctx context.Context, metrics http.Handler) error {
	n, c := b.n, &b.n.cfg
	s := &surface{n: n, media: whip.New(n.rooms, n.keys, b.refusals), metrics: metrics, foreign: seldom(n.log)}
	s.door = signal.New(signal.Options{
		Rooms: n.rooms, Auth: n.keys.Authenticate, Origin: s.mayUse, Guest: n.budget.Guest, Refusals: b.refusals, Log: n.log, Trace: n.trace,
		EnterWithin: c.Timers.Enter, MessageRate: c.Limits.SignalRate, NodeURL: n.cluster.NodeURL,
	})
	s.admin = adminhttp.New(n.commands, n.keys, n.log, b.refusals, n.trace)
	tls, err := b.serverTLS(c.HTTP.TLS)
	if err != nil {
		return err
	}
	// Every connection is timed and those inside ping. TCP's own keepalive would only make connections dearer
	// to accept.
	listener, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", string(c.HTTP.Listen))
	if err != nil {
		return listenError("http.listen", c.HTTP.Listen, err)
	}
	n.addrs.HTTP, n.addrs.TLS = listener.Addr().(*net.TCPAddr).AddrPort(), tls != nil
	bounded := n.budget.Listen(listener, c.HTTP.TrustedProxies, tls != nil)
	b.parts.add("http", s.serve(bounded, tls), func() { _ = listener.Close() })
	return nil
}

func sessionOptions(n *Node) session.Options {
	l, t := &n.cfg.Limits, &n.cfg.Timers
	return session.Options{
		Node: n.cfg.Node.ID, Log: n.log, Trace: n.trace, Cluster: n.cluster, Marks: n.cluster,
		Loudest: n.cfg.Room.Loudest,
		Router:  router.Options{NoEstimate: n.cfg.Room.NoEstimate, NoCache: n.cfg.Room.NoKeyframeCache},
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
