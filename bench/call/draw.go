package call

import (
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// curveColors can be told apart by people that see no red or green.
var curveColors = []color.Color{
	color.RGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 255}, color.RGBA{R: 0xe6, G: 0x9f, A: 255}, color.RGBA{R: 0x8c, G: 0x8c, B: 0x8c, A: 255},
}

// curve is a figure over time.
type curve struct {
	name   string
	points plotter.XYs
}

// panel is curves with one scale.
type panel struct {
	title  string
	curves []curve
}

// Draw draws a result over time into an SVG file.
func Draw(r *Result, name string) error {
	panels := r.panels()
	const width, height = 9 * vg.Inch, 1.7 * vg.Inch
	canvas := vgsvg.New(width, height*vg.Length(len(panels)))
	all := draw.New(canvas)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 10, PadY: 8}
	var plots [][]*plot.Plot
	for _, p := range panels {
		drawn, err := p.plot()
		if err != nil {
			return fmt.Errorf("draw %s: %w", p.title, err)
		}
		drawn.X.Min, drawn.X.Max = -before/1000, r.Seconds
		plots = append(plots, []*plot.Plot{drawn})
	}
	last := plots[len(plots)-1][0]
	last.X.Label.Text, last.X.Label.TextStyle.Font.Size = "seconds since the trouble began", 9
	plots[0][0].Title.Text = r.Title + ": " + plots[0][0].Title.Text
	for row, canvases := range plot.Align(plots, tiles, all) {
		plots[row][0].Draw(canvases[0])
	}
	return write(canvas, name)
}

// sharedTicks are those of pictures that are drawn side by side, for frames a second and percent.
var sharedTicks = []plot.Tick{{Value: 0, Label: "0"}, {Value: 25, Label: "25"}, {Value: 50, Label: "50"}, {Value: 75, Label: "75"},
	{Value: 100, Label: "100"}}

// DrawAll draws what viewers get of several results, one at least, side by side, into an SVG file.
func DrawAll(list []*Result, name string) error {
	const columns, width, height = 4, 3.2 * vg.Inch, 1.7 * vg.Inch
	rows := (len(list) + columns - 1) / columns
	canvas := vgsvg.New(columns*width, height*vg.Length(rows))
	all := draw.New(canvas)
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 10, PadX: 10, PadY: 8}
	plots := make([][]*plot.Plot, rows)
	for i := range rows * columns {
		var drawn *plot.Plot // none in the last places
		if i < len(list) {
			r := list[i]
			p := r.shown()
			p.title = r.Title
			var err error
			if drawn, err = p.plot(); err != nil {
				return fmt.Errorf("draw %s: %w", r.Name, err)
			}
			drawn.X.Min, drawn.X.Max = -before/1000, r.Seconds
			drawn.Y.Max, drawn.Y.Tick.Marker = 100, plot.ConstantTicks(sharedTicks)
			drawn.Title.TextStyle.Font.Size = 9
		}
		plots[i/columns] = append(plots[i/columns], drawn)
	}
	for row, canvases := range plot.Align(plots, tiles, all) {
		for column, c := range canvases {
			if p := plots[row][column]; p != nil {
				p.Draw(c)
			}
		}
	}
	return write(canvas, name)
}

// write writes what was drawn.
func write(canvas *vgsvg.Canvas, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		file.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}

// second is a time of the page, in s since the trouble began.
func (r *Result) second(at float64) float64 { return (at - r.From) / 1000 }

// per is a number from sample to sample, by how much it has grown in so many seconds.
func (r *Result) per(n number, by func(delta, seconds float64, i int) float64) (list plotter.XYs) {
	for i := 1; i < len(r.Samples); i++ {
		span := (r.Samples[i].At - r.Samples[i-1].At) / 1000
		list = append(list, plotter.XY{X: r.second(r.Samples[i].At), Y: by(max(0, n.delta(r.Samples, i)), span, i)})
	}
	return list
}

// frames is the pictures that were decoded, a second.
func (r *Result) frames() plotter.XYs {
	return r.per(decoded, func(x, seconds float64, _ int) float64 { return x / seconds })
}

// made is the share of sound that was made up, in percent.
func (r *Result) made() plotter.XYs {
	return r.per(concealed, func(x, _ float64, i int) float64 { return 100 * ratio(x, heard.delta(r.Samples, i)) })
}

// shown is what viewers get, in one panel.
func (r *Result) shown() panel {
	return panel{curves: []curve{{"frames/s", r.frames()}, {"% concealed", r.made()}}}
}

// panels are what a picture shows.
func (r *Result) panels() []panel {
	second := r.second
	each := func(of func(Sample) float64) (list plotter.XYs) {
		for _, s := range r.Samples {
			list = append(list, plotter.XY{X: second(s.At), Y: of(s)})
		}
		return list
	}
	var passed, queued, rates plotter.XYs
	for i, w := range r.Wire {
		if i > 0 {
			passed = append(passed, plotter.XY{X: second(w.At), Y: w.Kbps})
			queued = append(queued, plotter.XY{X: second(w.At), Y: w.QueueP95})
		}
		if kbps := r.rate(w.At); kbps > 0 {
			rates = append(rates, plotter.XY{X: second(w.At), Y: kbps})
		}
	}
	return []panel{
		{"frames a second", []curve{{"", r.frames()}}},
		{"kbit/s on the link", []curve{{"passed", passed}, {"estimate", told(each(func(s Sample) float64 { return s.Estimate }))}, {"rate", rates}}},
		{"ms in the link's queue, p95", []curve{{"", queued}}},
		{"height", []curve{{"", each(func(s Sample) float64 { return float64(s.Height) })}}},
		{"sound concealed, %", []curve{{"", r.made()}}},
	}
}

// told leaves out what nobody has said.
func told(all plotter.XYs) (list plotter.XYs) {
	for _, p := range all {
		if p.Y > 0 {
			list = append(list, p)
		}
	}
	return list
}

func (p panel) plot() (*plot.Plot, error) {
	drawn := plot.New()
	drawn.Title.Text = p.title
	drawn.Y.Min, drawn.Y.Max = 0, 1
	drawn.Title.TextStyle.Font.Size, drawn.X.Tick.Label.Font.Size, drawn.Y.Tick.Label.Font.Size = 10, 8, 8
	drawn.Legend.Top, drawn.Legend.TextStyle.Font.Size, drawn.Legend.Padding = true, 9, 2
	drawn.Add(plotter.NewGrid())
	for i, l := range p.curves {
		if len(l.points) == 0 {
			continue
		}
		for _, point := range l.points {
			drawn.Y.Max = max(drawn.Y.Max, 1.25*point.Y) // with room for the legend
		}
		x, err := plotter.NewLine(l.points)
		if err != nil {
			return nil, err
		}
		x.Color, x.Width = curveColors[i%len(curveColors)], vg.Points(1.4)
		drawn.Add(x)
		if l.name != "" {
			drawn.Legend.Add(l.name, x)
		}
	}
	return drawn, nil
}
