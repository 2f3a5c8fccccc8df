package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/session/terms"
)

const (
	// completeTime bounds one attempt to complete a feed. A node's events of a day, a hundred thousand and
	// more, are read in seconds. Higher lets larger feeds be completed. Lower gives up sooner on a stream
	// that does not answer.
	completeTime = 2 * time.Minute
	// completePasses bounds how often the stream is read again because it had an event under an id already.
	// That is the dead node's last event, which came late, or one of another process that completes the same
	// feed. Then there is a wait.
	completePasses = 4
)

// completion tells the ends that are missing in the feed of a node that has died.
type completion struct {
	js     jetstream.JetStream // on a connection that is given up on any fault
	closed <-chan nats.Status  // of that connection
	node   string              // whose feed it is
	by     string              // the node that completes it
	// still makes sure, between reading and telling, that no other process has gone on with the feed; nil:
	// none can.
	still func(context.Context) error
	log   zerolog.Logger
}

// run returns how many events it has told, once nothing is open. Repeating it is harmless.
func (c *completion) run(ctx context.Context) (told int, err error) {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	go func() {
		select {
		case <-c.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	for range completePasses {
		left, err := c.read(ctx)
		if err != nil {
			return told, fmt.Errorf("reading the events of node %s: %w", c.node, err)
		}
		ends := left.ends(c.node, c.by, time.Now())
		if len(ends) == 0 {
			return told, nil
		}
		if c.still != nil {
			if err := c.still(ctx); err != nil {
				return told, err
			}
		}
		stored, repeats, err := c.tell(ctx, ends)
		told += stored
		if err != nil {
			return told, fmt.Errorf("completing the events of node %s: %w", c.node, err)
		}
		if repeats == 0 {
			return told, nil
		}
	}
	return told, fmt.Errorf("completing the events of node %s: the stream has others under their ids", c.node)
}

// errNotHeld is how the server says that a stream takes none of the subjects asked for.
const errNotHeld jetstream.ErrorCode = 10093

// read goes through the node's events.
func (c *completion) read(ctx context.Context) (*remains, error) {
	left := new(remains)
	stream, err := c.js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return left, nil
	}
	if err != nil {
		return nil, err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{fmt.Sprintf("%s.events.%s.>", bus.Prefix, bus.NodeToken(c.node))},
	})
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == errNotHeld {
		return left, nil // somebody else's stream, which has no events
	}
	if err != nil {
		return nil, err
	}
	info, err := consumer.Info(ctx)
	if err != nil || info.NumPending == 0 {
		return left, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		var e terms.FeedEvent
		// What others publish there is of no interest.
		if json.Unmarshal(m.Data(), &e) == nil && e.Node == c.node {
			left.apply(e)
		}
		if meta.NumPending == 0 {
			return left, nil
		}
	}
}

// tell publishes events as a Feed does. If the stream has another event under the id of one already, the
// later events of that room are not published. What remains of the room has to be found anew then. It returns
// how many events were stored, and of how many rooms not all.
func (c *completion) tell(ctx context.Context, events []terms.FeedEvent) (stored, repeats int, err error) {
	f := New(bus.Server{}, Options{Queue: len(events), Log: c.log})
	for _, e := range events {
		f.Publish(e)
	}
	now, cancel := context.WithCancel(ctx)
	cancel() // so that run returns when all is stored
	p := pipe{f: f, publish: c.js.PublishMsgAsync, closed: c.closed, window: 1, once: true}
	err = p.run(now, ctx)
	return int(f.Stats().Published), p.repeats, err
}
