package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/session/terms"
)

const (
	// DefaultQueue is how many events are kept while NATS is away, at about 300 bytes each.
	DefaultQueue = 100_000
	// maxInFlight is how many rooms have an event sent that is not acknowledged yet. Higher helps nodes with
	// many busy rooms that are far from their NATS, and sends as many again after a fault.
	maxInFlight = 256
	// ackTime is how long an acknowledgement is waited for before the event is sent again.
	ackTime = 5 * time.Second
	// drainTime bounds how long Run goes on after its end for what is still queued.
	drainTime = 3 * time.Second
	// complainEvery is the least time between two log lines which say that events are lost.
	complainEvery = 10 * time.Second
	// probeEvery is how often it is looked, and said, whether NATS stores anything but events while it does
	// not acknowledge those. Lower makes and deletes streams more often on a server in trouble.
	probeEvery = time.Minute
	// Waits between two attempts, the first and the longest. Lower ones have a NATS in trouble asked more
	// often.
	shortestWait, longestWait = 50 * time.Millisecond, 2 * time.Second
)

// Options of a Feed. Zero values stand for the defaults.
type Options struct {
	Name   string // of the connection, for people who look at the server
	Queue  int    // events kept while NATS is away; DefaultQueue
	Stream StreamOptions
	Log    zerolog.Logger

	// Node is the node whose events they are. With it the Feed has a key in Bucket while it runs. Before it
	// publishes anything, it completes what an earlier process of that name has left open. Empty: it does
	// neither.
	Node string
	// Forget is after which time without a sign of this feed others may complete it; DefaultForget.
	Forget time.Duration
	// Registered returns a channel that is closed once no other process can have the node's name; nil: that
	// is certain from the start.
	Registered func() <-chan struct{}
}

// Feed is a session.Events that publishes to the stream, under the subject sfu.v1.events.<node>.<room>.<type>
// (see Subject). Each room's events are sent in order, the next when the stream has acknowledged the one
// before. Events of many rooms are under way at the same time. An event that the stream refuses, loses or
// does not answer is sent again with the same message id. By that the stream drops what it has. So each event
// is stored at least once and those of a room in order, whatever the stream does with one of them.
//
// Events go over a connection of the Feed's own, which is given up on any fault. Up to a bound none is lost
// while NATS is away, or while a room has more than can be stored one by one. Beyond it the rooms and users
// with the most events lose some (shed.go).
type Feed struct {
	at   bus.Server
	opts Options

	mu     sync.Mutex
	queues queues
	stats  Stats
	signal chan struct{} // capacity 1: there is something

	epoch uint64 // of the events that are taken

	said   time.Time          // when it was last said that events are lost; under mu
	outage bool               // of Run: that events wait was said
	probed time.Time          // of Run: when it was last looked whether NATS stores anything else
	hold   hold               // of Run
	retell func(epoch uint64) // of Run
}

// Stats are counts since the start.
type Stats struct {
	Queued    int    // waiting now
	Published uint64 // stored by the stream
	Dropped   Drops
	Completed uint64 // told in place of an earlier process of the node's name
}

// Drops are events that are lost, by reason. What is told stays whole: a beginning is lost with its end, and
// an end with its beginning.
type Drops struct {
	// Undone are beginnings together with their ends, of the rooms and users with the most events in a full
	// queue.
	Undone uint64
	// Untold are beginnings, and then all up to their ends, if there was nothing undone.
	Untold uint64
	// Away are those lost because NATS was away for so long that others have completed the feed.
	Away uint64
}

// New returns a feed to a server, which may be down. It starts nothing.
func New(at bus.Server, o Options) *Feed {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Forget <= 0 {
		o.Forget = DefaultForget
	}
	o.Stream.defaults()
	return &Feed{at: at, opts: o, signal: make(chan struct{}, 1), hold: newHold(o.Node)}
}

