package natsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"parlor/session"
)

// ErrNoNode is returned when nothing answers commands on the connection's NATS.
var ErrNoNode = errors.New("no node answers commands on this NATS server")

// Client sends commands. Errors that a node answers with are *session.Error, whose Field is as the command names it. Safe
// for concurrent use.
type Client struct{ nc *nats.Conn }

// NewClient returns a client on a connection that stays the caller's.
func NewClient(nc *nats.Conn) *Client { return &Client{nc} }

// RemoveUser puts users out of a room.
func (c *Client) RemoveUser(ctx context.Context, q RemoveUserRequest) (a RemoveUserResponse, err error) {
	return a, c.do(ctx, RemoveUser, q, &a)
}

// DismissRoom puts everybody out and ends the room.
func (c *Client) DismissRoom(ctx context.Context, q DismissRoomRequest) (a DismissRoomResponse, err error) {
	return a, c.do(ctx, DismissRoom, q, &a)
}

// ListRooms returns a page of rooms.
func (c *Client) ListRooms(ctx context.Context, q ListRoomsRequest) (a ListRoomsResponse, err error) {
	return a, c.do(ctx, ListRooms, q, &a)
}

// DescribeRoom returns a room with a page of its users.
func (c *Client) DescribeRoom(ctx context.Context, q DescribeRoomRequest) (a DescribeRoomResponse, err error) {
	return a, c.do(ctx, DescribeRoom, q, &a)
}

func (c *Client) do(ctx context.Context, action Action, q, a any) error {
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	m, err := c.nc.RequestWithContext(ctx, action.Subject(), body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%s: %w", action, ErrNoNode)
	case err != nil:
		return fmt.Errorf("%s: %w", action, err)
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		e := ErrorBody{Code: session.Code(code), Message: m.Header.Get(micro.ErrorHeader)}
		_ = json.Unmarshal(m.Data, &e) // the headers say it too
		return &session.Error{Code: e.Code, Field: e.Field, Text: e.Message}
	}
	if err := json.Unmarshal(m.Data, a); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", action, err)
	}
	return nil
}
