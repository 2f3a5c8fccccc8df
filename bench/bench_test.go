package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// TestMain lets the test binary be the process of the bare loop, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == limitCommand {
		if err := serveLimit(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testRun(t *testing.T, n *fakeNode, change func(*Scenario)) *Result {
	t.Helper()
	s := defaults()
	s.Subscribers, s.Duration, s.Warmup, s.LateJoins = 2, time.Second, 500*time.Millisecond, 1
	change(&s)
	require.NoError(t, s.validate())
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	at, err := open(ctx, output{server: n.server.URL})
	require.NoError(t, err)
	var progress bytes.Buffer
	res, err := newRun(s, at, &progress).measure(ctx)
	require.NoError(t, err, progress.String())
	t.Log(progress.String())
	return res
}

func TestRunCountsAll(t *testing.T) {
	res := testRun(t, newFakeNode(t), func(s *Scenario) { s.Publishers, s.Audio = 2, true })
	p := res.Packets
	// At least a second of two publishers: 104 packets of video and 50 of audio each, less a frame at the
	// edges.
	require.GreaterOrEqual(t, p.Sent, uint64(2*(104+50)-30))
	require.Equal(t, 2*p.Sent, p.Expected)
	require.Equal(t, p.Expected, p.Received)
	require.Zero(t, p.Lost)
	require.Zero(t, p.Duplicated)
	require.Zero(t, p.Reordered)
	require.EqualValues(t, p.Received, res.Delay.Count)
	require.Positive(t, res.Delay.P50)
	require.LessOrEqual(t, res.Delay.P50, res.WorstDelay.Max)
	require.EqualValues(t, 2, res.Join.Count)
	require.EqualValues(t, 1, res.FirstPacket.Count)
	require.EqualValues(t, 1, res.FirstKeyframe.Count)
	require.Positive(t, res.Node.CPU)
}

func TestRunCountsLossExactly(t *testing.T) {
	n := newFakeNode(t)
	n.lose = func(i int) bool { return i%10 == 3 }
	n.repeat = func(i int) bool { return i%20 == 7 }
	res := testRun(t, n, func(s *Scenario) { s.Rooms, s.LateJoins = 2, 0 })
	p := res.Packets
	require.Equal(t, p.Expected, p.Received+p.Lost)
	require.InDelta(t, 0.1*float64(p.Expected), float64(p.Lost), 4, "one in ten, at the edges of four windows")
	require.InDelta(t, float64(p.Lost)/4, float64(p.WorstLost), 2)
	require.InDelta(t, 0.05*float64(p.Expected), float64(p.Duplicated), 6)
}

func TestRunThroughWHEP(t *testing.T) {
	res := testRun(t, newFakeNode(t), func(s *Scenario) { s.Door, s.VideoBitrate, s.Audio = doorWHEP, 0, true })
	require.GreaterOrEqual(t, res.Packets.Expected, uint64(2*48))
	require.Equal(t, 2*res.Packets.Sent, res.Packets.Expected)
	require.Zero(t, res.Packets.Lost)
	require.Zero(t, res.FirstKeyframe.Count)
}

// TestRunWithSampleAndLimit: one subscriber of three reads all, the others one packet in four; a ninth is
// lost, before the fake node numbers its packets, so that the samples show nothing of it. What the kernel
// keeps from the others they do not tell as lost.
func TestRunWithSampleAndLimit(t *testing.T) {
	n := newFakeNode(t)
	n.lose = func(i int) bool { return i%9 == 3 }
	res := testRun(t, n, func(s *Scenario) {
		s.Subscribers, s.Readers, s.Sample, s.LateJoins, s.Limit, s.VideoBitrate = 3, 1, 4, 0, time.Second, 3_000_000
		s.Duration, s.Feedback = 2*time.Second, client.AllFeedback
	})
	require.Equal(t, map[string]bool{"pub0": true, "sub0": true, "sub1": false, "sub2": false}, n.feeds)
	p := res.Packets
	require.InDelta(t, (1+2./4*8/9)*float64(p.Sent), float64(p.Expected), 6, "all of one, a quarter of two")
	require.InEpsilon(t, float64(p.Sent)/9, float64(p.Lost), 0.1)
	require.EqualValues(t, 3*p.Sent, p.Forwarded)
	require.Positive(t, res.Limit.Paced)
	require.Positive(t, res.Limit.FlatOut)
	require.Positive(t, res.Limit.Drift)
	require.InEpsilon(t, res.Node.CPUPerPacket/res.Limit.Paced, res.Node.LimitRatio, 0.001)
	require.NotZero(t, res.Wire.Count)
	require.LessOrEqual(t, res.Wire.P50, res.Delay.P50)
}

// TestRunWithProfiles: a node that serves them is asked where it says that it does; of one that does not, it
// is said what to do.
func TestRunWithProfiles(t *testing.T) {
	fake := newFakeNode(t)
	n := &node{url: fake.server.URL, probe: probe{http: http.DefaultClient}}
	require.NoError(t, n.Await(t.Context(), n.takesUsers))
	require.ErrorContains(t, n.profileCPU(t.Context(), t.TempDir(), time.Second), "--debug.listen")

	fake.debug = fake.server.Listener.Addr().String()
	require.NoError(t, n.Await(t.Context(), n.takesUsers))
	dir := t.TempDir()
	require.NoError(t, n.profileCPU(t.Context(), dir, 2*time.Second))
	got, err := os.ReadFile(filepath.Join(dir, "cpu.pprof"))
	require.NoError(t, err)
	require.Equal(t, "/debug/pprof/profile?seconds=2", string(got))
}

// TestRunWithTrouble: the dead subscriber is not expected to receive, nor is the one more publisher anybody's
// loss.
func TestRunWithTrouble(t *testing.T) {
	res := testRun(t, newFakeNode(t), func(s *Scenario) { s.Subscribers, s.Dead, s.Hog, s.LateJoins, s.Storm = 3, 1, 2_000_000, 0, 3 })
	require.Positive(t, res.Storm)
	require.EqualValues(t, 2*res.Packets.Sent, res.Packets.Expected)
	require.Zero(t, res.Packets.Lost)
}

// TestRunSaturates: the fake node loses packets from a certain rate on.
func TestRunSaturates(t *testing.T) {
	n := newFakeNode(t)
	var second, count atomic.Int64
	n.lose = func(int) bool {
		if now := time.Now().Unix(); second.Swap(now) != now {
			count.Store(0)
		}
		return count.Add(1) > 200 // in a second, so that a moment's standstill does not matter
	}
	res := testRun(t, n, func(s *Scenario) { s.Saturate, s.LateJoins, s.VideoBitrate, s.Subscribers = true, 0, 900_000, 1 })
	require.NotNil(t, res.Saturation)
	steps := res.Saturation.Steps
	require.GreaterOrEqual(t, len(steps), 2)
	require.NotZero(t, steps[len(steps)-1].Lost)
	require.Zero(t, steps[0].Lost)
	require.Less(t, res.Saturation.PacketsPerSecond, 260.0)
	require.Less(t, res.Packets.PerSecond, res.Saturation.PacketsPerSecond)
	require.Contains(t, res.markAtLeast(0.6, 0.5), "missed")
	require.Contains(t, res.markAtLeast(0.6, 0.7), "met")
}

// TestRunIdle: nothing is sent in the window.
func TestRunIdle(t *testing.T) {
	res := testRun(t, newFakeNode(t), func(s *Scenario) { s.Idle, s.LateJoins = true, 0 })
	require.Zero(t, res.Packets.Sent)
	require.Zero(t, res.Packets.Forwarded)
}

func TestNamedScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range named() {
		require.NoError(t, s.validate(), s.Name)
		require.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
	}
	_, err := scenarioNamed("nonsense")
	require.ErrorContains(t, err, "video-1x100")
	c := command()
	require.NoError(t, c.ParseFlags([]string{"--subscribers", "7", "--readers", "2"}))
	list, err := chosen(c.Flags(), []string{"video-4x100"}, defaults(), "none")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, []int{4, 7, 2}, []int{list[0].Publishers, list[0].Subscribers, list[0].Readers})
	require.Equal(t, client.AllFeedback, list[0].Feedback)
	list, err = chosen(command().Flags(), []string{"all"}, defaults(), "none")
	require.NoError(t, err)
	require.Len(t, list, len(named()))
	list, err = chosen(command().Flags(), []string{"idle-100", "video-1x100"}, defaults(), "none")
	require.NoError(t, err)
	require.Equal(t, []string{"idle-100", "video-1x100"}, []string{list[0].Name, list[1].Name})
	_, err = chosen(command().Flags(), []string{"idle-100", "no-such"}, defaults(), "none")
	require.ErrorContains(t, err, "no-such")
}

