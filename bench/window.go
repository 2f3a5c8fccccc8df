package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// flow lets media flow, and opens and closes the window.
func (r *run) flow(ctx context.Context, m *measurement) error {
	if err := r.warmUp(ctx, m); err != nil {
		return err
	}
	if err := r.readOpening(ctx, m); err != nil {
		return err
	}
	r.open(m)
	h, err := r.trouble(ctx)
	if err != nil {
		return err
	}
	defer h.end(ctx)
	if err := r.during(ctx, m); err != nil {
		return err
	}
	if r.scenario.Storm > 0 { // however long it takes
		select {
		case <-h.joined:
			m.storm = h.took
		case <-time.After(joinTime):
			return fmt.Errorf("%d more have not joined within %s of the measurement", r.scenario.Storm, joinTime)
		}
	}
	r.close(m)
	if err := r.readClosing(ctx, m); err != nil || r.profiles == "" {
		return err
	}
	r.pause(r.scenario.Idle)
	defer r.pause(true)
	return r.node.profileRest(ctx, r.profiles)
}

// warmUp lets the streams flow until nothing is new any more.
func (r *run) warmUp(ctx context.Context, m *measurement) error {
	r.pause(r.scenario.Idle)
	r.say("warming up for %s", r.scenario.Warmup)
	if err := r.wait(ctx, r.scenario.Warmup); err != nil || !r.scenario.Saturate {
		return err
	}
	return r.saturate(ctx, m)
}

// readOpening reads what the node has counted before the window.
func (r *run) readOpening(ctx context.Context, m *measurement) (err error) {
	if m.node.metricsOpened, err = r.node.probe.scrape(ctx); err != nil {
		return err
	}
	m.node.opened, err = r.node.probe.read(ctx)
	m.sentOpened = r.sent()
	return err
}

// during is the window, with what is done to the node in it.
func (r *run) during(ctx context.Context, m *measurement) (err error) {
	var meanwhile errgroup.Group
	measuring, measured := context.WithCancel(ctx)
	defer measured()
	if r.scenario.Removals > 0 {
		st, err := r.steer(ctx)
		if err != nil {
			return err
		}
		defer st.close()
		meanwhile.Go(func() (err error) {
			m.removals, err = st.removals(measuring, r.scenario.Removals)
			return err
		})
	}
	if r.profiles != "" {
		meanwhile.Go(func() error { return r.node.profileCPU(ctx, r.profiles, r.scenario.Duration) })
	}
	if r.scenario.Strangers != "" {
		m.strangers, err = r.besides(ctx)
	} else {
		err = r.watch(ctx)
	}
	measured()
	return errors.Join(err, meanwhile.Wait())
}

// readClosing reads what the node has counted by the end of the window, and its metrics once all has arrived.
func (r *run) readClosing(ctx context.Context, m *measurement) (err error) {
	m.sentClosed = r.sent()
	if m.node.closed, err = r.node.probe.read(ctx); err != nil {
		return err
	}
	m.drops = r.drops()
	if m.node.goroutines, err = r.node.probe.goroutines(ctx); err != nil {
		return err
	}
	if err := r.wait(ctx, drain); err != nil {
		return err
	}
	m.node.metricsClosed, err = r.node.probe.scrape(ctx)
	return err
}

// open begins the window: between two frames of each stream.
func (r *run) open(m *measurement) {
	m.countsOpened = r.counts()
	m.ownOpened = readSelf()
	r.window.to.Store(1<<63 - 1)
	r.pause(true)
	r.window.from.Store(time.Now().UnixNano())
	for _, p := range r.publishers {
		for _, s := range p.streams {
			m.perStream = append(m.perStream, streamWindow{room: p.room, id: s.id, from: s.mark()})
		}
	}
	r.pause(r.scenario.Idle)
}

// close ends the window; publishers are left paused.
func (r *run) close(m *measurement) {
	r.pause(true)
	r.window.to.Store(time.Now().UnixNano())
	m.countsClosed = r.counts()
	m.ownClosed = readSelf()
	i := 0
	for _, p := range r.publishers {
		for _, s := range p.streams {
			m.perStream[i].to = s.mark()
			i++
		}
	}
}

func (r *run) counts() (c counts) {
	for _, s := range r.subscribers {
		c.add(s.count())
	}
	return c
}

// sent is how many packets have been sent to be forwarded: those of the publishers, times their subscribers.
func (r *run) sent() (n uint64) {
	for _, p := range r.publishers {
		for _, s := range p.streams {
			n += s.mark() * uint64(r.scenario.Subscribers)
		}
	}
	return n
}

// drops counts what the kernel threw away because the subscribers did not read fast enough.
func (r *run) drops() (sum uint64) {
	for _, s := range r.subscribers {
		if s.sample > 1 {
			continue // what the filter keeps away is counted there too
		}
		if n, err := s.door.Drops(); err == nil {
			sum += uint64(n)
		}
	}
	return sum
}

// watch waits for the window to pass and tells how it goes.
func (r *run) watch(ctx context.Context) error {
	end := time.Now().Add(r.scenario.Duration)
	last, lastSent := reading{}, r.sent()
	for {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		if err := r.wait(ctx, min(left, progressing)); err != nil {
			return err
		}
		now, err := r.node.probe.read(ctx)
		if err != nil {
			return err
		}
		c := r.sent()
		if span := now.at.Sub(last.at).Seconds(); !last.at.IsZero() && span > 0 {
			r.say("%4.0fs left  %7.0f packets/s  node %5.1f %% CPU  %6.1f MB", max(0, time.Until(end).Seconds()),
				float64(c-lastSent)/span, 100*(now.cpu()-last.cpu()).Seconds()/span, float64(now.rss)/(1<<20))
		}
		last, lastSent = now, c
	}
}
