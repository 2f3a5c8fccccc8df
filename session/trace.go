package session

import (
	"context"
	"errors"

	"parlor/tracing"
)

// errNotConnected ends the span of a transport connection that came to nothing.
var errNotConnected = errors.New("never connected")

// traced returns ctx with the trace of the user's entering, unless it has one of its own.
func (p *participant) traced(ctx context.Context) context.Context {
	if s := p.span.Load(); s != nil {
		return s.Under(ctx)
	}
	return ctx
}

// attributes are those of the session's spans.
func (p *participant) attributes() []string {
	if p.rooms.opts.Trace == nil {
		return nil
	}
	return []string{"room", p.room.key, "user", p.user, "session", p.id, "node", p.rooms.opts.Node}
}

// keepSpan remembers the entering of p, whose trace goes on with its negotiations.
func (p *participant) keepSpan(s tracing.Span) {
	if p.rooms.opts.Trace == nil {
		return
	}
	s.Set("session", p.id)
	kept := s
	p.span.Store(&kept)
}
