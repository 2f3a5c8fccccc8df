package signal

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"parlor/session"
	"parlor/session/terms"
)

// request does what one request asks for. then, if not nil, is called after the answer was written.
func (c *conn) request(ctx context.Context, e envelope, raw []byte) (reply any, then func(), err error) {
	switch e.Type {
	case "enter":
		return c.enter(ctx, e)
	case "resume":
		return c.resume(ctx, e)
	case "":
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "type", "a message has a type")
	}
	do, ok := inside[e.Type]
	switch {
	case !ok:
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "type", "there is no request %.32q", e.Type)
	case c.s == nil:
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "type", "enter or resume first")
	}
	reply, err = do(c, ctx, e, raw)
	return reply, nil, err
}

// inside are the requests of clients that are in.
var inside = map[string]func(*conn, context.Context, envelope, []byte) (any, error){
	"offer":      (*conn).offer,
	"seat":       (*conn).seat,
	"sizes":      (*conn).sizes,
	"publish":    (*conn).publish,
	"role":       (*conn).role,
	"profile":    (*conn).profile,
	"token":      (*conn).token,
	"volume":     (*conn).volume,
	"statistics": (*conn).statistics,
	"message":    (*conn).message,
	"exit":       (*conn).exit,
	"ping":       (*conn).ping,
	"ice":        (*conn).ice,
}

func (c *conn) enter(ctx context.Context, e envelope) (any, func(), error) {
	q := e.opening
	if q == nil {
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "type", "this connection has entered already")
	}
	grant, err := c.d.o.Auth(q.Token, q.Room, q.User)
	if err != nil {
		c.d.o.Rooms.Refused(err)
		return nil, nil, err
	}
	if err := c.letIn(ctx); err != nil {
		return nil, nil, err
	}
	s, entered, err := c.d.o.Rooms.Enter(ctx, session.EnterRequest{
		Room: q.Room, User: q.User, Grant: grant, Role: q.Role, Scene: q.Scene, Signal: true, DownlinkKbps: q.DownlinkKbps,
		Host:    c.guest.host,
		Profile: terms.ProfileChange{Name: q.Name, Metadata: q.Metadata},
		Client:  c.from, Gone: func() bool { return hungUp(c.wire) },
	})
	if err != nil {
		c.sendOut()
		return nil, nil, err
	}
	c.s, c.unheard = s, true
	return enteredAnswer{answer{"entered", e.ID}, entered}, func() {
		_, written, _ := taken(c.wire)
		c.entered = max(written, 1)
		c.follow(ctx, s)
	}, nil
}

func (c *conn) resume(ctx context.Context, e envelope) (any, func(), error) {
	q := e.opening
	if q == nil {
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "type", "this connection has entered already")
	}
	if _, err := c.d.o.Rooms.Lookup(q.Session, q.Key); err != nil {
		return nil, nil, c.whose(q.Node, err)
	}
	if err := c.letIn(ctx); err != nil { // the connection that the session has stays
		return nil, nil, err
	}
	s, err := c.d.o.Rooms.Resume(ctx, q.Session, q.Key, q.LastSeq)
	if err != nil {
		c.sendOut()
		return nil, nil, c.whose(q.Node, err)
	}
	s.From(c.from)
	c.s = s
	return enteredAnswer{answer{"resumed", e.ID}, s.Entered()}, func() { c.follow(ctx, s) }, nil
}

// whose returns a *terms.ElsewhereError in place of err, if the session is of another node that lives.
func (c *conn) whose(node string, err error) error {
	if node == "" || c.d.o.NodeURL == nil || !errors.Is(err, terms.CodeUserNotFound) {
		return err
	}
	if url, ok := c.d.o.NodeURL(node); ok {
		return &terms.ElsewhereError{Node: node, URL: url}
	}
	return err
}

// follow has events follow the answer.
func (c *conn) follow(ctx context.Context, s *session.Session) {
	s.Reports(c.report)
	c.pumps.Go(func() { c.pump(ctx, s) })
}

func (c *conn) offer(ctx context.Context, e envelope, raw []byte) (any, error) {
	var q offerRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	publish := make(map[string]terms.Source, len(q.Publish))
	for mid, name := range q.Publish {
		var err error
		if publish[mid], err = source("publish", &name); err != nil {
			return nil, err
		}
	}
	sdp, err := c.s.Negotiate(ctx, session.OfferPlan{SDP: q.SDP, Publish: publish, Seats: q.Seats, New: q.Fresh})
	if err != nil {
		return nil, err
	}
	return sdpAnswer{answer{"answer", e.ID}, sdp}, nil
}

func (c *conn) seat(_ context.Context, e envelope, raw []byte) (any, error) {
	var q seatRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	r := session.SeatRequest{Seat: q.Seat, Quality: q.Quality}
	if q.User != nil {
		r.User = *q.User
		if r.User == "" {
			return nil, terms.Errorf(terms.CodeBadRequest, "user", "a user id is not empty; null frees the seat")
		}
	}
	var err error
	if r.Video, err = source("video", q.Video); err != nil {
		return nil, err
	}
	if r.Audio, err = source("audio", q.Audio); err != nil {
		return nil, err
	}
	switch {
	case q.Width != nil && q.Height != nil:
		r.Size = &session.Size{Width: *q.Width, Height: *q.Height}
	case q.Width != nil || q.Height != nil:
		return nil, terms.Errorf(terms.CodeBadRequest, "width", "a size is width and height; without both it is not known")
	}
	return answer{"ok", e.ID}, c.s.SetSeat(r)
}

