package call

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/lab/link"
	"parlor/web/browser"
)

// TestMain lets the test binary be the process of clients, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		if err := ServeClients(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := browser.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A call of pion's clients over a link that is too narrow for sound even: it is as full as it can be, its
// queue too, and those with good links notice nothing.
func TestRun(t *testing.T) {
	o := Options{Pion: true, Viewers: 2, Seed: 1, Log: io.Discard, Warmup: time.Second}
	require.NoError(t, o.Prepare(t.Context(), t.TempDir()))
	list, err := Find([]string{"narrow400"})
	require.NoError(t, err)
	s := list[0]
	s.Title, s.Down = "hardly anything", drawn(calm+" rate=40k queue=300ms")
	s.Duration = 4 * time.Second
	r, err := Run(t.Context(), s, o)
	require.NoError(t, err)
	require.Empty(t, r.Problems)

	require.InDelta(t, 40, r.Figures.Kbps, 4)
	require.InDelta(t, 40, r.Figures.Rate, 0.1)
	require.InDelta(t, 290, r.Figures.QueueP95, 20)
	require.Greater(t, r.Figures.Concealed, 20.)
	require.Greater(t, r.Samples[0].Frames, 0)
	require.GreaterOrEqual(t, len(r.Wire), 8)
	require.Equal(t, 2, r.Others.Viewers)
	require.Less(t, r.Others.Lost, 2.)

	var table bytes.Buffer
	Table(&table, []*Result{r}, false)
	require.Contains(t, table.String(), "hardly anything")
	require.Contains(t, table.String(), "2 others lost 0.")
}

// A node that does not start is said to, with what it has logged, and nothing is left.
func TestNodeDoesNotStart(t *testing.T) {
	o := Options{Binary: filepath.Join(t.TempDir(), "sfu"), Pion: true, Log: io.Discard}
	require.NoError(t, os.WriteFile(o.Binary, []byte("#!/bin/sh\necho no luck\nexit 3\n"), 0o755))
	began := time.Now()
	_, err := Run(t.Context(), Named()[0], o)
	require.Less(t, time.Since(began), 10*time.Second)
	require.ErrorContains(t, err, "no luck")
	require.ErrorContains(t, err, "exit status 3")
}

func TestFind(t *testing.T) {
	list, err := Find([]string{"step", "loss70-both"})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, 58*time.Second, list[0].Duration)
	require.Equal(t, list[1].Up, list[1].Down)
	_, err = Find([]string{"worse"})
	require.ErrorContains(t, err, `no network "worse"; there are: all, clean, loss10`)
	list, err = Find([]string{"all"})
	require.NoError(t, err)
	require.Len(t, list, len(Named()))
	for _, s := range list {
		p, uplink := s.shaped()
		require.Equal(t, s.Name == "clean", p.String() == calm, s.Name)
		require.Equal(t, len(s.Name) > 6 && s.Name[:6] == "uplink", uplink, s.Name)
	}
}

// watched makes samples every half second; of says what had come by each.
func watched(n int, of func(i int) Sample) (list []Sample) {
	for i := range n {
		s := of(i)
		s.At = 1000 + 500*float64(i)
		list = append(list, s)
	}
	return list
}

