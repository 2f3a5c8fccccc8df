package natsapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/session"
)

// Stream is the name of the JetStream stream that holds the events of all nodes.
const Stream = "SFU_EVENTS"

const (
	// DefaultQueue is how many events are kept while NATS is away, at about 300 bytes each.
	DefaultQueue = 100_000
	// maxInFlight is how many events are sent before the first is acknowledged, each of another room. Raising it helps nodes
	// with many small rooms far from their NATS.
	maxInFlight = 64
	// lookAhead is how far into the queue further rooms are looked for.
	lookAhead = 1024
	// ackTime is how long an acknowledgement is waited for before the event is sent again.
	ackTime = 5 * time.Second
	// drainTime bounds how long Run goes on after its end for what is still queued.
	drainTime = 2 * time.Second
)

// FeedOptions of a Feed. Zero values stand for the defaults.
type FeedOptions struct {
	Queue int // events kept while NATS is away; DefaultQueue
	// MaxAge and MaxBytes bound the stream where the Feed makes it; 24 h, 256 MiB. An existing stream is left as it is.
	MaxAge   time.Duration
	MaxBytes int64
	Log      zerolog.Logger
}

// Feed is a session.Events that publishes to the stream, under the subject
// sfu.v1.events.<node>.<room>.<type> (see Subject). Events of one room are stored in order, each at least once, with its
// id as message id, so that the stream drops repeats. Up to a bound none is lost while NATS is away.
type Feed struct {
	nc   *nats.Conn
	opts FeedOptions

	mu     sync.Mutex
	queue  []session.FeedEvent
	stats  FeedStats
	signal chan struct{} // capacity 1: there is something
	lost   chan nats.Status
}

// FeedStats are counts since the start.
type FeedStats struct {
	Queued    int    // waiting now
	Published uint64 // stored by the stream
	Dropped   uint64 // lost because the queue was full
}

// NewFeed returns a feed on a connection, which may be down. It starts nothing.
func NewFeed(nc *nats.Conn, o FeedOptions) *Feed {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 24 * time.Hour
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	return &Feed{nc: nc, opts: o, signal: make(chan struct{}, 1)}
}

// Publish implements session.Events: it queues the event. What comes when the queue is full is dropped and counted.
func (f *Feed) Publish(e session.FeedEvent) {
	f.mu.Lock()
	full := len(f.queue) >= f.opts.Queue
	if full {
		f.stats.Dropped++
	} else {
		f.queue = append(f.queue, e)
	}
	dropped := f.stats.Dropped
	f.mu.Unlock()
	switch {
	case !full:
		f.wake()
	case dropped == 1 || dropped%10_000 == 0:
		f.opts.Log.Error().Uint64("dropped", dropped).Msg("events are lost: NATS is away and the queue is full")
	}
}

func (f *Feed) wake() {
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// Stats returns the counts.
func (f *Feed) Stats() FeedStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Queued = len(f.queue)
	return s
}

// Run publishes until ctx is done, and then for a short while what is still queued, if NATS is there. It is called once,
// and ends after the rooms have.
func (f *Feed) Run(ctx context.Context) error {
	js, err := jetstream.New(f.nc)
	if err != nil {
		return fmt.Errorf("feed of events: %w", err)
	}
	f.lost = f.nc.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer f.nc.RemoveStatusListener(f.lost)
	f.loop(ctx, js)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for f.nc.IsConnected() && f.Stats().Queued > 0 && drain.Err() == nil {
		f.round(drain, js)
	}
	if left := f.Stats().Queued; left > 0 {
		f.opts.Log.Error().Int("events", left).Msg("events are lost: NATS is away at the end")
	}
	return nil
}

