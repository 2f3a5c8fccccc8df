package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
)

// begin makes sure, on a new connection, that this feed may publish. Then the feed has the node's key, and
// what earlier processes of its name have left open is completed. If another node has completed this very
// feed meanwhile, it is begun anew. If there is no error and it does not have the key, ctx was done before
// there was anything to publish.
func (f *Feed) begin(ctx, end context.Context, js jetstream.JetStream, closed <-chan nats.Status) (err error) {
	h := &f.hold
	if h.feeds, err = openFeeds(end, js, f.opts.Stream.Replicas, min(ackTime, f.opts.Forget/renewals)); err != nil {
		return err
	}
	if err := f.fit(end, js); err != nil {
		return err
	}
	had := h.revision != 0
	if had {
		if err := h.again(end, f.opts.Forget); !errors.Is(err, errFenced) {
			return err
		}
	} else {
		if registered, err := f.registered(ctx, closed); !registered {
			return err
		}
		if err := h.predecessor(end, min(endTime, f.opts.Forget)); err != nil {
			return err
		}
	}
	c := completion{js: js, closed: closed, node: f.opts.Node, by: f.opts.Node, log: f.opts.Log}
	told, err := c.run(end)
	f.mu.Lock()
	f.stats.Completed += uint64(told)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if told > 0 {
		f.opts.Log.Warn().Int("events", told).Msg("an earlier process of this node has died: its events are completed")
	}
	if err := h.take(end); err != nil {
		return err
	}
	if had {
		f.anew()
	}
	return nil
}

// registered waits until no other process has the node's name.
func (f *Feed) registered(ctx context.Context, closed <-chan nats.Status) (bool, error) {
	if f.opts.Registered == nil {
		return true, nil
	}
	select {
	case <-f.opts.Registered():
		return true, nil
	case <-closed:
		return false, bus.ErrAway
	case <-ctx.Done():
		if f.Stats().Queued > 0 {
			return false, fmt.Errorf("the node was never registered: %w", ctx.Err())
		}
		return false, nil
	}
}

// anew begins the feed anew. Events that wait are dropped: others have told how what they belong to ended.
func (f *Feed) anew() {
	f.mu.Lock()
	f.epoch++
	epoch, lost := f.epoch, f.queues.events
	f.stats.Dropped.Away += uint64(lost)
	f.queues = queues{}
	f.mu.Unlock()
	f.opts.Log.Error().Int("lost", lost).Stringer("forget", f.opts.Forget).
		Msg("NATS was away for too long: another node has told that everybody left; rooms and users are told anew")
	f.retell(epoch)
}

// release gives the key up after the last event.
func (f *Feed) release(ctx context.Context) {
	if f.opts.Node == "" {
		return
	}
	// The next process of that name, or another node, finds nothing to complete.
	if err := f.hold.release(ctx); err != nil {
		f.opts.Log.Debug().Err(err).Msg("ending the feed of events")
	}
}
