// Command bench loads a node with real WebRTC clients and measures it from outside: loss, delay, join times,
// CPU per forwarded packet, memory and goroutines. It starts a node of its own, or attaches to a running one.
//
//	main.go       flags, signals, output
//	scenario.go   Scenario: what to run, and its validation
//	named.go      the scenarios with a name, and their marks
//	calibrate.go  the limit: a bare loop in a process of its own (limit/)
//	server.go     the node: built and started, or attached to
//	token.go      tokens, for a node that has keys
//	strangers.go  what users without any right do to a node
//	probe.go      what a process costs: /proc, /metrics
//	residence.go  how long media is in the node: histograms of its /metrics
//	publisher.go  who sends, and at what rhythm
//	subscriber.go who receives, and what of it is counted
//	run.go        the phases of a run
//	window.go     the one in which it is measured: what opens, happens meanwhile, and closes
//	leave.go      the last of them, also of a run that was cut short
//	collect.go    from counters to a Result
//	report.go     Result as a table
//	plot.go       results as a picture
//	saturate.go   the most that goes without loss
//	hostile.go    floods, publishers that send too much, dead links
//	steer.go      commands, given to the node meanwhile
//	crowd.go      a room full of people, out of which one is removed after the other
//	net.go        calls over bad networks (call/)
//	first.go      how soon a user that begins to watch has a picture (call/)
//	profile.go    profiles of the node, taken meanwhile
//
// The counting is in stats/, the bare loop in limit/, and a node as a process in server/. A call between
// browsers, on machines that are joined by drawn links, is in call/. Other packages of the tree are used as
// well: parlor/client for the clients, parlor/client/sample for the kernel's sampling, and parlor/lab/traffic
// for the packets. A link that one can draw is parlor/lab/link, and the machines that such links join are
// parlor/lab/netns.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"parlor/bench/call"
	"parlor/client"
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
	keys   string // its file of keys; empty: it has none
	pid    int    // of that node, if it runs on this machine
	binary string // of a node to start; empty: it is built
	files  int    // that a node which is started may open; 0: as many as this process
	json   bool
	dir    string // for profiles; empty: none
}

