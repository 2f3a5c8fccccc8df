package call

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

var columns = []string{
	"network", "frames/s", "of", "frozen s/min", "s without a frame", "sound concealed", "height", "picture, sound buffer ms",
	"video lost", "keyframes", "kbit/s", "estimate (of the link, p95)", "queue p50, p95 ms",
}

// Table writes results for people; markdown for documents.
func Table(w io.Writer, results []*Result, markdown bool) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	header := table.Row{}
	for _, c := range columns {
		header = append(header, c)
	}
	t.AppendHeader(header)
	for _, r := range results {
		t.AppendRow(r.row())
	}
	if markdown {
		t.RenderMarkdown()
	} else {
		t.Render()
	}
	for _, r := range results {
		if o := r.Others; o != nil {
			fmt.Fprintf(w, "%s: %d others lost %.2f %% of their packets; the worst had %d s without a frame\n", r.Name, o.Viewers, o.Lost, o.Worst)
		}
		for _, p := range r.Problems {
			fmt.Fprintf(w, "! %s: %s\n", r.Name, p)
		}
		if fps := r.Figures.SentFPS; fps > 0 && fps < enoughFPS {
			fmt.Fprintf(w, "! %s: the publisher made %.1f frames a second in place of %d: the machine was too busy, and the figures are of it\n", r.Name, fps, frames)
		}
		if late := r.Figures.LinkLate; late > tooLate {
			fmt.Fprintf(w, "! %s: packets came up to %.0f ms (p99) later than drawn: the machine was too busy\n", r.Name, late)
		}
	}
}

// Beyond these the reader is warned: by how many ms packets may be late, and how many frames a second the
// source may have.
const (
	tooLate   = 5
	enoughFPS = 0.9 * frames
)

func (r *Result) row() table.Row {
	f := r.Figures
	known := func(value float64, format string) string {
		if value <= 0 {
			return "–"
		}
		return fmt.Sprintf(format, value)
	}
	concealed := "–"
	if f.Concealed >= 0 {
		concealed = fmt.Sprintf("%.1f %%", f.Concealed)
	}
	estimate := known(f.Estimate, "%.0f")
	if f.Share > 0 {
		estimate += fmt.Sprintf(" (%.0f, %.0f %%)", f.Share, f.ShareP95)
	}
	return table.Row{
		r.Title, fmt.Sprintf("%.1f", f.FPS), known(f.SentFPS, "%.1f"), fmt.Sprintf("%.1f", f.Frozen), f.Without, concealed, f.Height,
		fmt.Sprintf("%.0f, %.0f", f.VideoDelay, f.AudioDelay), fmt.Sprintf("%.1f %%", f.Lost), f.Keyframes, fmt.Sprintf("%.0f", f.Kbps),
		estimate, fmt.Sprintf("%.0f, %.0f", f.QueueP50, f.QueueP95),
	}
}