func TestReportDrawsResults(t *testing.T) {
	dir := t.TempDir()
	res := []*Result{{Title: "a", Scenario: Scenario{Name: "video-1x100"}}, {Title: "b & c"}}
	res[0].Node.CPUPerPacket, res[0].Limit.Paced = 2, 1
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	in, out := dir+"/r.json", dir+"/r.svg"
	require.NoError(t, os.WriteFile(in, raw, 0o600))
	c := command()
	c.SetArgs([]string{"report", in, "-o", out})
	require.NoError(t, c.Execute())
	svg, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(svg), "video-1x100")
	require.Contains(t, string(svg), "b &amp; c")
	require.NoError(t, os.WriteFile(in, []byte("[]"), 0o600))
	_, err = readResults(in)
	require.Error(t, err)
}

func TestMarks(t *testing.T) {
	r := &Result{}
	require.Empty(t, r.mark(0, 3, "≤ %g"))
	require.Contains(t, r.mark(2, 1.9, "≤ %g"), "met")
	require.Contains(t, r.mark(2, 2.1, "≤ %g"), "missed")
	var b bytes.Buffer
	r.Scenario.Mark.Ratio, r.Node.LimitRatio = 2, 2.5
	overview(&b, []*Result{r})
	require.Contains(t, b.String(), "2.50 ✗ 2")
}