// Publish implements session.Events: it queues the event. If the queue is full, the room with the most events
// loses some, which are counted.
func (f *Feed) Publish(e terms.FeedEvent) {
	f.mu.Lock()
	if e.Epoch < f.epoch {
		f.mu.Unlock()
		return
	}
	room, lost := e.Room, false
	if !f.queues.add(e) {
		f.stats.Dropped.Untold++
		lost = true
	} else if f.queues.events > f.opts.Queue {
		room, lost = f.queues.shed(f.opts.Queue, &f.stats.Dropped)
	}
	dropped := f.stats.Dropped
	now := time.Now()
	complain := lost && now.Sub(f.said) >= complainEvery
	if complain {
		f.said = now
	}
	f.mu.Unlock()
	f.wake()
	if complain {
		f.opts.Log.Error().Str("room", room.Key()).Uint64("undone", dropped.Undone).Uint64("untold", dropped.Untold).
			Msg("events are lost: the queue is full")
	}
}

func (f *Feed) wake() {
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// Stats returns the counts.
func (f *Feed) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Queued = f.queues.events
	return s
}

// take takes a room whose next event may be sent, until stored or back.
func (f *Feed) take() (*roomQueue, terms.FeedEvent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queues.take()
}

// next returns an event that may be sent next.
func (f *Feed) next() (e terms.FeedEvent, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queues.ready) == 0 {
		return e, false
	}
	return f.queues.ready[0].events[0], true
}

// stored takes the event of a room that was sent out of the queue.
func (f *Feed) stored(q *roomQueue) {
	f.mu.Lock()
	f.stats.Published++
	f.queues.stored(q)
	f.mu.Unlock()
	if f.outage {
		f.outage = false
		f.opts.Log.Info().Msg("events are stored again")
	}
}

// drop takes all events of a room whose event was sent out of the queue.
func (f *Feed) drop(q *roomQueue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues.drop(q)
}

// back is called with rooms of whose events it is not known whether they were stored: they are sent again.
func (f *Feed) back(sent []flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range slices.Backward(sent) {
		f.queues.back(one.queue)
	}
}

// Run publishes until ctx is done. Then it publishes for a short while what is still queued, if NATS is
// there. It is called once, and ends after the rooms have.
//
// retell has everything told again, under that epoch: others have completed this feed while it was cut off.
// Run calls it. From then on events of an earlier epoch are dropped. It may be nil without Options.Node.
func (f *Feed) Run(ctx context.Context, retell func(epoch uint64)) error {
	f.retell = retell
	end, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// The timer outlives Run by drainTime at most, and does nothing then.
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(drainTime, cancel)
	})()
	wait := shortestWait
	for {
		published := f.Stats().Published
		err := f.connection(ctx, end)
		left := f.Stats()
		if err == nil || ctx.Err() != nil && (errors.Is(err, bus.ErrAway) || left.Queued == 0) || end.Err() != nil {
			break
		}
		f.complain(err, left.Queued)
		if left.Published > published {
			wait = shortestWait
		}
		sleep(ctx, end, wait)
		wait = min(2*wait, longestWait)
	}
	if left := f.Stats().Queued; left > 0 {
		f.opts.Log.Error().Int("events", left).Msg("events are lost: NATS is away at the end")
	}
	return nil
}

// complain says once per outage that events wait.
func (f *Feed) complain(err error, queued int) {
	log := f.opts.Log.Debug()
	if queued > 0 && !f.outage {
		f.outage = true
		log = f.opts.Log.Warn()
	}
	log.Err(err).Int("queued", queued).Msg("events wait for NATS")
}

// explain logs it if NATS stores nothing in the stream although it could. If a server's disk was full, it
// never again writes into a stream that has met with that. Only the operator of the server can mend that.
func (f *Feed) explain(ctx context.Context, js jetstream.JetStream) {
	if now := time.Now(); now.Sub(f.probed) >= probeEvery {
		f.probed = now
		if err := bus.Stores(ctx, js, f.opts.Node+"-feed", ackTime); err == nil {
			f.opts.Log.Error().Int("queued", f.Stats().Queued).Msg("NATS stores nothing in " + Stream + " although it can: most likely its disk was full; " +
				"restart that server once there is space, for which the events wait")
		}
	}
}

// sleep waits for d. It ends early when end is done, or when ctx is done unless that was so before.
func sleep(ctx, end context.Context, d time.Duration) {
	if ctx.Err() != nil {
		ctx = end
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-end.Done():
	}
}

