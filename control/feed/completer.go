package feed

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
)

// CompleterOptions of a Completer.
type CompleterOptions struct {
	Name     string        // of the connection
	Node     string        // this node
	Forget   time.Duration // DefaultForget
	Replicas int           // of a new Bucket; 1
	Log      zerolog.Logger
}

// Completer completes the feeds of other nodes that have died and do not come back. It tells that everybody
// left (104) and that the rooms have ended (102). A node counts as dead if it has given no sign of its feed
// for CompleterOptions.Forget, in which this node has looked all the time. A write to its key in Bucket makes
// that certain: after it the node can no longer publish, and has to begin its feed anew. One of several
// completers does it; if that one dies, another.
type Completer struct {
	at        bus.Server
	opts      CompleterOptions
	completed atomic.Uint64
}

// NewCompleter returns a completer. It starts nothing.
func NewCompleter(at bus.Server, o CompleterOptions) *Completer {
	if o.Forget <= 0 {
		o.Forget = DefaultForget
	}
	return &Completer{at: at, opts: o}
}

// Completed returns how many events of other nodes it has told, since the start.
func (c *Completer) Completed() uint64 { return c.completed.Load() }

// Run looks after the others until ctx is done. Whatever goes wrong with NATS is tried again.
func (c *Completer) Run(ctx context.Context) error {
	wait := shortestWait
	for ctx.Err() == nil {
		looked, err := c.watch(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // ctx is done, which has ended watch: the end that was asked for
		}
		c.opts.Log.Debug().Err(err).Msg("looking after the feeds of other nodes")
		if looked {
			wait = shortestWait
		}
		sleep(ctx, ctx, wait)
		wait = min(2*wait, longestWait)
	}
	return nil
}

// watch looks over one connection until something goes wrong. What was seen before is worth nothing then: a
// node that could not give a sign while NATS was away has all its time again.
func (c *Completer) watch(ctx context.Context) (looked bool, err error) {
	nc, err := bus.Dial(c.at, c.opts.Name, c.opts.Log)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackTime), jetstream.WithPublishAsyncMaxPending(2*maxInFlight))
	if err != nil {
		return false, err
	}
	defer js.CleanupPublisher()
	every := c.opts.Forget / renewals
	b, err := openFeeds(ctx, js, c.opts.Replicas, min(ackTime, every))
	if err != nil {
		return false, err
	}
	closed := nc.StatusChanged(nats.CLOSED)
	look := time.NewTicker(every)
	defer look.Stop()
	seen := sightings{}
	for {
		all, err := b.all(ctx)
		if err != nil {
			return looked, err
		}
		looked = true
		for _, s := range seen.compare(all, time.Now(), c.opts.Forget) {
			if s.record.Node == c.opts.Node {
				continue // its feed looks after itself
			}
			if err := c.complete(ctx, b, js, closed, s); err != nil {
				return looked, err
			}
		}
		select {
		case <-look.C:
		case <-closed:
			return looked, bus.ErrAway
		case <-ctx.Done():
			return looked, ctx.Err()
		}
	}
}

// complete completes the feed of a node that has been silent for long enough. If another node does that
// already, it is no error.
func (c *Completer) complete(ctx context.Context, b feeds, js jetstream.JetStream, closed <-chan nats.Status, s sighting) error {
	fence := feedRecord{Node: s.record.Node, By: c.opts.Node}
	revision, err := b.put(ctx, fence, s.revision)
	if errors.Is(err, errFenced) {
		return nil
	}
	if err != nil {
		return err
	}
	x := completion{js: js, closed: closed, node: s.record.Node, by: c.opts.Node, log: c.opts.Log}
	x.still = func(ctx context.Context) (err error) {
		revision, err = b.put(ctx, fence, revision)
		return err
	}
	told, err := x.run(ctx)
	c.completed.Add(uint64(told))
	if err == nil {
		err = b.purge(ctx, s.record.Node, revision)
	}
	switch {
	case errors.Is(err, errFenced):
		c.opts.Log.Info().Str("dead", s.record.Node).Msg("a node that seemed to be dead goes on with its events")
		return nil
	case err != nil:
		return err
	}
	c.opts.Log.Warn().Str("dead", s.record.Node).Int("events", told).Msg("a node is gone for good: its events are completed")
	return nil
}

// sighting is a key of Bucket as it was first seen.
type sighting struct {
	record   feedRecord
	revision uint64
	since    time.Time
}

// sightings are the keys as they were when they last changed.
type sightings map[string]sighting

// compare remembers all keys as they are now, and returns those that have not changed for a time. These have
// all that time again.
func (s sightings) compare(all map[string]sighting, now time.Time, forget time.Duration) (l []sighting) {
	for key := range s {
		if _, there := all[key]; !there {
			delete(s, key)
		}
	}
	for key, is := range all {
		was, known := s[key]
		switch {
		case !known || was.revision != is.revision:
			is.since = now
			s[key] = is
		case now.Sub(was.since) >= forget:
			// If it comes to nothing, it has all its time again.
			was.since = now
			s[key] = was
			l = append(l, was)
		}
	}
	return l
}

// all reads all keys.
func (b feeds) all(ctx context.Context) (map[string]sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	w, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fenced(err)
	}
	defer func() { _ = w.Stop() }()
	l := map[string]sighting{}
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, bus.ErrAway
			case e == nil:
				return l, nil
			}
			var r feedRecord
			if json.Unmarshal(e.Value(), &r) == nil && bus.NodeToken(r.Node) == e.Key() {
				l[e.Key()] = sighting{record: r, revision: e.Revision()}
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