func TestRunReportsRefusal(t *testing.T) {
	n := newFakeNode(t)
	at := &node{url: n.server.URL, probe: probe{metrics: n.server.URL + "/metrics", http: http.DefaultClient}}
	s := defaults()
	s.Door = doorWHEP
	n.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = w.Write([]byte("go_goroutines 1\nprocess_cpu_seconds_total 1\n"))
			return
		}
		http.Error(w, "full", http.StatusServiceUnavailable)
	})
	_, err := newRun(s, at, &bytes.Buffer{}).measure(context.Background())
	require.ErrorContains(t, err, "publisher pub0")
}

func TestValidate(t *testing.T) {
	require.NoError(t, defaults().validate())
	for flag, spoil := range map[string]func(*Scenario){
		"rooms":         func(s *Scenario) { s.Rooms = 0 },
		"publishers":    func(s *Scenario) { s.Publishers = 0 },
		"subscribers":   func(s *Scenario) { s.Subscribers = -1 },
		"video-bitrate": func(s *Scenario) { s.VideoBitrate = 9999 },
		"keyframes":     func(s *Scenario) { s.Keyframes = -1 },
		"duration":      func(s *Scenario) { s.Duration = time.Millisecond },
		"warmup":        func(s *Scenario) { s.Warmup = -1 },
		"parallel":      func(s *Scenario) { s.Parallel = 0 },
		"late-joins":    func(s *Scenario) { s.LateJoins = -1 },
		"door":          func(s *Scenario) { s.Door = "back" },
		"scene":         func(s *Scenario) { s.Scene = "opera" },
		"readers":       func(s *Scenario) { s.Readers = s.Subscribers + 1 },
		"sample":        func(s *Scenario) { s.Sample = 3 },
		"limit":         func(s *Scenario) { s.Limit = time.Millisecond },
		"storm":         func(s *Scenario) { s.Storm = -1 },
		"saturate":      func(s *Scenario) { s.Saturate, s.VideoBitrate, s.Audio = true, 0, true },
		"flood":         func(s *Scenario) { s.Flood = -1 },
		"hog":           func(s *Scenario) { s.Hog = 1 },
		"dead":          func(s *Scenario) { s.Dead = s.Subscribers },
		"idle":          func(s *Scenario) { s.Idle = true },
	} {
		s := defaults()
		spoil(&s)
		require.ErrorContains(t, s.validate(), "--"+flag+":")
	}
	s := defaults()
	s.VideoBitrate = 0
	require.ErrorContains(t, s.validate(), "nothing to send")
	s.Audio = true
	require.NoError(t, s.validate())
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"--rooms", "0"}, {"--feedback", "fec"}, {"--nonsense"}, {"extra"}} {
		c := command()
		c.SetArgs(args)
		require.Error(t, c.Execute(), "%v", args)
	}
}

