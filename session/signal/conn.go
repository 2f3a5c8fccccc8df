package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/terms"
)

// Close codes of the protocol beside those of RFC 6455.
const (
	closeTaken websocket.StatusCode = 4001 // another connection has resumed, or too much is unacknowledged
	closeIdle  websocket.StatusCode = 4002 // nobody has entered in time
	closeBusy  websocket.StatusCode = 4003 // too much of this address, or connection, without entering
)

// conn is one connection of a client.
type conn struct {
	d       *Door
	ws      *websocket.Conn
	wire    net.Conn // below ws
	from    session.Client
	limit   *rate.Limiter
	guest   guest
	resizes *rate.Limiter    // of messages with sizes; made by the first. Under busy.
	s       *session.Session // nil before entering; of busy's holder, or of the reading goroutine if none

	stranger *time.Timer // closes the connection if nobody enters in time
	entered  uint64      // bytes written to wire up to the answer to enter; 1: unknown; 0: not written
	unheard  bool        // nothing has come since the answer to enter, which this connection had. Both as s

	busy  sync.Mutex // held while a request is handled and answered
	pumps sync.WaitGroup
	small [smallMessage]byte // what most requests fit into; of the reading goroutine
	out   []byte             // a pong; of the reading goroutine

	writing sync.Mutex  // held while a message is written
	late    *time.Timer // of the write under way: ends it; made by the first. Under writing.
	over    bool        // nothing is written any more. Under writing.
	parted  bool        // the last event was written: no report follows it. Under writing.

	reports reportQueue
}

// smallMessage is the size in bytes of messages that are read without an allocation: pings, above all.
const smallMessage = 128

// listenOn is how long a client is listened to after nothing can be written to it any more. What it has sent
// before it went is here already. Longer holds connections of clients that have gone without a word.
const listenOn = 2 * time.Second

// resetGrace is how long a client may resume if its connection was reset before it has acknowledged the
// answer to enter. Clients try at once if a socket breaks. Longer shows users that have given up to others
// for longer.
const resetGrace = 2 * time.Second

// errOver is returned by write when the connection is at its end.
var errOver = errors.New("the connection is at its end")

// serve handles requests until the connection ends, and leaves nothing behind.
func (c *conn) serve(ctx context.Context) {
	// Reads and writes have no contexts, which would cost them a watcher each: closing the socket ends them.
	defer context.AfterFunc(ctx, c.cut)()
	reading, cancel := context.WithCancel(ctx)
	c.stranger = time.AfterFunc(time.Hour, func() {
		if !c.busy.TryLock() { // a request is under way, such as entering a room whose place is not known yet
			c.stranger.Reset(c.d.o.EnterWithin)
			return
		}
		in := c.s != nil
		c.busy.Unlock()
		if !in {
			_ = c.ws.Close(closeIdle, "nobody has entered")
		}
	})
	c.stranger.Reset(c.d.o.EnterWithin)
	err := c.read(reading)
	c.stranger.Stop()
	cancel()
	acknowledged, _, known := taken(c.wire)
	c.endWrites()
	c.answered()
	if c.s != nil {
		c.s.Detached() // from here on no pump is started
		c.s.Log().Debug().Err(err).Msg("signalling connection ended")
		if ctx.Err() == nil {
			c.part(err, acknowledged, known)
		}
	}
	c.pumps.Wait()
	_ = c.ws.CloseNow()
}

// part lets a user go who was not heard since it entered, and may not know that it has. err is that with
// which reading ended. A client that closes the WebSocket without having said anything has not waited for the
// answer. A client that ended TCP in order has not got what its TCP has not acknowledged with that, and has
// no session to resume. A reset acknowledges nothing: a client that has been sent the answer a moment before
// is given the time to resume at once.
func (c *conn) part(err error, acknowledged uint64, known bool) {
	switch {
	case !c.unheard:
	case websocket.CloseStatus(err) >= 0, c.entered == 0:
		c.s.Gone()
	case !known, acknowledged >= c.entered:
		c.s.Doubt(0)
	case errors.Is(err, syscall.ECONNRESET):
		c.s.Doubt(resetGrace)
	default:
		c.s.Gone()
	}
}

