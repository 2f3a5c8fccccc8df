package signal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/session/signal"
)

// TestDownlinkIsChecked: a client's word on its network is a whole number that means something, or is
// refused.
func TestDownlinkIsChecked(t *testing.T) {
	c := open(t, signal.Options{}).dial(t)
	for _, bad := range []any{-1, 1_000_000_001, 1.5, "fast"} {
		m := c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "downlinkKbps": bad})
		require.Equal(t, []any{"bad_request", "downlinkKbps"}, []any{m["code"], m["field"]}, "%v", bad)
	}
	require.Equal(t, "entered", c.ask(message{"type": "enter", "room": "lobby", "user": "ann", "downlinkKbps": 400})["type"])
}
