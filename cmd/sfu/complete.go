package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parlor/control/command"
	"parlor/session/terms"
)

const (
	// completeTime is how long a shell waits for live values. Without NATS there are none, and nothing is said.
	completeTime = time.Second
	// mostCompleted is how many values a shell is offered.
	mostCompleted = 200
)

// completionCommand prints the scripts of shells. They ask this program for values with each press of Tab.
func completionCommand(root *cobra.Command) *cobra.Command {
	scripts := map[string]func(c *cobra.Command) error{
		"bash": func(c *cobra.Command) error { return root.GenBashCompletionV2(c.OutOrStdout(), true) },
		"zsh":  func(c *cobra.Command) error { return root.GenZshCompletion(c.OutOrStdout()) },
		"fish": func(c *cobra.Command) error { return fishScript(root, c.OutOrStdout()) },
	}
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script by which a shell completes commands, flags, rooms, users and nodes",
		Example: `  source <(sfu completion bash)                          # with the package bash-completion
  sfu completion zsh > "${fpath[1]}/_sfu"
  sfu completion fish > ~/.config/fish/completions/sfu.fish`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			script := scripts[args[0]]
			if script == nil {
				return usage("there is no script for %.32q, only for bash, zsh and fish%s", args[0], meant(args[0], shells))
			}
			return script(c)
		},
	}
}

// fishScript writes the script of fish. As cobra makes it, it evaluates the words of the line without their quotes:
// a room named (reboot) would be carried out.
func fishScript(root *cobra.Command, to io.Writer) error {
	var b strings.Builder
	if err := root.GenFishCompletion(&b, true); err != nil {
		return err
	}
	_, err := io.WriteString(to, strings.Replace(b.String(), "(commandline -opc)", "(string escape -- (commandline -opc))", 1))
	return err
}

// completer offers values for arguments or a flag.
type completer = cobra.CompletionFunc

const noFiles = cobra.ShellCompDirectiveNoFileComp

// withoutFiles has commands that complete nothing offer no names of files: none of them takes one.
func withoutFiles(c *cobra.Command) {
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range c.Commands() {
		withoutFiles(sub)
	}
}

// completeFlag has a flag complete by f.
func completeFlag(c *cobra.Command, flag string, f completer) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // there is no such flag, or it has one: the program is wrong
	}
}

// words offers words, for a flag with a list those behind the last comma.
func words(list bool, all ...string) completer {
	return func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndex(begun, ","); list && i >= 0 {
			before = begun[:i+1]
		}
		out := make([]cobra.Completion, len(all))
		for i, w := range all {
			out[i] = before + w
		}
		return begins(out, begun), noFiles
	}
}

// begins are those that begin as is written.
func begins(all []cobra.Completion, begun string) []cobra.Completion {
	return slices.DeleteFunc(all, func(c cobra.Completion) bool { return !strings.HasPrefix(c, begun) })
}

// live offers what nodes tell. ask is given what is written so far.
func (o *operator) live(ask func(ctx context.Context, node caller, args []string, begun string) ([]cobra.Completion, error)) completer {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), completeTime)
		defer cancel()
		found := make(chan []cobra.Completion, 1)
		go func() { // connecting may take longer than the shell is to wait, and the process ends then
			defer close(found)
			node, _, hangUp, err := o.reach(ctx, c)
			if err != nil {
				return
			}
			defer hangUp()
			if all, err := ask(ctx, node, args, begun); err == nil {
				found <- all
			}
		}()
		select {
		case all := <-found:
			all = begins(all, begun)
			return all[:min(len(all), mostCompleted)], noFiles
		case <-ctx.Done():
			return nil, noFiles
		}
	}
}

// completeRoom offers rooms with a name, as the first argument.
func (o *operator) completeRoom() completer {
	return o.live(func(ctx context.Context, node caller, args []string, begun string) ([]cobra.Completion, error) {
		if len(args) > 0 || o.roomID != 0 {
			return nil, nil
		}
		return rooms(ctx, node, begun, false)
	})
}

// rooms are the rooms whose name or number begins so.
func rooms(ctx context.Context, node caller, begun string, numbers bool) (out []cobra.Completion, err error) {
	var a command.ListRoomsResponse
	err = node.Do(ctx, command.ListRooms, command.ListRoomsRequest{Prefix: begun, Limit: mostCompleted}, &a)
	for _, r := range a.Rooms {
		about := fmt.Sprintf("%s, %s, on %s", r.Scene, many(r.Users, "user"), r.Node)
		switch {
		case !numbers && r.StrRoomID != nil:
			out = append(out, cobra.CompletionWithDesc(*r.StrRoomID, about))
		case numbers && r.StrRoomID == nil:
			out = append(out, cobra.CompletionWithDesc(string(r.RoomID), about))
		}
	}
	return out, err
}

// completeUser offers a room, then users of it, at most so many; then words.
func (o *operator) completeUser(most int, then ...string) completer {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return o.live(func(ctx context.Context, node caller, args []string, begun string) ([]cobra.Completion, error) {
			room, users, err := o.room(args)
			switch {
			case err != nil && len(args) == 0:
				return rooms(ctx, node, begun, false)
			case err != nil:
				return nil, err
			case len(users) >= most:
				return slices.Clone(then), nil
			}
			return usersOf(ctx, node, room, users)
		})(c, args, begun)
	}
}

// usersOf are the users of a room, but for some.
func usersOf(ctx context.Context, node caller, room command.RoomRef, but []string) (out []cobra.Completion, err error) {
	var a command.DescribeRoomResponse
	err = node.Do(ctx, command.DescribeRoom, command.DescribeRoomRequest{RoomRef: room, Limit: terms.MaxPage}, &a)
	for _, u := range a.UserList {
		if !slices.Contains(but, u.UserID) {
			out = append(out, cobra.CompletionWithDesc(u.UserID, string(u.Role)))
		}
	}
	return out, err
}

// completeNode offers a node, as the first argument.
func (o *operator) completeNode() completer {
	return o.live(func(ctx context.Context, node caller, args []string, _ string) (out []cobra.Completion, err error) {
		if len(args) > 0 {
			return nil, nil
		}
		var a command.DescribeNodeResponse
		err = node.Do(ctx, command.DescribeNode, command.DescribeNodeRequest{}, &a)
		for _, n := range a.Nodes {
			out = append(out, cobra.CompletionWithDesc(n.Node, fmt.Sprintf("%s, %s, %s", mode(n), many(n.Rooms, "room"), many(n.Participants, "user"))))
		}
		return out, err
	})
}

// completeRoomFlag offers rooms for a flag, by their names or numbers.
func (o *operator) completeRoomFlag(c *cobra.Command, flag string, numbers bool) {
	completeFlag(c, flag, o.live(func(ctx context.Context, node caller, _ []string, begun string) ([]cobra.Completion, error) {
		return rooms(ctx, node, begun, numbers)
	}))
}
