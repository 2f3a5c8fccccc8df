package main

import (
	"context"
	"encoding/base64"

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
	completeFlag(c, "scene", words(false, scenes()...))
	return o.watched(c, func(*cobra.Command, []string) (work, error) {
		if err := (terms.RoomFilter{Prefix: q.Prefix, Scene: q.Scene}).Check(); err != nil {
			return nil, usage("%s%s", terms.AsError(err).Text, meant(string(q.Scene), scenes()))
		}
		return func(ctx context.Context, node caller) (view, error) {
			all, err := listRooms(ctx, node, q)
			return view{all, func(t *table) { t.rooms(all.Rooms) }, all.Missing}, err
		}, nil
	})
}

func scenes() []string { return []string{string(terms.Call), string(terms.Live)} }

// listRooms asks for all pages of a list.
func listRooms(ctx context.Context, node caller, q command.ListRoomsRequest) (command.ListRoomsResponse, error) {
	all := command.ListRoomsResponse{Rooms: []command.Room{}}
	for q.Limit = terms.MaxPage; ; {
		var page command.ListRoomsResponse
		if err := node.Do(ctx, command.ListRooms, q, &page); err != nil {
			return all, err
		}
		all.Rooms, all.Missing = append(all.Rooms, page.Rooms...), union(all.Missing, page.Missing)
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

func showCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{
		Use: "show ROOM", Aliases: []string{"describe"}, Short: "Show a room and who is in it", Args: cobra.MaximumNArgs(1),
		Example: `  sfu room show lobby
  sfu room show --room-id 123`,
	}
	o.roomFlag(c)
	c.ValidArgsFunction = o.completeRoom()
	return o.watched(c, func(_ *cobra.Command, args []string) (work, error) {
		room, err := o.only(args)
		return func(ctx context.Context, node caller) (view, error) {
			all, err := describeRoom(ctx, node, room)
			return view{answer: all, show: func(t *table) { t.room(all) }}, err
		}, err
	})
}

// describeRoom asks for all pages of a room's users.
func describeRoom(ctx context.Context, node caller, room command.RoomRef) (command.DescribeRoomResponse, error) {
	all := command.DescribeRoomResponse{UserList: []command.User{}}
	for after := ""; ; {
		var page command.DescribeRoomResponse
		if err := node.Do(ctx, command.DescribeRoom, command.DescribeRoomRequest{RoomRef: room, After: after, Limit: terms.MaxPage}, &page); err != nil {
			return all, err
		}
		all.Room, all.TimeMS, all.UserList = page.Room, page.TimeMS, append(all.UserList, page.UserList...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
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
	c.ValidArgsFunction = o.completeRoom()
	c.Flags().StringVar(&reason, "reason", "", "text that the users are shown")
	return o.command(c, func(_ *cobra.Command, args []string) (work, error) {
		room, err := o.only(args)
		if err == nil {
			err = wrong(terms.CheckReason(reason))
		}
		return func(ctx context.Context, node caller) (view, error) {
			var a command.DismissRoomResponse
			err := node.Do(ctx, command.DismissRoom, command.DismissRoomRequest{RoomRef: room, Reason: reason}, &a)
			return view{answer: a, show: func(t *table) { t.line("The room has ended; put out: %s.", many(a.Users, "user")) }}, err
		}, err
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
	c.ValidArgsFunction = o.completeRoom()
	m.add(c)
	return o.command(c, func(_ *cobra.Command, args []string) (work, error) {
		room, err := o.only(args)
		if err != nil {
			return nil, err
		}
		return m.plan(command.SendMessageRequest{RoomRef: room})
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

// plan completes a request with the message of the flags.
func (m *messageFlags) plan(q command.SendMessageRequest) (work, error) {
	q.CmdID, q.Unreliable = m.cmdID, m.unreliable
	data := []byte(m.text)
	switch {
	case (m.text == "") == (m.base64 == ""):
		return nil, usage("which message? --text or --base64")
	case m.text != "":
		q.Text = &m.text
	default:
		q.Data = &m.base64
		var err error
		if data, err = base64.StdEncoding.DecodeString(m.base64); err != nil {
			return nil, usage("--base64 is not in base64 (with + and /, padded)")
		}
	}
	if err := (terms.Message{CmdID: m.cmdID, Data: data}).Check(); err != nil {
		return nil, wrong(err)
	}
	return func(ctx context.Context, node caller) (view, error) {
		var a command.SendMessageResponse
		err := node.Do(ctx, command.SendMessage, q, &a)
		return view{answer: a, show: func(t *table) { t.line("Delivered to %s; missed: %d.", many(a.Delivered, "user"), a.Missed) }}, err
	}, nil
}
