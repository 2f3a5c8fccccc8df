package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"parlor/config"
	"parlor/control/adminhttp"
	"parlor/control/bus"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/session/terms"
	"parlor/sfu"
)

// caller gives commands to running nodes, over whichever door.
type caller interface {
	Do(ctx context.Context, a command.Action, request, answer any) error
}

// operator is what the commands to running nodes have in common.
type operator struct {
	roomID       uint32
	json         bool
	timeout      time.Duration
	admin, token string
	watch        interval // zero: one look
}

// plan reads the arguments of a command, and says what is to be done. It needs no node, so that what is wrong
// with the arguments is said first.
type plan func(c *cobra.Command, args []string) (work, error)

// work is what one command does over a connection to the nodes. It returns what is to be printed. Under
// --watch it is done again and again.
type work func(ctx context.Context, node caller) (view, error)

// command completes c, which does what p plans.
func (o *operator) command(c *cobra.Command, p plan) *cobra.Command {
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.json, "json", false, "print the answer as JSON")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long to wait for the answer")
	reachFlags(f)
	f.StringVar(&o.admin, "admin", "", "URL of a node, such as https://sfu1.example: over its admin HTTP in place of NATS")
	f.StringVar(&o.token, "token", "", "for --admin: a token with the right admin. Other users of this machine see arguments, not $PARLOR_TOKEN")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c, p, args) }
	return c
}

// reachFlags adds the settings that say where NATS is.
func reachFlags(f *pflag.FlagSet) {
	f.String("config", os.Getenv("SFU_CONFIG"), "YAML file with settings, for how NATS is reached. $SFU_CONFIG")
	config.Flags(f, "nats.url", "nats.listen", "nats.user", "nats.password", "nats.password_file", "nats.credentials", "nats.tls.ca", "nats.tls.cert", "nats.tls.key")
}

func (o *operator) run(c *cobra.Command, p plan, args []string) error {
	if o.timeout <= 0 {
		return usage("--timeout %v leaves no time for an answer", o.timeout)
	}
	do, err := p(c, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
	defer cancel()
	node, at, hangUp, err := o.reach(ctx, c)
	if err != nil {
		return o.explain(err, at)
	}
	defer hangUp()
	look := func(ctx context.Context) (view, error) {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		v, err := do(ctx, node)
		return v, o.explain(err, at)
	}
	if o.watch.every > 0 {
		return o.follow(c, args, look)
	}
	v, err := look(ctx)
	if err != nil {
		return err
	}
	warnMissing(c.ErrOrStderr(), v.missing)
	return o.print(c.OutOrStdout(), v)
}

// reach returns the way to the nodes, and its address for people.
func (o *operator) reach(ctx context.Context, c *cobra.Command) (node caller, at string, hangUp func(), err error) {
	if o.admin != "" {
		u, err := url.Parse(o.admin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, "", nil, usage("--admin %q is no URL of a node: http://host:port or https://host", o.admin)
		}
		token := o.token
		if token == "" {
			token = os.Getenv("PARLOR_TOKEN")
		}
		return &adminhttp.Client{URL: o.admin, Token: strings.TrimSpace(token)}, o.admin, func() {}, nil
	}
	cfg, err := loadFor(c, true) // the node may have its key from elsewhere
	if err != nil {
		return nil, "", nil, err
	}
	server := sfu.NATSServer(cfg.NATS)
	at = "NATS at " + config.Redact(server.URL)
	nc, err := dial(ctx, server)
	if err != nil {
		return nil, at, nil, err
	}
	return natsapi.NewClient(nc), at, nc.Close, nil
}

// dialTime is how long a NATS server may take to answer.
const dialTime = 3 * time.Second

// dial connects to NATS and fails if it is not there. A connection that breaks later is made again.
func dial(ctx context.Context, at bus.Server) (*bus.Conn, error) {
	var reason atomic.Pointer[string] // why the last try failed
	at.Failed = func(why string) { reason.Store(&why) }
	nc, err := bus.Connect(at, "sfu command line", zerolog.Nop())
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	err = nc.FlushWithContext(wait)
	if err == nil {
		return nc, nil
	}
	nc.Close()
	if why := reason.Load(); why != nil {
		err = errors.New(*why) // in place of the time that has passed
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf(`no NATS server answers at %s (%w)
Is a node running? Say by --nats.url which NATS server it uses; a running node tells it under /healthz`, config.Redact(at.URL), err)
}

// explain says what to do about an error, and gives it its exit code.
func (o *operator) explain(err error, at string) error {
	var refused *url.Error
	switch e := terms.AsError(err); {
	case err == nil:
		return nil
	case errors.Is(err, natsapi.ErrNoNode):
		return fmt.Errorf("no node listens for commands on %s; start one with `sfu`, or name another server by --nats.url", at)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v (--timeout)", o.timeout)
	case errors.As(err, &refused):
		return fmt.Errorf("no node answers at %s (%w)", at, refused.Err)
	case errors.Is(err, terms.CodeRoomNotFound):
		return &failure{exitNotFound, fmt.Errorf("%s; `sfu room list` shows the rooms, and a room with a number is named by --room-id", e.Text)}
	case errors.Is(err, terms.CodeUserNotFound):
		return &failure{exitNotFound, fmt.Errorf("%s; `sfu room show` shows who is in a room", e.Text)}
	case errors.Is(err, terms.CodeTokenInvalid), errors.Is(err, terms.CodeTokenExpired), errors.Is(err, terms.CodeNotAllowed):
		return fmt.Errorf("%w\nmake a token by `sfu token create --rights admin` and show it by $PARLOR_TOKEN or --token", err)
	case errors.Is(err, terms.CodeBadRequest):
		return &failure{exitUsage, err}
	}
	return err
}

// room reads the room of a command: the first argument, or --room-id. rest are the other arguments.
func (o *operator) room(args []string) (room command.RoomRef, rest []string, err error) {
	name := ""
	if o.roomID == 0 && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	id, err := roomOf(name, o.roomID)
	if err != nil {
		return command.RoomRef{}, nil, err
	}
	return command.Ref(id), args, nil
}

// only reads the room of a command that takes nothing else.
func (o *operator) only(args []string) (command.RoomRef, error) {
	room, rest, err := o.room(args)
	if err == nil && len(rest) > 0 {
		err = usage("a room has a name or a number (--room-id), not both")
	}
	return room, err
}

func (o *operator) roomFlag(c *cobra.Command) {
	c.Flags().Uint32Var(&o.roomID, "room-id", 0, "the room, by its number, in place of the argument ROOM: room 123 is not room \"123\"")
	o.completeRoomFlag(c, "room-id", true)
}

// union is the nodes that any page lacks, in order.
func union(all, page []string) []string {
	all = append(all, page...)
	slices.Sort(all)
	return slices.Compact(all)
}

// warnMissing says what a list does not have.
func warnMissing(w io.Writer, nodes []string) {
	if len(nodes) > 0 {
		fmt.Fprintf(w, "not in the list, because they have not answered: nodes %s\n", strings.Join(nodes, ", "))
	}
}
