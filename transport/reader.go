package transport

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"parlor/packet"
)

// reader reads one UDP socket, on a goroutine of its own.
type reader struct {
	in    *ingress
	sock  *socket
	ring  *receiveRing
	slots []*packet.Buffer // where the next read goes

	stopped atomic.Bool // a flood must not keep drain from ending
}

// maxReadErrors is how many failed reads in a row end a drain. One error may be left over from a send, and
// the read clears it. More failed reads would spin.
const maxReadErrors = 3

func newReader(e *Endpoint, s *socket) *reader {
	return &reader{
		sock: s, slots: make([]*packet.Buffer, batchLen),
		in: &ingress{ep: e, sock: s, errors: new(tokens), arrivals: make([]arrival, batchLen)},
	}
}

// run reads until stop.
func (r *reader) run() {
	r.ring = newReceiveRing(r.sock.any)
	r.refill(r.slots)
	// The wait fails once the socket's watch is closed, which is how it ends.
	err := r.sock.waiter.Read(func(uintptr) bool {
		r.drain()
		return r.stopped.Load() // otherwise wait for more
	})
	if !r.stopped.Load() {
		r.in.ep.log.Error().Err(err).Msg("a UDP socket is not read any more; restart the node")
	}
	for _, b := range r.slots {
		b.Release()
	}
}

// drain reads until nothing is left or the reader is stopped.
func (r *reader) drain() {
	for failed := 0; failed < maxReadErrors && !r.stopped.Load(); {
		n, errno := r.ring.read(r.sock.fd)
		switch errno {
		case 0:
			failed = 0
			r.process(r.slots, n, time.Now())
			if n < batchLen {
				return // that was all; what has come since, the poller has noticed
			}
		case unix.EAGAIN:
			return
		case unix.EINTR:
		default:
			failed++
			r.in.ep.log.Error().Err(errno).Msg("reading the UDP socket failed")
		}
	}
}

// process works on the n datagrams of a read and provides new buffers for those that were handed on.
func (r *reader) process(slots []*packet.Buffer, n int, at time.Time) {
	list, kept := r.in.arrivals, 0
	for i := range n {
		size, cut := r.ring.length(i)
		if cut {
			r.in.ep.count.drop(DropOversized)
			continue
		}
		slots[i].B = slots[i].B[:size]
		list[kept] = arrival{buf: slots[i], from: addrFromSockaddr(&r.ring.from[i]), local: r.ring.local(i)}
		slots[i] = nil
		kept++
	}
	r.in.process(kept, at)
	free := 0
	for i := range list[:kept] {
		if b := list[i].buf; b != nil {
			for slots[free] != nil {
				free++
			}
			b.B = b.B[:packet.Size]
			slots[free] = b
		}
		list[i] = arrival{}
	}
	r.refill(slots[:n])
}

// refill provides buffers for the first slots.
func (r *reader) refill(slots []*packet.Buffer) {
	for i := range slots {
		if slots[i] == nil {
			slots[i] = packet.Get()
		}
		r.ring.setBuffer(i, slots[i])
	}
}

// stop makes run return.
func (r *reader) stop() {
	r.stopped.Store(true)
	r.sock.stopReading()
}
