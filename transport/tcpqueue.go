package transport

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"parlor/packet"
)

const (
	// tcpChunk is how many bytes are written in one go, each chunk with a deadline of its own. Between two
	// chunks urgent packets overtake media, and old media is dropped. A larger one costs fewer system calls,
	// and lets urgent packets and media wait longer on a slow link.
	tcpChunk = 16 << 10
	// tcpLowat is how many bytes the kernel holds that it has not sent yet (TCP_NOTSENT_LOWAT), for the same
	// reason.
	tcpLowat = 16 << 10
	// mediaAge is how long a media packet may wait. Longer lets the delay of a slow client grow. Shorter
	// loses what a short stall of the network would only have held up.
	mediaAge = 300 * time.Millisecond
	// maxReplies is how many answers to checks may wait. A client sends a few a second.
	maxReplies = 16
)

var errQueueFull = errors.New("the queue of the connection is full")

// tcpQueue is what waits to be written to a TCP connection. STUN and DTLS go in front of media.
type tcpQueue struct {
	conn interface{ SetWriteDeadline(time.Time) error }

	mu      sync.Mutex
	urgent  []tcpFrame
	media   []tcpFrame
	replies int // STUN frames in urgent
	closed  bool
	until   time.Time     // closed: the time for last words
	wake    chan struct{} // capacity 1

	// writing: the writer has a chunk in its hands. interrupted: it is to let go of it, and then signals
	// letGo.
	writing, interrupted bool
	letGo                sync.Cond
}

func newTCPQueue(conn interface{ SetWriteDeadline(time.Time) error }) *tcpQueue {
	q := &tcpQueue{conn: conn, wake: make(chan struct{}, 1)}
	q.letGo.L = &q.mu
	return q
}

// tcpFrame is a packet with its length in front.
type tcpFrame struct {
	buf  *packet.Buffer
	at   time.Time
	stun bool
}

func newFrame(b []byte, at time.Time) tcpFrame {
	f := packet.Get()
	binary.BigEndian.PutUint16(f.B, uint16(len(b)))
	f.B = f.B[:frameHeader+copy(f.B[frameHeader:], b)]
	return tcpFrame{buf: f, at: at}
}

// mayLocked says whether one more frame with b fits into list. The memory that a frame takes counts, and
// not its size. Otherwise small packets would take many times the limit.
func (q *tcpQueue) mayLocked(list []tcpFrame, b []byte, limit int) error {
	switch {
	case q.closed:
		return net.ErrClosed
	case len(b) > packet.Size-frameHeader || (len(list)+1)*packet.Size > limit:
		return errQueueFull
	}
	return nil
}

// addUrgent queues an answer to a check or a DTLS datagram.
func (q *tcpQueue) addUrgent(b []byte, stun bool, limit int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.mayLocked(q.urgent, b, limit); err != nil {
		return err
	}
	if stun && q.replies >= maxReplies {
		return errQueueFull
	}
	f := newFrame(b, time.Time{})
	if f.stun = stun; stun {
		q.replies++
	}
	q.urgent = append(q.urgent, f)
	q.signal()
	return nil
}

// addMedia queues a media packet and returns how many older ones it dropped for it.
func (q *tcpQueue) addMedia(b []byte, limit int, now time.Time) (dropped int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped = q.expireLocked(now)
	if err := q.mayLocked(q.media, b, limit); err != nil {
		return dropped, err
	}
	q.media = append(q.media, newFrame(b, now))
	q.signal()
	return dropped, nil
}

// expireLocked drops media that has waited for too long.
func (q *tcpQueue) expireLocked(now time.Time) (dropped int) {
	for len(q.media) > 0 && now.Sub(q.media[0].at) > mediaAge {
		q.media[0].buf.Release()
		q.media = pop(q.media)
		dropped++
	}
	return dropped
}

// pop removes the first frame. An empty list gives its memory back.
func pop(list []tcpFrame) []tcpFrame {
	list[0] = tcpFrame{}
	if list = list[1:]; len(list) == 0 {
		return nil
	}
	return list
}

