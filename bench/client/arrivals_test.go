package client

import (
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
	before := time.Now()
	_, err = s.conn.WriteToUDPAddrPort(packet, s.conn.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort())
	require.NoError(t, err)
	after := time.Now()
	time.Sleep(20 * time.Millisecond)
	conn, err := s.GetConn("", nil)
	require.NoError(t, err)
	n, _, err := conn.(*handle).ReadFromAddrPort(make([]byte, 1500))
	require.NoError(t, err)
	require.Equal(t, len(packet), n)
	at, ok := s.arrivals.Of(packet)
	require.True(t, ok)
	require.GreaterOrEqual(t, at, before.UnixNano())
	require.Less(t, at, after.Add(15*time.Millisecond).UnixNano())

	packet[3] = 8
	_, ok = s.arrivals.Of(packet)
	require.False(t, ok, "another packet")
	_, ok = s.arrivals.Of([]byte{0x80, 200, 0, 0})
	require.False(t, ok)
}
