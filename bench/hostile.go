package main

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parlor/bench/limit"
	"parlor/bench/stats"
	"parlor/client"
	"parlor/lab/traffic"
)

// Trouble is what is done while a scenario is measured, beside media. Its zero value is none.
type Trouble struct {
	Flood int `json:"flood,omitempty"` // packets a second from strangers to the media port
	Hog   int `json:"hog,omitempty"`   // bits a second of one more publisher, whom nobody watches
	Dead  int `json:"dead,omitempty"`  // subscribers of each room whose network dies when measuring begins
	Storm int `json:"storm,omitempty"` // more subscribers of the first room, who all join meanwhile
	// Strangers is what strangers do in the second half of the measurement, see strangers.go; empty: there
	// are none.
	Strangers string `json:"strangers,omitempty"`
	// Removals is how many users a second commands put out of a room of their own meanwhile, see steer.go.
	Removals int `json:"removals,omitempty"`
}

// hostile is what makes trouble while a scenario is measured. Strangers flood the media port with packets
// that look like media. A publisher sends far more than others. Subscribers are behind a dead link, and there
// is a storm of joins. The media of everybody else must lose nothing by it.
type hostile struct {
	run     *run
	working errgroup.Group
	stop    context.CancelFunc
	hog     *client.Client
	storm   []*subscriber // that have joined
	joined  chan struct{} // all of them
	took    time.Duration
}

// floodSockets is from how many addresses strangers flood.
const floodSockets = 16

// trouble begins it. The caller has to call end.
func (r *run) trouble(ctx context.Context) (*hostile, error) {
	h := &hostile{run: r, joined: make(chan struct{})}
	ctx, h.stop = context.WithCancel(ctx)
	s := r.scenario
	if s.Hog > 0 {
		if err := h.publish(ctx); err != nil {
			h.stop()
			return nil, err
		}
	}
	if s.Flood > 0 {
		if err := h.flood(ctx); err != nil {
			h.end(ctx)
			return nil, err
		}
	}
	if s.Storm > 0 {
		h.working.Go(func() error { return h.joinAll(ctx) })
	}
	for _, x := range r.subscribers {
		if x.dead {
			x.door.Silence(true)
		}
	}
	return h, nil
}

// publish enters the first room and sends at Hog bits per second.
func (h *hostile) publish(ctx context.Context) (err error) {
	o := h.run.options(h.run.publishers[0].room, "hog")
	o.Publish = []client.Source{client.Camera}
	if h.hog, err = client.Dial(ctx, o); err != nil {
		return fmt.Errorf("the publisher that sends too much: %w", err)
	}
	s := &sender{id: 1 << 30, source: client.Camera, stream: traffic.NewVideo(1<<30, h.run.scenario.Hog, 0), late: stats.NewDelays()}
	out := h.hog.Outgoing(client.Camera, "")
	h.working.Go(func() error { return s.run(ctx, out, 0) })
	return nil
}

// flood sends Flood packets a second to the media port, from a process of its own.
func (h *hostile) flood(ctx context.Context) error {
	to, err := h.run.node.media(ctx)
	if err != nil {
		return err
	}
	const bitrate = 10_000_000 // of one stream: 1042 packets a second
	l := limit.Load{Threads: floodSockets, Duration: time.Hour, Buffer: 4 << 20}
	for sent := 0; sent < h.run.scenario.Flood; sent += bitrate / 8 / traffic.PacketSize {
		l.Streams = append(l.Streams, limit.Stream{
			Bitrate: bitrate, To: []netip.AddrPort{to}, Phase: time.Duration(len(l.Streams)) * 347 * time.Microsecond,
		})
	}
	h.working.Go(func() error {
		if _, err := runLimit(ctx, l); err != nil && ctx.Err() == nil {
			return fmt.Errorf("flood: %w", err)
		}
		return nil
	})
	return nil
}

// joinAll has all of the storm join.
func (h *hostile) joinAll(ctx context.Context) error {
	began := time.Now()
	var mu sync.Mutex
	var joining errgroup.Group
	joining.SetLimit(h.run.scenario.Parallel)
	for i := range h.run.scenario.Storm {
		s := &subscriber{window: &h.run.window, sample: h.run.scenario.Sample}
		joining.Go(func() error {
			if err := h.run.subscribe(ctx, s, 0, fmt.Sprintf("storm%d", i)); err != nil {
				return err
			}
			mu.Lock()
			h.storm = append(h.storm, s)
			mu.Unlock()
			return nil
		})
	}
	err := joining.Wait()
	h.took = time.Since(began)
	if err == nil {
		h.run.say("%d more have joined within %.1f s", len(h.storm), h.took.Seconds())
		close(h.joined)
	}
	return err
}

// end stops it all.
func (h *hostile) end(ctx context.Context) {
	h.stop()
	if err := h.working.Wait(); err != nil {
		h.run.say("%v", err)
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := h.run.out(len(h.storm), func(i int) error { return h.storm[i].door.Leave(leave) }); err != nil {
		h.run.say("the storm: %v", err)
	}
	if h.hog != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		if err := h.hog.Exit(ctx); err != nil {
			h.run.say("the publisher that sends too much: %v", err)
		}
	}
}

// media asks the node for its media port.
func (n *node) media(ctx context.Context) (netip.AddrPort, error) {
	h, err := n.health(ctx)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("media port: %w", err)
	}
	return netip.ParseAddrPort(h.Media)
}
