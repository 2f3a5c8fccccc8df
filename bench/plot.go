package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"os"

	"github.com/spf13/cobra"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

func reportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "report results.json",
		Short: "Draw the results of `bench all --json` as an SVG picture",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := readResults(args[0])
			if err != nil {
				return err
			}
			if err := drawResults(results, out); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), out)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "bench.svg", "file to write")
	return c
}

// readResults reads what --json has printed: one result, or a list.
func readResults(name string) ([]*Result, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []*Result
	if json.Unmarshal(raw, &list) != nil {
		one := &Result{}
		if err := json.Unmarshal(raw, one); err != nil {
			return nil, fmt.Errorf("%s is not what bench --json prints: %w", name, err)
		}
		list = []*Result{one}
	}
	if len(list) == 0 {
		return nil, errors.New(name + " holds no results")
	}
	return list, nil
}

// bars are one figure of all scenarios.
type bars struct {
	title  string
	values func(*Result) []float64 // one for each of names
	names  []string
}

var figures = []bars{
	{"CPU per forwarded packet, µs", func(r *Result) []float64 { return []float64{r.Node.CPUPerPacket, r.Limit.Paced} }, []string{"node", "limit"}},
	{"delay, ms", func(r *Result) []float64 { return []float64{r.Delay.P50, r.Delay.P99, r.Wire.P99} }, []string{"p50", "p99", "p99 up to the socket"}},
	{"resident memory per subscriber, KB", func(r *Result) []float64 { return []float64{r.Node.RSSPerSubscriber} }, []string{"node"}},
	{"CPU per join, ms", func(r *Result) []float64 { return []float64{r.Node.CPUPerJoin} }, []string{"node"}},
}

// drawResults draws a row of bars for each figure into an SVG file.
func drawResults(results []*Result, name string) error {
	const width, height = 9 * vg.Inch, 2.4 * vg.Inch
	canvas := vgsvg.New(width, height*vg.Length(len(figures)))
	tiles := draw.Tiles{Rows: len(figures), Cols: 1, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 10, PadY: 10}
	all := draw.New(canvas)
	for row, f := range figures {
		p, err := f.plot(results)
		if err != nil {
			return fmt.Errorf("draw %s: %w", f.title, err)
		}
		p.Draw(tiles.At(all, 0, row))
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}

func (f bars) plot(results []*Result) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = f.title
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left, p.Legend.Padding, p.Legend.TextStyle.Font.Size = true, true, vg.Points(3), 9
	p.X.Tick.Label.Font.Size, p.Title.TextStyle.Font.Size = 9, 11
	width := vg.Points(14)
	for i, name := range f.names {
		var v plotter.Values
		for _, r := range results {
			v = append(v, f.values(r)[i])
		}
		b, err := plotter.NewBarChart(v, width)
		if err != nil {
			return nil, err
		}
		b.LineStyle.Width = 0
		b.Color = plotColors[i%len(plotColors)]
		b.Offset = width * (vg.Length(i) - vg.Length(len(f.names)-1)/2)
		p.Add(b)
		if len(f.names) > 1 {
			p.Legend.Add(name, b)
		}
	}
	var names []string
	for _, r := range results {
		name := r.Scenario.Name
		if name == "" {
			name = r.Title
		}
		names = append(names, name)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -2, float64(len(names))-0.4 // room for the legend
	return p, nil
}

// plotColors can be told apart by people that see no red or green.
var plotColors = []color.Color{
	color.RGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 255}, color.RGBA{R: 0xe6, G: 0x9f, A: 255}, color.RGBA{R: 0x8c, G: 0x8c, B: 0x8c, A: 255},
}
