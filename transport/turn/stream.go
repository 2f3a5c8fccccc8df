package turn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stream is a connection of TCP or TLS as a net.PacketConn of messages (RFC 8656 section 3.1).
type stream struct {
	s    *Server
	conn net.Conn
	in   *bufio.Reader
}

func newStream(s *Server, c net.Conn) *stream {
	setLowat(c)
	return &stream{s: s, conn: c, in: bufio.NewReaderSize(c, 2048)}
}

// errFrame ends a connection: where the next message begins is not known.
var errFrame = errors.New("turn: no message of TURN, or one too large")

// ReadFrom returns the next message.
func (st *stream) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := readMessage(st.in, b)
	if errors.Is(err, errFrame) {
		st.s.count.add(Malformed)
	}
	return n, st.conn.RemoteAddr(), err
}

// readMessage reads one message into b. The padding behind a channel's data is taken off.
func readMessage(r *bufio.Reader, b []byte) (int, error) {
	head, err := r.Peek(4)
	if err != nil {
		return 0, err
	}
	size, padding := int(binary.BigEndian.Uint16(head[2:])), 0
	switch head[0] & 0xC0 {
	case 0:
		size += stunHeader
	case 0x40:
		size += 4
		padding = -size & 3
	default:
		return 0, errFrame
	}
	if size > maxMessage || size > len(b) {
		return 0, fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	if _, err := io.ReadFull(r, b[:size]); err != nil {
		return 0, err
	}
	_, err = r.Discard(padding)
	return size, err
}

// WriteTo sends a message. A client that takes nothing for writeTime is hung up on.
func (st *stream) WriteTo(b []byte, _ net.Addr) (int, error) {
	_ = st.conn.SetWriteDeadline(time.Now().Add(writeTime))
	n, err := st.conn.Write(b)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			st.s.count.add(SlowConnection)
		}
		_ = st.Close()
	}
	return n, err
}

// Close ends the connection. A client of TLS is told, if it takes that at once.
func (st *stream) Close() error {
	_ = st.conn.SetDeadline(time.Now())
	return st.conn.Close()
}

// LocalAddr returns the node's end.
func (st *stream) LocalAddr() net.Addr { return st.conn.LocalAddr() }

// SetDeadline does nothing, nor do the others: nobody asks for it.
func (st *stream) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (st *stream) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (st *stream) SetWriteDeadline(time.Time) error { return nil }

// lowat is how many bytes the kernel holds that it has not sent yet. What waits there can be neither overtaken
// nor taken back, as in package transport.
const lowat = 16 << 10

func setLowat(c net.Conn) {
	for {
		switch t := c.(type) {
		case *net.TCPConn:
			if raw, err := t.SyscallConn(); err == nil {
				_ = raw.Control(func(fd uintptr) {
					_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, lowat)
				})
			}
			return
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return
		}
	}
}
