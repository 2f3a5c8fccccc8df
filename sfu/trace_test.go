package sfu_test

import (
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"parlor/client"
	"parlor/config"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/session/terms"
	"parlor/session/token"
	"parlor/tracing"
)

// foreignTrace is what the header traceparent says of a trace that somebody else has begun.
const foreignTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// collect starts a collector. It returns its address, and a function that returns what has come, by name.
func collect(t *testing.T) (url string, collected func() map[string]*otlp.Span) {
	t.Helper()
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
	t.Cleanup(at.Close)
	return at.URL, func() map[string]*otlp.Span {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(spans)
	}
}

// stamped adds a header to requests.
type stamped struct{ name, value string }

func (s stamped) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(s.name, s.value)
	return http.DefaultTransport.RoundTrip(r)
}

// TestATraceIsGoneOnWithForWhoIsTrusted: a user's own traceparent would have the traces of others sampled,
// and spans added to them.
func TestATraceIsGoneOnWithForWhoIsTrusted(t *testing.T) {
	keys, err := token.New(nil, token.Key{ID: "k", Secret: []byte(secret)})
	require.NoError(t, err)
	text, err := keys.Mint(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key, proxy bool
		joins      bool
	}{"a user": {true, false, false}, "a proxy": {true, true, true}, "everybody": {false, false, true}} {
		t.Run(name, func(t *testing.T) {
			at, collected := collect(t)
			n := run(t, free(func(cfg *config.Config) {
				cfg.Trace.Endpoint = at
				if c.key {
					cfg.Auth.Keys = []config.Key{"k:" + secret}
				}
				if c.proxy {
					cfg.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				}
			}), io.Discard)
			ann, err := client.Dial(t.Context(), client.Options{
				URL: n.Addrs().URL(), Room: "lobby", User: "ann", Token: text, HTTP: &http.Client{Transport: stamped{"Traceparent", foreignTrace}},
			})
			require.NoError(t, err)
			ann.Close()
			require.NoError(t, n.stop()) // which sends what is left
			require.Contains(t, collected(), "enter")
			require.Equal(t, c.joins, hex.EncodeToString(collected()["enter"].TraceId) == foreignTrace[3:35])
		})
	}
}

// TestTracesReachACollector: a join, and a command over NATS that goes on with the trace of who sent it.
func TestTracesReachACollector(t *testing.T) {
	at, collected := collect(t)
	n := run(t, free(func(c *config.Config) { c.Trace.Endpoint = at }), io.Discard)
	ann, err := client.Dial(t.Context(), client.Options{URL: n.Addrs().URL(), Room: "lobby", User: "ann"})
	require.NoError(t, err)
	defer ann.Close()
	nc, err := nats.Connect(n.Addrs().NATS)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.RequestMsg(&nats.Msg{Subject: "sfu.v1.ListRooms", Data: []byte("{}"),
		Header: nats.Header{"traceparent": {foreignTrace}}}, 5*time.Second)
	require.NoError(t, err)
	mine := tracing.Over(sdk.NewTracerProvider())
	ctx, span := mine.Start(t.Context(), "mine")
	require.NoError(t, natsapi.NewClient(nc).Do(ctx, command.DescribeNode, struct{}{}, nil))
	var parent string
	tracing.Pass(ctx, func(_, value string) { parent = value })
	span.End(nil)
	require.NoError(t, n.stop()) // which sends what is left
	spans := collected()
	require.Contains(t, spans, "enter")
	require.Contains(t, spans, "ListRooms")
	require.Equal(t, []byte{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}, spans["ListRooms"].ParentSpanId)
	require.EqualValues(t, 0x0a, spans["ListRooms"].TraceId[0])
	require.Contains(t, parent, hex.EncodeToString(spans["DescribeNode"].ParentSpanId), "a command of the client goes on with its trace")
}
