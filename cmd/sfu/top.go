package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"parlor/control/command"
)

// orders are what nodes can be sorted by. The node with the most comes first.
var orders = map[string]func(n command.NodeInfo) float64{
	"cpu":        func(n command.NodeInfo) float64 { return n.CPU },
	"packets":    func(n command.NodeInfo) float64 { return n.PacketsIn + n.PacketsOut },
	"bandwidth":  func(n command.NodeInfo) float64 { return n.BitsIn + n.BitsOut },
	"rooms":      func(n command.NodeInfo) float64 { return float64(n.Rooms) },
	"users":      func(n command.NodeInfo) float64 { return float64(n.Participants) },
	"publishers": func(n command.NodeInfo) float64 { return float64(n.Publishers) },
	"drops":      func(n command.NodeInfo) float64 { return n.DropsPerSec },
	"memory":     func(n command.NodeInfo) float64 { return float64(n.MemoryBytes) },
	"name":       func(command.NodeInfo) float64 { return 0 },
}

func orderNames() []string { return slices.Sorted(maps.Keys(orders)) }

// byOrder sorts nodes, those that are equal by their names.
func byOrder(nodes []command.NodeInfo, order string) []command.NodeInfo {
	return slices.SortedFunc(slices.Values(nodes), func(a, b command.NodeInfo) int {
		of := orders[order]
		return cmp.Or(cmp.Compare(of(b), of(a)), cmp.Compare(a.Node, b.Node))
	})
}

func topCommand() *cobra.Command {
	o := operator{watch: interval{every: watchEvery}}
	var order string
	c := &cobra.Command{
		Use:   "top",
		Short: "Show what the nodes have to do, again and again, the busiest first",
		Long: `Show what the nodes have to do, every 2 seconds or as --watch says, until Ctrl-C. Nodes measure over 2 seconds. Drops are
packets per second that were not taken from the network, or not sent; the metrics say why. Overloaded are rooms that leave
media out as they do not keep up.`,
		Example: `  sfu node top
  sfu node top --sort bandwidth --watch=5s`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&order, "sort", "cpu", "which node comes first, that with the most: "+strings.Join(orderNames(), ", "))
	completeFlag(c, "sort", words(false, orderNames()...))
	return o.watched(c, func(*cobra.Command, []string) (work, error) {
		if orders[order] == nil {
			return nil, usage("--sort: nodes cannot be sorted by %q, only by %s%s", order, strings.Join(orderNames(), ", "), meant(order, orderNames()))
		}
		return describeNodes(command.DescribeNodeRequest{}, func(t *table, nodes []command.NodeInfo) { t.top(byOrder(nodes, order)) }), nil
	})
}

// top shows nodes with their load, and the sum.
func (t *table) top(nodes []command.NodeInfo) {
	var sum command.NodeInfo
	rows := make([]pretty.Row, len(nodes))
	for i, n := range nodes {
		state := "serving"
		if n.Draining {
			state = "draining"
		}
		rows[i] = append(pretty.Row{n.Node, state, percent(n.CPU)}, loadOf(n)...)
		sum.PacketsIn, sum.PacketsOut, sum.BitsIn, sum.BitsOut = sum.PacketsIn+n.PacketsIn, sum.PacketsOut+n.PacketsOut, sum.BitsIn+n.BitsIn, sum.BitsOut+n.BitsOut
		sum.Rooms, sum.Participants, sum.Publishers = sum.Rooms+n.Rooms, sum.Participants+n.Participants, sum.Publishers+n.Publishers
		sum.DropsPerSec, sum.Overloaded, sum.MemoryBytes = sum.DropsPerSec+n.DropsPerSec, sum.Overloaded+n.Overloaded, sum.MemoryBytes+n.MemoryBytes
	}
	if len(nodes) > 1 {
		rows = append(rows, append(pretty.Row{"all " + many(len(nodes), "node"), "", ""}, loadOf(sum)...))
	}
	t.rows(pretty.Row{"Node", "State", "CPU", "Pkt/s in", "Pkt/s out", "In", "Out", "Rooms", "Users", "Publishing", "Drops/s", "Overloaded", "Memory"}, rows)
}

// loadOf is the part of a row that can be summed.
func loadOf(n command.NodeInfo) pretty.Row {
	return pretty.Row{
		count(n.PacketsIn), count(n.PacketsOut), rate(n.BitsIn), rate(n.BitsOut), n.Rooms, n.Participants, n.Publishers,
		count(n.DropsPerSec), n.Overloaded, size(n.MemoryBytes),
	}
}

func count(perSecond float64) string { return strings.TrimSpace(metric(perSecond)) }
