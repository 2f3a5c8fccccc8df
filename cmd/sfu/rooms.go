package main

import (
	"context"

	"github.com/spf13/cobra"

	"parlor/control/command"
	"parlor/session/terms"
)

func roomCommand() *cobra.Command {
	return group("room", "Rooms of running nodes", listCommand(), showCommand(), dismissCommand(), roomMessageCommand())
}

func listCommand() *cobra.Command {
	var o operator
	var q command.ListRoomsRequest
	c := &cobra.Command{Use: "list", Short: "List the rooms of all nodes", Args: cobra.NoArgs, Example: `  sfu room list
  sfu room list --prefix lesson- --scene live --json`}
	c.Flags().StringVar(&q.Prefix, "prefix", "", "only rooms whose name, or number, begins so")
	c.Flags().StringVar((*string)(&q.Scene), "scene", "", "only rooms of this scene: call or live")
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, _ []string) error {
		all := command.ListRoomsResponse{Rooms: []command.Room{}}
		for q.Limit = terms.MaxPage; ; {
			var page command.ListRoomsResponse
			if err := node.Do(ctx, command.ListRooms, q, &page); err != nil {
				return err
			}
			all.Rooms, all.Missing = append(all.Rooms, page.Rooms...), union(all.Missing, page.Missing)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		missing(c, all.Missing)
		return o.print(c, all, func(t *table) { t.rooms(all.Rooms) })
	})
}

func showCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{
		Use: "show ROOM", Aliases: []string{"describe"}, Short: "Show a room and who is in it", Args: cobra.MaximumNArgs(1),
		Example: `  sfu room show lobby
  sfu room show --room-id 123`,
	}
	o.roomFlag(c)
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, args []string) error {
		room, err := o.only(args)
		if err != nil {
			return err
		}
		var all command.DescribeRoomResponse
		for after := ""; ; {
			var page command.DescribeRoomResponse
			if err := node.Do(ctx, command.DescribeRoom, command.DescribeRoomRequest{RoomRef: room, After: after, Limit: terms.MaxPage}, &page); err != nil {
				return err
			}
			all.Room, all.TimeMS, all.UserList = page.Room, page.TimeMS, append(all.UserList, page.UserList...)
			if after = page.Next; after == "" {
				break
			}
		}
		return o.print(c, all, func(t *table) { t.room(all) })
	})
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
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, args []string) error {
		room, err := o.only(args)
		if err != nil {
			return err
		}
		var a command.DismissRoomResponse
		if err := node.Do(ctx, command.DismissRoom, command.DismissRoomRequest{RoomRef: room, Reason: reason}, &a); err != nil {
			return err
		}
		return o.print(c, a, func(t *table) { t.line("The room has ended; put out: %s.", many(a.Users, "user")) })
	})
}

func roomMessageCommand() *cobra.Command {
	var o operator
	var m messageFlags
	c := &cobra.Command{
		Use:     "message ROOM --text TEXT",
		Short:   "Send a custom message to everybody in a room",
		Example: "  sfu room message lobby --cmd-id 2 --text \"five minutes left\"",
		Args:    cobra.MaximumNArgs(1),
	}
	o.roomFlag(c)
	m.add(c)
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, args []string) error {
		room, err := o.only(args)
		if err != nil {
			return err
		}
		return m.send(ctx, &o, c, node, command.SendMessageRequest{RoomRef: room})
	})
}

// messageFlags are those of a custom message.
type messageFlags struct {
	cmdID        int
	text, base64 string
	unreliable   bool
}

func (m *messageFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.IntVar(&m.cmdID, "cmd-id", 1, "which of the application's kinds of message, 1 to 10")
	f.StringVar(&m.text, "text", "", "the message as text, at most 1000 bytes")
	f.StringVar(&m.base64, "base64", "", "the message in base64, in place of --text")
	f.BoolVar(&m.unreliable, "unreliable", false, "rather lost than late")
}

func (m *messageFlags) send(ctx context.Context, o *operator, c *cobra.Command, node caller, q command.SendMessageRequest) error {
	q.CmdID, q.Unreliable = m.cmdID, m.unreliable
	switch {
	case (m.text == "") == (m.base64 == ""):
		return usage("which message? --text or --base64")
	case m.text != "":
		q.Text = &m.text
	default:
		q.Data = &m.base64
	}
	var a command.SendMessageResponse
	if err := node.Do(ctx, command.SendMessage, q, &a); err != nil {
		return err
	}
	return o.print(c, a, func(t *table) { t.line("Delivered to %s; missed: %d.", many(a.Delivered, "user"), a.Missed) })
}
