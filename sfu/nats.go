package sfu

import (
	"context"
	"regexp"
	"strings"

	"parlor/config"
	"parlor/session/natsapi"
	"parlor/session/natsapi/embedded"
)

// natsServer starts the server inside the process, or takes the one of nats.url, and returns its URL.
func (b *builder) natsServer(ctx context.Context) (string, error) {
	n, c := b.n, &b.n.cfg.NATS
	if c.URL != "" {
		n.addrs.NATS = config.Redact(c.URL)
		return c.URL, nil
	}
	s, err := embedded.Start(ctx, embedded.Options{Listen: string(c.Listen), Dir: c.StoreDir, Log: n.log})
	if err != nil {
		return "", natsError(c, err)
	}
	n.addrs.NATS = s.URL()
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Timers.Shutdown)
		defer cancel()
		return s.Shutdown(ctx)
	}
	b.parts.add("nats server", func(ctx context.Context) error {
		<-ctx.Done()
		return stop()
	}, func() { _ = stop() })
	return s.URL(), nil
}

// nats starts or joins NATS and returns what publishes the feed of events.
func (b *builder) nats(ctx context.Context) (*natsapi.Feed, func(context.Context) error, error) {
	at, err := b.natsServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := b.n
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
	feed := natsapi.NewFeed(nc, natsapi.FeedOptions{Log: n.log})
	b.parts.add("events", feed.Run, nil)
	commands := func(ctx context.Context) error {
		return natsapi.Serve(ctx, nc, n.rooms, serviceVersion(Version()), n.log)
	}
	return feed, commands, nil
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