func TestFigures(t *testing.T) {
	steady := watched(21, func(i int) Sample {
		return Sample{Frames: 100 + 12*i, Height: 540, Frozen: 0.05 * float64(i), Freezes: i / 4, Samples: 24000 * float64(i), Concealed: 2400 * float64(i),
			VideoDelay: 1.2 * float64(i), VideoOut: 12 * float64(i), AudioDelay: 1200 * float64(i), AudioOut: 24000 * float64(i),
			VideoLost: i, VideoPackets: 9 * i, Keyframes: 1 + i/20, Estimate: float64(i%2) * 300}
	})
	f := figures(steady)
	require.InDelta(t, 24, f.FPS, 1e-9)
	require.InDelta(t, 6, f.Frozen, 1e-9)
	require.Equal(t, 5, f.Freezes)
	require.Zero(t, f.Without)
	require.InDelta(t, 10, f.Concealed, 1e-9)
	require.Equal(t, 540, f.Height)
	require.InDelta(t, 100, f.VideoDelay, 1e-9)
	require.InDelta(t, 50, f.AudioDelay, 1e-9)
	require.InDelta(t, 10, f.Lost, 1e-9)
	require.Equal(t, 1, f.Keyframes)
	require.InDelta(t, 300, f.Estimate, 1e-9, "only what was told")

	// Nothing for four seconds, then a connection anew, whose numbers begin at zero, with another layer.
	broken := watched(21, func(i int) Sample {
		switch {
		case i <= 8:
			return Sample{Frames: 12 * i, Height: 540, VideoPackets: 30 * i}
		case i <= 16:
			return Sample{Frames: 96, Height: 540, VideoPackets: 240}
		}
		return Sample{Frames: 5 * (i - 16), Height: 135, VideoPackets: 9 * (i - 16)}
	})
	f = figures(broken)
	require.Equal(t, 4, f.Without)
	require.InDelta(t, (96.+20)/10, f.FPS, 1e-9)
	require.Equal(t, 540, f.Height, "of the times at which frames came, most had this")
	require.InDelta(t, -1, f.Concealed, 0, "nobody has told of any sound")

	require.InDelta(t, -1, figures(nil).Concealed, 0)
	require.Zero(t, figures(nil).FPS)
}

// What was lost falls as it comes after all, or twice: none of that is lost, nor does a stream begin anew.
func TestFiguresOfReordering(t *testing.T) {
	f := figures(watched(21, func(i int) Sample {
		return Sample{VideoPackets: 100 * i, VideoLost: 50 + 20*(i%2) + i, Samples: 24000 * float64(i), Concealed: 9600 * float64(i%2)}
	}))
	require.InDelta(t, 100*20./(20+2000), f.Lost, 1e-9)
	require.Zero(t, f.Concealed)

	late := figures(watched(3, func(i int) Sample {
		return Sample{VideoPackets: 100 * i, VideoLost: 10 - i, Samples: 24000 * float64(i), Concealed: 960 * float64(2-i)}
	}))
	require.Zero(t, late.Lost, "what came was lost before")
	require.Zero(t, late.Concealed, "not below: -1 says that nobody has told")
}

// A client of pion that gets each second packet late, or all twice, has lost nothing.
func TestViewerReorders(t *testing.T) {
	for name, order := range map[string][]uint16{"late": {1, 3, 2, 5, 4, 7, 6, 9, 8}, "twice": {1, 1, 3, 2, 2, 5, 4, 6, 7, 8, 9}} {
		v := &viewer{streams: map[uint32]*received{}}
		var samples []Sample
		for _, n := range order {
			v.count(false, &rtp.Header{SSRC: 1, SequenceNumber: n})
			v.count(true, &rtp.Header{SSRC: 2, SequenceNumber: n})
			samples = append(samples, v.sample())
			samples[len(samples)-1].At = float64(500 * len(samples))
		}
		f := figures(samples)
		require.Zero(t, f.Lost, name)
		require.Zero(t, f.Concealed, name)
		require.Zero(t, fared([][]Sample{samples}, 0, 1e9).Lost, name)
	}
}

// While nothing is known of the publisher, numbers stay what they were; then they go on, or begin anew.
func TestHeld(t *testing.T) {
	away := func(after Sample) Figures {
		return figures(held(watched(4, func(i int) Sample {
			return []Sample{{Frames: 490, VideoPackets: 990, Samples: 4000}, {Frames: 500, VideoPackets: 1000, VideoLost: 3, Samples: 4800, Height: 540}, {}, after}[i]
		})))
	}
	f := away(Sample{Frames: 505, VideoPackets: 1007, VideoLost: 3, Samples: 5600})
	require.InDelta(t, 15/1.5, f.FPS, 1e-9)
	require.InDelta(t, 100*3./20, f.Lost, 1e-9)
	f = away(Sample{Frames: 5, VideoPackets: 10, Samples: 800})
	require.InDelta(t, 15/1.5, f.FPS, 1e-9)
	require.Empty(t, held(nil))
}

