package sfu_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"parlor/bench/client"
	"parlor/config"
	"parlor/session/command"
	"parlor/session/natsapi"
	"parlor/tracing"
)

// TestTracesReachACollector: a join, and a command over NATS that goes on with the trace of who sent it.
func TestTracesReachACollector(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]*otlp.Span{}
	at := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q collector.ExportTraceServiceRequest
		if r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &q) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range q.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					spans[s.Name] = s
				}
			}
		}
	}))
	defer at.Close()
	n := run(t, free(func(c *config.Config) { c.Trace.Endpoint = at.URL }), io.Discard)
	ann, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.NoError(t, err)
	defer ann.Close()
	nc, err := nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.RequestMsg(&nats.Msg{Subject: "sfu.v1.ListRooms", Data: []byte("{}"),
		Header: nats.Header{"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}, 5*time.Second)
	require.NoError(t, err)
	mine := tracing.Over(sdk.NewTracerProvider())
	ctx, span := mine.Start(t.Context(), "mine")
	require.NoError(t, natsapi.NewClient(nc).Do(ctx, command.DescribeNode, struct{}{}, nil))
	var parent string
	tracing.Pass(ctx, func(_, value string) { parent = value })
	span.End(nil)
	require.NoError(t, n.stop()) // which sends what is left
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, spans, "enter")
	require.Contains(t, spans, "ListRooms")
	require.Equal(t, []byte{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}, spans["ListRooms"].ParentSpanId)
	require.EqualValues(t, 0x0a, spans["ListRooms"].TraceId[0])
	require.Contains(t, parent, hex.EncodeToString(spans["DescribeNode"].ParentSpanId), "a command of the client goes on with its trace")
}
