package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"parlor/control/command"
)

func nodeCommand() *cobra.Command {
	return group("node", "Running nodes", nodeListCommand(), nodeShowCommand(), topCommand(), drainCommand())
}

func nodeListCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "list", Short: "List the nodes and what they have to do", Args: cobra.NoArgs}
	return o.watched(c, func(*cobra.Command, []string) (work, error) {
		return describeNodes(command.DescribeNodeRequest{}, (*table).nodes), nil
	})
}

func nodeShowCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{Use: "show NODE", Short: "Show one node", Args: cobra.ExactArgs(1), ValidArgsFunction: o.completeNode()}
	return o.watched(c, func(_ *cobra.Command, args []string) (work, error) {
		return describeNodes(command.DescribeNodeRequest{NodeID: args[0]}, (*table).node), nil
	})
}

// describeNodes is the work of the commands that show nodes.
func describeNodes(q command.DescribeNodeRequest, show func(*table, []command.NodeInfo)) work {
	return func(ctx context.Context, node caller) (view, error) {
		var a command.DescribeNodeResponse
		err := node.Do(ctx, command.DescribeNode, q, &a)
		return view{a, func(t *table) { show(t, a.Nodes) }, a.Missing}, err
	}
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
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completeNode(),
	}
	c.Flags().DurationVar(&deadline, "deadline", 0, "end after this long, whoever is still there; 0: 10 minutes")
	return o.command(c, func(_ *cobra.Command, args []string) (work, error) {
		if deadline != deadline.Truncate(time.Second) || deadline < 0 {
			return nil, usage("--deadline %v is not a number of whole seconds", deadline)
		}
		q := command.DrainNodeRequest{DeadlineSeconds: int64(deadline / time.Second)}
		if len(args) > 0 {
			q.NodeID = args[0]
		}
		return func(ctx context.Context, node caller) (view, error) {
			var a command.DrainNodeResponse
			err := node.Do(ctx, command.DrainNode, q, &a)
			return view{answer: a, show: func(t *table) {
				t.line("Node %s takes no new rooms. Still there: %s, %s. It ends at %s at the latest.", a.Node, many(a.Rooms, "room"), many(a.Participants, "user"), since(a.DrainEndsMS))
			}}, err
		}, nil
	})
}
