package sample

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func socketPair(t *testing.T, buffer int) (*net.UDPConn, net.Conn) {
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	require.NoError(t, s.SetReadBuffer(buffer))
	c, err := net.Dial("udp4", s.LocalAddr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

// receive reads what is there.
func receive(t *testing.T, s *net.UDPConn) (got [][]byte) {
	require.NoError(t, s.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	for {
		b := make([]byte, 100)
		n, _, err := s.ReadFromUDPAddrPort(b)
		if err != nil {
			return got
		}
		got = append(got, b[:n])
	}
}

func packetOf(first, second byte, seq uint16) []byte {
	b := make([]byte, 20)
	b[0], b[1] = first, second
	binary.BigEndian.PutUint16(b[2:], seq)
	return b
}

func TestSampleKeepsEveryKthPacket(t *testing.T) {
	s, c := socketPair(t, 1<<20)
	require.NoError(t, Attach(s, 8))
	for seq := range uint16(64) {
		second := byte(96)
		if seq%4 == 0 {
			second |= 0x80 // marker
		}
		_, err := c.Write(packetOf(0x90, second, seq))
		require.NoError(t, err)
	}
	var seqs []uint16
	for _, p := range receive(t, s) {
		seqs = append(seqs, binary.BigEndian.Uint16(p[2:]))
	}
	require.Equal(t, []uint16{0, 8, 16, 24, 32, 40, 48, 56}, seqs)
}

func TestSamplePassesAllButRTP(t *testing.T) {
	s, c := socketPair(t, 1<<20)
	require.NoError(t, Attach(s, 1<<15))
	others := [][]byte{
		packetOf(0, 1, 1), packetOf(3, 1, 1), // STUN
		packetOf(20, 254, 1), packetOf(63, 1, 1), // DTLS
		// RTCP
		packetOf(0x80, 200, 1), packetOf(0x81, 206, 1), packetOf(0x80, 192, 1), packetOf(0xbf, 223, 1),
		packetOf(192, 0, 1),
	}
	for _, p := range others {
		_, err := c.Write(p)
		require.NoError(t, err)
	}
	_, err := c.Write(packetOf(0x80, 96, 1))
	require.NoError(t, err)
	require.Equal(t, others, receive(t, s))

	require.NoError(t, Attach(s, 1))
	require.NoError(t, Attach(s, 1), "no filter to take off")
	_, err = c.Write(packetOf(0x80, 96, 1))
	require.NoError(t, err)
	require.Len(t, receive(t, s), 1)
	for _, k := range []int{0, -2, 3, 1 << 16} {
		require.Error(t, Attach(s, k))
	}
}

func TestDropsCountOverflow(t *testing.T) {
	s, c := socketPair(t, 4096)
	for seq := range uint16(200) {
		_, err := c.Write(packetOf(0x80, 96, seq))
		require.NoError(t, err)
	}
	drops, err := Drops(s)
	require.NoError(t, err)
	require.NotZero(t, drops)
	require.Equal(t, 200, int(drops)+len(receive(t, s)))
}
