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
	// parallel is how many requests are under way at the same time. Higher carries more events of many rooms,
	// and asks more of the web server at once. With lower, fewer requests that hang are enough to hold up the
	// others.
	parallel = 32
	// whole is how many of a room's events are held as they are. Of further ones the number is kept, and they
	// are read again when it is their turn. Higher costs memory if many rooms are behind. Lower costs another
	// round trip for each event.
	whole = 32
	// Waits before an event is sent again: the first, and the longest. Each is shortened at random by up to
	// a half. Lower asks more of a web server that is in trouble, higher sends later once it is well.
	firstRetry, longestRetry = time.Second, 30 * time.Second
)

// rooms sends the events of a turn: those of a room in order, each when the one before is done. Rooms take
// turns for the requests that may be under way. So a room that has many events, or whose event is not taken,
// holds up itself alone, until the window is full of its events.
type rooms struct {
	s     *Sender
	valid func() bool // it is still our turn
	stop  context.CancelCauseFunc
	load  func(context.Context, *event) error // reads an event again
	freed chan struct{}                       // capacity 1
	tasks sync.WaitGroup

	mu      sync.Mutex
	queues  map[string]*roomQueue // of rooms with events
	ready   []*roomQueue          // whose first event may be sent, the one that is ready longest first
	workers int
	held    int
	// Of what is said about the web server: that it does not take events, and when.
	complained bool
	at         time.Time
}

// roomQueue is the events of one room. While one is sent, or waits to be sent again, it is not ready.
type roomQueue struct {
	events []*event
	retry  time.Duration // the next wait
}

func newRooms(s *Sender, valid func() bool, stop context.CancelCauseFunc) *rooms {
	return &rooms{
		s: s, valid: valid, stop: stop, freed: make(chan struct{}, 1), queues: map[string]*roomQueue{},
	}
}

// add takes an event, which comes after all others of its room.
func (r *rooms) add(ctx context.Context, e *event) {
	r.s.position.given(e.number)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
	q := r.queues[e.room]
	if q == nil {
		q = &roomQueue{retry: firstRetry}
		r.queues[e.room] = q
		r.readyLocked(ctx, q)
	}
	if len(q.events) >= whole && r.load != nil {
		e.id, e.body, e.room = "", nil, q.events[0].room
	}
	q.events = append(q.events, e)
}

// readyLocked has the first event of a room sent.
func (r *rooms) readyLocked(ctx context.Context, q *roomQueue) {
	r.ready = append(r.ready, q)
	if r.workers < parallel {
		r.workers++
		r.tasks.Go(func() { r.work(ctx) })
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
	for _, q := range r.queues {
		if at := q.events[0].stored; oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return r.held, oldest
}

// wait waits until all that was begun has ended, after its ctx has.
func (r *rooms) wait() { r.tasks.Wait() }

// work sends events until none is ready or ctx is done.
func (r *rooms) work(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		if len(r.ready) == 0 {
			r.workers--
			r.mu.Unlock()
			return
		}
		q := r.ready[0]
		r.ready[0] = nil
		r.ready = r.ready[1:]
		e := q.events[0]
		r.mu.Unlock()
		again, err := r.finish(ctx, e)
		switch {
		case err != nil:
			r.stop(err)
			return
		case again:
			r.retryLater(ctx, q)
		default:
			r.next(ctx, q)
		}
	}
}

// retryLater has the first event of a room sent again in a while.
func (r *rooms) retryLater(ctx context.Context, q *roomQueue) {
	wait := q.retry - rand.N(q.retry/2)
	q.retry = min(2*q.retry, longestRetry)
	// It outlives the turn by longestRetry at most, and does nothing then.
	time.AfterFunc(wait, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if ctx.Err() == nil {
			r.readyLocked(ctx, q)
		}
	})
}

// next goes on with a room whose first event is done.
func (r *rooms) next(ctx context.Context, q *roomQueue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held--
	room := q.events[0].room
	q.events[0] = nil
	q.retry = firstRetry
	if q.events = q.events[1:]; len(q.events) == 0 {
		delete(r.queues, room)
	} else {
		r.readyLocked(ctx, q)
	}
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// finish has an event taken, or given up, and acknowledges it; or else it is to be sent again.
func (r *rooms) finish(ctx context.Context, e *event) (again bool, err error) {
	if e.kind != 0 && r.s.wants(e.kind) && !r.s.position.isDone(e.number) {
		if again, err := r.deliver(ctx, e); again || err != nil {
			return again, err
		}
	}
	r.s.position.finished(e.number)
	if err := e.done(ctx); err != nil {
		return false, fmt.Errorf("acknowledging an event: %w", err)
	}
	return false, nil
}

// deliver sends an event, unless it is to be sent again. The error is that of ctx, or that the turn is over.
func (r *rooms) deliver(ctx context.Context, e *event) (again bool, err error) {
	if e.body == nil {
		switch err := r.load(ctx, e); {
		case errors.Is(err, errLost):
			r.s.gaveUp(e, func(s *Stats) *uint64 { return &s.Expired }, err)
			return false, nil
		case err != nil:
			return false, err
		}
	}
	if !r.valid() {
		return false, errTurnOver
	}
	o, err := r.s.post.send(ctx, e)
	if o != taken && ctx.Err() != nil {
		return false, ctx.Err()
	}
	r.said(e, o, err)
	switch {
	case o == taken || o == refused: // taken also if ctx is done since
		return false, nil
	case time.Since(e.stored) > r.s.opts.RetryFor:
		r.s.gaveUp(e, func(s *Stats) *uint64 { return &s.Expired }, err)
		return false, nil
	}
	return true, nil
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

// gaveUp counts an event that is not sent any more, and logs the first and every thousandth.
func (s *Sender) gaveUp(e *event, which func(*Stats) *uint64, why error) {
	var n uint64
	s.count(func(st *Stats) { n = *which(st) + 1; *which(st) = n })
	if n == 1 || n%1000 == 0 {
		s.opts.Log.Error().Err(why).Str("event", e.id).Int("type", e.kind).Uint64("so_far", n).Msg("an event is given up: the webhook server has not taken it")
	}
}