func (q *tcpQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// chunk is what the writer has taken in one go.
type chunk struct {
	list    []*packet.Buffer
	bytes   int
	dropped int  // media that was too old
	last    bool // nothing more will come
}

// take fills a chunk, which may take until timeout to be written.
func (q *tcpQueue) take(c *chunk, now time.Time, timeout time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*c = chunk{list: c.list[:0], dropped: q.expireLocked(now)}
	for len(q.urgent) > 0 && c.add(q.urgent[0].buf) {
		if q.urgent[0].stun {
			q.replies--
		}
		q.urgent = pop(q.urgent)
	}
	for len(q.urgent) == 0 && len(q.media) > 0 && c.add(q.media[0].buf) {
		q.media = pop(q.media)
	}
	c.last = q.closed && len(q.urgent)+len(q.media) == 0
	if len(c.list) > 0 {
		q.writing = true
		q.extendLocked(now.Add(timeout))
	}
}

func (q *tcpQueue) extendLocked(until time.Time) {
	if q.closed {
		until = q.until
	}
	_ = q.conn.SetWriteDeadline(until)
}

// endWrite ends the writing of a chunk and says whether it was interrupted by purge.
func (q *tcpQueue) endWrite(now time.Time) (interrupted bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	interrupted = q.interrupted
	q.writing, q.interrupted = false, false
	if interrupted {
		q.extendLocked(now.Add(lastWrite))
		q.letGo.Broadcast()
	}
	return interrupted
}

func (c *chunk) add(f *packet.Buffer) bool {
	if len(c.list) > 0 && c.bytes+len(f.B) > tcpChunk {
		return false
	}
	c.list, c.bytes = append(c.list, f), c.bytes+len(f.B)
	return true
}

// purge takes back what is queued, and what is being written as far as the kernel has not got it. When it
// returns, nothing of that will be sent any more but the end of a packet that has begun. Without that end the
// client could not find the packet that comes next.
func (q *tcpQueue) purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clearLocked()
	if !q.writing {
		return
	}
	q.interrupted = true
	_ = q.conn.SetWriteDeadline(time.Now())
	for q.interrupted {
		q.letGo.Wait()
	}
}

func (q *tcpQueue) clearLocked() {
	for _, list := range [][]tcpFrame{q.urgent, q.media} {
		for _, f := range list {
			f.buf.Release()
		}
	}
	q.urgent, q.media, q.replies = nil, nil, 0
}

// close ends adding. Queued frames may still get out before the time until.
func (q *tcpQueue) close(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed, q.until = true, until
	if !q.interrupted {
		q.extendLocked(until)
	}
	q.signal()
}

// drop ends adding and drops what is queued: the connection is gone.
func (q *tcpQueue) drop() {
	q.mu.Lock()
	q.closed = true
	q.clearLocked()
	q.mu.Unlock()
}

// setLowat keeps what waits in the kernel small, because there it can be neither overtaken nor taken back.
func setLowat(nc *net.TCPConn) {
	if raw, err := nc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, tcpLowat)
		})
	}
}

// send queues a DTLS datagram. It does not block.
func (c *tcpConn) send(b []byte) error { return c.out.addUrgent(b, false, c.t.ep.o.Limits.TCPQueue) }

// sendSTUN queues the answer to a check.
func (c *tcpConn) sendSTUN(b []byte) error {
	return c.out.addUrgent(b, true, c.t.ep.o.Limits.TCPQueue)
}

// sendMedia queues a sealed packet and counts what becomes of it.
func (c *tcpConn) sendMedia(b []byte) {
	count := &c.t.ep.count
	dropped, err := c.out.addMedia(b, c.t.ep.o.Limits.TCPQueue, time.Now())
	count.dropN(DropSlowReader, dropped)
	if err != nil {
		count.drop(DropSlowReader)
		return
	}
	count.packetsOut.Add(1)
	count.bytesOut.Add(uint64(len(b)))
}

// close ends the connection, and lets what is queued out for a moment. It does not wait.
func (c *tcpConn) close() { c.out.close(time.Now().Add(lastWrite)) }

// lastWrite is how long a connection that was closed has for its last words.
const lastWrite = time.Second

// write sends what is queued until the connection ends.
func (c *tcpConn) write() {
	defer c.nc.Close() // also wakes the reader
	var part chunk
	for {
		c.out.take(&part, time.Now(), c.t.ep.o.Timers.TCPWrite)
		c.t.ep.count.dropN(DropSlowReader, part.dropped)
		err := c.writeChunk(part.list)
		for _, f := range part.list {
			f.Release()
		}
		switch {
		case err != nil:
			c.out.drop()
			return
		case part.last:
			return
		case len(part.list) == 0:
			<-c.out.wake
		}
	}
}

func (c *tcpConn) writeChunk(list []*packet.Buffer) error {
	if len(list) == 0 {
		return nil
	}
	bufs := make(net.Buffers, len(list))
	for i, f := range list {
		bufs[i] = f.B
	}
	_, err := bufs.WriteTo(c.nc)
	if !c.out.endWrite(time.Now()) || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if len(bufs) > 0 && len(bufs[0]) < len(list[len(list)-len(bufs)].B) { // begun
		_, err := c.nc.Write(bufs[0])
		return err
	}
	return nil
}
