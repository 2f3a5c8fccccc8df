package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Consumer is the name of the durable consumer of the stream of events.
const Consumer = "webhook"

const (
	// window is how many events are held at most, at about 300 bytes each. Higher lets other rooms go on
	// while one has more events, and repeats more of them after a crash.
	window = 100_000
	// portion is how many events are asked for at once.
	portion = 1024
	// ackWait is when the server would hand out an event again by itself, out of order. It never should: the
	// next turn does.
	ackWait = 7 * 24 * time.Hour
	// ackTime bounds how long the confirmation of an acknowledgement is waited for.
	ackTime = 2 * time.Second
)

var errGap = errors.New("events of the consumer went elsewhere")

// errLost says that the stream does not have an event any more.
var errLost = errors.New("the stream no longer has the event")

// source reads the stream.
type source struct {
	nc       *nats.Conn
	stream   jetstream.Stream
	consumer jetstream.Consumer
	last     uint64 // the number of the last event, by the consumer
}

// open takes the consumer back to what is not acknowledged. If there is none it is made: from the event with
// the number next on, or if that is 0 from the time since on.
func open(ctx context.Context, stream jetstream.Stream, since time.Time, next uint64) (*source, error) {
	c, err := stream.Consumer(ctx, Consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		config := jetstream.ConsumerConfig{
			Durable: Consumer, Description: "Parlor: webhooks", AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
			MaxAckPending: window, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
		}
		if next > 0 {
			config.DeliverPolicy, config.OptStartTime, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, nil, next
		}
		c, err = stream.CreateConsumer(ctx, config)
	case err == nil && c.CachedInfo().Config.MaxAckPending != window: // an earlier version has made it
		config := c.CachedInfo().Config
		config.MaxAckPending = window
		c, err = stream.UpdateConsumer(ctx, config)
	}
	if err != nil {
		return nil, fmt.Errorf("the consumer %s: %w", Consumer, err)
	}
	_, err = stream.ResetConsumer(ctx, Consumer)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("webhooks need a NATS server of version 2.14 or later: %w", err)
	case err != nil:
		return nil, fmt.Errorf("resetting the consumer %s: %w", Consumer, err)
	}
	return &source{stream: stream, consumer: c}, nil
}

// read hands events to rooms until something is wrong or ctx is done. What it asks the server for ends well
// before the turn does, so that nothing goes to a node whose turn is over.
func (s *source) read(ctx context.Context, t *turn, r *rooms) error {
	const part = 5
	for {
		free, err := r.free(ctx)
		if err != nil {
			return err
		}
		if t.left() < 2*t.ttl/part {
			return errors.New("the turn to send webhooks was not renewed in time")
		}
		batch, err := s.consumer.Fetch(min(free, portion), jetstream.FetchMaxWait(t.ttl/part))
		if err != nil {
			return fmt.Errorf("reading the stream: %w", err)
		}
		from := s.last
		if err := s.take(ctx, batch, r); err != nil {
			return err
		}
		if s.last == from {
			if err := s.checkGap(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *source) take(ctx context.Context, batch jetstream.MessageBatch, r *rooms) error {
	messages := batch.Messages()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, ok := <-messages:
			if !ok {
				return batch.Error()
			}
			e, number, err := s.eventOf(m)
			switch {
			case err != nil:
				return err
			case number != s.last+1:
				return errGap
			}
			s.last = number
			r.add(ctx, e)
		}
	}
}

// checkGap checks, when nothing comes, that nothing went elsewhere.
func (s *source) checkGap(ctx context.Context) error {
	info, err := s.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("looking at the consumer %s: %w", Consumer, err)
	}
	if info.Delivered.Consumer != s.last {
		return errGap
	}
	return nil
}

// event is an event of the stream.
type event struct {
	number uint64 // in the stream
	id     string
	kind   int    // type; 0: not one of ours
	room   string // as in its subject
	body   []byte // nil: it has to be loaded, and the id
	stored time.Time
	done   func(context.Context) error // acknowledges it
}

// eventOf returns what a message of the stream holds, and its number by the consumer.
func (s *source) eventOf(m jetstream.Msg) (*event, uint64, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, 0, fmt.Errorf("reading the stream: %w", err)
	}
	e := &event{number: meta.Sequence.Stream, stored: meta.Timestamp}
	e.has(m.Headers(), m.Data())
	nc, reply := s.nc, m.Reply() // and not m, which has the body
	e.done = func(ctx context.Context) error {
		// What was taken is not sent again if it can be helped.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTime)
		defer cancel()
		_, err := nc.RequestWithContext(ctx, reply, []byte("+ACK"))
		return err
	}
	// sfu.v1.events.<node>.<room>.<type>
	if parts := strings.Split(m.Subject(), "."); len(parts) == 6 && json.Valid(e.body) {
		e.room = parts[4]
		e.kind, _ = strconv.Atoi(parts[5]) // 0 if somebody else publishes what is not ours
	}
	return e, meta.Sequence.Consumer, nil
}

// has gives the event what its message holds.
func (e *event) has(h nats.Header, body []byte) {
	if e.id, e.body = h.Get(jetstream.MsgIDHeader), body; e.id == "" {
		e.id = strconv.FormatUint(e.number, 10)
	}
	if e.body == nil {
		e.body = []byte{}
	}
}

// load reads an event again of which only the number was kept. The error is errLost if the stream does not
// have it any more.
func (s *source) load(ctx context.Context, e *event) error {
	m, err := s.stream.GetMsg(ctx, e.number)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return errLost
	}
	if err != nil {
		return fmt.Errorf("reading the stream: %w", err)
	}
	e.has(m.Header, m.Data)
	return nil
}
