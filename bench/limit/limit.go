// Package limit measures what the machine allows. A bare loop seals packets with AES-128-GCM and sends them
// by sendmmsg from a raw socket outside Go's network poller. It sends to as many destinations as a scenario
// has subscribers, in the same rhythm. What a server costs is told as a ratio to it, taken in the same run.
//
//	limit.go  Load, Run: the loop
//	send.go   the batch: sealing and sendmmsg
//	sinks.go  the destinations
package limit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"parlor/lab/traffic"
)

// Load is what the loop sends.
type Load struct {
	Streams  []Stream      `json:"streams"`
	Threads  int           `json:"threads"` // each has a socket and its share of the streams
	Duration time.Duration `json:"duration_ns"`
	Warmup   time.Duration `json:"warmup_ns"` // sent before anything is counted
	FlatOut  bool          `json:"flat_out"`  // without rhythm: as fast as it goes
	// Segments lets segmentation offload take the packets of a frame to one destination together.
	Segments bool `json:"gso"`
	Buffer   int  `json:"buffer"` // of the sending sockets, bytes
}

// Stream is one source and where its packets go.
type Stream struct {
	Bitrate   int              `json:"bitrate"` // of video, bits per second; 0: audio
	Keyframes time.Duration    `json:"keyframes_ns"`
	To        []netip.AddrPort `json:"to"`
	Phase     time.Duration    `json:"phase_ns"` // of its first frame
}

// Result is what it took.
type Result struct {
	Packets uint64        `json:"packets"` // sent
	Refused uint64        `json:"refused"` // by the kernel, because a buffer was full
	CPU     time.Duration `json:"cpu_ns"`  // of the process, user and system
	Wall    time.Duration `json:"wall_ns"`
}

// PerPacket is the CPU time of one packet in µs, 0 if none was sent.
func (r Result) PerPacket() float64 {
	if r.Packets == 0 {
		return 0
	}
	return float64(r.CPU) / float64(time.Microsecond) / float64(r.Packets)
}

// Rate is how many packets a second were sent.
func (r Result) Rate() float64 {
	if r.Wall <= 0 {
		return 0
	}
	return float64(r.Packets) / r.Wall.Seconds()
}

func (l Load) validate() error {
	if len(l.Streams) == 0 || l.Threads < 1 || l.Duration <= 0 {
		return errors.New("limit: streams, threads and duration are needed")
	}
	for _, s := range l.Streams {
		if len(s.To) == 0 {
			return errors.New("limit: a stream without destinations")
		}
	}
	return nil
}

// Run sends the load. The CPU time is that of the whole process, which therefore should do nothing else.
func Run(ctx context.Context, l Load) (Result, error) {
	if err := l.validate(); err != nil {
		return Result{}, err
	}
	var loops []*loop
	defer func() {
		for _, x := range loops {
			x.out.close()
		}
	}()
	for range min(l.Threads, len(l.Streams)) {
		out, err := newSender(l.Buffer, l.Segments)
		if err != nil {
			return Result{}, fmt.Errorf("limit: %w", err)
		}
		loops = append(loops, &loop{out: out, flatOut: l.FlatOut})
	}
	for i, s := range l.Streams {
		x := loops[i%len(loops)]
		x.sources = append(x.sources, newSource(uint32(i+1), s))
	}
	if l.Warmup > 0 {
		if _, err := runFor(ctx, loops, l.Warmup); err != nil {
			return Result{}, err
		}
	}
	return runFor(ctx, loops, l.Duration)
}

// runFor runs the loops for a while and reads the clock of the process around it.
func runFor(ctx context.Context, loops []*loop, d time.Duration) (Result, error) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		return Result{}, fmt.Errorf("limit: getrusage: %w", err)
	}
	start := time.Now()
	end := start.Add(d)
	var running sync.WaitGroup
	for _, x := range loops {
		x.out.sent, x.out.refused = 0, 0
		running.Go(func() { x.run(ctx, start, end) })
	}
	running.Wait()
	r := Result{Wall: time.Since(start)}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		return Result{}, fmt.Errorf("limit: getrusage: %w", err)
	}
	r.CPU = time.Duration(after.Utime.Nano()-before.Utime.Nano()) + time.Duration(after.Stime.Nano()-before.Stime.Nano())
	for _, x := range loops {
		if x.out.err != nil {
			return Result{}, fmt.Errorf("limit: send: %w", x.out.err)
		}
		r.Packets += x.out.sent
		r.Refused += x.out.refused
	}
	return r, ctx.Err()
}

// loop is one thread's share.
type loop struct {
	out     *sender
	sources []*source
	flatOut bool
}

// source is a stream with its state.
type source struct {
	stream traffic.Stream
	to     []destination
	phase  time.Duration
	due    time.Duration
	raw    [][]byte // the packets of a frame
}

func newSource(id uint32, s Stream) *source {
	x := &source{phase: s.Phase, due: s.Phase}
	if s.Bitrate > 0 {
		x.stream = traffic.NewVideo(id, s.Bitrate, s.Keyframes)
	} else {
		x.stream = traffic.NewAudio(id)
	}
	for i, at := range s.To {
		x.to = append(x.to, newDestination(at, id<<16|uint32(i)))
	}
	return x
}

func (x *loop) run(ctx context.Context, start, end time.Time) {
	for _, s := range x.sources {
		s.due = s.phase
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil && x.out.err == nil {
		s := x.next()
		at := start.Add(s.due)
		if x.flatOut {
			at = time.Now()
		}
		if !at.Before(end) {
			return
		}
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		x.frame(s)
		s.due += s.stream.Interval()
	}
}

// next returns the source whose frame is due first.
func (x *loop) next() *source {
	first := x.sources[0]
	for _, s := range x.sources[1:] {
		if s.due < first.due {
			first = s
		}
	}
	return first
}

// frame sends a frame to all destinations: its packets as a run to each, as an SFU does with what came
// together.
func (x *loop) frame(s *source) {
	s.raw = s.raw[:0]
	for i, p := range s.stream.Next(s.due, false) {
		buf := x.out.plain(i)
		n, err := p.MarshalTo(buf)
		if err != nil {
			x.out.err = err
			return
		}
		s.raw = append(s.raw, buf[:n])
	}
	for i := range s.to {
		for _, p := range s.raw {
			x.out.send(&s.to[i], p)
		}
	}
	x.out.flush()
}
