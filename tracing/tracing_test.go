package tracing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func recorder() (*Tracer, *tracetest.SpanRecorder) {
	r := tracetest.NewSpanRecorder()
	return Over(sdk.NewTracerProvider(sdk.WithSpanProcessor(r))), r
}

func TestSpans(t *testing.T) {
	tracer, rec := recorder()
	h := http.Header{"Traceparent": {remote}}
	ctx, a := tracer.Start(tracer.Join(t.Context(), h.Get), "a", "room", "lobby")
	a.Set("user", "ann")
	_, b := tracer.Start(a.Under(context.Background()), "b")
	b.End(errors.New("no"))
	a.End(nil)
	_, c := tracer.Start(tracer.Join(t.Context(), http.Header{"Traceparent": {"rubbish"}}.Get), "c")
	c.End(nil)

	l := rec.Ended()
	require.Len(t, l, 3)
	require.Equal(t, codes.Error, l[0].Status().Code)
	require.Equal(t, l[1].SpanContext().SpanID(), l[0].Parent().SpanID())
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", l[0].SpanContext().TraceID().String())
	require.Equal(t, "b7ad6b7169203331", l[1].Parent().SpanID().String())
	require.Len(t, l[1].Attributes(), 2)
	require.False(t, l[2].Parent().IsValid(), "a malformed header is ignored")

	out := http.Header{}
	Pass(ctx, out.Set)
	require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-"+l[1].SpanContext().SpanID().String()+"-01", out.Get("traceparent"))
}

// TestOffCostsNothing, in allocations at least.
func TestOffCostsNothing(t *testing.T) {
	var off *Tracer
	room, h := "lobby", http.Header{"Traceparent": {remote}}
	get := h.Get
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ctx, s := off.Start(off.Join(t.Context(), get), "a", "room", room)
		s.Set("user", room)
		_ = s.Under(ctx)
		s.End(nil)
	}))
	Pass(t.Context(), func(string, string) { t.Error("there is nothing to pass on") })
}

// TestCollectorThatFails is told, and holds nothing up.
func TestCollectorThatFails(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer failing.Close()
	told := make(chan error, 8)
	tracer, stop, err := New(t.Context(), Options{Endpoint: failing.URL, Failed: func(err error) { told <- err }})
	require.NoError(t, err)
	_, s := tracer.Start(t.Context(), "a")
	s.End(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = stop(ctx) // which sends
	select {
	case err := <-told:
		require.Error(t, err)
	case <-ctx.Done():
		t.Fatal("nobody was told")
	}
}
