package main

import (
	"bytes"
	"context"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	// watchEvery is how often --watch looks if it does not say. Nodes measure their load as often.
	watchEvery = 2 * time.Second
	// leastWatch is the shortest interval. Lower has nodes do nothing but answer.
	leastWatch = 200 * time.Millisecond
)

// interval is the value of --watch.
type interval struct {
	every time.Duration // zero: the flag was not given
	bare  bool          // it was given without a time
}

// bareWatch stands for a --watch without a time.
const bareWatch = "bare"

func (i *interval) String() string {
	if i.every == 0 {
		return ""
	}
	return i.every.String()
}

// Type implements pflag.Value.
func (i *interval) Type() string { return "duration" }

// Set implements pflag.Value.
func (i *interval) Set(text string) error {
	if text == bareWatch {
		*i = interval{watchEvery, true}
		return nil
	}
	every, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("a time has a unit, as in --watch=2s")
	}
	if every < leastWatch {
		return fmt.Errorf("the shortest time is %v", leastWatch)
	}
	*i = interval{every: every}
	return nil
}

// watched is command for what may be looked at again and again.
func (o *operator) watched(c *cobra.Command, p plan) *cobra.Command {
	c.Flags().Var(&o.watch, "watch", "look again and again until Ctrl-C: --watch, or how often as in --watch=5s")
	c.Flags().Lookup("watch").NoOptDefVal = bareWatch
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		for _, a := range args {
			if _, err := time.ParseDuration(a); err == nil && o.watch.bare {
				return usage("the time of --watch stands behind an equals sign: --watch=%s", a)
			}
		}
		return check(c, args)
	}
	return o.command(c, p)
}

// follow looks again and again until a signal comes. Only the first look may fail: nodes come back.
func (o *operator) follow(c *cobra.Command, args []string, look func(context.Context) (view, error)) error {
	ctx, release := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	s := newScreen(c.OutOrStdout(), c.ErrOrStderr(), !o.json)
	title := fmt.Sprintf("Every %v: %s", o.watch.every, strings.Join(append([]string{c.CommandPath()}, args...), " "))
	for first := true; ; first = false {
		v, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err
		case err != nil:
			s.trouble(title, time.Now(), err)
		default:
			var b bytes.Buffer
			if err := o.print(&b, v); err != nil {
				return err
			}
			var lacks strings.Builder
			warnMissing(&lacks, v.missing)
			s.show(title, time.Now(), b.String(), lacks.String())
		}
		select {
		case <-time.After(o.watch.every):
		case <-ctx.Done():
			return nil
		}
	}
}
