package sfu

import (
	"context"
	"net/http"

	"parlor/config"
	"parlor/session/remote"
	"parlor/tracing"
)

// tracing makes the tracer that begins spans, if they have somewhere to go; if not, it stays nil. It is the
// first part, so that it sends what the others leave behind.
func (b *builder) tracing(ctx context.Context) error {
	n, at := b.n, b.n.cfg.Trace.Endpoint
	if at == "" {
		return nil
	}
	t, stop, err := tracing.New(ctx, tracing.Options{
		Endpoint: at, Node: n.ID(), Version: Version(),
		Failed: func(err error) { n.log.Warn().Str("part", "trace").Err(err).Msg("spans are lost") },
	})
	if err != nil {
		return &config.Error{Key: "trace.endpoint", Reason: err.Error()}
	}
	n.trace = t
	end := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		return stop(ctx)
	}
	b.parts.add("trace", func(ctx context.Context) error {
		<-ctx.Done()
		return end()
	}, func() { _ = end() })
	return nil
}

// traced has requests go on with the traces that they come with, if a trusted proxy has brought them, or if
// everybody may enter. Strangers would have others' traces sampled, and spans added to them. Commands go on
// with the trace of a sender that may give them.
func (s *surface) traced(next http.Handler) http.Handler {
	if s.n.trace == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.n.keys.Open() || remote.Of(r).Trusted {
			r = r.WithContext(s.n.trace.Join(r.Context(), r.Header.Get))
		}
		next.ServeHTTP(w, r)
	})
}
