package sfu

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"regexp"
	"strings"

	"parlor/config"
	"parlor/control/bus"
	"parlor/control/embedded"
	"parlor/control/feed"
	"parlor/control/natsapi"
	"parlor/control/webhook"
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

// natsServer starts the server inside the process, or takes the one of nats.url.
func (b *builder) natsServer(ctx context.Context) (bus.Server, error) {
	n, c := b.n, &b.n.cfg.NATS
	if c.URL != "" {
		n.addrs.NATS = config.Redact(c.URL)
		return NATSServer(*c), nil
	}
	t, err := b.innerTLS(c.TLS)
	if err != nil {
		return bus.Server{}, err
	}
	s, err := embedded.Start(ctx, embedded.Options{
		Listen: string(c.Listen), Dir: c.StoreDir, Log: n.log, User: c.User, Password: string(c.Password), TLS: t,
		MaxStore: int64(c.StoreMB) << 20, MaxMemory: int64(c.MemoryMB) << 20, MaxConnections: c.Connections,
	})
	if err != nil {
		return bus.Server{}, natsError(c, err)
	}
	if !c.Listen.Loopback() && t == nil {
		n.log.Warn().Str("listen", string(c.Listen)).Msg("NATS is open beyond this machine without TLS: whoever is on the way reads its password; see nats.tls.cert")
	}
	n.addrs.NATS = s.URL()
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Timers.Shutdown)
		defer cancel()
		return s.Shutdown(ctx)
	}
	b.parts.add("nats server", func(ctx context.Context) error {
		s.Watch(ctx)
		return stop()
	}, func() { _ = stop() })
	return bus.Server{URL: s.URL(), Inside: s, User: c.User, Password: string(c.Password), Trouble: bus.NewTrouble(nil)}, nil
}

// innerTLS returns what the server inside the process shows and asks for; nil: it speaks no TLS.
func (b *builder) innerTLS(c config.NATSTLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	cert, err := b.n.certs.add("nats.tls", c.Cert, c.Key)
	if err != nil {
		return nil, err
	}
	t := &tls.Config{GetCertificate: cert.get, MinVersion: tls.VersionTLS12}
	if c.CA == "" {
		return t, nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, &config.Error{Key: "nats.tls.ca", Reason: err.Error()}
	}
	t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !t.ClientCAs.AppendCertsFromPEM(text) {
		return nil, &config.Error{Key: "nats.tls.ca", Reason: c.CA + " has no certificate in it"}
	}
	return t, nil
}

// nats starts or joins NATS and returns the connection for commands and what publishes the feed of events.
func (b *builder) nats(ctx context.Context) (*bus.Conn, *feed.Feed, error) {
	at, err := b.natsServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := b.n
	b.server = at
	n.broker = &link{tried: make(chan struct{})}
	told := at
	told.Failed = n.broker.failed
	nc, err := bus.Connect(told, "sfu "+n.cfg.Node.ID, n.log)
	if err != nil {
		return nil, nil, joinError(n.cfg.NATS, err)
	}
	n.broker.Conn = nc
	b.parts.add("nats connection", func(ctx context.Context) error {
		<-ctx.Done()
		// Answers of the last commands; it fails if the server is away.
		_ = nc.FlushTimeout(farewell)
		nc.Close()
		return nil
	}, nc.Close)
	events := feed.New(at, feed.Options{
		Name: "sfu " + n.cfg.Node.ID + " events", Queue: n.cfg.Limits.Events, Log: n.log, Node: n.cfg.Node.ID, Forget: n.cfg.Cluster.Forget,
		// Both are there before the feed runs.
		Registered: func() <-chan struct{} { return n.cluster.Opened() }, Anew: func(epoch uint64) { n.rooms.Retell(epoch) },
		Stream: feed.StreamOptions{
			Replicas: n.cfg.NATS.Replicas, MaxAge: n.cfg.NATS.EventsAge, MaxBytes: int64(n.cfg.NATS.EventsMB) << 20,
			MaxMsgs: eventsMax(n.cfg.NATS), Own: at.Inside != nil,
		},
	})
	b.parts.add("events", events.Run, nil)
	n.completer = feed.NewCompleter(at, feed.CompleterOptions{
		Name: "sfu " + n.cfg.Node.ID + " completer", Node: n.cfg.Node.ID, Forget: n.cfg.Cluster.Forget, Replicas: n.cfg.NATS.Replicas, Log: n.log,
	})
	b.parts.add("completer", n.completer.Run, nil)
	b.webhooks(at)
	return nc, events, nil
}

// webhooks adds the part that sends events to a web server, if one is configured.
func (b *builder) webhooks(at bus.Server) {
	n, c := b.n, &b.n.cfg.Webhook
	if c.URL == "" {
		return
	}
	n.webhooks = webhook.New(at, webhook.Options{
		URL: c.URL, Key: []byte(c.Key), Types: c.Events, Timeout: c.Timeout, RetryFor: c.RetryFor,
		Node: n.cfg.Node.ID, Replicas: n.cfg.NATS.Replicas, Agent: "parlor/" + Version(), Log: n.log,
	})
	b.parts.add("webhooks", n.webhooks.Run, nil)
}

// commands adds the part that answers commands over NATS. It returns the function that has it take them, once
// all else is there.
func (b *builder) commands(nc *bus.Conn) (register func() error) {
	var s *natsapi.Service
	b.parts.add("commands", func(ctx context.Context) error { return s.Run(ctx) }, func() {
		if s != nil {
			_ = s.Stop() // the node has not started: nobody has sent any
		}
	})
	return func() (err error) {
		s, err = natsapi.Register(nc, natsapi.ServiceOptions{
			Commands: b.n.commands, Node: b.n.ID(), Version: serviceVersion(Version()), Log: b.n.log, Trace: b.n.trace,
			Peers: b.n.cluster.OtherIDs, PeersTell: b.n.cluster.OthersTell,
		})
		b.n.service = s
		return err
	}
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