// Each figure has its own median; the runs stay in their order. What went wrong in any of them is told.
func TestMedian(t *testing.T) {
	runs := []*Result{
		{Name: "a", Figures: Figures{FPS: 3, Without: 5, Concealed: 1, LinkLate: 9}}, {Figures: Figures{FPS: 1, Without: 9, Concealed: 2}}, {Figures: Figures{FPS: 2, Without: 1, Concealed: 9}},
	}
	m := Median(runs)
	require.Equal(t, Figures{FPS: 2, Without: 5, Concealed: 2}, m.Figures)
	require.Equal(t, "a", m.Name)
	require.InDelta(t, 3, runs[0].Figures.FPS, 0)
	require.Equal(t, runs[0].Figures, Median(runs[:1]).Figures)
	require.Nil(t, m.Others)

	runs[0].Problems, runs[1].Problems, runs[2].Problems = make([]string, 0, 9), []string{"viewer: x"}, []string{"viewer: y"}
	runs[1].Others, runs[2].Others = &Others{Viewers: 2, Lost: 3}, &Others{Viewers: 2, Lost: 1, Worst: 4}
	m = Median(runs)
	require.Equal(t, []string{"viewer: x", "viewer: y"}, m.Problems)
	require.Equal(t, &Others{Viewers: 2, Lost: 3, Worst: 4}, m.Others)
	require.Empty(t, runs[0].Problems)
	require.Nil(t, runs[0].Others)
}

// The time that counts begins with the last sample before it.
func TestWithin(t *testing.T) {
	all := watched(10, func(i int) Sample { return Sample{Frames: i} })
	some := within(all, 2100, 4100)
	require.Equal(t, 2, some[0].Frames)
	require.Equal(t, 6, some[len(some)-1].Frames)
	require.Len(t, within(all, 0, 1e9), 10)
	require.Empty(t, within(nil, 0, 1))
}

func TestSource(t *testing.T) {
	var list []layers
	for i := range 10 {
		list = append(list, layers{At: 500 * float64(i), Layers: []Layer{{RID: "q", Frames: 12 * i}, {RID: "f", Frames: 10 * i}}})
	}
	fps, last := source(list, 1000, 3000)
	require.InDelta(t, 24, fps, 1e-9)
	require.Equal(t, 72, last[0].Frames)
	fps, last = source(nil, 1, 2)
	require.Zero(t, fps)
	require.Empty(t, last)

	// A connection anew: the layers have another order, and count from zero; for a moment there are none.
	list = nil
	for i := range 11 {
		layer := func(rid string, frames int) Layer { return Layer{RID: rid, Frames: frames} }
		now := []Layer{layer("q", 6*i), layer("f", 12*i)}
		if i > 4 {
			now = []Layer{layer("f", 12*(i-4)), layer("q", 6*(i-4))}
		}
		if i == 5 {
			now = nil
		}
		list = append(list, layers{At: 500 * float64(i), Layers: now})
	}
	fps, last = source(list, 0, 5000)
	require.InDelta(t, 24, fps, 1e-9)
	require.Equal(t, "f", last[0].RID)
}

// What the link has carried is told beside what it could.
func TestLinkFigures(t *testing.T) {
	r := &Result{Link: drawn("rate=2M queue=1s @1s rate=1M"), From: 1000, Seconds: 2, Wire: []Wire{{At: 1000}}}
	for i := range 4 {
		w := Wire{At: 1500 + 500*float64(i), Kbps: 800}
		for j := range 25 {
			w.waited = append(w.waited, time.Duration(25*i+j+1)*time.Millisecond)
		}
		r.Wire = append(r.Wire, w)
	}
	r.Figures.link(r, 3*time.Millisecond)
	require.InDelta(t, 800, r.Figures.Kbps, 1e-9)
	require.InDelta(t, (2000+3*1000)/4., r.Figures.Rate, 1e-9)
	require.InDelta(t, 51, r.Figures.QueueP50, 1e-9)
	require.InDelta(t, 96, r.Figures.QueueP95, 1e-9)
	require.InDelta(t, 3, r.Figures.LinkLate, 1e-9)
}

