package web_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckNetwork: a page looks at its network before a call. It says which ways are open, what they carry, and
// leaves nobody behind.
func TestCheckNetwork(t *testing.T) {
	n := startNode(t)
	p := openPage(t, shared.get(t), n, "ann")
	var report struct {
		Verdict, Summary, Transport string
		Problems                    []struct{ Code, Text string }
		Ways                        map[string]*bool
		Up, Down                    struct{ Kbps, Loss float64 }
		RoundTripMs                 float64
	}
	var shares []float64
	p.eval(`(async () => {
		const { Parlor } = await import('/client/parlor.js');
		window.shares = [];
		Parlor.setLogLevel('debug');
		window.report = null;
		Parlor.checkNetwork({ strRoomId: 'look', durationMs: 1500, onProgress: (share) => shares.push(share) }).then((r) => (report = r));
	})()`, nil)
	p.await("it is over", "report")
	p.eval("report", &report)
	p.eval("shares", &shares)
	t.Logf("%+v", report)
	require.Equal(t, "udp", report.Transport)
	yes := true
	require.Equal(t, map[string]*bool{"udp": &yes, "tcp": &yes, "turn": nil}, report.Ways)
	require.Greater(t, report.Up.Kbps, 200.0)
	require.Greater(t, report.Down.Kbps, 200.0)
	require.Less(t, report.Down.Loss, 10.0)
	require.NotEqual(t, "none", report.Verdict)
	require.NotEmpty(t, report.Summary)
	require.EqualValues(t, 1, shares[len(shares)-1])
	require.Empty(t, n.command("ListRooms", map[string]any{})["Rooms"], "everybody has left")
}
