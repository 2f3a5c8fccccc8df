package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"parlor/config"
	"parlor/session"
	"parlor/session/command"
	"parlor/session/natsapi"
)

// operator is what the commands to running nodes have in common.
type operator struct {
	roomID  uint32
	json    bool
	timeout time.Duration
}

// command completes c, whose work is run over a connection to NATS.
func (o *operator) command(c *cobra.Command, run func(ctx context.Context, c *cobra.Command, client *natsapi.Client, args []string) error) *cobra.Command {
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.json, "json", false, "print the answer as JSON")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long to wait for the answer")
	f.String("config", os.Getenv("SFU_CONFIG"), "YAML file with settings, for its nats.url or nats.listen. $SFU_CONFIG")
	config.Flags(f, "nats.url", "nats.listen")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(c)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
		defer cancel()
		at := natsURL(cfg)
		client, closeClient, err := dial(ctx, at)
		if err != nil {
			return err
		}
		defer closeClient()
		return o.explain(run(ctx, c, client, args), at)
	}
	return c
}

// natsURL is the server that a node of this configuration uses.
func natsURL(cfg config.Config) string {
	if cfg.NATS.URL != "" {
		return cfg.NATS.URL
	}
	return "nats://" + cfg.NATS.Listen.Reachable()
}

// dialTime is how long a NATS server may take to answer.
const dialTime = 3 * time.Second

// dial connects to NATS and fails where it is not there.
func dial(ctx context.Context, url string) (*natsapi.Client, func(), error) {
	nc, err := natsapi.Connect(natsapi.Server{URL: url}, "sfu command line", zerolog.Nop())
	if err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if err := nc.FlushWithContext(wait); err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf(`no NATS server answers at %s (%w)
Is a node running? Say by --nats.url which NATS server it uses; a running node tells it under /healthz`, config.Redact(url), err)
	}
	return natsapi.NewClient(nc), nc.Close, nil
}

// explain says what to do about an error, and gives it its exit code.
func (o *operator) explain(err error, at string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, natsapi.ErrNoNode):
		return fmt.Errorf("no node listens for commands on NATS at %s; start one with `sfu`, or name another server by --nats.url", config.Redact(at))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v (--timeout)", o.timeout)
	case errors.Is(err, session.CodeRoomNotFound):
		return &failure{exitNotFound, fmt.Errorf("%s; `sfu room list` shows the rooms, and a room with a number is named by --room-id", session.AsError(err).Text)}
	case errors.Is(err, session.CodeBadRequest):
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

func (o *operator) roomFlag(c *cobra.Command) {
	c.Flags().Uint32Var(&o.roomID, "room-id", 0, "the room, by its number, in place of the argument ROOM: room 123 is not room \"123\"")
}

func userCommand() *cobra.Command {
	var o operator
	var reason string
	var ban time.Duration
	remove := &cobra.Command{
		Use:   "remove ROOM USER...",
		Short: "Put users out of a room",
		Long: `Put up to 10 users out of a room. When the command returns, they are out: not one more packet of theirs reaches anybody,
the others have been told, and they themselves too. Users who are not in the room are no error.`,
		Example: `  sfu user remove lobby ann
  sfu user remove lobby ann bob --ban 10m --reason "be kind"
  sfu user remove --room-id 123 ann`,
	}
	o.roomFlag(remove)
	remove.Flags().StringVar(&reason, "reason", "", "text that the users are shown")
	remove.Flags().DurationVar(&ban, "ban", 0, "for how long they cannot enter the room again")
	return group("user", "Users in the rooms of running nodes", o.command(remove, func(ctx context.Context, c *cobra.Command, client *natsapi.Client, args []string) error {
		room, users, err := o.room(args)
		if err != nil {
			return err
		}
		if len(users) == 0 {
			return usage("which user? sfu user remove ROOM USER...")
		}
		if ban != ban.Truncate(time.Second) || ban < 0 {
			return usage("--ban %v is not a number of whole seconds", ban)
		}
		var a command.RemoveUserResponse
		if err := client.Do(ctx, command.RemoveUser, command.RemoveUserRequest{RoomRef: room, UserIDs: users, Reason: reason, BanSeconds: int64(ban / time.Second)}, &a); err != nil {
			return err
		}
		return o.print(c, a, func(t *table) { t.removed(a) })
	}))
}

func roomCommand() *cobra.Command {
	return group("room", "Rooms of running nodes", listCommand(), describeCommand(), dismissCommand())
}

func dismissCommand() *cobra.Command {
	var o operator
	var reason string
	c := &cobra.Command{
		Use:     "dismiss ROOM",
		Short:   "Put everybody out of a room and end it",
		Example: "  sfu room dismiss lobby --reason \"the lesson is over\"",
		Args:    cobra.MaximumNArgs(1),
	}
	o.roomFlag(c)
	c.Flags().StringVar(&reason, "reason", "", "text that the users are shown")
	return o.command(c, func(ctx context.Context, c *cobra.Command, client *natsapi.Client, args []string) error {
		room, err := o.only(args)
		if err != nil {
			return err
		}
		var a command.DismissRoomResponse
		if err := client.Do(ctx, command.DismissRoom, command.DismissRoomRequest{RoomRef: room, Reason: reason}, &a); err != nil {
			return err
		}
		return o.print(c, a, func(t *table) { t.line("The room has ended, %d users were put out.", a.Users) })
	})
}

// only reads the room of a command that takes nothing else.
func (o *operator) only(args []string) (command.RoomRef, error) {
	room, rest, err := o.room(args)
	if err == nil && len(rest) > 0 {
		err = usage("a room has a name or a number (--room-id), not both")
	}
	return room, err
}

func listCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "list", Short: "List the rooms", Args: cobra.NoArgs}
	return o.command(c, func(ctx context.Context, c *cobra.Command, client *natsapi.Client, _ []string) error {
		all := command.ListRoomsResponse{Rooms: []command.Room{}}
		for after := ""; ; {
			var page command.ListRoomsResponse
			if err := client.Do(ctx, command.ListRooms, command.ListRoomsRequest{After: after, Limit: session.MaxPage}, &page); err != nil {
				return err
			}
			all.Rooms = append(all.Rooms, page.Rooms...)
			if after = page.Next; after == "" {
				break
			}
		}
		return o.print(c, all, func(t *table) { t.rooms(all.Rooms) })
	})
}

func describeCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "describe ROOM", Short: "Show a room and who is in it", Args: cobra.MaximumNArgs(1)}
	o.roomFlag(c)
	return o.command(c, func(ctx context.Context, c *cobra.Command, client *natsapi.Client, args []string) error {
		room, err := o.only(args)
		if err != nil {
			return err
		}
		var all command.DescribeRoomResponse
		for after := ""; ; {
			var page command.DescribeRoomResponse
			if err := client.Do(ctx, command.DescribeRoom, command.DescribeRoomRequest{RoomRef: room, After: after, Limit: session.MaxPage}, &page); err != nil {
				return err
			}
			all.Room, all.UserList = page.Room, append(all.UserList, page.UserList...)
			if after = page.Next; after == "" {
				break
			}
		}
		return o.print(c, all, func(t *table) { t.room(all) })
	})
}
