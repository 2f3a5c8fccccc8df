package sfu

import (
	"context"
	"net/http"

	"parlor/config"
	"parlor/session/remote"
	"parlor/tracing"
)

// traces is the tracer, and the part that sends what the others leave behind.
type traces struct {
	*tracing.Tracer // nil: spans have nowhere to go
	run             func(context.Context) error
}

func (b *builder) traces(ctx context.Context) (traces, error) {
	n, at := b.n, b.n.cfg.Trace.Endpoint
	if at == "" {
		return traces{}, nil
	}
	t, stop, err := tracing.New(ctx, tracing.Options{
		Endpoint: at, Node: n.ID(), Version: Version(),
		Failed: func(err error) { n.log.Warn().Str("part", "trace").Err(err).Msg("spans are lost") },
	})
	if err != nil {
		return traces{}, &config.Error{Key: "trace.endpoint", Reason: err.Error()}
	}
	end := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		return stop(ctx)
	}
	b.taken.add(func() { _ = end() })
	return traces{t, func(ctx context.Context) error {
		<-ctx.Done()
		return end()
	}}, nil
}

// traced has requests go on with the traces that they come with, if a trusted proxy has brought them, or if
// everybody may enter. Strangers would have others' traces sampled, and spans added to them. Commands go on
// with the trace of a sender that may give them.
func (s *surface) traced(next http.Handler) http.Handler {
	if s.trace == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.keys.Open() || remote.Of(r).Trusted {
			r = r.WithContext(s.trace.Join(r.Context(), r.Header.Get))
		}
		next.ServeHTTP(w, r)
	})
}
