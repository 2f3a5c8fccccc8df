package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// leave lets everybody leave in order, and looks at what the node holds afterwards.
func (r *run) leave(ctx context.Context, m *measurement) (err error) {
	r.say("everybody leaves")
	if err := r.depart(ctx); err != nil {
		return err
	}
	if err := r.wait(ctx, time.Second); err != nil {
		return err
	}
	if m.node.left, err = r.node.probe.read(ctx); err != nil {
		return err
	}
	m.node.leftGoroutines, err = r.node.probe.goroutines(ctx)
	return err
}

// depart stops the senders and takes everybody out; again does nothing.
func (r *run) depart(ctx context.Context) error {
	if r.departed {
		return nil
	}
	r.departed = true
	var errs []error
	if r.stopSending != nil {
		r.stopSending()
		errs = append(errs, r.sending.Wait())
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	// Publishers last: a live room ends at once when its last user was an anchor.
	errs = append(errs, r.out(len(r.subscribers), func(i int) error {
		if r.subscribers[i].door == nil {
			return nil
		}
		r.subscribers[i].door.Silence(false) // a dead one cannot leave
		return r.subscribers[i].door.Leave(ctx)
	}))
	errs = append(errs, r.out(len(r.publishers), func(i int) error {
		if r.publishers[i].client == nil {
			return nil
		}
		return r.publishers[i].client.Exit(ctx)
	}))
	return errors.Join(errs...)
}

// out lets n participants leave, a few at a time, and all of them, whatever becomes of one.
func (r *run) out(n int, leave func(i int) error) error {
	var leaving errgroup.Group
	leaving.SetLimit(r.scenario.Parallel)
	errs := make([]error, n)
	for i := range n {
		leaving.Go(func() error {
			errs[i] = leave(i)
			return nil
		})
	}
	_ = leaving.Wait() // the errors are in errs
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// cleanUp releases what an interrupted or failed run has left.
func (r *run) cleanUp(ctx context.Context) {
	if err := r.depart(context.WithoutCancel(ctx)); err != nil {
		r.say("clean up: %v", err)
	}
}
