package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"parlor/bench/call"
)

// firstCommand measures how soon a user that begins to watch has a picture.
func firstCommand(o *output) *cobra.Command {
	var f call.Options
	var rounds int
	var rtt time.Duration
	c := &cobra.Command{
		Use:   "first",
		Short: "How soon who begins to watch has a picture, in browsers in network namespaces",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "parlor-bench-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			defer f.Close()
			f.Binary, f.Log, f.Seed = o.binary, os.Stderr, 1
			if err := f.Prepare(cmd.Context(), dir); err != nil {
				return err
			}
			list, err := call.Firsts(cmd.Context(), rounds, rtt/2, f)
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(list)
			}
			for _, x := range []struct {
				title string
				of    func(call.First) bool
			}{
				{"nobody else watches", func(f call.First) bool { return f.Age == 0 }},
				{"somebody has begun to, at most 2 s before", func(f call.First) bool { return f.Age > 0 }},
			} {
				var frame, early, late []float64
				for _, f := range list {
					if x.of(f) {
						frame, early, late = append(frame, f.Frame), append(early, f.Early), append(late, f.Late)
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-44s first picture median %.0f, p95 %.0f ms; jitter buffer median %.0f, 2 s later %.0f ms\n", x.title,
					share(frame, 50), share(frame, 95), share(early, 50), share(late, 50))
			}
			return nil
		},
	}
	c.Flags().IntVar(&rounds, "rounds", 20, "how often")
	c.Flags().DurationVar(&rtt, "rtt", 50*time.Millisecond, "round trip between the node and each browser")
	return c
}

func share(list []float64, percent int) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[min(len(s)*percent/100, len(s)-1)]
}
