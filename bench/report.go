package main

import (
	"fmt"
	"io"

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

	row("packets sent", "%d", p.Sent)
	row("packets expected, received, lost", "%d, %d, %d", p.Expected, p.Received, p.Lost)
	row("lost by the worst subscriber", "%d", p.WorstLost)
	row("duplicated, reordered, alien", "%d, %d, %d", p.Duplicated, p.Reordered, p.Alien)
	row("packets forwarded per second", "%.0f", p.PerSecond)
	t.AppendSeparator()
	times(t, "delay", r.Delay)
	times(t, "delay of the worst subscriber", r.WorstDelay)
	times(t, "join (200 ms are pion's ICE)", r.Join)
	times(t, "late join: first packet", r.FirstPacket)
	times(t, "late join: first keyframe", r.FirstKeyframe)
	t.AppendSeparator()
	row("node: CPU per forwarded packet", "%.2f µs = user %.2f + system %.2f", n.CPUPerPacket, n.UserPerPacket, n.SystemPerPacket)
	row("node: CPU", "%.1f %% of a core", n.CPU)
	row("node: CPU per join", "%.2f ms", n.CPUPerJoin)
	row("node: resident, per subscriber", "%.1f MB, %.0f KB", n.RSS, n.RSSPerSubscriber)
	row("node: goroutines, per participant", "%d, %.1f", n.Goroutines, n.GoroutinesPerParticipant)
	row("node: left behind", "%d goroutines, %.1f MB", n.GoroutinesLeft, n.RSSLeft)
	t.AppendSeparator()
	row("clients: CPU", "%.1f %% of a core", c.CPU)
	row("clients: dropped at their sockets", "%d", c.SocketDrops)
	times(t, "clients: frames sent late by", c.SendLate)
	t.Render()
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "! "+warning)
	}
}

func times(t table.Writer, what string, s stats.Summary) {
	if s.Count == 0 {
		t.AppendRow(table.Row{what, "–"})
		return
	}
	t.AppendRow(table.Row{what, fmt.Sprintf("p50 %.2f  p90 %.2f  p99 %.2f  max %.2f ms", s.P50, s.P90, s.P99, s.Max)})
}
