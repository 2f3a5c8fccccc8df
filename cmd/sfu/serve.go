package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"parlor/config"
	"parlor/sfu"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sfu",
		Short: "Parlor: a media node for rooms of browsers",
		Long: `Parlor is a media node (SFU): people in a room see and hear each other through it.

Without a subcommand it serves until Ctrl-C or SIGTERM. With no configuration it serves this machine: the demo page on
127.0.0.1:8080, media on port 7882 (UDP and TCP), NATS with JetStream on 127.0.0.1:4222.

Every setting is a flag, a line of the YAML file given by --config, and an environment variable; flags win over the
environment, and that over the file.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(c)
			if err != nil {
				return err
			}
			again := func() (config.Config, error) { return reread(c, cfg) }
			return serve(c.Context(), cfg, again, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	settings(c)
	return c
}

// impatience is for how long signals after the first are taken for the same one: some senders signal a
// process and its group. Higher ignores a second Ctrl-C for longer.
const impatience = 500 * time.Millisecond

// serve runs a node until a signal comes. Another signal a while later ends the process at once. again reads
// the configuration anew.
func serve(ctx context.Context, cfg config.Config, again func() (config.Config, error), out, errOut io.Writer) error {
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log, console := newLogger(cfg.Log, errOut)
	go keepTidy(ctx)
	node, err := sfu.New(cfg, log)
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-node.Ready():
			announce(node, cfg, log, console, out)
		case <-ctx.Done():
		}
		<-ctx.Done()
		time.AfterFunc(impatience, release) // from then on a signal has its usual effect
	}()
	go func() {
		for {
			select {
			case <-hangup:
				reload(node, again, log)
			case <-ctx.Done():
				return
			}
		}
	}()
	return node.Run(ctx)
}

// reload has the node take what can change while it runs: keys, certificates, some settings. It is called at
// every SIGHUP. That signal never ends the process, also if the terminal is closed from which it was started. A
// node that others rely on is ended by SIGTERM. If anything is wrong with the configuration, nothing changes.
func reload(node *sfu.Node, again func() (config.Config, error), log zerolog.Logger) {
	cfg, err := again()
	if err != nil {
		for _, one := range parts(err) {
			var fault *config.Error
			switch {
			case !errors.As(one, &fault):
				log.Error().Err(one).Msg("the configuration cannot be read again, nothing changes")
			case fault.Key == "auth.keys_file":
				_ = node.ReloadKeys() // it logs what is wrong, and counts it
			default:
				log.Error().Str("setting", fault.Key).Str("from", fault.Source).Str("reason", fault.Reason).
					Msg("the configuration cannot be used, nothing changes")
			}
		}
		return
	}
	zerolog.SetGlobalLevel(level(cfg.Log))
	if later := node.Apply(cfg); len(later) > 0 {
		log.Warn().Strs("settings", later).Msg("these settings have changed, and count from the next start on")
	}
	_ = node.Reload() // it logs what is wrong
}

// announce says where the node can be reached.
func announce(n *sfu.Node, cfg config.Config, log zerolog.Logger, console bool, out io.Writer) {
	a := n.Addrs()
	why, away := n.NATSAway()
	if !console {
		e := log.Info().Str("open", a.URL()).Str("http", a.HTTP.String()).Str("media", a.Media.String()).Str("nats", a.NATS)
		if away {
			e = e.Str("nats_away", why)
		}
		e.Str("version", sfu.Version()).Msg("serving")
		return
	}
	fmt.Fprintf(out, "\n  Parlor %s is running. Open   %s\n\n", sfu.Version(), a.URL())
	fmt.Fprintf(out, "  media     %s (UDP and TCP)\n", a.Media)
	where := "in this process, JetStream in " + cfg.NATS.StoreDir
	switch {
	case cfg.NATS.URL != "":
		where = "joined"
	case cfg.NATS.StoreDir == "":
		where = "in this process, nothing kept after it"
	}
	if away {
		fmt.Fprintf(out, "  NATS      %s cannot be reached (%s).\n            Nobody can enter until it is; it is tried again all the time.\n", a.NATS, why)
	} else {
		fmt.Fprintf(out, "  NATS      %s (%s)\n", a.NATS, where)
	}
	fmt.Fprintf(out, "  health    %shealthz, metrics at %smetrics\n", a.URL(), a.URL())
	if len(cfg.Auth.Keys) == 0 {
		fmt.Fprintf(out, "  tokens    none asked for: no key is configured, so only this machine can enter\n")
	} else {
		fmt.Fprintf(out, "  tokens    asked for; one is made by: sfu token create --room ROOM --user USER\n")
	}
	if a.Media.Addr().IsLoopback() {
		fmt.Fprintf(out, "  Firefox   needs media beyond loopback: start with --media.listen :%d\n", a.Media.Port())
	}
	fmt.Fprintf(out, "\n  Ctrl-C stops it.\n\n")
}

// newLogger returns the logger of the configuration, and whether it writes for people.
func newLogger(c config.Log, out io.Writer) (zerolog.Logger, bool) {
	console := c.Format == "console" || c.Format == "auto" && terminal(out)
	if console {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !terminal(out) || os.Getenv("NO_COLOR") != ""}
	}
	zerolog.SetGlobalLevel(level(c)) // not the logger's own, as it can change
	return zerolog.New(out).With().Timestamp().Logger(), console
}

// level is the least level that is logged. config has checked its name.
func level(c config.Log) zerolog.Level {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.InfoLevel
	}
	return level
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
