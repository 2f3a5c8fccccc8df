package session_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
	"parlor/tracing"
)

// TestJoinIsOneTrace: one trace has entering, the offer, and the time until media is connected.
func TestJoinIsOneTrace(t *testing.T) {
	rec := tracetest.NewSpanRecorder()
	o := session.Options{Trace: tracing.Over(sdk.NewTracerProvider(sdk.WithSpanProcessor(rec)))}
	inNode(t, o, func(n *node) {
		join := func(user string) *session.Session {
			s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: user, Grant: granted})
			require.NoError(t, err)
			_, err = s.Negotiate(context.Background(), session.OfferPlan{
				SDP:     fakewire.Offer(fakewire.Section{MID: "0", Kind: packet.Video, Send: true}),
				Publish: map[string]terms.Source{"0": terms.Camera},
			})
			require.NoError(t, err)
			return s
		}
		join("ann")
		n.wire.Last().Connect()
		synctest.Wait()
		l := rec.Ended()
		require.Len(t, l, 3)
		for i, name := range []string{"enter", "offer", "connect"} {
			require.Equal(t, name, l[i].Name())
			require.Equal(t, l[0].SpanContext().TraceID(), l[i].SpanContext().TraceID())
			require.Empty(t, l[i].Status().Description)
			require.Len(t, l[i].Attributes(), 4, "room, user, session and node")
		}
		bob := join("bob") // his media never come
		require.NoError(t, bob.Exit(context.Background()))
		l = rec.Ended()
		require.Len(t, l, 6)
		require.Equal(t, "never connected", l[5].Status().Description)
		require.NotEqual(t, l[0].SpanContext().TraceID(), l[5].SpanContext().TraceID())
		_, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: "", Grant: granted})
		require.Error(t, err)
		require.Equal(t, err.Error(), rec.Ended()[6].Status().Description)
	})
}