// sizesRate is how many messages with sizes are read from one client in a second, after as many at once.
// Faster ones wait in the client's socket. Clients send up to 5. Higher lets one client cost the room's
// goroutine more.
const sizesRate = 10

func (c *conn) sizes(ctx context.Context, e envelope, raw []byte) (any, error) {
	var q sizesRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if c.resizes == nil {
		c.resizes = rate.NewLimiter(sizesRate, sizesRate)
	}
	if err := c.resizes.Wait(ctx); err != nil {
		return nil, errOver
	}
	return answer{"ok", e.ID}, c.s.SetSizes(q.Seats)
}

// maxProfile is the size in bytes of the largest message with a profile. Each byte may be written as \u0000.
const maxProfile = 6*(terms.MaxMetadata+4*terms.MaxNameBytes) + 1024

func (c *conn) publish(_ context.Context, e envelope, raw []byte) (any, error) {
	var q publishRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if q.On == nil {
		return nil, terms.Errorf(terms.CodeBadRequest, "on", "on is true or false")
	}
	return answer{"ok", e.ID}, c.s.SetPublishing(q.Source, *q.On)
}

func (c *conn) role(_ context.Context, e envelope, raw []byte) (any, error) {
	var q roleRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	return answer{"ok", e.ID}, c.s.SwitchRole(q.Role)
}

func (c *conn) profile(_ context.Context, e envelope, raw []byte) (any, error) {
	if len(raw) > maxProfile {
		return nil, terms.Errorf(terms.CodeBadRequest, "", "a request of this type has at most %d bytes, this one has %d", maxProfile, len(raw))
	}
	var q profileRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if q.Name == nil && q.Metadata == nil {
		return nil, terms.Errorf(terms.CodeBadRequest, "name", "name, metadata or both are given")
	}
	p, err := c.s.SetProfile(terms.ProfileChange{Name: q.Name, Metadata: q.Metadata})
	return profileAnswer{answer{"profile", e.ID}, p.Name, p.Metadata}, err
}

func (c *conn) token(_ context.Context, e envelope, raw []byte) (any, error) {
	var q tokenRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	grant, err := c.d.o.Auth(q.Token, c.s.Room(), c.s.User())
	if err != nil {
		return nil, err
	}
	r, err := c.s.Renew(grant)
	if err != nil {
		return nil, err
	}
	return tokenAnswer{answer{"token", e.ID}, r.Rights, r.Left.Milliseconds(), r.Stopped, r.Emptied}, nil
}

func (c *conn) ice(_ context.Context, e envelope, _ []byte) (any, error) {
	servers, left, err := c.s.ICEServers()
	if err != nil {
		return nil, err
	}
	return iceAnswer{answer{"ice", e.ID}, servers, left.Milliseconds()}, nil
}

func (c *conn) volume(_ context.Context, e envelope, raw []byte) (any, error) {
	var q volumeRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if q.IntervalMS == nil || *q.IntervalMS < 0 || *q.IntervalMS > session.MaxVolumeInterval.Milliseconds() {
		return nil, terms.Errorf(terms.CodeBadRequest, "intervalMs", "an interval is %d to %d, or 0 for none",
			session.MinVolumeInterval.Milliseconds(), session.MaxVolumeInterval.Milliseconds())
	}
	return answer{"ok", e.ID}, c.s.SetVolumeInterval(time.Duration(*q.IntervalMS) * time.Millisecond)
}

func (c *conn) statistics(_ context.Context, e envelope, raw []byte) (any, error) {
	var q statisticsRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if q.On == nil {
		return nil, terms.Errorf(terms.CodeBadRequest, "on", "on is true or false")
	}
	return answer{"ok", e.ID}, c.s.SetStatistics(*q.On)
}

func (c *conn) message(_ context.Context, e envelope, raw []byte) (any, error) {
	var q messageRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	if q.Data == nil {
		return nil, terms.Errorf(terms.CodeBadRequest, "data", "data is base64 of 0 to %d bytes", terms.MaxMessage)
	}
	data, err := base64.StdEncoding.DecodeString(*q.Data)
	if err != nil {
		return nil, terms.Errorf(terms.CodeBadRequest, "data", "data is no base64: %s", err)
	}
	m := terms.Message{CmdID: q.CmdID, Data: data, Reliable: q.Reliable == nil || *q.Reliable, Number: q.N}
	return answer{"ok", e.ID}, c.s.SendMessage(m)
}

func (c *conn) exit(ctx context.Context, e envelope, _ []byte) (any, error) {
	return answer{"ok", e.ID}, c.s.Exit(ctx)
}

func (c *conn) ping(_ context.Context, e envelope, raw []byte) (any, error) {
	var q pingRequest
	if err := decode(raw, &q); err != nil {
		return nil, err
	}
	c.s.Ack(q.Ack)
	return answer{"pong", e.ID}, nil
}
