package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"parlor/control/command"
	"parlor/session/terms"
)

func userCommand() *cobra.Command {
	return group("user", "Users in the rooms of running nodes", removeCommand(), userShowCommand(), userUpdateCommand(), blockCommand(), userMessageCommand())
}

func removeCommand() *cobra.Command {
	var o operator
	var reason string
	var ban time.Duration
	c := &cobra.Command{
		Use:   "remove ROOM USER...",
		Short: "Put users out of a room",
		Long: `Put up to 10 users out of a room. When the command returns, they are out: not one more packet of theirs reaches anybody,
the others have been told, and they themselves too. Users who are not in the room are no error.`,
		Example: `  sfu user remove lobby ann
  sfu user remove lobby ann bob --ban 10m --reason "be kind"
  sfu user remove --room-id 123 ann`,
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeUser(terms.MaxRemoveUsers)
	c.Flags().StringVar(&reason, "reason", "", "text that the users are shown")
	c.Flags().DurationVar(&ban, "ban", 0, "for how long they cannot enter the room again")
	return o.command(c, func(c *cobra.Command, args []string) (work, error) {
		room, users, err := o.roomUsers(c, args)
		if err != nil {
			return nil, err
		}
		if ban != ban.Truncate(time.Second) || ban < 0 {
			return nil, usage("--ban %v is not a number of whole seconds", ban)
		}
		id, err := room.Room()
		if err == nil {
			err = terms.CheckRemoval(id, users, reason, ban)
		}
		q := command.RemoveUserRequest{RoomRef: room, UserIDs: users, Reason: reason, BanSeconds: int64(ban / time.Second)}
		return func(ctx context.Context, node caller) (view, error) {
			var a command.RemoveUserResponse
			err := node.Do(ctx, command.RemoveUser, q, &a)
			return view{answer: a, show: func(t *table) { t.removed(a) }}, err
		}, wrong(err)
	})
}

// roomUsers reads a room and at least one user.
func (o *operator) roomUsers(c *cobra.Command, args []string) (command.RoomRef, []string, error) {
	room, users, err := o.room(args)
	if err == nil && len(users) == 0 {
		err = usage("which user? %s", c.UseLine())
	}
	return room, users, err
}

func userShowCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{
		Use:   "show [ROOM] USER",
		Short: "Show a user in a room, or in every room that it is in",
		Example: `  sfu user show ann
  sfu user show lobby ann`,
		Args: cobra.RangeArgs(1, 2),
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeUser(1)
	return o.watched(c, func(_ *cobra.Command, args []string) (work, error) {
		q := command.DescribeUserRequest{UserID: args[len(args)-1], Limit: terms.MaxPage}
		if len(args) == 2 || o.roomID != 0 {
			room, rest, err := o.room(args)
			if err == nil && len(rest) != 1 {
				err = usage("a room has a name or a number (--room-id), not both")
			}
			if err != nil {
				return nil, err
			}
			q.RoomRef = room
		}
		return func(ctx context.Context, node caller) (view, error) {
			all, err := describeUser(ctx, node, q)
			return view{all, func(t *table) { t.user(all.Rooms) }, all.Missing}, err
		}, wrong(terms.CheckUser(q.UserID))
	})
}

func userUpdateCommand() *cobra.Command {
	var o operator
	var name, metadata string
	c := &cobra.Command{
		Use:   "update ROOM USER [--name NAME] [--metadata TEXT]",
		Short: "Set a user's display name or metadata, whatever it and its token say",
		Example: `  sfu user update lobby ann --name "Ann Müller"
  sfu user update lobby ann --name ""    # ann, or her token, says it again`,
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeUser(1)
	c.Flags().StringVar(&name, "name", "", "what the others see; empty: what the user or its token says")
	c.Flags().StringVar(&metadata, "metadata", "", "of your application; likewise")
	return o.command(c, func(c *cobra.Command, args []string) (work, error) {
		room, rest, err := o.roomUsers(c, args)
		if err != nil {
			return nil, err
		}
		q := command.UpdateUserRequest{RoomRef: room, UserID: rest[0]}
		if c.Flags().Changed("name") {
			q.Name = &name
		}
		if c.Flags().Changed("metadata") {
			q.Metadata = &metadata
		}
		switch {
		case len(rest) != 1:
			return nil, usage("one user at a time: %s", c.UseLine())
		case q.Name == nil && q.Metadata == nil:
			return nil, usage("what is to change? --name, --metadata or both: %s", c.UseLine())
		}
		if _, err := (terms.ProfileChange{Name: q.Name, Metadata: q.Metadata}).Check(); err != nil {
			return nil, wrong(err)
		}
		return func(ctx context.Context, node caller) (view, error) {
			var a command.UpdateUserResponse
			err := node.Do(ctx, command.UpdateUser, q, &a)
			return view{answer: a, show: func(t *table) { t.line("%s: name %q, metadata %q.", a.UserID, a.Name, a.Metadata) }}, err
		}, wrong(terms.CheckUser(rest[0]))
	})
}

// describeUser asks for all pages of a user's rooms.
func describeUser(ctx context.Context, node caller, q command.DescribeUserRequest) (command.DescribeUserResponse, error) {
	all := command.DescribeUserResponse{Rooms: []command.UserInRoom{}}
	for {
		var page command.DescribeUserResponse
		if err := node.Do(ctx, command.DescribeUser, q, &page); err != nil {
			return all, err
		}
		all.Rooms, all.TimeMS, all.Missing = append(all.Rooms, page.Rooms...), page.TimeMS, union(all.Missing, page.Missing)
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

func blockCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{
		Use:   "block ROOM USER none|both|audio|video",
		Short: "Have a user's sound, pictures or both forwarded to nobody, or again",
		Example: `  sfu user block lobby ann audio
  sfu user block lobby ann none`,
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeUser(1, blocks()...)
	return o.command(c, func(c *cobra.Command, args []string) (work, error) {
		room, rest, err := o.roomUsers(c, args)
		if err != nil {
			return nil, err
		}
		if len(rest) != 2 {
			return nil, usage("what is blocked? none, both, audio or video: %s", c.UseLine())
		}
		block := terms.Block(rest[1])
		if err := block.Check(); err != nil {
			return nil, usage("%s%s", terms.AsError(err).Text, meant(rest[1], blocks()))
		}
		return func(ctx context.Context, node caller) (view, error) {
			var a command.SetUserBlockedResponse
			err := node.Do(ctx, command.SetUserBlocked, command.SetUserBlockedRequest{RoomRef: room, UserID: rest[0], Block: block}, &a)
			return view{answer: a, show: func(t *table) { t.line("Blocked of %s: %s.", a.UserID, a.Block) }}, err
		}, wrong(terms.CheckUser(rest[0]))
	})
}

func blocks() []string {
	return []string{string(terms.BlockNone), string(terms.BlockBoth), string(terms.BlockAudio), string(terms.BlockVideo)}
}

func userMessageCommand() *cobra.Command {
	var o operator
	var m messageFlags
	c := &cobra.Command{
		Use:     "message ROOM USER... --text TEXT",
		Short:   "Send a custom message to users in a room",
		Example: "  sfu user message lobby ann bob --text hello",
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeUser(terms.MaxRemoveUsers)
	m.add(c)
	return o.command(c, func(c *cobra.Command, args []string) (work, error) {
		room, users, err := o.roomUsers(c, args)
		if err != nil {
			return nil, err
		}
		return m.plan(command.SendMessageRequest{RoomRef: room, UserIDs: users})
	})
}
