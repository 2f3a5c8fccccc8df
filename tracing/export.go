package tracing

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Options say where spans go, and whose they are.
type Options struct {
	Endpoint string // OTLP over HTTP, such as http://127.0.0.1:4318; without a path /v1/traces is meant
	Node     string
	Version  string
	Failed   func(error) // is told of spans that could not be sent; must not block
}

// New returns a Tracer, and a function that sends the rest of its spans and frees it. Spans are sent in
// batches in the background. The number of those that wait is bounded; spans beyond that are lost. No
// collector needs to be there. A trace that comes with a request is followed if it says sampled. Traces that
// begin here are always followed.
func New(ctx context.Context, o Options) (*Tracer, func(context.Context) error, error) {
	at, err := url.Parse(o.Endpoint)
	if err == nil && strings.Trim(at.Path, "/") == "" {
		at.Path = "/v1/traces"
	}
	var exporter *otlptrace.Exporter
	if err == nil {
		exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.String()))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("sending traces to %s: %w", o.Endpoint, err)
	}
	// The SDK has one place for its errors in a process, and else writes them to standard error.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(o.Failed))
	otel.SetLogger(logr.Discard())
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "parlor"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Node),
	)))
	return Over(p), p.Shutdown, nil
}
