package sfu

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"parlor/transport"
)

// loadEvery is how often the load is measured, over the time since the measurement before. Higher smooths it.
// Lower has the placing of rooms see bursts.
const loadEvery = 2 * time.Second

// loadSample is one of the two samples whose difference is a load.
type loadSample struct {
	at  time.Time
	cpu time.Duration // that the process has used since its start
	transport.Stats
}

// rates are what the node has had to do of late.
type rates struct {
	cpu                   float64 // of the cores that the process may use, 0–1
	packetsIn, packetsOut float64 // a second
	bitsIn, bitsOut       float64 // a second
	drops                 float64 // a second, of packets on the wire
}

// between is the load between two samples.
func between(a, b loadSample, cores int) rates {
	seconds := b.at.Sub(a.at).Seconds()
	if seconds <= 0 {
		return rates{}
	}
	per := func(from, to uint64) float64 { return float64(to-from) / seconds }
	return rates{
		cpu:       min(max((b.cpu-a.cpu).Seconds()/seconds/float64(cores), 0), 1),
		packetsIn: per(a.PacketsIn, b.PacketsIn), packetsOut: per(a.PacketsOut, b.PacketsOut),
		bitsIn: 8 * per(a.BytesIn, b.BytesIn), bitsOut: 8 * per(a.BytesOut, b.BytesOut),
		drops: per(all(a.Drops), all(b.Drops)),
	}
}

// all is the number of packets dropped, for whatever reason.
func all(drops [transport.NumDrops]uint64) (n uint64) {
	for _, d := range drops {
		n += d
	}
	return n
}

// load measures the load while it runs.
type load struct {
	stats func() transport.Stats
	last  atomic.Pointer[rates]
}

func (l *load) run(ctx context.Context) error {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	before := l.sample()
	for {
		select {
		case <-tick.C:
			now := l.sample()
			l.last.Store(new(between(before, now, runtime.GOMAXPROCS(0))))
			before = now
		case <-ctx.Done():
			return nil
		}
	}
}

// rates returns the last measurement, zero before the first.
func (l *load) rates() rates {
	if r := l.last.Load(); r != nil {
		return *r
	}
	return rates{}
}

func (l *load) sample() loadSample {
	s := loadSample{at: time.Now(), Stats: l.stats()}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return s
}

// resident returns the process's memory in bytes; 0 if the system does not tell.
func resident() uint64 {
	p, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return 0
	}
	s, err := p.Stat()
	if err != nil {
		return 0
	}
	return uint64(s.ResidentMemory())
}
