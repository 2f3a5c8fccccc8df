package sfu_test

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sent is one UDP datagram that the kernel saw leaving the node. The RTP header is not encrypted by SRTP (RFC
// 3711 section 3.1), so a capture can tell streams apart.
type sent struct {
	at   time.Time // kernel's time
	to   uint16    // UDP port of the receiver
	rtp  bool      // RTP; otherwise RTCP, DTLS or STUN
	ssrc uint32    // of RTP
	seq  uint16
}

// capture records what leaves a UDP port on the loopback interface, as tcpdump would: beside the node, not
// inside it.
type capture struct {
	fd   int
	port uint16

	mu  sync.Mutex
	all []sent
}

// startCapture needs CAP_NET_RAW, as tcpdump does.
func startCapture(t *testing.T, from netip.AddrPort) *capture {
	t.Helper()
	proto := uint16(unix.ETH_P_IP)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(proto<<8|proto>>8))
	require.NoError(t, err, "capturing on loopback needs root or CAP_NET_RAW")
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
	require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}))
	c := &capture{fd: fd, port: from.Port()}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.read(stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		unix.Close(fd)
	})
	return c
}

func (c *capture) read(stop chan struct{}) {
	buf, oob := make([]byte, 65536), make([]byte, 128)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, oobn, _, _, err := unix.Recvmsg(c.fd, buf, oob, 0)
		if err != nil {
			continue // the time-out, so that stop is seen
		}
		if s, ok := c.parse(buf[:n]); ok {
			s.at = kernelTime(oob[:oobn])
			c.mu.Lock()
			c.all = append(c.all, s)
			c.mu.Unlock()
		}
	}
}

func (c *capture) parse(ip []byte) (sent, bool) {
	if len(ip) < 20 || ip[9] != unix.IPPROTO_UDP {
		return sent{}, false
	}
	udp := ip[int(ip[0]&15)*4:]
	if len(udp) < 8+12 || binary.BigEndian.Uint16(udp) != c.port {
		return sent{}, false
	}
	s := sent{to: binary.BigEndian.Uint16(udp[2:])}
	p := udp[8:]
	if p[0]>>6 == 2 && (p[1] < 192 || p[1] > 223) {
		s.rtp, s.seq, s.ssrc = true, binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint32(p[8:])
	}
	return s, true
}

func kernelTime(oob []byte) time.Time {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}
	}
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS {
			ts := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(ts.Unix())
		}
	}
	return time.Time{}
}

// matching returns what was captured so far and fits.
func (c *capture) matching(fit func(sent) bool) []sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []sent
	for _, s := range c.all {
		if fit(s) {
			out = append(out, s)
		}
	}
	return out
}
