package sfu

import (
	"context"
	"crypto/tls"
	"regexp"
	"strings"

	"parlor/config"
	"parlor/control/bus"
	"parlor/control/cluster"
	"parlor/control/command"
	"parlor/control/embedded"
	"parlor/control/feed"
	"parlor/control/natsapi"
	"parlor/control/webhook"
	"parlor/session"
)

// NATSServer returns how the server that the configuration names is reached: that of nats.url. If there is
// none, it is the one inside the node, as another process reaches it.
func NATSServer(c config.NATS) bus.Server {
	at := bus.Server{
		URL: c.URL, User: c.User, Password: string(c.Password), Credentials: c.Credentials, CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key,
		Trouble: bus.NewTrouble(nil),
	}
	if c.URL == "" {
		at.URL = "nats://" + c.Listen.Reachable()
		if c.TLS.Cert != "" {
			at.URL = "tls://" + c.Listen.Reachable()
		}
	}
	return at
}

// natsServer is the server that the node uses.
type natsServer struct {
	bus.Server
	shown string                      // its URL without a password
	run   func(context.Context) error // nil: it is not in this process
}

// natsServer starts the server inside the process, or takes the one of nats.url.
func (b *builder) natsServer(ctx context.Context) (natsServer, error) {
	n, c := b.n, &b.n.cfg.NATS
	if c.URL != "" {
		return natsServer{Server: NATSServer(*c), shown: config.Redact(c.URL)}, nil
	}
	t, err := b.innerTLS(c.TLS)
	if err != nil {
		return natsServer{}, err
	}
	s, err := embedded.Start(ctx, embedded.Options{
		Listen: string(c.Listen), Dir: c.StoreDir, Log: n.log, User: c.User, Password: string(c.Password), TLS: t,
		MaxStore: int64(c.StoreMB) << 20, MaxMemory: int64(c.MemoryMB) << 20, MaxConnections: c.Connections,
	})
	if err != nil {
		return natsServer{}, natsError(c, err)
	}
	if !c.Listen.Loopback() && t == nil {
		n.log.Warn().Str("listen", string(c.Listen)).Msg("NATS is open beyond this machine without TLS: whoever is on the way reads its password; see nats.tls.cert")
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Timers.Shutdown)
		defer cancel()
		return s.Shutdown(ctx)
	}
	b.taken.add(func() { _ = stop() })
	return natsServer{
		Server: bus.Server{
			URL: s.URL(), Inside: s, User: c.User, Password: string(c.Password), Trouble: bus.NewTrouble(nil),
		},
		shown: s.URL(),
		run: func(ctx context.Context) error {
			s.Watch(ctx)
			return stop()
		},
	}, nil
}

// innerTLS returns what the server inside the process shows and asks for; nil: it speaks no TLS.
func (b *builder) innerTLS(c config.NATSTLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	cert := &certificate{section: "nats.tls", cert: c.Cert, key: c.Key}
	if err := b.n.certs.add(cert); err != nil {
		return nil, err
	}
	t := &tls.Config{GetCertificate: cert.get, MinVersion: tls.VersionTLS12}
	if c.CA == "" {
		return t, nil
	}
	clients := &believed{key: "nats.tls.ca", path: c.CA}
	if err := b.n.certs.add(clients); err != nil {
		return nil, err
	}
	t.ClientCAs, t.ClientAuth = clients.pool.Load(), tls.RequireAndVerifyClientCert
	now := t.Clone()
	t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		of := now.Clone()
		of.ClientCAs = clients.pool.Load()
		return of, nil
	}
	return t, nil
}

// connect makes the connection for commands.
func (b *builder) connect(at bus.Server) (*natsConn, error) {
	nc := &natsConn{tried: make(chan struct{})}
	at.Failed = nc.failed
	var err error
	if nc.Conn, err = bus.Connect(at, "sfu "+b.n.ID(), b.n.log); err != nil {
		return nil, joinError(b.n.cfg.NATS, err)
	}
	b.taken.add(nc.Close)
	return nc, nil
}

