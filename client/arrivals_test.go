package client

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestArrivalsAreTheKernels: the time is that of coming to the socket, however much later it is read.
func TestArrivalsAreTheKernels(t *testing.T) {
	s, err := listen(netip.MustParseAddr("127.0.0.1"), 1<<16)
	require.NoError(t, err)
	defer s.Close()
	s.arrivals = &Arrivals{}
	require.NoError(t, stampArrivals(s.conn))
	packet := make([]byte, 100)
	packet[0], packet[1], packet[3], packet[11] = 0x80, 96, 7, 1
	conn, err := s.GetConn("", nil)
	require.NoError(t, err)
	// The kernel begins to take times a moment after it was asked to; until then it gives that of the read.
	own := false
	for end := time.Now().Add(10 * time.Second); !own && time.Now().Before(end); {
		before := time.Now()
		_, err := s.conn.WriteToUDPAddrPort(packet, s.conn.LocalAddr().(*net.UDPAddr).AddrPort())
		require.NoError(t, err)
		after := time.Now()
		time.Sleep(20 * time.Millisecond)
		n, _, err := conn.(*handle).ReadFromAddrPort(make([]byte, 1500))
		require.NoError(t, err)
		require.Equal(t, len(packet), n)
		at, ok := s.arrivals.Of(packet)
		require.True(t, ok)
		require.GreaterOrEqual(t, at, before.UnixNano())
		own = at <= after.UnixNano()
	}
	require.True(t, own, "the time is that of the read")

	packet[3] = 8
	_, ok := s.arrivals.Of(packet)
	require.False(t, ok, "another packet")
	_, ok = s.arrivals.Of([]byte{0x80, 200, 0, 0})
	require.False(t, ok)
}
