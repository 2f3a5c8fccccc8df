package session

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"parlor/session/terms"
)

// Session is a door's hold on one entering of one user. Enter and Resume return a hold that is the session's
// signalling connection. A later Resume takes that over; Next of the earlier hold then returns ErrDetached.
// All other methods go on working on every hold. They may be called from any goroutine. After the user has
// left they return user_not_found.
type Session struct {
	p          *participant
	attachment uint64 // 0: not a signalling connection
}

// signs are those of life, by which is told whether a session's client is still there.
type signs struct {
	doubt   atomic.Pointer[time.Time] // see Session.Doubt: when it leaves; nil: there is no doubt
	touched atomic.Int64              // signalling's last sign of life, in monotonic ns after since
}

// errGone is what methods return once the user has left or is leaving.
func errGone() error {
	return terms.Errorf(terms.CodeUserNotFound, "session", "the user is no longer in the room")
}

// ID returns the session's id, which is not a secret.
func (s *Session) ID() string { return s.p.id }

// Key returns the secret that resumes the session.
func (s *Session) Key() string { return s.p.key }

// User returns the user's id.
func (s *Session) User() string { return s.p.user }

// Room returns the room's id.
func (s *Session) Room() terms.RoomID { return s.p.room.id }

// Entered returns what the user would be told on entering now; it is the answer to a resume. Events that come
// from Next afterwards may be older than it. The state after the last of them is the same.
func (s *Session) Entered() terms.Entered {
	s.p.room.mu.Lock()
	defer s.p.room.mu.Unlock()
	s.p.box.pin(s.attachment)
	return s.p.room.enteredLocked(s.p)
}

// Next returns the next event, waiting for it. A further call says that the event before has been handed to
// the connection. So a door calls Next until it fails, after `exited` too. It fails with io.EOF after the
// last event, and with ErrDetached when another connection has taken over or too much goes unacknowledged.
// After both the door closes its connection. Else it fails with ctx's error. A media-only session gets
// nothing but `exited` and io.EOF. One goroutine at a time.
func (s *Session) Next(ctx context.Context) (terms.Event, error) {
	return s.p.box.next(ctx, s.attachment)
}

// Poll is Next without waiting. If there is no event, ok is false. wake is then called once, as soon as there
// is something to poll for, be it an error. wake is called with locks held, so it must not block, nor call
// into this package. It may start a goroutine that polls, for example. So a session without events needs no
// goroutine. After Detached wake is not called.
func (s *Session) Poll(wake func()) (e terms.Event, ok bool, err error) {
	e, err, ok = s.p.box.poll(s.attachment, wake)
	return e, ok, err
}

// Ack says that the client has all events up to seq: they are forgotten.
func (s *Session) Ack(seq uint64) { s.p.box.ack(seq) }

// Detached says that the signalling connection is gone. What the client has not acknowledged is kept for a
// resume. It does nothing if another connection has taken over.
func (s *Session) Detached() {
	s.p.report.detach(s.attachment)
	s.p.box.detach(s.attachment)
}

// Gone lets the user out because its client was gone before it could know that it is in. It returns when that
// is complete. Others see a time-out. It does nothing if the session has been resumed.
func (s *Session) Gone() {
	if s.p.box.isPresent(s.attachment) {
		s.p.leave(causeGone, "")
	}
}

// Doubt is Gone after grace, unless the session is resumed until then. A door calls it if the connection that
// entered has ended, and it is not known whether its client has got the answer. 0 stands for Timers.Lost, and
// is the most.
func (s *Session) Doubt(grace time.Duration) {
	if lost := s.p.rooms.opts.Timers.Lost; grace <= 0 || grace > lost {
		grace = lost
	}
	s.p.signs.doubt.Store(new(s.p.rooms.opts.Now().Add(grace)))
	// also if it was resumed only just now
	if !s.p.box.isPresent(s.attachment) {
		s.p.signs.doubt.Store(nil)
	}
}

// doubtful reports whether nobody has resumed the session for long enough after Doubt. If media are heard,
// the client has got the answer.
func (p *participant) doubtful(now time.Time) bool {
	until := p.signs.doubt.Load()
	return until != nil && !now.Before(*until) && now.Sub(p.media.lastHeard()) >= p.rooms.opts.Timers.Lost
}

// Touch says that the signalling connection has shown life.
func (s *Session) Touch() { s.p.touch() }

// Done returns a channel that is closed when the user has left and everything that it held is freed.
func (s *Session) Done() <-chan struct{} { return s.p.done.gone }

// AfterDone has f called on a goroutine of its own once Done is closed.
func (s *Session) AfterDone(f func()) { s.p.rooms.afterDone(s.p, f) }

// Exit lets the user out, by its own wish. It returns when that is complete: others are told, Next has handed
// `exited` to the connection, and the transport is closed. So Next must go on being called meanwhile. Exiting
// again does no harm. The error is ctx's; the leaving then goes on.
func (s *Session) Exit(ctx context.Context) error {
	s.p.rooms.background(func() { s.p.leave(causeExit, "") })
	select {
	case <-s.p.done.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *participant) touch() { p.signs.touched.Store(int64(p.rooms.opts.Now().Sub(p.since))) }

// lastLife returns when the user last showed life, in signalling or media, by the monotonic clock.
func (p *participant) lastLife() time.Time {
	t := p.since.Add(time.Duration(p.signs.touched.Load()))
	if heard := p.media.lastHeard(); heard.After(t) {
		return heard
	}
	return t
}

// Log returns the logger with the session's fields: room, user, session.
func (s *Session) Log() *zerolog.Logger { return s.p.log() }

// log returns the logger with the session's fields.
func (p *participant) log() *zerolog.Logger {
	l := p.rooms.opts.Log.With().Str("room", p.room.key).Str("user", p.user).Str("session", p.id).Logger()
	return &l
}