func (c *conn) read(ctx context.Context) error {
	var asked *entering
	for {
		if err := c.limit.Wait(ctx); err != nil {
			return err
		}
		kind, raw, err := c.next()
		early, unanswered := asked.wait(err)
		asked = nil
		switch {
		case unanswered != nil:
			if err == nil {
				c.lastWords(ctx, raw)
			}
			return unanswered
		case err != nil:
			c.tooLarge(err)
			return err
		case kind != websocket.MessageText:
			return c.ws.Close(websocket.StatusUnsupportedData, "messages are JSON text")
		case c.s == nil:
			if err := c.attempt(ctx, raw); err != nil {
				return err
			}
			asked = c.begin(ctx, slices.Clone(raw))
			continue
		}
		c.unheard = c.unheard && early
		c.s.Touch()
		if err := c.handle(ctx, raw); err != nil {
			c.lastWords(ctx, nil)
			return err
		}
	}
}

// entering is a request of a client that is not in. Reading goes on meanwhile, so that the client's end is
// noticed.
type entering struct {
	done chan error // capacity 1
	stop context.CancelFunc
}

func (c *conn) begin(ctx context.Context, raw []byte) *entering {
	ctx, cancel := context.WithCancel(ctx)
	e := &entering{done: make(chan error, 1), stop: cancel}
	c.busy.Lock()
	go func() {
		err := c.carryOut(ctx, raw)
		c.guest.Done()
		if c.s != nil {
			c.stranger.Stop() // ctx goes on, for the events
		} else {
			cancel()
		}
		c.busy.Unlock()
		e.done <- err
	}()
	return e
}

// wait waits until the request is answered. read is what came of reading meanwhile: after an error the
// request does not go on. early says that reading came first. err says that the answer could not be written.
func (e *entering) wait(read error) (early bool, err error) {
	if e == nil {
		return false, nil
	}
	select {
	case err = <-e.done:
		return false, err
	default:
	}
	if read != nil {
		e.stop()
	}
	return true, <-e.done
}

// lastWords lets an exit count that the client sent before it went. Nothing reaches it any more, but what it
// has sent is still in the socket. Without that exit the user would stay until the time-out. first was read
// already; nil: nothing was.
func (c *conn) lastWords(ctx context.Context, first []byte) {
	if c.s == nil {
		return
	}
	c.mute()
	c.s.Detached() // nobody is told `exited` here
	ctx, cancel := context.WithTimeout(ctx, listenOn)
	defer cancel()
	for raw := first; ; {
		var e envelope
		if raw != nil && decode(raw, &e) == nil && e.Type == "exit" {
			_ = c.s.Exit(ctx) // goes on without waiting, too
			return
		}
		if c.limit.Wait(ctx) != nil {
			return
		}
		kind, next, err := c.next()
		if err != nil || kind != websocket.MessageText {
			return
		}
		raw = next
	}
}

// next reads a message. It holds until the next call.
func (c *conn) next() (websocket.MessageType, []byte, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return kind, nil, err
	}
	b, n := c.small[:], 0
	for {
		k, err := r.Read(b[n:])
		switch n += k; {
		case errors.Is(err, io.EOF):
			return kind, b[:n], nil
		case err != nil:
			return kind, nil, err
		case n == len(b):
			b = append(b, make([]byte, max(n, 2048))...)
		}
	}
}

// handle answers one request. Its error ends the connection: the answer could not be written.
func (c *conn) handle(ctx context.Context, raw []byte) error {
	c.busy.Lock()
	defer c.busy.Unlock()
	if id, ack, ok := parsePing(raw); ok && c.s != nil {
		c.s.Ack(ack)
		c.out = appendPong(c.out[:0], id)
		return c.write(c.out)
	}
	// This is on a goroutine of its own. Else this goroutine would keep what a request grows the stack by for
	// as long as the client stays.
	done := make(chan error, 1)
	go func() { done <- c.carryOut(ctx, raw) }()
	return <-done
}

// carryOut is answer, but a fault ends one connection, not the node, as net/http has it for a connection's
// goroutine.
func (c *conn) carryOut(ctx context.Context, raw []byte) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			c.log().Error().Any("panic", fault).Bytes("stack", debug.Stack()).Msg("request failed")
			err = errOver
		}
	}()
	return c.answer(ctx, raw)
}

func (c *conn) answer(ctx context.Context, raw []byte) error {
	e, err := c.envelope(raw)
	if err == nil && e.ID == nil {
		err = terms.Errorf(terms.CodeBadRequest, "id", "a request carries an id")
	}
	if err != nil {
		if c.s == nil && e.Type == "enter" {
			c.d.o.Rooms.Refused(err)
		}
		c.note(e, err)
		return c.refuse(e.ID, err)
	}
	reply, then, err := c.request(ctx, e, raw)
	if c.s == nil && (ctx.Err() != nil || errors.Is(err, session.ErrGone)) {
		return errOver // nobody is there to be told
	}
	if err != nil {
		c.note(e, err)
		return c.refuse(e.ID, err)
	}
	if err := c.send(reply); err != nil {
		return err
	}
	if then != nil {
		then()
	}
	return nil
}

