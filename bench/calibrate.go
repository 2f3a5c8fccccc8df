package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"

	"parlor/bench/limit"
)

// limitCommand is the hidden subcommand that runs the bare loop in a process of its own, so that its CPU time
// is nobody else's.
const limitCommand = "limit-loop"

const limitWarmup = time.Second

// Limit is what the machine allowed in this run, in µs of CPU per packet.
type Limit struct {
	Paced    float64 `json:"paced_us"`     // in the rhythm of the scenario, a packet per message
	PacedGSO float64 `json:"paced_gso_us"` // the same with segmentation offload for the packets of a frame
	FlatOut  float64 `json:"flat_out_us"`  // as fast as it goes
	Rate     float64 `json:"flat_out_per_second"`
	// Drift is Paced after the run, as a ratio to before: how much the machine has changed meanwhile.
	Drift float64 `json:"drift"`
}

// calibrate measures the limit for a scenario.
func (r *run) calibrate(ctx context.Context) (l Limit, err error) {
	s := r.scenario
	r.say("calibrating: what a bare loop takes in the same rhythm")
	readers := s.Rooms * s.readers()
	sinks, err := limit.NewSinks(s.subscribers(), readers, s.sample(), clientBuffer)
	if err != nil {
		return l, err
	}
	defer sinks.Close()
	load := s.load(sinks.Addrs())
	for _, step := range []struct {
		to            *float64
		flatOut, segs bool
	}{{&l.Paced, false, false}, {&l.PacedGSO, false, true}, {&l.FlatOut, true, false}} {
		load.FlatOut, load.Segments = step.flatOut, step.segs
		res, err := runLimit(ctx, load)
		if err != nil {
			return l, err
		}
		*step.to = res.PerPacket()
		if step.flatOut {
			l.Rate = res.Rate()
		}
	}
	return l, nil
}

// recalibrate takes the paced limit once more, after the run, and has both count.
func (r *run) recalibrate(ctx context.Context, l *Limit) error {
	after, err := func() (float64, error) {
		s := r.scenario
		sinks, err := limit.NewSinks(s.subscribers(), s.Rooms*s.readers(), s.sample(), clientBuffer)
		if err != nil {
			return 0, err
		}
		defer sinks.Close()
		res, err := runLimit(ctx, s.load(sinks.Addrs()))
		return res.PerPacket(), err
	}()
	if err != nil || l.Paced == 0 {
		return err
	}
	l.Drift = after / l.Paced
	l.Paced = (l.Paced + after) / 2
	return nil
}

// load is what the scenario's publishers send, to the sinks in place of its subscribers.
func (s Scenario) load(to []netip.AddrPort) limit.Load {
	l := limit.Load{
		Threads: min(s.Rooms, runtime.NumCPU()), Duration: s.Limit, Warmup: limitWarmup, Buffer: 4 << 20,
	}
	streams := time.Duration(s.Rooms * s.Publishers * len(s.sources()))
	var i time.Duration
	for room := range s.Rooms {
		for range s.Publishers {
			for _, source := range s.sources() {
				x := limit.Stream{Keyframes: s.Keyframes}
				if !source.Audio() {
					x.Bitrate = s.VideoBitrate
				}
				x.To = to[room*s.Subscribers : (room+1)*s.Subscribers]
				x.Phase = s.stream(0, source).Interval() * i / streams
				l.Streams = append(l.Streams, x)
				i++
			}
		}
	}
	return l
}

// runLimit runs the bare loop as a process of its own.
func runLimit(ctx context.Context, l limit.Load) (res limit.Result, err error) {
	self, err := os.Executable()
	if err != nil {
		return res, fmt.Errorf("calibrate: %w", err)
	}
	body, err := json.Marshal(l)
	if err != nil {
		return res, fmt.Errorf("calibrate: %w", err)
	}
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, self, limitCommand)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(body), &out, &errs
	if err := c.Run(); err != nil {
		return res, fmt.Errorf("calibrate: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return res, fmt.Errorf("calibrate: %w", err)
	}
	if res.Packets == 0 {
		return res, errors.New("calibrate: the loop has sent nothing")
	}
	return res, nil
}

// serveLimit is the other end of runLimit.
func serveLimit(ctx context.Context, in io.Reader, out io.Writer) error {
	var l limit.Load
	if err := json.NewDecoder(in).Decode(&l); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	res, err := limit.Run(ctx, l)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(res)
}
