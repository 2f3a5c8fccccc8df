package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// parallel is how many requests are under way at the same time.
	parallel = 8
	// Pauses before an event is sent again: the first, and the longest. Each is shortened at random by up to a half.
	firstRetry, longestRetry = time.Second, 30 * time.Second
)

// rooms sends the events of a turn: those of a room in order, each when the one before is done; those of different rooms side
// by side, so that one that is not taken holds up its room alone, until the window is full of that room's events.
type rooms struct {
	s     *Sender
	valid func() bool // it is still our turn
	stop  context.CancelCauseFunc
	slots chan struct{}
	freed chan struct{} // capacity 1
	tasks sync.WaitGroup

	mu    sync.Mutex
	lines map[string][]*event // a room's events; the room's task runs while there is an entry
	held  int
	// Of what is said about the web server: that it does not take events, and when.
	complained bool
	at         time.Time
}

func newRooms(s *Sender, valid func() bool, stop context.CancelCauseFunc) *rooms {
	return &rooms{
		s: s, valid: valid, stop: stop, slots: make(chan struct{}, parallel), freed: make(chan struct{}, 1), lines: map[string][]*event{},
	}
}

// add takes an event, which comes after all others of its room.
func (r *rooms) add(ctx context.Context, e *event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
	line, running := r.lines[e.room]
	r.lines[e.room] = append(line, e)
	if !running {
		r.tasks.Go(func() { r.run(ctx, e.room) })
	}
}

// free waits until a good part of the window is free, and returns how much. The error is that of ctx.
func (r *rooms) free(ctx context.Context) (int, error) {
	for {
		r.mu.Lock()
		free := window - r.held
		r.mu.Unlock()
		if free >= window/8 {
			return free, nil
		}
		select {
		case <-r.freed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// holds returns how many events are held, and when the oldest was stored.
func (r *rooms) holds() (n int, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		if at := line[0].stored; oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return r.held, oldest
}

// wait waits until the tasks of all rooms have ended, after their ctx has.
func (r *rooms) wait() { r.tasks.Wait() }

// run sends the events of a room until there is none left or ctx is done.
func (r *rooms) run(ctx context.Context, room string) {
	for {
		r.mu.Lock()
		e := r.lines[room][0]
		r.mu.Unlock()
		if err := r.finish(ctx, e); err != nil {
			r.stop(err)
			return
		}
		r.mu.Lock()
		r.held--
		r.lines[room] = r.lines[room][1:]
		left := len(r.lines[room])
		if left == 0 {
			delete(r.lines, room)
		}
		r.mu.Unlock()
		select {
		case r.freed <- struct{}{}:
		default:
		}
		if left == 0 {
			return
		}
	}
}

// finish has an event taken, or given up, and acknowledges it.
func (r *rooms) finish(ctx context.Context, e *event) error {
	if e.kind != 0 && r.s.wants(e.kind) && !r.s.isDone(e.id) {
		if err := r.deliver(ctx, e); err != nil {
			return err
		}
		r.s.finished(e.id)
	}
	if err := e.done(ctx); err != nil {
		return fmt.Errorf("acknowledging an event: %w", err)
	}
	return nil
}

// deliver sends an event until it is taken or given up. The error is that of ctx, or that the turn is over.
func (r *rooms) deliver(ctx context.Context, e *event) error {
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		o, err := r.try(ctx, e)
		switch {
		case o == taken: // also where ctx is done since
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errTurnOver):
			return err
		}
		r.said(e, o, err)
		switch {
		case o == taken || o == refused:
			return nil
		case time.Since(e.stored) > r.s.opts.RetryFor:
			r.s.gaveUp(e, func(s *Stats) *uint64 { return &s.Expired }, err)
			return nil
		}
		if !pause(ctx, wait-rand.N(wait/2)) {
			return ctx.Err()
		}
	}
}

// try sends an event once.
func (r *rooms) try(ctx context.Context, e *event) (outcome, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return failed, ctx.Err()
	}
	if !r.valid() {
		return failed, errTurnOver
	}
	return r.s.post.send(ctx, e)
}

// said counts and logs what came of a request: a failing server once a minute at most.
func (r *rooms) said(e *event, o outcome, err error) {
	switch o {
	case taken:
		r.s.count(func(s *Stats) { s.Sent++ })
	case refused:
		r.s.gaveUp(e, func(s *Stats) *uint64 { return &s.Refused }, err)
	default:
		r.s.count(func(s *Stats) { s.Failed++ })
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch log := &r.s.opts.Log; {
	case o == failed && !r.complained && time.Since(r.at) > time.Minute:
		r.complained, r.at = true, time.Now()
		log.Warn().Err(err).Str("event", e.id).Msg("the webhook server does not take events; they are sent again")
	case o == taken && r.complained:
		r.complained = false
		log.Info().Msg("the webhook server takes events again")
	}
}

func (s *Sender) isDone(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled.ids[id]
}

func (s *Sender) finished(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled.add(id)
}

// gaveUp counts an event that is not sent any more, and logs the first and every thousandth.
func (s *Sender) gaveUp(e *event, which func(*Stats) *uint64, why error) {
	var n uint64
	s.count(func(st *Stats) { n = *which(st) + 1; *which(st) = n })
	if n == 1 || n%1000 == 0 {
		s.opts.Log.Error().Err(why).Str("event", e.id).Int("type", e.kind).Uint64("so_far", n).Msg("an event is given up: the webhook server has not taken it")
	}
}