// events are the parts that have to do with the feed of events.
type events struct {
	feed      *feed.Feed
	completer *feed.Completer
	webhooks  *webhook.Sender // nil: none are configured
}

func (b *builder) events(at bus.Server, c *cluster.Cluster) events {
	id, cfg := b.n.ID(), &b.n.cfg
	e := events{
		feed: feed.New(at, feed.Options{
			Name: "sfu " + id + " events", Queue: cfg.Limits.Events, Log: b.n.log, Node: id, Forget: cfg.Cluster.Forget,
			Registered: c.Opened,
			Stream: feed.StreamOptions{
				Replicas: cfg.NATS.Replicas, MaxAge: cfg.NATS.EventsAge, MaxBytes: int64(cfg.NATS.EventsMB) << 20,
				MaxMsgs: eventsMax(cfg.NATS), Own: at.Inside != nil,
			},
		}),
		completer: feed.NewCompleter(at, feed.CompleterOptions{
			Name: "sfu " + id + " completer", Node: id, Forget: cfg.Cluster.Forget, Replicas: cfg.NATS.Replicas, Log: b.n.log,
		}),
	}
	if w := &cfg.Webhook; w.URL != "" {
		e.webhooks = webhook.New(at, webhook.Options{
			URL: w.URL, Key: []byte(w.Key), App: uint32(w.App), Types: w.Events, Timeout: w.Timeout, RetryFor: w.RetryFor,
			Node: id, Replicas: cfg.NATS.Replicas, Agent: "parlor/" + Version(), Log: b.n.log,
		})
	}
	return e
}

// tell returns the part that publishes events, and has what goes on in the rooms told again if it must.
func (e events) tell(rooms *session.Rooms) func(context.Context) error {
	return func(ctx context.Context) error { return e.feed.Run(ctx, rooms.Retell) }
}

// service takes commands over NATS, from here on.
func (b *builder) service(nc *natsConn, t traces, c *cluster.Cluster, commands *command.Commands) (*natsapi.Service, error) {
	return natsapi.Register(nc.Conn, natsapi.ServiceOptions{
		Commands: commands, Node: b.n.ID(), Version: serviceVersion(Version()), Log: b.n.log, Trace: t.Tracer,
		Peers: c.OtherIDs, PeersTell: c.OthersTell,
	})
}

// joinError says which setting keeps a connection from being made at all.
func joinError(c config.NATS, err error) error {
	key := "nats.url"
	switch text := err.Error(); {
	case c.Credentials != "" && strings.Contains(text, c.Credentials):
		key = "nats.credentials"
	case strings.Contains(text, "rootCA"), strings.Contains(text, "root certificate"):
		key = "nats.tls.ca"
	case strings.Contains(text, "certificate"):
		key = "nats.tls.cert"
	}
	return &config.Error{Key: key, Reason: err.Error()}
}

// natsError says which setting keeps the server from starting.
func natsError(c *config.NATS, err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "address already in use"):
		return &config.Error{Key: "nats.listen", Reason: "another process listens on " + string(c.Listen) +
			"; if that is your NATS server, join it with --nats.url nats://" + c.Listen.Reachable() +
			", else choose another port with --nats.listen, or port 0 for any free one"}
	case strings.Contains(text, "another process uses it"):
		return &config.Error{Key: "nats.store_dir", Reason: text + "; give each node a directory of its own, or have them join one server by nats.url"}
	case c.StoreDir != "" && strings.Contains(text, c.StoreDir), strings.Contains(text, "storage directory"):
		return &config.Error{Key: "nats.store_dir", Reason: text}
	default:
		return &config.Error{Key: "nats.listen", Reason: text}
	}
}

var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

// serviceVersion makes a semantic version of ours, which NATS micro services ask for.
func serviceVersion(v string) string {
	if v = strings.TrimPrefix(v, "v"); semantic.MatchString(v) {
		return v
	}
	return "0.0.0-" + v
}
