// Command bench loads a node with real WebRTC clients and measures it from outside: loss, delay, join times, CPU per
// forwarded packet, memory and goroutines. It starts a node of its own, or attaches to a running one.
//
//	main.go      flags, signals, output
//	scenario.go  Scenario: what to run, and its validation
//	server.go    the node: built and started, or attached to
//	probe.go     what a process costs: /proc, /metrics
//	publisher.go who sends, and at what rhythm
//	subscriber.go who receives, and what of it is counted
//	run.go       the phases of a run
//	collect.go   from counters to a Result
//	report.go    Result as a table
//
// The clients are in client/, the packets in traffic/, the counting in stats/.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"parlor/bench/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// output says where to measure and how to tell it.
type output struct {
	server string // URL of a running node; empty: start one
	pid    int    // of that node, where it runs on this machine
	json   bool
}

func command() *cobra.Command {
	s, o, feedback := defaults(), output{}, ""
	c := &cobra.Command{
		Use:           "bench",
		Short:         "Load a node with real WebRTC clients and measure what it costs",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if s.Feedback, err = client.ParseFeedback(feedback); err != nil {
				return fmt.Errorf("--feedback: %w", err)
			}
			if err := s.validate(); err != nil {
				return err
			}
			return measure(cmd.Context(), s, o)
		},
	}
	f := c.Flags()
	f.IntVar(&s.Rooms, "rooms", s.Rooms, "rooms")
	f.IntVar(&s.Publishers, "publishers", s.Publishers, "publishers in each room")
	f.IntVar(&s.Subscribers, "subscribers", s.Subscribers, "subscribers in each room; each receives all of its publishers")
	f.IntVar(&s.VideoBitrate, "video-bitrate", s.VideoBitrate, "bits per second of each publisher's video, in 1200-byte packets; 0: no video")
	f.BoolVar(&s.Audio, "audio", s.Audio, "publishers send audio, 50 packets a second")
	f.DurationVar(&s.Keyframes, "keyframes", s.Keyframes, "time between keyframes nobody asked for; 0: only at the start and when asked for")
	f.DurationVar(&s.Duration, "duration", s.Duration, "time that is measured")
	f.DurationVar(&s.Warmup, "warmup", s.Warmup, "time that media flows before it is measured")
	f.IntVar(&s.Parallel, "parallel", s.Parallel, "joins at the same time")
	f.IntVar(&s.LateJoins, "late-joins", s.LateJoins, "subscribers that join one by one after the measurement, for the time to first packet and keyframe")
	f.StringVar(&s.Door, "door", s.Door, "how subscribers come in: ws (WebSocket) or whep")
	f.StringVar(&s.Scene, "scene", s.Scene, "live (subscribers are audience) or call (they are anchors who publish nothing)")
	f.StringVar(&feedback, "feedback", "none", "what clients report and ask for: none, all, or some of nack,twcc,reports")
	f.StringVar(&o.server, "server", "", "URL of a running node; without it one is built and started")
	f.IntVar(&o.pid, "server-pid", 0, "its process id, if it runs on this machine; without it its /metrics say what it costs")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	return c
}

// measure runs a scenario and prints its result. What happens meanwhile goes to standard error.
func measure(ctx context.Context, s Scenario, o output) (err error) {
	node, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := node.stop(); e != nil && err == nil {
			err = e
		}
	}()
	res, err := newRun(s, node, os.Stderr).measure(ctx)
	if err != nil {
		return node.explain(err)
	}
	res.Time = time.Now().UTC().Truncate(time.Second)
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(res)
	}
	res.table(os.Stdout)
	return nil
}