// note tells of a request that was refused, if it was to enter or to show another token.
func (c *conn) note(e envelope, err error) {
	r := refusal.Refusal{Door: "websocket", From: c.from.Addr, Err: err}
	switch {
	case c.s != nil && e.Type == "token":
		r.Room, r.User = c.s.Room(), c.s.User()
	case c.s == nil && e.Type == "enter" && e.opening != nil:
		r.Room, r.User = e.opening.Room, e.opening.User
	default:
		return
	}
	c.d.o.Refusals.Note(r)
}

// log returns the logger with the session's fields, once there is one.
func (c *conn) log() *zerolog.Logger {
	if c.s != nil {
		return c.s.Log()
	}
	return &c.d.o.Log
}

func (c *conn) refuse(re *int64, err error) error {
	if errors.Is(err, errOver) {
		return err
	}
	var elsewhere *terms.ElsewhereError
	if errors.As(err, &elsewhere) {
		if err := c.send(redirectAnswer{answer{"redirect", re}, elsewhere.Node, elsewhere.URL}); err != nil {
			return err
		}
		_ = c.ws.Close(websocket.StatusNormalClosure, "go on at the other node")
		return errOver
	}
	e := terms.AsError(err)
	if e.Code == terms.CodeInternal {
		c.log().Error().Err(err).Msg("request failed")
	}
	return c.send(errorAnswer{answer{"error", re}, e.Code, e.Field, e.Text, e.RetryAfter.Milliseconds()})
}

// pump hands the session's events to the socket. It ends if there are none, and the session starts another
// one when there are again. After the last event, and when the session has another connection, it closes the
// socket.
func (c *conn) pump(ctx context.Context, s *session.Session) {
	var b []byte
	for ctx.Err() == nil {
		e, ok, err := s.Poll(func() { c.pumps.Go(func() { c.pump(ctx, s) }) })
		if err == nil && !ok {
			return
		}
		if err == nil {
			if b, err = e.AppendJSON(b[:0]); err == nil {
				err = c.writeEvent(b, e.Type == terms.EventExited)
			}
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			c.answered()
			_ = c.ws.Close(websocket.StatusNormalClosure, "exited")
		case errors.Is(err, session.ErrDetached):
			_ = c.ws.Close(closeTaken, "resumed elsewhere")
		default: // the end comes from reading, which may still find an exit
			s.Detached()
			c.mute()
		}
		return
	}
}

// answered waits until the request under way, typically exit, has its answer. Reading goes on, for the
// client's part in closing the socket.
func (c *conn) answered() {
	c.busy.Lock()
	c.busy.Unlock() //nolint:staticcheck // only to wait for who holds it until the answer is written
}

func (c *conn) send(message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	return c.write(b)
}

// write writes a message. After one that fails, or that the client does not take in time, none is written any
// more.
func (c *conn) write(b []byte) error { return c.writeEvent(b, false) }

// writeEvent is write; no report follows the last event.
func (c *conn) writeEvent(b []byte, last bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.parted = c.parted || last
	return c.writeLocked(b)
}

func (c *conn) writeLocked(b []byte) error {
	if c.over {
		return errOver
	}
	if c.late == nil {
		c.late = time.AfterFunc(c.d.o.WriteTimeout, func() { _ = c.wire.SetWriteDeadline(time.Now()) })
	} else {
		c.late.Reset(c.d.o.WriteTimeout)
	}
	defer c.late.Stop()
	err := c.ws.Write(context.Background(), websocket.MessageText, b)
	switch {
	case errors.Is(err, net.ErrClosed): // what closes it sees to the end
		c.over = true
	case err != nil:
		c.muteLocked()
	}
	return err
}

// mute ends writing for good, and reading soon.
func (c *conn) mute() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.muteLocked()
}

func (c *conn) muteLocked() {
	if !c.over {
		c.over = true
		_ = c.wire.SetReadDeadline(time.Now().Add(listenOn))
	}
}

// cut ends the connection at once, in the middle of a closing handshake too, for which CloseNow would wait.
func (c *conn) cut() { _ = c.wire.Close() }

// endWrites ends a write under way, and those to come.
func (c *conn) endWrites() {
	if !c.writing.TryLock() {
		c.cut()
		c.writing.Lock()
	}
	c.over = true
	c.writing.Unlock()
}
