// Package webhook sends the events of the stream to a web server, signed, each until it is taken or too old.
//
//	webhook.go   Sender: Run, one turn after another; Stats
//	turn.go      whose turn it is: one node at a time sends
//	source.go    the durable consumer
//	position.go  how far the events are done, also if the consumer does not know any more
//	rooms.go     events of a room one after the other, rooms side by side and in turn; repeats with back-off
//	post.go      one request, and what its answer means
//	signature.go Sign and Verify
//	callback.go  the form of another RTC engine
//
// # How nothing is lost or reordered
//
// The position of the sender is the acknowledgement floor of a durable consumer: all before it is done. A
// turn begins with an entry in a key-value bucket, which goes away when it is not renewed, and with a reset
// of the consumer to its floor. From there on events come in the order of the stream. A room's next event is
// not sent before the one before it was taken, or given up.
//
// Any doubt ends the turn: the connection breaks, an acknowledgement is not confirmed, the consumer's
// numbering has a gap, the turn's entry is not renewed in time. The next turn begins at the floor again, here
// or on another node. So events may come twice, with the same id, and never too late or not at all. If
// somebody has deleted the consumer, it is made again behind what was done last (position.go). The turn's
// entry tells other nodes how far that is.
package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/feed"
)

const (
	// turnTime is how long a node that has vanished keeps its turn. Lower has another one go on sooner, and
	// gives up the turn in shorter troubles of NATS.
	turnTime = 15 * time.Second
	// Waits between two turns, the first and the longest. Lower asks a NATS in trouble more often.
	shortestWait, longestWait = 200 * time.Millisecond, 5 * time.Second
)

// Options of a Sender. Zero values stand for the defaults, if one is named.
type Options struct {
	URL      string        // where to
	Key      []byte        // signs the requests
	App      uint32        // requests are in the form of callbacks (callback.go) for this application; 0: in Parlor's own
	Types    []int         // of the events that are sent; empty: all
	Timeout  time.Duration // of one request; 5 s
	RetryFor time.Duration // an event older than this is tried once more, and given up; 1 h
	Node     string        // this node; the entry of its turn shows it to people
	Replicas int           // of the bucket that says whose turn it is; 1
	Agent    string        // User-Agent of the requests
	Log      zerolog.Logger

	// Transport, Roots and Turn are for tests.
	Transport http.RoundTripper
	Roots     *x509.CertPool
	Turn      time.Duration
}

// Stats are counts since the start, of this node.
type Stats struct {
	Sent    uint64 // taken by the web server
	Failed  uint64 // requests that were not answered, or by something else than taking or refusing the event
	Refused uint64 // events given up because the web server will not have them
	Expired uint64 // events given up because of their age
	Held    int    // events read from the stream and not done yet
	Oldest  time.Time
	Sending bool // it is this node's turn
}

// Sender sends events while it is its node's turn.
type Sender struct {
	at    bus.Server
	opts  Options
	post  *poster
	began time.Time

	position position // how far the events are done

	mu    sync.Mutex
	stats Stats
	rooms *rooms // of the turn; nil: it is not ours
}

// New returns a sender for the events that are stored from now on, if none has sent any before. It starts
// nothing.
func New(at bus.Server, o Options) *Sender {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.RetryFor <= 0 {
		o.RetryFor = time.Hour
	}
	if o.Turn <= 0 {
		o.Turn = turnTime
	}
	o.Replicas = max(1, o.Replicas)
	return &Sender{at: at, opts: o, post: newPoster(o), began: time.Now()}
}

// Stats returns the counts.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	if s.rooms != nil && s.rooms.valid() {
		st.Sending = true
		st.Held, st.Oldest = s.rooms.holds()
	}
	return st
}

// Run sends until ctx is done. Whatever goes wrong with NATS or the web server is retried.
func (s *Sender) Run(ctx context.Context) error {
	defer s.post.close()
	wait := shortestWait
	for ctx.Err() == nil {
		sent, err := s.takeTurn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if sent {
			wait = shortestWait
		}
		log := s.opts.Log.Debug()
		// Otherwise it was said, or there has been no event yet.
		if wait == shortestWait && !errors.Is(err, jetstream.ErrStreamNotFound) {
			log = s.opts.Log.Warn()
		}
		log.Err(err).Msg("webhooks wait for NATS")
		sleep(ctx, wait)
		wait = min(2*wait, longestWait)
	}
	return nil
}

// takeTurn waits until it is this node's turn, and sends until something is wrong or ctx is done. It says
// whether it came to sending.
func (s *Sender) takeTurn(ctx context.Context) (sent bool, err error) {
	nc, err := bus.Dial(s.at, "sfu "+s.opts.Node+" webhooks", s.opts.Log)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	closed := nc.StatusChanged(nats.CLOSED)
	go func() {
		select {
		case <-closed:
			stop(errors.New("the connection to NATS is lost"))
		case <-ctx.Done():
		}
	}()
	js, err := jetstream.New(nc)
	if err != nil {
		return false, err
	}
	stream, err := js.Stream(ctx, feed.Stream)
	if err != nil {
		return false, cause(ctx, fmt.Errorf("the stream %s: %w", feed.Stream, err))
	}
	t, err := acquire(ctx, js, s.opts, &s.position)
	if err != nil {
		return false, cause(ctx, err)
	}
	var keeping sync.WaitGroup
	keeping.Go(func() {
		if err := t.keep(ctx); err != nil {
			stop(err)
		}
	})
	sent, err = s.send(ctx, stop, nc, stream, t)
	err = cause(ctx, err)
	stop(nil)
	keeping.Wait()
	t.release()
	return sent, err
}

// send does what a turn is there for. All that it has started has ended when it returns.
func (s *Sender) send(
	ctx context.Context, stop context.CancelCauseFunc, nc *nats.Conn, stream jetstream.Stream, t *turn,
) (sent bool, err error) {
	info, err := stream.Info(ctx) // as it is now: this node may have waited for its turn for long
	if err != nil {
		return false, fmt.Errorf("the stream %s: %w", feed.Stream, err)
	}
	s.position.begin(info.Created, info.State.LastSeq)
	src, err := open(ctx, stream, s.began, s.position.next())
	if err != nil {
		return false, err
	}
	src.nc = nc
	r := newRooms(s, t.valid, stop)
	r.load = src.load
	s.begin(r)
	s.opts.Log.Info().Msg("this node sends webhooks")
	defer func() {
		stop(nil)
		r.wait()
		s.begin(nil)
	}()
	return true, src.read(ctx, t, r)
}

func (s *Sender) begin(r *rooms) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = r
}

// wants says whether events of a type are to be sent.
func (s *Sender) wants(kind int) bool {
	if s.opts.App != 0 && !callbacks(kind) {
		return false
	}
	for _, t := range s.opts.Types {
		if t == kind {
			return true
		}
	}
	return len(s.opts.Types) == 0
}

// count changes the counts.
func (s *Sender) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

// cause is why ctx is done, if it is, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return fmt.Errorf("%w (%w)", c, err)
	}
	return err
}

// sleep waits for d, or until ctx is done, which it says.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
