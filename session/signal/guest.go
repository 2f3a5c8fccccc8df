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
	// maxOpening is the size in bytes of a message of a client that has not entered. A token of 8 KB fits,
	// with all else that enter and resume have.
	maxOpening = 12 << 10
	// maxAttempts is how many messages may come before the client has entered. A client tries another token,
	// hardly a tenth one.
	maxAttempts = 10
	// maxDepth is how deep JSON of a client that has not entered may be nested. enter and resume are flat,
	// and fields to come may be less so.
	maxDepth = 8
)

// guest is the client at the other end until it has entered. It belongs to the reading goroutine, and to the
// one that works for that.
type guest struct {
	*stranger.Guest     // nil: nothing bounds it
	tried           int // messages

	host string // what the client calls the node
}

func (d *Door) guest(r *http.Request) (*stranger.Guest, bool) {
	if d.o.Guest == nil {
		return nil, true
	}
	return d.o.Guest(r)
}

// pings holds back clients that send control frames faster than messages may come: each ping costs the
// answer, a write.
type pings struct{ limit *rate.Limiter }

// wait is called by the goroutine that reads, which also closes a refused WebSocket. If a WebSocket ends
// meanwhile, the next read notices.
func (p *pings) wait(context.Context, []byte) {
	if r := p.limit.Reserve(); r.OK() {
		time.Sleep(r.Delay()) // at most one message's time, as nothing is read meanwhile
	}
}

// attempt admits a message of a client that has not entered, or closes the connection and returns an error.
// Closing itself returns none if the client agrees, and the message must not be read on.
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

// tooLarge counts a message that was too large for a client that has not entered. The library has closed the
// connection.
func (c *conn) tooLarge(err error) {
	if errors.Is(err, websocket.ErrMessageTooBig) && c.s == nil {
		c.guest.Refuse(stranger.Size)
	}
}

// busyness closes the connection of a client that has used up what its address may have.
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

// envelope reads what every request has. From a client that has not entered it reads all that such a client
// may send.
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

// tooDeep reports whether JSON is nested more deeply than maxDepth, without reading it otherwise. What is
// deep costs far more than what is long.
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
