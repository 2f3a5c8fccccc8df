package signal

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"parlor/session/stranger"
	"parlor/session/terms"
)

const (
	// maxOpening is the size in bytes of a message of somebody who has not entered: a token of 8 KB fits, with all else that enter and
	// resume have.
	maxOpening = 12 << 10
	// maxAttempts is how many messages may come until somebody has entered. A client tries another token, hardly a tenth one.
	maxAttempts = 10
	// maxDepth is how deep JSON of somebody who has not entered may be nested: enter and resume are flat, and fields to come may be less so.
	maxDepth = 8
)

// guest is who is at the other end until somebody has entered. Of the reading goroutine, and of the one that works for it.
type guest struct {
	*stranger.Guest     // nil: nothing bounds it
	tried           int // messages
}

func (d *Door) guest(r *http.Request) (*stranger.Guest, bool) {
	if d.o.Guest == nil {
		return nil, true
	}
	return d.o.Guest(r)
}

// pings holds back who sends control frames faster than messages may come: each ping costs the answer, a write.
type pings struct{ limit *rate.Limiter }

// wait is called by the goroutine that reads, which is also that which closes a refused WebSocket. A WebSocket that ends meanwhile is noticed by the next read.
func (p *pings) wait(context.Context, []byte) {
	if r := p.limit.Reserve(); r.OK() {
		time.Sleep(r.Delay()) // at most one message's time, as nothing is read meanwhile
	}
}

// attempt admits a message of somebody who has not entered, or closes the connection and returns an error: closing returns none where
// the client agrees, and the message must not be read on.
func (c *conn) attempt(ctx context.Context, raw []byte) error {
	c.guest.tried++
	switch {
	case c.guest.tried > maxAttempts:
		c.guest.Refuse(stranger.Attempts)
		_ = c.ws.Close(closeBusy, "too many messages without entering")
		return errOver
	case tooDeep(raw):
		c.guest.Refuse(stranger.Size)
		_ = c.ws.Close(websocket.StatusPolicyViolation, "a message of somebody who has not entered is flat")
		return errOver
	}
	return c.busyness(c.guest.Pay(ctx, len(raw)))
}

// tooLarge counts a message that was too large for somebody who has not entered. The library has closed the connection.
func (c *conn) tooLarge(err error) {
	if errors.Is(err, websocket.ErrMessageTooBig) && c.s == nil {
		c.guest.Refuse(stranger.Size)
	}
}

// busyness closes the connection of who has used up what its address may have.
func (c *conn) busyness(err error) error {
	var busy *stranger.Busy
	if errors.As(err, &busy) {
		_ = c.ws.Close(closeBusy, busy.Error())
		return errOver
	}
	return err
}

// letIn has the connection count as one of those inside, and raises what it may send.
func (c *conn) letIn(ctx context.Context) error {
	ok, err := c.guest.Enter(ctx)
	if err == nil && !ok {
		err = terms.Errorf(terms.CodeRoomFull, "", "this node has all the connections that it takes (limits.signals)")
		c.d.o.Rooms.Refused(err)
	}
	if err == nil {
		c.ws.SetReadLimit(maxMessage)
	}
	return c.busyness(err)
}

// sendOut undoes letIn.
func (c *conn) sendOut() {
	c.ws.SetReadLimit(maxOpening)
	c.guest.Leave()
}

// envelope reads what every request has; of somebody who has not entered, all that such a one may send.
func (c *conn) envelope(raw []byte) (e envelope, err error) {
	if c.s != nil {
		return e, decode(raw, &e)
	}
	e.opening = &opening{}
	if err = decode(raw, e.opening); err != nil {
		_ = decode(raw, &e) // which request it is, as far as that can be read
		return e, err
	}
	e.Type, e.ID = e.opening.Type, e.opening.ID
	return e, nil
}

// tooDeep reports whether JSON is nested more deeply, without reading it otherwise: what is deep costs far more than what is long.
func tooDeep(raw []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case b == '\\' && quoted:
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}
