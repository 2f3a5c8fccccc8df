package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// reading is what a process has used so far, and holds now.
type reading struct {
	at           time.Time
	user, system time.Duration
	rss          int64 // bytes
}

func (r reading) cpu() time.Duration { return r.user + r.system }

// probe reads the node's process: from /proc if it is on this machine, else from its /metrics. Both count CPU
// time in steps of 10 ms.
type probe struct {
	pid     int // 0: not known
	metrics string
	http    *http.Client
}

// read says what the process has used. If the process is on this machine, it does not ask for the metrics,
// which would cost what is being measured.
func (p probe) read(ctx context.Context) (reading, error) {
	if p.pid != 0 {
		r := reading{at: time.Now()}
		err := readProc(p.pid, &r)
		return r, err
	}
	m, err := p.scrape(ctx)
	if err != nil {
		return reading{}, err
	}
	if _, ok := m["process_cpu_seconds_total"]; !ok {
		return reading{}, fmt.Errorf("%s does not say process_cpu_seconds_total; give --server-pid", p.metrics)
	}
	return reading{
		at: time.Now(),
		// This is both kinds: they are not told apart.
		user: time.Duration(m["process_cpu_seconds_total"] * float64(time.Second)),
		rss:  int64(m["process_resident_memory_bytes"]),
	}, nil
}

// goroutines says how many the process has.
func (p probe) goroutines(ctx context.Context) (int, error) {
	m, err := p.scrape(ctx)
	if err != nil {
		return 0, err
	}
	n, ok := m["go_goroutines"]
	if !ok {
		return 0, fmt.Errorf("%s does not say go_goroutines", p.metrics)
	}
	return int(n), nil
}

// readSelf says what this process has used.
func readSelf() reading {
	r := reading{at: time.Now()}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err == nil { // cannot fail with these arguments
		r.user, r.system = time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
	}
	return r
}

func (p probe) scrape(ctx context.Context) (map[string]float64, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, p.metrics, nil)
	if err != nil {
		return nil, err
	}
	res, err := p.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: %s: status %d", p.metrics, res.StatusCode)
	}
	return parseMetrics(res.Body)
}

// parseMetrics reads counters, gauges and the buckets of histograms of the Prometheus text format. Those with
// labels are named with them: a{b="c"}.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	m := map[string]float64{}
	for name, f := range families {
		for _, x := range f.GetMetric() {
			var labels []string
			for _, l := range x.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			full := name
			if len(labels) > 0 {
				full += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case x.Counter != nil:
				m[full] = x.GetCounter().GetValue()
			case x.Gauge != nil:
				m[full] = x.GetGauge().GetValue()
			case x.Untyped != nil:
				m[full] = x.GetUntyped().GetValue()
			case x.Histogram != nil && len(labels) == 0:
				addHistogram(m, name, x.Histogram)
			}
		}
	}
	return m, nil
}

// readProc fills in CPU times and resident memory of a process.
func readProc(pid int, r *reading) error {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	if r.user, r.system, err = parseStat(string(stat)); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	mem, err := os.ReadFile(dir + "/smaps_rollup") // exact; the counters of status lag behind
	if err != nil {
		if mem, err = os.ReadFile(dir + "/status"); err != nil {
			return fmt.Errorf("process %d: %w", pid, err)
		}
	}
	if r.rss, err = parseResident(string(mem)); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return nil
}

// tick is the unit of CPU times in /proc (USER_HZ, proc(5)); 100 Hz on every Linux that Go supports.
const tick = 10 * time.Millisecond

// parseStat reads utime and stime, fields 14 and 15 of /proc/PID/stat. The second field, the name, may hold
// blanks.
func parseStat(text string) (user, system time.Duration, err error) {
	_, rest, ok := cutLast(text, ")")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0, 0, fmt.Errorf("stat: cannot read %q", text)
	}
	u, err1 := strconv.ParseInt(f[11], 10, 64)
	s, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("stat: cannot read %q", text)
	}
	return time.Duration(u) * tick, time.Duration(s) * tick, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// parseResident reads the line Rss of smaps_rollup, or VmRSS of status, into bytes.
func parseResident(text string) (int64, error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 3 && (f[0] == "Rss:" || f[0] == "VmRSS:") && f[2] == "kB" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no resident size")
}