func (f *Feed) loop(ctx context.Context, js jetstream.JetStream) {
	const shortest, longest = 50 * time.Millisecond, 2 * time.Second
	wait := shortest
	for ctx.Err() == nil {
		switch queued, ok := f.round(ctx, js); {
		case ok && queued > 0:
			wait = shortest
		case ok:
			wait = shortest
			select {
			case <-f.signal:
			case <-ctx.Done():
			}
		default:
			pause(ctx, wait)
			wait = min(2*wait, longest)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// round publishes the first few events of the queue. ok is false where that did not work out.
func (f *Feed) round(ctx context.Context, js jetstream.JetStream) (queued int, ok bool) {
	places, batch := f.head()
	if len(batch) == 0 {
		return 0, true
	}
	if !f.nc.IsConnected() {
		return len(batch), false
	}
	errs := f.send(ctx, js, batch)
	queued = f.settle(places, errs)
	for _, err := range errs {
		if err == nil {
			continue
		}
		if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
			err = f.makeStream(ctx, js)
		}
		if err != nil && ctx.Err() == nil {
			f.opts.Log.Debug().Err(err).Int("queued", queued).Msg("events wait for NATS")
		}
		return queued, err == nil
	}
	return queued, true
}

// head returns the places of events that can be sent together: the oldest of each room, since the next one of a room is
// sent only when the one before is stored, so that nothing can come between.
func (f *Feed) head() (places []int, batch []session.FeedEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rooms := make(map[session.RoomID]bool, maxInFlight)
	for i, e := range f.queue[:min(len(f.queue), lookAhead)] {
		if rooms[e.Room] {
			continue
		}
		rooms[e.Room] = true
		places, batch = append(places, i), append(batch, e)
		if len(batch) == maxInFlight {
			break
		}
	}
	return places, batch
}

// send publishes a batch and waits for every acknowledgement, unless the connection is lost meanwhile.
func (f *Feed) send(ctx context.Context, js jetstream.JetStream, batch []session.FeedEvent) []error {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	errs := make([]error, len(batch))
	var all, watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-f.lost: // perhaps an old loss: then the batch is sent again for nothing
			cancel()
		case <-ctx.Done():
		}
	})
	for i, e := range batch {
		all.Go(func() { errs[i] = publish(ctx, js, e) })
	}
	all.Wait()
	return errs
}

func publish(ctx context.Context, js jetstream.JetStream, e session.FeedEvent) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	m := nats.NewMsg(Subject(e.Node, e.Room, e.Type))
	m.Data = body
	_, err = js.PublishMsg(ctx, m, jetstream.WithMsgID(e.ID), jetstream.WithRetryAttempts(0))
	return err
}

// settle takes what is stored out of the queue, and returns how much is left.
func (f *Feed) settle(places []int, errs []error) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	// What stays of the looked at part moves up to what follows it.
	to := places[len(places)-1]
	next := len(places) - 1
	for i := to; i >= 0; i-- {
		stored := next >= 0 && places[next] == i && errs[next] == nil
		if next >= 0 && places[next] == i {
			next--
		}
		if stored {
			f.stats.Published++
			continue
		}
		f.queue[to] = f.queue[i]
		to--
	}
	clear(f.queue[:to+1])
	f.queue = f.queue[to+1:]
	if len(f.queue) == 0 {
		f.queue = nil
	}
	return len(f.queue)
}

// makeStream makes the stream where there is none.
func (f *Feed) makeStream(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Description: "Parlor: rooms and users", Subjects: []string{Prefix + ".events.>"},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: f.opts.MaxAge, MaxBytes: f.opts.MaxBytes, Duplicates: min(5*time.Minute, f.opts.MaxAge),
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the stream %s: %w", Stream, err)
	}
	f.opts.Log.Info().Str("stream", Stream).Msg("made the stream of events")
	return nil
}

// Subject returns where an event is published. A room's token is "n-" and the number, or "s-" and the name where that is
// made of letters, digits, - and _, or else "b-" and the name in URL-safe base64.
func Subject(node string, room session.RoomID, t session.FeedType) string {
	return fmt.Sprintf("%s.events.%s.%s.%d", Prefix, token("s-", node)[2:], RoomToken(room), t)
}

// RoomToken returns the room's part of a subject.
func RoomToken(room session.RoomID) string {
	if n, ok := room.Number(); ok {
		return fmt.Sprintf("n-%d", n)
	}
	return token("s-", room.String())
}

func token(plain, name string) string {
	odd := strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	})
	if odd < 0 && name != "" {
		return plain + name
	}
	return "b-" + base64.RawURLEncoding.EncodeToString([]byte(name))
}