func command() *cobra.Command {
	s, o, feedback := defaults(), output{}, ""
	c := &cobra.Command{
		Use:   "bench [scenario... | all]",
		Short: "Load a node with real WebRTC clients and measure what it costs",
		Long: "Load a node with real WebRTC clients and measure what it costs.\n\n" +
			"With the name of a scenario, its settings are the defaults of the flags; several run one after the other, all runs each of them.\n\nScenarios:\n" + listScenarios(),
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := chosen(cmd.Flags(), args, s, feedback)
			if err != nil {
				return err
			}
			return measureAll(cmd.Context(), list, o)
		},
	}
	f := c.Flags()
	scenarioFlags(f, &s)
	f.StringVar(&feedback, "feedback", "none", "what clients report and ask for: none, all, or some of nack,twcc,reports")
	f = c.PersistentFlags()
	f.StringVar(&o.server, "server", "", "URL of a running node; without it one is built and started")
	f.StringVar(&o.keys, "server-keys", "", "its file of keys, as of `sfu key create`, for the tokens of those who enter")
	f.IntVar(&o.pid, "server-pid", 0, "its process id, if it runs on this machine; without it its /metrics say what it costs")
	f.BoolVar(&o.json, "json", false, "print the results as JSON, a list of them with all")
	c.Flags().StringVar(&o.dir, "profile", "", "directory for profiles of the node, which cost some of what is measured")
	f.StringVar(&o.binary, "server-binary", "", "a node that is built already, to be started in place of the one of this tree")
	f.IntVar(&o.files, "server-files", 0, "how many files a node that is started may open; 0: as many as this process")
	c.AddCommand(strangersMain(), reportCommand(), crowdCommand(&o), netCommand(&o), firstCommand(&o), &cobra.Command{
		Use: limitCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveLimit(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}, &cobra.Command{
		Use: call.Command, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call.ServeClients(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	})
	return c
}

func scenarioFlags(f *pflag.FlagSet, s *Scenario) {
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
	f.IntVar(&s.Readers, "readers", s.Readers, "subscribers of a room that read every packet; of the others the kernel passes a sample; 0: all read")
	f.IntVar(&s.Sample, "sample", s.Sample, "the sample of those who do not read all: one packet in as many, a power of two")
	f.DurationVar(&s.Limit, "limit", s.Limit, "measure the machine's limit, for as long each time; 0: not at all")
	f.BoolVar(&s.Saturate, "saturate", s.Saturate, "raise the bitrate until packets are lost, then measure at 80 % of that")
	f.IntVar(&s.Flood, "flood", s.Flood, "packets a second that strangers send to the media port meanwhile")
	f.IntVar(&s.Hog, "hog", s.Hog, "bits per second of one more publisher, whom nobody watches")
	f.IntVar(&s.Storm, "storm", s.Storm, "more subscribers of the first room, who all join while it is measured, --parallel at a time")
	f.IntVar(&s.Dead, "dead", s.Dead, "subscribers of each room whose network dies when the measurement begins")
	f.StringVar(&s.Strangers, "strangers", s.Strangers, "what strangers do in the second half of the measurement: idle, bodies, json, metrics or churn")
	f.IntVar(&s.Removals, "removals", s.Removals, "users without media whom commands put out of a room of their own each second of the measurement")
	f.BoolVar(&s.Idle, "idle", s.Idle, "everybody is connected and nothing flows")
}

// chosen returns the scenarios to run: the named ones with the flags that were given, or that of the flags
// alone.
func chosen(given *pflag.FlagSet, args []string, s Scenario, feedback string) (list []Scenario, err error) {
	switch {
	case len(args) == 0:
		list = []Scenario{s}
	case slices.Equal(args, []string{"all"}):
		list = named()
	default:
		for _, name := range args {
			n, err := scenarioNamed(name)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
	}
	for i := range list {
		x := &list[i]
		if len(args) > 0 {
			own := pflag.NewFlagSet("", pflag.ContinueOnError)
			scenarioFlags(own, x)
			given.Visit(func(f *pflag.Flag) {
				if own.Lookup(f.Name) != nil && err == nil {
					err = own.Set(f.Name, f.Value.String())
				}
			})
			if err != nil {
				return nil, err
			}
		}
		if len(args) == 0 || given.Changed("feedback") {
			if x.Feedback, err = client.ParseFeedback(feedback); err != nil {
				return nil, fmt.Errorf("--feedback: %w", err)
			}
		}
		if err := x.validate(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func listScenarios() (text string) {
	for _, s := range named() {
		text += fmt.Sprintf("  %-14s %s\n", s.Name, s)
	}
	return text
}

// measureAll runs the scenarios, each against a node of its own if none is given, and prints the results.
// What happens meanwhile goes to standard error. If one fails, the results before it are printed all the
// same.
func measureAll(ctx context.Context, list []Scenario, o output) error {
	var results []*Result
	var failed error
	for _, s := range list {
		res, err := measure(ctx, s, o)
		if err != nil {
			failed = fmt.Errorf("%s: %w", s, err)
			break
		}
		results = append(results, res)
		if !o.json {
			res.table(os.Stdout)
		}
	}
	if !o.json {
		if len(results) > 1 {
			overview(os.Stdout, results)
		}
		return failed
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	if len(list) == 1 && len(results) == 1 {
		return e.Encode(results[0])
	}
	return errors.Join(failed, e.Encode(results))
}

// measure runs one scenario.
func measure(ctx context.Context, s Scenario, o output) (res *Result, err error) {
	node, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := node.Stop(); e != nil && err == nil {
			err = e
		}
	}()
	r := newRun(s, node, os.Stderr)
	if o.dir != "" {
		if r.profiles = filepath.Join(o.dir, s.Name); os.MkdirAll(r.profiles, 0o755) != nil {
			return nil, fmt.Errorf("--profile: %s cannot be made", r.profiles)
		}
	}
	if res, err = r.measure(ctx); err != nil {
		return nil, node.Explain(err)
	}
	res.Time = time.Now().UTC().Truncate(time.Second)
	return res, nil
}
