package natsapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	// maxInFlight is how many events are sent before the first is acknowledged. Raising it helps nodes that are busy and far
	// from their NATS, and sends as many again after a fault.
	maxInFlight = 256
	// ackTime is how long an acknowledgement is waited for before the event is sent again.
	ackTime = 5 * time.Second
	// drainTime bounds how long Run goes on after its end for what is still queued.
	drainTime = 2 * time.Second
	// Pauses between two attempts, the first and the longest. Lowering them has a NATS in trouble asked more often.
	shortestPause, longestPause = 50 * time.Millisecond, 2 * time.Second
)

// FeedOptions of a Feed. Zero values stand for the defaults.
type FeedOptions struct {
	Name  string // of the connection, for people who look at the server
	Queue int    // events kept while NATS is away; DefaultQueue
	// MaxAge and MaxBytes bound the stream where the Feed makes it; 24 h, 256 MiB. An existing stream is left as it is.
	MaxAge   time.Duration
	MaxBytes int64
	Log      zerolog.Logger
}

// Feed is a session.Events that publishes to the stream, under the subject
// sfu.v1.events.<node>.<room>.<type> (see Subject). Events are sent in order, many before the first is acknowledged, over a
// connection of the Feed's own that is given up when it breaks: what arrives of it is then a beginning of what was sent. On
// any fault everything from the first unacknowledged event on is sent again, at first one alone; its id as message id has
// the stream drop what it has. So each event is stored at least once and those of a room in order, but where the stream
// itself refuses an event and takes those sent right behind it. Up to a bound none is lost while NATS is away.
type Feed struct {
	at   Server
	opts FeedOptions

	mu     sync.Mutex
	queue  []session.FeedEvent
	stats  FeedStats
	signal chan struct{} // capacity 1: there is something

	outage bool // of Run: that events wait was said
}

// FeedStats are counts since the start.
type FeedStats struct {
	Queued    int    // waiting now
	Published uint64 // stored by the stream
	Dropped   uint64 // lost because the queue was full
}

// NewFeed returns a feed to a server, which may be down. It starts nothing.
func NewFeed(at Server, o FeedOptions) *Feed {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 24 * time.Hour
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	return &Feed{at: at, opts: o, signal: make(chan struct{}, 1)}
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

// place returns the i-th event of the queue.
func (f *Feed) place(i int) (e session.FeedEvent, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i >= len(f.queue) {
		return e, false
	}
	return f.queue[i], true
}

// stored takes the first event out of the queue.
func (f *Feed) stored() {
	f.mu.Lock()
	f.stats.Published++
	f.queue[0] = session.FeedEvent{}
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		f.queue = nil
	}
	f.mu.Unlock()
	if f.outage {
		f.outage = false
		f.opts.Log.Info().Msg("events are stored again")
	}
}

// errAway is that there is no connection to a server.
var errAway = errors.New("NATS is away")

// Run publishes until ctx is done, and then for a short while what is still queued, if NATS is there. It is called once,
// and ends after the rooms have.
func (f *Feed) Run(ctx context.Context) error {
	end, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { // the timer outlives Run by drainTime at most, and does nothing then
		time.AfterFunc(drainTime, cancel)
	})()
	wait := shortestPause
	for {
		published := f.Stats().Published
		err := f.connection(ctx, end)
		left := f.Stats()
		if err == nil || ctx.Err() != nil && (errors.Is(err, errAway) || left.Queued == 0) || end.Err() != nil {
			break
		}
		f.complain(err, left.Queued)
		if left.Published > published {
			wait = shortestPause
		}
		pause(ctx, end, wait)
		wait = min(2*wait, longestPause)
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

// pause waits for d, until ctx is done where it is not yet, and until end is done.
func pause(ctx, end context.Context, d time.Duration) {
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

// connection publishes over one connection, until ctx is done and nothing is left to publish, which is no error, or until
// end is done.
func (f *Feed) connection(ctx, end context.Context) error {
	nc, err := dial(f.at, f.opts.Name, f.opts.Log)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	defer nc.Close()
	closed := nc.StatusChanged(nats.CLOSED)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(ackTime), jetstream.WithPublishAsyncMaxPending(2*maxInFlight))
	if err != nil {
		return fmt.Errorf("feed of events: %w", err)
	}
	defer js.CleanupPublisher()
	p := pipe{f: f, js: js, closed: closed, window: 1}
	for {
		err := p.run(ctx, end)
		switch {
		case err == nil || !errors.Is(err, jetstream.ErrNoStreamResponse) || p.made:
			return err
		}
		if err := f.makeStream(end, js); err != nil {
			return err
		}
		p.made, p.flight, p.window = true, nil, 1
	}
}

// pipe is what is under way on one connection.
type pipe struct {
	f      *Feed
	js     jetstream.JetStream
	closed <-chan nats.Status
	flight []jetstream.PubAckFuture // of the first events of the queue
	window int                      // how many there may be
	made   bool                     // the stream was made, or found, since an event was stored
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
			stored, failed = p.flight[0].Ok(), p.flight[0].Err()
		}
		var more <-chan struct{}
		if len(p.flight) < p.window {
			more = p.f.signal
		}
		select {
		case <-stored:
			p.f.stored()
			p.flight, p.window, p.made = p.flight[1:], min(2*p.window, maxInFlight), false
		case err := <-failed:
			return err
		case <-more:
		case <-stopping:
		case <-p.closed:
			return errAway
		case <-end.Done():
			return end.Err()
		}
	}
}

// fill sends what the window has room for.
func (p *pipe) fill() error {
	for len(p.flight) < p.window {
		e, ok := p.f.place(len(p.flight))
		if !ok {
			return nil
		}
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
		m := nats.NewMsg(Subject(e.Node, e.Room, e.Type))
		m.Data = body
		ack, err := p.js.PublishMsgAsync(m, jetstream.WithMsgID(e.ID), jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("%w: %w", errAway, err)
		}
		p.flight = append(p.flight, ack)
	}
	return nil
}

// makeStream makes the stream where there is none. One that is there has to take the next event.
func (f *Feed) makeStream(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Description: "Parlor: rooms and users", Subjects: []string{Prefix + ".events.>"},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: f.opts.MaxAge, MaxBytes: f.opts.MaxBytes, Duplicates: min(5*time.Minute, f.opts.MaxAge),
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return f.checkStream(ctx, js)
	}
	if err != nil {
		return fmt.Errorf("making the stream %s: %w", Stream, err)
	}
	f.opts.Log.Info().Str("stream", Stream).Msg("made the stream of events")
	return nil
}

// checkStream looks whether a stream that somebody else has made takes the next event.
func (f *Feed) checkStream(ctx context.Context, js jetstream.JetStream) error {
	s, err := js.Stream(ctx, Stream)
	if err != nil {
		return fmt.Errorf("looking at the stream %s: %w", Stream, err)
	}
	next, ok := f.place(0)
	subject, takes := Subject(next.Node, next.Room, next.Type), s.CachedInfo().Config.Subjects
	if ok && !slices.ContainsFunc(takes, func(pattern string) bool { return matches(pattern, subject) }) {
		return fmt.Errorf("the stream %s takes %q, not %s", Stream, takes, subject)
	}
	return nil
}

// matches says whether a subject with wildcards holds a subject.
func matches(pattern, subject string) bool {
	for {
		p, restP, moreP := strings.Cut(pattern, ".")
		s, restS, moreS := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s, moreP != moreS:
			return false
		case !moreP:
			return true
		}
		pattern, subject = restP, restS
	}
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
