package natsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/session/terms"
	"parlor/tracing"
)

// ErrNoNode is returned when nothing answers commands on the connection's NATS.
var ErrNoNode = fmt.Errorf("no node answers commands on this NATS server: %w", command.ErrNoNode)

// Client sends commands. They are given up when the deadline of the caller has passed, also at the node that
// carries them out. Errors that a node answers with are *terms.Error, whose Field is as the command names it.
// Safe for concurrent use.
type Client struct{ nc *nats.Conn }

// NewClient returns a client on a connection that stays the caller's.
func NewClient(nc *nats.Conn) *Client { return &Client{nc} }

// Do has whichever node sees to it carry out a command, and reads its answer into into (nil: it is not
// wanted).
func (c *Client) Do(ctx context.Context, a command.Action, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	answer, err := c.ask(ctx, CommandSubject(a), a, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", a, err)
	}
	return nil
}

const (
	// patience is after which time without an answer a node is asked whether it lives, again and again. Lower
	// has NATS carry more.
	patience = 200 * time.Millisecond
	// aliveTime is how long it may take to say so. Higher makes commands wait for longer for nodes that hang.
	// Lower takes busy nodes for hanging.
	aliveTime = 400 * time.Millisecond
)

// Ask has one node carry out a command by itself alone, and returns its answer. The error is ErrNoNode if
// there is no such node, or it cannot be reached. It is command.ErrSilent if the node gives no sign that it
// lives. That is told well within a second, however long ctx has.
func (c *Client) Ask(ctx context.Context, node string, a command.Action, request []byte) (json.RawMessage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.attend(ctx, node, cancel)
	answer, err := c.ask(ctx, NodeSubject(node, a), a, request)
	if err != nil && errors.Is(context.Cause(ctx), command.ErrSilent) {
		return nil, fmt.Errorf("%s: %w", a, command.ErrSilent)
	}
	return answer, err
}

// attend asks a node from which an answer is awaited whether it lives, until ctx is done. If it does not,
// attend ends ctx.
func (c *Client) attend(ctx context.Context, node string, cancel context.CancelCauseFunc) {
	for {
		select {
		case <-time.After(patience):
		case <-ctx.Done():
			return
		}
		within, over := context.WithTimeout(ctx, aliveTime)
		_, err := c.nc.RequestWithContext(within, aliveSubject(node), nil)
		over()
		switch {
		// The node is gone, and the command's own request tells it; or it is of a version that does not say.
		case ctx.Err() != nil, errors.Is(err, nats.ErrNoResponders):
			return
		case errors.Is(err, context.DeadlineExceeded):
			cancel(command.ErrSilent)
			return
		}
	}
}

func (c *Client) ask(ctx context.Context, subject string, a command.Action, request []byte) (json.RawMessage, error) {
	// It would be sent some time, when nobody waits for it any more.
	if !c.nc.IsConnected() {
		return nil, fmt.Errorf("%s: %w", a, bus.ErrAway)
	}
	q := &nats.Msg{Subject: subject, Data: request, Header: nats.Header{}}
	if end, ok := ctx.Deadline(); ok {
		q.Header.Set(TimeoutHeader, strconv.FormatInt(max(1, time.Until(end).Milliseconds()), 10))
	}
	if id := command.IDOf(ctx); id != "" {
		q.Header.Set(IDHeader, id)
	}
	tracing.Pass(ctx, q.Header.Set)
	m, err := c.nc.RequestMsgWithContext(ctx, q)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%s: %w", a, ErrNoNode)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		e := command.ErrorBody{Code: terms.Code(code), Message: m.Header.Get(micro.ErrorHeader)}
		_ = json.Unmarshal(m.Data, &e) // the headers say it too
		return nil, &terms.Error{Code: e.Code, Field: e.Field, Text: e.Message}
	}
	return m.Data, nil
}
