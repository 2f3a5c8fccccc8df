package transport

import (
	"bufio"
	"encoding/binary"
	"io"
)

// frameHeader is the size in bytes of RFC 4571's length field, which precedes each packet on a TCP
// connection.
const frameHeader = 2

// readFrame reads the next packet into dst and returns its size. A packet that does not fit is passed over
// and reported as size 0 and cut, because the next one can still be found.
func readFrame(r *bufio.Reader, dst []byte) (n int, cut bool, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, false, err
	}
	n = int(binary.BigEndian.Uint16(h[:]))
	if n > len(dst) {
		_, err := r.Discard(n)
		return 0, true, err
	}
	_, err = io.ReadFull(r, dst[:n])
	return n, false, err
}

// frameBuffered tells whether readFrame would return without waiting for the network.
func frameBuffered(r *bufio.Reader) bool {
	if r.Buffered() < frameHeader {
		return false
	}
	h, err := r.Peek(frameHeader)
	return err == nil && r.Buffered() >= frameHeader+int(binary.BigEndian.Uint16(h))
}
