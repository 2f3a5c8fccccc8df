package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"parlor/bench/client"
	"parlor/bench/limit"
	"parlor/bench/stats"
	"parlor/bench/traffic"
)

// hostile is what makes trouble while a scenario is measured: strangers that flood the media port with packets that look like
// media, a publisher that sends far more than others, and subscribers behind a dead link. The media of everybody else must
// lose nothing by it.
type hostile struct {
	run     *run
	working errgroup.Group
	stop    context.CancelFunc
	hog     *client.Client
}

// floodSockets is from how many addresses strangers flood.
const floodSockets = 16

// trouble begins it. Whoever calls it calls end.
func (r *run) trouble(ctx context.Context) (*hostile, error) {
	h := &hostile{run: r}
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

// end stops it all.
func (h *hostile) end(ctx context.Context) {
	h.stop()
	if err := h.working.Wait(); err != nil {
		h.run.say("%v", err)
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
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/healthz", nil)
	if err != nil {
		return netip.AddrPort{}, err
	}
	res, err := n.probe.http.Do(q)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("media port: %w", err)
	}
	defer res.Body.Close()
	var h struct{ Media string }
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		return netip.AddrPort{}, fmt.Errorf("media port: %w", err)
	}
	return netip.ParseAddrPort(h.Media)
}
