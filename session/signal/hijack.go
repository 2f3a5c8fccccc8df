package signal

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
)

// Sizes in bytes of a connection's buffers, in the place of net/http's, which have 4096. What is larger takes
// further system calls; most messages are pings and events of some hundred bytes.
const (
	readBuffer  = 512
	writeBuffer = 1024
)

// hijack gives the WebSocket library the connection with small buffers, and keeps it, for cutting it off.
type hijack struct {
	http.ResponseWriter
	conn net.Conn // nil before
}

// Hijack implements http.Hijacker.
func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking over the connection: %w", err)
	}
	h.conn = conn
	rw.Writer = bufio.NewWriterSize(conn, writeBuffer)
	if rw.Reader.Buffered() == 0 { // else the client has not waited for the answer
		rw.Reader = bufio.NewReaderSize(conn, readBuffer)
	}
	return conn, rw, nil
}
