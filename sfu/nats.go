package sfu

import (
	"context"
	"regexp"
	"strings"

	"parlor/config"
	"parlor/session/natsapi"
	"parlor/session/natsapi/embedded"
	"parlor/session/natsapi/webhook"
)

// natsServer starts the server inside the process, or takes the one of nats.url.
func (b *builder) natsServer(ctx context.Context) (natsapi.Server, error) {
	n, c := b.n, &b.n.cfg.NATS
	if c.URL != "" {
		n.addrs.NATS = config.Redact(c.URL)
		return natsapi.Server{URL: c.URL}, nil
	}
	s, err := embedded.Start(ctx, embedded.Options{Listen: string(c.Listen), Dir: c.StoreDir, Log: n.log})
	if err != nil {
		return natsapi.Server{}, natsError(c, err)
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
	return natsapi.Server{URL: s.URL(), Inside: s}, nil
}

// nats starts or joins NATS and returns the connection for commands and what publishes the feed of events.
func (b *builder) nats(ctx context.Context) (*natsapi.Conn, *natsapi.Feed, error) {
	at, err := b.natsServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := b.n
	b.server = at
	nc, err := natsapi.Connect(at, "sfu "+n.cfg.Node.ID, n.log)
	if err != nil {
		return nil, nil, &config.Error{Key: "nats.url", Reason: err.Error()}
	}
	n.broker = nc
	b.parts.add("nats connection", func(ctx context.Context) error {
		<-ctx.Done()
		_ = nc.FlushTimeout(farewell) // answers of the last commands; fails where the server is away
		nc.Close()
		return nil
	}, nc.Close)
	feed := natsapi.NewFeed(at, natsapi.FeedOptions{
		Name: "sfu " + n.cfg.Node.ID + " events", Queue: n.cfg.Limits.Events, Log: n.log, Node: n.cfg.Node.ID, Forget: n.cfg.Cluster.Forget,
		// Both are there before the feed runs.
		Registered: func() <-chan struct{} { return n.cluster.Opened() }, Anew: func(epoch uint64) { n.rooms.Retell(epoch) },
		Stream: natsapi.StreamOptions{
			Replicas: n.cfg.NATS.Replicas, MaxAge: n.cfg.NATS.EventsAge, MaxBytes: int64(n.cfg.NATS.EventsMB) << 20,
			MaxMsgs: eventsMax(n.cfg.NATS), Own: at.Inside != nil,
		},
	})
	b.parts.add("events", feed.Run, nil)
	n.completer = natsapi.NewCompleter(at, natsapi.CompleterOptions{
		Name: "sfu " + n.cfg.Node.ID + " completer", Node: n.cfg.Node.ID, Forget: n.cfg.Cluster.Forget, Replicas: n.cfg.NATS.Replicas, Log: n.log,
	})
	b.parts.add("completer", n.completer.Run, nil)
	b.webhooks(at)
	return nc, feed, nil
}

// webhooks adds the part that sends events to a web server, if one is configured.
func (b *builder) webhooks(at natsapi.Server) {
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

// commands adds the part that answers commands over NATS, and returns what has it take them, once all else is there.
func (b *builder) commands(nc *natsapi.Conn) (register func() error) {
	var s *natsapi.Service
	b.parts.add("commands", func(ctx context.Context) error { return s.Run(ctx) }, func() {
		if s != nil {
			_ = s.Stop() // the node has not started: nobody has sent any
		}
	})
	return func() (err error) {
		s, err = natsapi.Register(nc, natsapi.ServiceOptions{
			Commands: b.n.commands, Node: b.n.ID(), Version: serviceVersion(Version()), Log: b.n.log, Trace: b.n.trace,
			Peers: b.n.cluster.OtherIDs,
		})
		b.n.service = s
		return err
	}
}

// natsError says which setting keeps the server from starting.
func natsError(c *config.NATS, err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "address already in use"):
		return &config.Error{Key: "nats.listen", Reason: "another process listens on " + string(c.Listen) +
			"; if that is your NATS server, join it with --nats.url nats://" + c.Listen.Reachable() +
			", else choose another port with --nats.listen, or port 0 for any free one"}
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