// The share of the link is that of the looks at which there was an estimate, and a rate that had not just
// changed.
func TestShare(t *testing.T) {
	r := &Result{Link: drawn("delay=1ms @6s rate=1M queue=1s @13s rate=500k"), From: 1000, Seconds: 20}
	for i := range 41 {
		r.Wire = append(r.Wire, Wire{At: 1000 + 500*float64(i), Kbps: 400})
	}
	r.Samples = watched(41, func(i int) Sample {
		switch at := float64(i) / 2; {
		case at < 11: // 1 M is known by then
			return Sample{Estimate: 9000}
		case at < 12.5:
			return Sample{Estimate: 900}
		case at < 13:
			return Sample{}
		case at < 18:
			return Sample{Estimate: 900}
		}
		return Sample{Estimate: 550}
	})
	r.Figures = figures(r.Samples)
	r.Figures.link(r, 0)
	require.InDelta(t, 110, r.Figures.Share, 1e-9, "3 looks of 90, 5 of 110 %%")
	require.InDelta(t, 110, r.Figures.ShareP95, 1e-9)
	require.InDelta(t, 9000, r.Figures.Estimate, 1e-9, "half of the time")
}

// An estimate is told where there is one, beside the link where that has a rate.
func TestTable(t *testing.T) {
	r := &Result{Title: "some network", Figures: Figures{FPS: 24.96, Concealed: -1, Estimate: 300, Share: 75, ShareP95: 98, LinkLate: 9}, Problems: []string{"viewer: error"}}
	show := func(markdown bool) string {
		var b bytes.Buffer
		Table(&b, []*Result{r}, markdown)
		return b.String()
	}
	require.Contains(t, show(false), " 300 (75, 98 %) ")
	require.Contains(t, show(false), "viewer: error")
	require.Contains(t, show(false), "later than drawn")
	require.NotContains(t, show(true), "frames a second in place")
	r.Figures.SentFPS = 20
	require.Contains(t, show(true), "20.0 frames a second in place of 25")
	r.Figures.SentFPS = 0
	require.Contains(t, show(true), "| some network | 25.0 | – | 0.0 | 0 | – |")
	r.Figures.Share = 0
	require.Contains(t, show(false), " 300 ")
	require.NotContains(t, show(false), "%)")
}

// The picture is whole, with and without an estimate, and names the network.
func TestDraw(t *testing.T) {
	for _, estimate := range []float64{0, 350} {
		r := &Result{Title: "narrow & so on", Link: link.Always(link.Shape{Rate: 400_000, QueueTime: time.Second}), From: 3000, Seconds: 5}
		r.Samples = watched(15, func(i int) Sample {
			return Sample{Frames: 12 * i, Height: 540, Samples: 24000 * float64(i), Concealed: 10 * float64(i), Estimate: estimate}
		})
		for i := range 11 {
			r.Wire = append(r.Wire, Wire{At: 3000 + 500*float64(i), Kbps: 390, QueueP95: 20})
		}
		name := filepath.Join(t.TempDir(), "a.svg")
		require.NoError(t, Draw(r, name))
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, wellFormed(raw))
		require.Contains(t, string(raw), "narrow &amp; so on")
		require.Equal(t, estimate > 0, bytes.Contains(raw, []byte(">estimate<")))
	}
	require.Error(t, Draw(&Result{}, "/no/such/place/a.svg"))
}

// The picture of all has a place for each network, with a line for its frames and one for its sound, also
// where the last row is not full.
func TestDrawAll(t *testing.T) {
	for _, n := range []int{1, 4, 6} {
		var list []*Result
		for i := range n {
			r := &Result{Name: "x", Title: fmt.Sprintf("network %d", i), From: 3000, Seconds: 5}
			r.Samples = watched(15, func(i int) Sample {
				return Sample{Frames: 12 * i, Samples: 24000 * float64(i), Concealed: 10 * float64(i)}
			})
			list = append(list, r)
		}
		name := filepath.Join(t.TempDir(), "all.svg")
		require.NoError(t, DrawAll(list, name))
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, wellFormed(raw))
		for i := range n {
			require.Equal(t, 1, bytes.Count(raw, fmt.Appendf(nil, ">network %d<", i)))
		}
		require.Equal(t, n, bytes.Count(raw, []byte(">frames/s<")))
		for _, color := range []string{"stroke:#1F5FBF", "stroke:#E69F00"} {
			require.Equal(t, 2*n, bytes.Count(raw, []byte(color)), "the line and its legend")
		}
	}
	require.Error(t, DrawAll([]*Result{{}}, "/no/such/place/all.svg"))
}

func wellFormed(raw []byte) error {
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
