package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"parlor/bench/call"
	"parlor/lab/link"
)

// netFlags are what `bench net` is told beside the names of networks.
type netFlags struct {
	call.Options
	seconds  int
	runs     int
	up, down string
	pictures string
	markdown bool
}

func netCommand(o *output) *cobra.Command {
	var f netFlags
	c := &cobra.Command{
		Use:   "net NETWORK... | all",
		Short: "A call between browsers over a bad network, drawn in network namespaces",
		Long: "A call between two browsers over a bad network. Node, publisher and viewer are in network namespaces of their own, joined by links\n" +
			"of this process; 8 s after the picture has come, the viewer's or publisher's links get their trouble. It needs root, iproute2, util-linux,\n" +
			"Chromium and ffmpeg.\n\nNetworks:\n" + listNetworks() + "\nLinks as text: " + link.Syntax,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.server != "" {
				return errors.New("--server: this starts a node of its own, on a machine of the network; see --server-binary")
			}
			list, err := f.networks(args)
			if err != nil {
				return err
			}
			f.Binary, f.Log = o.binary, os.Stderr
			return f.run(cmd.Context(), list, o.json, cmd.OutOrStdout())
		},
	}
	flags := c.Flags()
	flags.IntVar(&f.seconds, "seconds", 0, "how long the trouble lasts; 0: as long as the network says")
	flags.IntVar(&f.runs, "runs", 1, "how often each network is run, with other seeds; the median of each figure is told")
	flags.StringVar(&f.down, "down", "", "the viewer's downlink in place of that of the network, as text; not for uplink-*")
	flags.StringVar(&f.up, "up", "", "likewise its uplink")
	flags.BoolVar(&f.Pion, "pion", false, "clients of pion in place of browsers; they decode nothing")
	flags.IntVar(&f.Viewers, "viewers", 0, "clients of pion who watch over good links meanwhile")
	flags.Uint64Var(&f.Seed, "seed", 1, "of all chance in the links")
	flags.StringVarP(&f.pictures, "output", "o", "", "directory for a picture over time of each network, and of all together; empty: none")
	flags.BoolVar(&f.markdown, "markdown", false, "print the table as Markdown")
	return c
}

func listNetworks() (text string) {
	for _, s := range call.Named() {
		text += fmt.Sprintf("  %-14s %s\n", s.Name, s.Title)
	}
	return text
}

// networks are those with these names, changed by the flags.
func (f *netFlags) networks(names []string) ([]call.Scenario, error) {
	list, err := call.Find(names)
	if err != nil {
		return nil, err
	}
	if f.seconds < 0 || f.seconds > 3600 {
		return nil, errors.New("--seconds: from 0 to 3600")
	}
	if f.runs < 1 || f.runs > 100 {
		return nil, errors.New("--runs: from 1 to 100")
	}
	if f.Viewers < 0 || f.Viewers > 1000 {
		return nil, errors.New("--viewers: from 0 to 1000")
	}
	for i := range list {
		if f.seconds > 0 {
			list[i].Duration = time.Duration(f.seconds) * time.Second
		}
		if err := f.redraw(&list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// redraw gives the viewer the links of the flags. The title says what both are then.
func (f *netFlags) redraw(s *call.Scenario) (err error) {
	if f.down != "" {
		if s.OnUplink() {
			return fmt.Errorf("--down: %s has its trouble on the publisher's uplink, and that is what is measured", s.Name)
		}
		if s.Down, err = link.Parse(f.down); err != nil {
			return fmt.Errorf("--down: %w", err)
		}
	}
	if f.up != "" {
		if s.Up, err = link.Parse(f.up); err != nil {
			return fmt.Errorf("--up: %w", err)
		}
	}
	switch {
	case f.down == "" && f.up == "":
	case s.OnUplink():
		s.Title = fmt.Sprintf("%s; viewer's uplink: %s", s.Title, s.Up)
	default:
		s.Title = fmt.Sprintf("downlink: %s; uplink: %s", s.Down, s.Up)
	}
	return nil
}

// run runs the scenarios and prints their table. If one fails, those before it are printed all the same.
func (f *netFlags) run(ctx context.Context, list []call.Scenario, asJSON bool, out io.Writer) error {
	dir, err := os.MkdirTemp("", "parlor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer f.Close()
	if err := f.Prepare(ctx, dir); err != nil {
		return err
	}
	if f.pictures != "" {
		if err := os.MkdirAll(f.pictures, 0o755); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
	}
	var results, medians []*call.Result
	var failed error
	for _, s := range list {
		runs, err := f.repeat(ctx, s)
		if results = append(results, runs...); len(runs) > 0 {
			medians = append(medians, call.Median(runs))
		}
		if failed = err; failed != nil {
			break
		}
	}
	if f.pictures != "" && len(results) > 1 {
		failed = errors.Join(failed, call.DrawAll(results, filepath.Join(f.pictures, "all.svg")))
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(failed, e.Encode(results))
	}
	if len(medians) > 0 {
		call.Table(out, medians, f.markdown)
	}
	return failed
}

// repeat runs a scenario as often as told, with a picture of each run.
func (f *netFlags) repeat(ctx context.Context, s call.Scenario) (results []*call.Result, err error) {
	for i := range f.runs {
		o := f.Options
		o.Seed += uint64(i) * 100 // a call takes a few
		r, err := call.Run(ctx, s, o)
		if r == nil {
			return results, err
		}
		results = append(results, r)
		if f.pictures != "" {
			name := r.Name
			if f.runs > 1 {
				name = fmt.Sprintf("%s-%d", name, i+1)
			}
			err = errors.Join(err, call.Draw(r, filepath.Join(f.pictures, name+".svg")))
		}
		if err != nil {
			return results, err
		}
	}
	return results, nil
}
