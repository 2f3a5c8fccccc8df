// Package tracing has joins and commands leave spans for OpenTelemetry. It takes up the traces of the callers
// that ask for these (W3C Trace Context). It is a leaf; nothing else in the project knows OpenTelemetry.
//
// A nil *Tracer begins nothing, and all that belongs to it does nothing: if tracing is off, it costs a
// comparison.
//
//	tracing.go  Tracer, Span, and the trace context of headers
//	export.go   New: a Tracer that sends its spans to a collector
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracer begins spans. nil begins none. Safe for concurrent use.
type Tracer struct{ t trace.Tracer }

// Over returns a Tracer over a provider of OpenTelemetry's.
func Over(p trace.TracerProvider) *Tracer { return &Tracer{p.Tracer("parlor")} }

// Start begins a span below the one of ctx, or a trace if there is none. attributes are names and values by
// turns. The returned context carries the span. The caller calls End.
func (t *Tracer) Start(ctx context.Context, name string, attributes ...string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.t.Start(ctx, name, trace.WithAttributes(pairs(attributes)...))
	return ctx, Span{s}
}

// Span is one operation under way. The zero Span does nothing. Safe for concurrent use.
type Span struct{ s trace.Span }

// Set adds attributes, names and values by turns.
func (s Span) Set(attributes ...string) {
	if s.s != nil {
		s.s.SetAttributes(pairs(attributes)...)
	}
}

// End ends the span, as failed if err is not nil. Only the first call counts.
func (s Span) End(err error) {
	if s.s == nil {
		return
	}
	if err != nil {
		s.s.SetStatus(codes.Error, err.Error())
	}
	s.s.End()
}

// Under returns ctx with the span as the one that others begin below, unless ctx has one.
func (s Span) Under(ctx context.Context) context.Context {
	if s.s == nil || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, s.s.SpanContext())
}

// Join returns ctx with the trace that a request's headers name, if they do. What is malformed is ignored, as
// the standard has it.
func (t *Tracer) Join(ctx context.Context, header func(name string) string) context.Context {
	if t == nil || header(parent) == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, getter(header))
}

// Along returns ctx with the trace of another context, if that has one.
func Along(ctx, of context.Context) context.Context {
	if s := trace.SpanContextFromContext(of); s.IsValid() {
		return trace.ContextWithSpanContext(ctx, s)
	}
	return ctx
}

// Pass hands the trace of ctx to set, header by header. Without one it does nothing.
func Pass(ctx context.Context, set func(name, value string)) {
	propagation.TraceContext{}.Inject(ctx, setter(set))
}

const parent = "traceparent"

type getter func(name string) string

func (g getter) Get(name string) string { return g(name) }
func (getter) Set(string, string)       {}
func (getter) Keys() []string           { return nil }

type setter func(name, value string)

func (setter) Get(string) string        { return "" }
func (s setter) Set(name, value string) { s(name, value) }
func (setter) Keys() []string           { return nil }

func pairs(attributes []string) []attribute.KeyValue {
	l := make([]attribute.KeyValue, 0, len(attributes)/2)
	for i := 1; i < len(attributes); i += 2 {
		l = append(l, attribute.String(attributes[i-1], attributes[i]))
	}
	return l
}
