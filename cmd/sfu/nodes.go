package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"parlor/control/command"
)

func nodeCommand() *cobra.Command {
	return group("node", "Running nodes", nodeListCommand(), nodeShowCommand(), drainCommand())
}

func nodeListCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "list", Short: "List the nodes and what they have to do", Args: cobra.NoArgs}
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, _ []string) error {
		var a command.DescribeNodeResponse
		if err := node.Do(ctx, command.DescribeNode, command.DescribeNodeRequest{}, &a); err != nil {
			return err
		}
		missing(c, a.Missing)
		return o.print(c, a, func(t *table) { t.nodes(a.Nodes) })
	})
}

func nodeShowCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "show NODE", Short: "Show one node", Args: cobra.ExactArgs(1)}
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, args []string) error {
		var a command.DescribeNodeResponse
		if err := node.Do(ctx, command.DescribeNode, command.DescribeNodeRequest{NodeID: args[0]}, &a); err != nil {
			return err
		}
		return o.print(c, a, func(t *table) { t.node(a.Nodes) })
	})
}

func drainCommand() *cobra.Command {
	var o operator
	var deadline time.Duration
	c := &cobra.Command{
		Use:   "drain [NODE]",
		Short: "Have a node take no new rooms, and end with those that it has",
		Long: `Have a node take no new rooms. It ends, in order, once its last room has ended, or at the deadline: whoever is still there
is told. The command returns at once; given again, it shows what is left, and a deadline counts from then. NODE may be
left out where there is one node only. There is no way back but starting the node anew.`,
		Example: `  sfu node drain n1 --deadline 30m
  sfu node show n1`,
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().DurationVar(&deadline, "deadline", 0, "end after this long, whoever is still there; 0: 10 minutes")
	return o.command(c, func(ctx context.Context, c *cobra.Command, node caller, args []string) error {
		if deadline != deadline.Truncate(time.Second) || deadline < 0 {
			return usage("--deadline %v is not a number of whole seconds", deadline)
		}
		q := command.DrainNodeRequest{DeadlineSeconds: int64(deadline / time.Second)}
		if len(args) > 0 {
			q.NodeID = args[0]
		}
		var a command.DrainNodeResponse
		if err := node.Do(ctx, command.DrainNode, q, &a); err != nil {
			return err
		}
		return o.print(c, a, func(t *table) {
			t.line("Node %s takes no new rooms. Still there: %s, %s. It ends at %s at the latest.", a.Node, many(a.Rooms, "room"), many(a.Participants, "user"), since(a.DrainEndsMS))
		})
	})
}