// connection publishes over one connection, until ctx is done and nothing is left to publish, which is no
// error, or until end is done.
func (f *Feed) connection(ctx, end context.Context) error {
	nc, err := bus.Dial(f.at, f.opts.Name, f.opts.Log)
	if err != nil {
		return fmt.Errorf("%w: %w", bus.ErrAway, err)
	}
	defer nc.Close()
	closed := nc.StatusChanged(nats.CLOSED)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackTime), jetstream.WithPublishAsyncMaxPending(2*maxInFlight))
	if err != nil {
		return fmt.Errorf("feed of events: %w", err)
	}
	defer js.CleanupPublisher()
	p := pipe{f: f, publish: js.PublishMsgAsync, closed: closed, window: 1}
	if f.opts.Node != "" {
		if err := f.begin(ctx, end, js, closed); err != nil || f.hold.revision == 0 {
			return err
		}
		sign := time.NewTicker(f.opts.Forget / renewals)
		defer sign.Stop()
		p.sign = sign.C
	}
	for {
		err := p.run(ctx, end)
		p.giveUp()
		if errors.Is(err, jetstream.ErrAsyncPublishTimeout) && f.outage { // again
			f.explain(end, js)
		}
		switch {
		case err == nil:
			f.release(end)
			return nil
		case !errors.Is(err, jetstream.ErrNoStreamResponse) || p.made:
			return err
		}
		if err := f.makeStream(end, js); err != nil {
			return err
		}
		p.made = true
	}
}

// pipe is what is under way on one connection.
type pipe struct {
	f       *Feed
	publish func(*nats.Msg, ...jetstream.PublishOpt) (jetstream.PubAckFuture, error)
	closed  <-chan nats.Status
	flight  []flight         // in the order in which they were sent, one of a room at most
	window  int              // how many there may be
	made    bool             // the stream was made, or found, since an event was stored
	sign    <-chan time.Time // it is time to give a sign of the feed; nil: never
	once    bool             // of a room of which the stream has an event already, no other is sent
	repeats int              // how many rooms that were
}

// flight is an event that was sent and not acknowledged yet: the first of a room.
type flight struct {
	queue *roomQueue
	ack   jetstream.PubAckFuture
}

// giveUp forgets what is under way: it will be sent again, at first one event alone.
func (p *pipe) giveUp() {
	p.f.back(p.flight)
	p.flight, p.window = nil, 1
}

// run is connection, until something goes wrong.
func (p *pipe) run(ctx, end context.Context) error {
	for {
		if err := p.fill(); err != nil {
			return err
		}
		stopping := ctx.Done()
		if ctx.Err() != nil {
			if stopping = nil; len(p.flight) == 0 {
				return nil
			}
		}
		var stored <-chan *jetstream.PubAck
		var failed <-chan error
		if len(p.flight) > 0 {
			stored, failed = p.flight[0].ack.Ok(), p.flight[0].ack.Err()
		}
		var more <-chan struct{}
		if len(p.flight) < p.window {
			more = p.f.signal
		}
		select {
		case ack := <-stored:
			if ack.Duplicate && p.once {
				p.repeats++
				p.f.drop(p.flight[0].queue)
			} else {
				p.f.stored(p.flight[0].queue)
			}
			p.flight, p.window, p.made = p.flight[1:], min(2*p.window, maxInFlight), false
		case err := <-failed:
			return err
		case <-p.sign:
			if err := p.f.hold.renew(end); err != nil {
				return err
			}
		case <-more:
		case <-stopping:
		case <-p.closed:
			return bus.ErrAway
		case <-end.Done():
			return end.Err()
		}
	}
}

// fill sends what the window has room for.
func (p *pipe) fill() error {
	for len(p.flight) < p.window {
		queue, e, ok := p.f.take()
		if !ok {
			return nil
		}
		p.flight = append(p.flight, flight{queue: queue})
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
		m := nats.NewMsg(Subject(e.Node, e.Room, e.Type))
		m.Data = body
		ack, err := p.publish(m, jetstream.WithMsgID(e.ID), jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("%w: %w", bus.ErrAway, err)
		}
		p.flight[len(p.flight)-1].ack = ack
	}
	return nil
}
