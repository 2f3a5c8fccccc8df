package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"parlor/bench/stats"
)

// table writes the result for people.
func (r *Result) table(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetTitle(r.Title)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})
	p, n, c := r.Packets, r.Node, r.Clients
	row := func(what, format string, args ...any) { t.AppendRow(table.Row{what, fmt.Sprintf(format, args...)}) }

	row("packets sent, to forward", "%d, %d", p.Sent, p.Forwarded)
	row("packets expected, received, lost", "%d, %d, %d", p.Expected, p.Received, p.Lost)
	row("lost by the worst subscriber", "%d", p.WorstLost)
	row("duplicated, reordered, alien", "%d, %d, %d", p.Duplicated, p.Reordered, p.Alien)
	row("packets forwarded per second", "%.0f", p.PerSecond)
	t.AppendSeparator()
	times(t, "delay"+r.mark(r.Scenario.Mark.P99, r.Delay.P99, "p99 ≤ %g"), r.Delay)
	times(t, "delay up to the socket", r.Wire)
	times(t, "in the node, by its own account", r.Residence)
	times(t, "delay of the worst subscriber", r.WorstDelay)
	times(t, "join (200 ms are pion's ICE)", r.Join)
	times(t, "late join: first packet", r.FirstPacket)
	times(t, "late join: first keyframe", r.FirstKeyframe)
	t.AppendSeparator()
	k := r.Scenario.Mark
	row("node: CPU per forwarded packet", "%.2f µs = user %.2f + system %.2f", n.CPUPerPacket, n.UserPerPacket, n.SystemPerPacket)
	if r.Limit.Paced > 0 {
		row("… as a ratio to the limit"+r.mark(k.Ratio, n.LimitRatio, "≤ %g"), "%.2f", n.LimitRatio)
		row("limit: paced, with GSO, flat out", "%.2f, %.2f, %.2f µs", r.Limit.Paced, r.Limit.PacedGSO, r.Limit.FlatOut)
	}
	if r.Removals.Count > 0 {
		times(t, "RemoveUser, until its answer", r.Removals)
	}
	if s := r.Strangers; s != nil {
		times(t, "delay without strangers", s.Calm)
		times(t, fmt.Sprintf("delay beside strangers (p99 ≤ %.2f)", 2*s.Calm.P99), s.Troubled)
		row("beside strangers: node's CPU, memory", "%.0f %% of a core (%.0f %% without them), %+.0f MB", s.CPU, s.CalmCPU, s.Memory)
		row("beside strangers: others entered", "%d of %d", s.Visits-s.Failed, s.Visits)
		times(t, "beside strangers: until they were in", s.Entering)
	}
	if r.Storm > 0 {
		row("storm: all joined within", "%d in %.2f s", r.Scenario.Storm, r.Storm)
	}
	if s := r.Saturation; s != nil {
		row("saturation: packets/s without loss", "%.0f", s.PacketsPerSecond)
		row("… as a ratio to the limit flat out"+r.markAtLeast(k.Saturation, s.LimitRatio), "%.2f of %.0f", s.LimitRatio, r.Limit.Rate)
	}
	row("node: CPU"+r.mark(k.Idle, n.CPU, "≤ %g %%"), "%.2f %% of a core", n.CPU)
	row("node: CPU per join"+r.mark(k.Join, n.CPUPerJoin, "≤ %g"), "%.2f ms", n.CPUPerJoin)
	row("node: resident, per subscriber"+r.mark(k.Memory, n.RSSPerSubscriber, "≤ %g"), "%.1f MB, %.0f KB", n.RSS, n.RSSPerSubscriber)
	row("node: goroutines, per participant"+r.mark(k.Goroutines, n.GoroutinesPerParticipant, "≤ %g"), "%d, %.2f", n.Goroutines, n.GoroutinesPerParticipant)
	row("node: left behind", "%d goroutines, %.1f MB", n.GoroutinesLeft, n.RSSLeft)
	for _, name := range slices.Sorted(maps.Keys(n.Drops)) {
		row("node: "+name, "%d", n.Drops[name])
	}
	t.AppendSeparator()
	row("clients: CPU", "%.1f %% of a core", c.CPU)
	row("clients: dropped at their sockets", "%d", c.SocketDrops)
	times(t, "clients: frames sent late by", c.SendLate)
	t.Render()
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "! "+warning)
	}
}

// mark says what the mark is and whether it is met; nothing if there is none.
func (r *Result) mark(mark, value float64, format string) string {
	if mark == 0 {
		return ""
	}
	verdict := "met"
	if value > mark {
		verdict = "missed"
	}
	return fmt.Sprintf(" ("+format+": %s)", mark, verdict)
}

// markAtLeast is mark for a figure that must not be lower.
func (r *Result) markAtLeast(mark, value float64) string {
	if mark == 0 {
		return ""
	}
	verdict := "met"
	if value < mark {
		verdict = "missed"
	}
	return fmt.Sprintf(" (≥ %g: %s)", mark, verdict)
}

// overview writes many results as one table.
func overview(w io.Writer, results []*Result) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"scenario", "packets/s", "lost", "µs/packet", "limit", "ratio", "p50/p99 ms", "to socket", "in node", "KB/sub.", "goroutines", "ms/join", "CPU %"})
	for _, r := range results {
		n := r.Node
		cell := func(mark, v float64, format string) string {
			text := fmt.Sprintf(format, v)
			switch {
			case mark == 0:
			case v <= mark:
				text += " ✓"
			default:
				text += fmt.Sprintf(" ✗ %g", mark)
			}
			return text
		}
		k := r.Scenario.Mark
		t.AppendRow(table.Row{
			r.Scenario.Name, fmt.Sprintf("%.0f", r.Packets.PerSecond), r.Packets.Lost, fmt.Sprintf("%.2f", n.CPUPerPacket),
			fmt.Sprintf("%.2f", r.Limit.Paced), cell(k.Ratio, n.LimitRatio, "%.2f"),
			fmt.Sprintf("%.2f / ", r.Delay.P50) + cell(k.P99, r.Delay.P99, "%.2f"),
			fmt.Sprintf("%.2f / %.2f", r.Wire.P50, r.Wire.P99),
			fmt.Sprintf("%.2f / %.2f", r.Residence.P50, r.Residence.P99),
			cell(k.Memory, n.RSSPerSubscriber, "%.0f"), cell(k.Goroutines, n.GoroutinesPerParticipant, "%.2f"),
			cell(k.Join, n.CPUPerJoin, "%.2f"), cell(k.Idle, n.CPU, "%.2f"),
		})
	}
	t.Render()
}

func times(t table.Writer, what string, s stats.Summary) {
	if s.Count == 0 {
		t.AppendRow(table.Row{what, "–"})
		return
	}
	t.AppendRow(table.Row{what, fmt.Sprintf("p50 %.2f  p90 %.2f  p99 %.2f  max %.2f ms", s.P50, s.P90, s.P99, s.Max)})
}
