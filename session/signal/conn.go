package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"parlor/session"
)

// Close codes of the protocol beside those of RFC 6455.
const (
	closeTaken websocket.StatusCode = 4001 // another connection has resumed the session, or too much was not acknowledged
	closeIdle  websocket.StatusCode = 4002 // nobody has entered in time
)

// conn is one connection of a client.
type conn struct {
	d     *Door
	ws    *websocket.Conn
	limit *rate.Limiter
	s     *session.Session // nil before entering; of the reading goroutine

	busy  sync.Mutex // held while a request is handled and answered
	pumps sync.WaitGroup
}

func newConn(d *Door, ws *websocket.Conn) *conn {
	return &conn{d: d, ws: ws, limit: rate.NewLimiter(rate.Limit(d.o.MessageRate), 2*d.o.MessageRate)}
}

// serve handles requests until the connection ends, and leaves nothing behind.
func (c *conn) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(c.d.o.EnterWithin, func() { _ = c.ws.Close(closeIdle, "nobody has entered") })
	err := c.read(ctx, late)
	late.Stop()
	cancel()
	c.pumps.Wait()
	if c.s != nil {
		c.s.Detached()
		c.d.o.Log.Debug().Err(err).Str("session", c.s.ID()).Msg("signalling connection ended")
	}
	_ = c.ws.CloseNow()
}

func (c *conn) read(ctx context.Context, late *time.Timer) error {
	for {
		if err := c.limit.Wait(ctx); err != nil {
			return err
		}
		kind, raw, err := c.ws.Read(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageText {
			return c.ws.Close(websocket.StatusUnsupportedData, "messages are JSON text")
		}
		if c.s != nil {
			c.s.Touch()
		}
		if err := c.handle(ctx, raw); err != nil {
			return err
		}
		if c.s != nil {
			late.Stop()
		}
	}
}

// handle answers one request. Its error ends the connection: the answer could not be written.
func (c *conn) handle(ctx context.Context, raw []byte) error {
	c.busy.Lock()
	defer c.busy.Unlock()
	var e envelope
	err := decode(raw, &e)
	if err == nil && e.ID == nil {
		err = session.Errorf(session.CodeBadRequest, "id", "a request carries an id")
	}
	if err != nil {
		return c.refuse(ctx, e.ID, err)
	}
	reply, then, err := c.request(ctx, e, raw)
	if err != nil {
		return c.refuse(ctx, e.ID, err)
	}
	if err := c.write(ctx, reply); err != nil {
		return err
	}
	if then != nil {
		then()
	}
	return nil
}

func (c *conn) refuse(ctx context.Context, re *int64, err error) error {
	e := session.AsError(err)
	if e.Code == session.CodeInternal {
		c.d.o.Log.Error().Err(err).Msg("request failed")
	}
	return c.write(ctx, errorAnswer{answer{"error", re}, e.Code, e.Field, e.Text})
}

// pump hands the session's events to the socket until there are no more, and closes the socket then.
func (c *conn) pump(ctx context.Context, s *session.Session) {
	for {
		e, err := s.Next(ctx)
		if err == nil {
			err = c.write(ctx, e)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			c.answered()
			_ = c.ws.Close(websocket.StatusNormalClosure, "exited")
		case errors.Is(err, session.ErrDetached):
			_ = c.ws.Close(closeTaken, "resumed elsewhere")
		default:
			_ = c.ws.CloseNow()
		}
		return
	}
}

// answered waits until the request under way, typically exit, has its answer. Reading goes on, for the client's part in
// closing the socket.
func (c *conn) answered() {
	c.busy.Lock()
	c.busy.Unlock() //nolint:staticcheck // only to wait
}

func (c *conn) write(ctx context.Context, message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.d.o.WriteTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, b)
}