func TestParseProc(t *testing.T) {
	user, system, err := parseStat("42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 9 0 100\n")
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, user)
	require.Equal(t, 250*time.Millisecond, system)
	for _, bad := range []string{"", "1 (x) S", "1 (x) S 1 2 3 4 5 6 7 8 9 10 u s"} {
		_, _, err := parseStat(bad)
		require.Error(t, err)
	}
	for _, text := range []string{"55d4-7ffc ---p [rollup]\nRss:  1500 kB\nPss: 7 kB\n", "Name:\tx\nVmRSS:\t1500 kB\n"} {
		rss, err := parseResident(text)
		require.NoError(t, err)
		require.EqualValues(t, 1500<<10, rss)
	}
	_, err = parseResident("Pss: 7 kB\n")
	require.Error(t, err)

	var own reading
	require.NoError(t, readProc(os.Getpid(), &own))
	require.Positive(t, own.rss)
	require.Error(t, readProc(1<<30, &own))
}

func TestParseMetrics(t *testing.T) {
	m, err := parseMetrics(strings.NewReader("# HELP go_goroutines x\n# TYPE go_goroutines gauge\ngo_goroutines 17\n" +
		"# TYPE rtp_dropped_total counter\nrtp_dropped_total{reason=\"a b\"} 4\nx 1.5e3 170000\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"go_goroutines": 17, "x": 1500, `rtp_dropped_total{reason="a b"}`: 4}, m)
	require.Equal(t, map[string]uint64{`rtp_dropped_total{reason="a b"}`: 3}, dropsBetween(map[string]float64{`rtp_dropped_total{reason="a b"}`: 1}, m))
	_, err = parseMetrics(strings.NewReader("bad y\n"))
	require.Error(t, err)
}

func TestHistogramBetween(t *testing.T) {
	read := func(a, b, c int) map[string]float64 {
		text := "# TYPE x_seconds histogram\n"
		for i, le := range []string{"0.001", "0.002", "+Inf"} {
			text += fmt.Sprintf("x_seconds_bucket{le=%q} %d\n", le, []int{a, b, c}[i])
		}
		m, err := parseMetrics(strings.NewReader(text + fmt.Sprintf("x_seconds_sum 1\nx_seconds_count %d\n", c)))
		require.NoError(t, err)
		return m
	}
	require.Zero(t, histogramBetween(read(5, 6, 7), read(5, 6, 7), "x_seconds"))
	require.Zero(t, histogramBetween(nil, read(5, 6, 7), "y_seconds"))
	s := histogramBetween(read(5, 10, 10), read(65, 110, 110), "x_seconds") // 60 up to 1 ms, 40 up to 2 ms
	require.EqualValues(t, 100, s.Count)
	require.InDelta(t, 50./60, s.P50, 1e-9)
	require.InDelta(t, 1.75, s.P90, 1e-9)
	require.InDelta(t, 1+39./40, s.P99, 1e-9)
	require.InDelta(t, 2, s.Max, 1e-9)
	s = histogramBetween(nil, read(0, 1, 4), "x_seconds") // three above all bounds
	require.InDelta(t, 2, s.P50, 1e-9)
	require.InDelta(t, 2, s.P99, 1e-9)
}

func TestTable(t *testing.T) {
	res := &Result{Title: "1 × 100", Warnings: []string{"the machine was busy"}}
	res.Packets.Lost, res.Node.CPUPerPacket = 12, 4.321
	res.Scenario.Feedback = client.NACK | client.TWCC
	var b bytes.Buffer
	res.table(&b)
	for _, want := range []string{"1 × 100", "12", "4.32 µs", "! the machine was busy"} {
		require.Contains(t, b.String(), want)
	}
	raw, err := json.Marshal(res)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"feedback":"nack,twcc"`)
}
