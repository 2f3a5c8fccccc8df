package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"parlor/bench/stats"
	"parlor/client"
)

// crowd is a room full of people without media. Some of them are put out one by one while all others look on,
// until the room is dismissed. It measures how soon commands are answered, and how soon everybody knows.
type crowd struct {
	*steering
	others int

	mu    sync.Mutex
	begun time.Time // of the command under way
	heard chan struct{}
	left  int // others that have not heard
	late  *stats.Delays
	ended atomic.Int64 // others that were told that they are out
	all   chan struct{}
}

// CrowdResult is what a crowd has measured.
type CrowdResult struct {
	Time      time.Time     `json:"time"`
	Others    int           `json:"others"`
	Removals  stats.Summary `json:"removals"`     // from the command to its answer
	Told      stats.Summary `json:"told"`         // from the command until each of the others has the event
	Dismissed float64       `json:"dismissed_ms"` // from the command to its answer: the room is empty
	AllTold   float64       `json:"all_told_ms"`  // from the command until everybody has its event
}

func crowdCommand(o *output) *cobra.Command {
	others, removals := 1000, 200
	c := &cobra.Command{
		Use:   "crowd",
		Short: "Measure how soon a room full of people knows that one was removed, and all that it was dismissed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if others < 1 || removals < 1 {
				return fmt.Errorf("--others and --removals: at least 1")
			}
			return measureCrowd(cmd.Context(), others, removals, *o)
		},
	}
	c.Flags().IntVar(&others, "others", others, "people in the room")
	c.Flags().IntVar(&removals, "removals", removals, "people who come and are removed, one by one")
	return c
}

func measureCrowd(ctx context.Context, others, removals int, o output) (err error) {
	n, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := n.Stop(); e != nil && err == nil {
			err = e
		}
	}()
	s := defaults()
	s.Parallel = 16
	r := newRun(s, n, os.Stderr)
	st, err := r.steer(ctx)
	if err != nil {
		return n.Explain(err)
	}
	defer st.close()
	c := &crowd{steering: st, others: others, late: stats.NewDelays(), all: make(chan struct{})}
	res, err := c.measure(ctx, removals)
	if err != nil {
		return n.Explain(err)
	}
	if !o.json {
		res.table(os.Stdout)
		return nil
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(res)
}

func (c *crowd) measure(ctx context.Context, removals int) (*CrowdResult, error) {
	c.run.say("%d people enter a live room at %s", c.others, c.run.node.url)
	// The host is an anchor, so that the room is there as long as it is wanted.
	host, err := client.Dial(ctx, c.run.options(c.room, "host"))
	if err != nil {
		return nil, fmt.Errorf("the first of the room: %w", err)
	}
	defer host.Close()
	people := make([]*client.Client, c.others)
	defer func() {
		for _, p := range people {
			if p != nil {
				p.Close()
			}
		}
	}()
	var entering errgroup.Group
	entering.SetLimit(c.run.scenario.Parallel)
	for i := range people {
		entering.Go(func() (err error) {
			o := c.run.options(c.room, fmt.Sprint("other", i))
			o.Role, o.OnEvent = "audience", c.take
			people[i], err = client.Dial(ctx, o)
			return err
		})
	}
	if err := entering.Wait(); err != nil {
		return nil, err
	}
	c.run.say("%d are removed, one by one", removals)
	var answers []time.Duration
	for i := range removals {
		took, err := c.removeOne(ctx, fmt.Sprint("removed", i))
		if err != nil {
			return nil, err
		}
		answers = append(answers, took)
	}
	res := &CrowdResult{Time: time.Now().UTC().Truncate(time.Second), Others: c.others, Removals: stats.Percentiles(answers), Told: c.late.Summary()}
	c.run.say("the room is dismissed")
	began := time.Now()
	took, err := c.command(ctx, "DismissRoom", roomRef{c.room})
	if err != nil {
		return nil, err
	}
	select {
	case <-c.all:
	case <-time.After(leaveTime):
		return nil, fmt.Errorf("dismissing: %w: %d of %d", errNotTold, c.ended.Load(), c.others)
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	res.Dismissed, res.AllTold = ms(took), ms(time.Since(began))
	return res, nil
}

// removeOne enters as an anchor, which everybody sees, and has it removed.
func (c *crowd) removeOne(ctx context.Context, user string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	p, err := client.Dial(ctx, c.run.options(c.room, user))
	if err != nil {
		return 0, fmt.Errorf("a user to remove: %w", err)
	}
	defer p.Close()
	if err := c.run.wait(ctx, 100*time.Millisecond); err != nil { // others have read of the entering by then
		return 0, err
	}
	heard := make(chan struct{})
	c.mu.Lock()
	c.begun, c.heard, c.left = time.Now(), heard, c.others
	c.mu.Unlock()
	took, err := c.remove(ctx, p, user)
	if err != nil {
		return 0, err
	}
	select {
	case <-heard:
		return took, nil
	case <-time.After(leaveTime):
		return 0, fmt.Errorf("removal of %s: %w", user, errNotTold)
	}
}

// take is given the events of all others.
func (c *crowd) take(e client.Event) {
	now := time.Now()
	switch e.Type {
	case client.UserLeft:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.left == 0 {
			return
		}
		c.late.Add(now.Sub(c.begun))
		if c.left--; c.left == 0 {
			close(c.heard)
		}
	case client.Exited:
		if c.ended.Add(1) == int64(c.others) {
			close(c.all)
		}
	}
}

func (r *CrowdResult) table(w io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.SetTitle(fmt.Sprintf("a live room of %d", r.Others))
	times(t, "RemoveUser: until the answer (p99 ≤ 10 ms)", r.Removals)
	times(t, "RemoveUser: until others are told (p99 ≤ 100 ms)", r.Told)
	t.AppendRow(table.Row{"DismissRoom: until the answer (≤ 1000 ms)", fmt.Sprintf("%.0f ms", r.Dismissed)})
	t.AppendRow(table.Row{"DismissRoom: until everybody is told (≤ 1000 ms)", fmt.Sprintf("%.0f ms", r.AllTold)})
	t.Render()
}
