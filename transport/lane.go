package transport

import (
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

// Lanes spread the sealing and sending for a large room over the cores. The room's decisions on a packet and
// a subscriber take a twentieth of what sealing and the kernel's send path take. So the room stays one
// goroutine with one state, and only the work behind it is shared out.
//
// Each peer belongs to one lane, and each lane has its own socket. The first lane is the room's goroutine
// itself. The others take drafts: plain packets in the order of sending. A sender seals and sends them; the
// endpoint has as many senders as sockets. If no sender is idle, the room's goroutine does the work on the
// spot. Flush waits for all of it, so that what a room has said of the past is true on the wire.

const (
	// lanePeers is how many peers a room has for each lane. With fewer, rooms wake other cores for a handful
	// of packets. With 64, a hundred subscribers took 5.1–6.0 µs per packet instead of 4.2–5.0, and got
	// nothing sooner. With more, a room stays on one core for longer: with one lane, the packets of 300 take
	// half as long again to get out.
	lanePeers = 160
	// draftLen is how many packets are handed over at a time. Fewer wake senders more often. More has them
	// begin later and holds 1.5 KB for each.
	draftLen = 32
	// maxDrafts is how many full drafts may wait for a sender before the room waits. More would only hold
	// memory.
	maxDrafts = 3
)

// lane is the way out for some peers of a room: a batch that is sealed into and sent by sendmmsg.
type lane struct {
	ep    *Endpoint
	sock  *socket
	away  bool // not the room's own goroutine: it takes drafts
	peers int  // guarded by Writer.mu

	mu     sync.Mutex  // and the sealing of the lane's peers
	batch  *egress     // nil: nothing queued
	header rtp.Header  // scratch
	rtcp   rtcp.Header // scratch

	draft  *draft // of the room's goroutine; nil: nothing in it
	drafts draftQueue
}

// draftQueue is the drafts that wait for a sender.
type draftQueue struct {
	mu     sync.Mutex
	change sync.Cond // on mu: fewer drafts, or idle
	list   []*draft  // the oldest first
	busy   bool      // a sender has the lane, or is about to
}

// draft holds packets that are to be sealed.
type draft struct {
	n     int
	peers [draftLen]*Peer
	sizes [draftLen]int
	rtcp  [draftLen]bool
	arena [draftLen][packet.Size]byte
}

var draftPool = sync.Pool{New: func() any { return new(draft) }}

func newLane(e *Endpoint, s *socket, away bool) *lane {
	l := &lane{ep: e, sock: s, away: away}
	l.drafts.change.L = &l.drafts.mu
	return l
}

// copyToDraft adds a packet to the draft. Only the room's goroutine calls it.
func (l *lane) copyToDraft(p *Peer, header, payload []byte, isRTCP bool) {
	n := len(header) + len(payload)
	if n > packet.Size {
		l.ep.count.drop(DropSealFailed)
		return
	}
	d := l.draft
	if d == nil {
		d = draftPool.Get().(*draft)
		l.draft = d
	}
	slot := d.arena[d.n][:]
	copy(slot, header)
	copy(slot[len(header):], payload)
	d.peers[d.n], d.sizes[d.n], d.rtcp[d.n] = p, n, isRTCP
	if d.n++; d.n == draftLen {
		l.handOver()
	}
}

// handOver gives the draft to a sender, or does its work if none is idle.
func (l *lane) handOver() {
	if l.draft == nil {
		return
	}
	q := &l.drafts
	q.mu.Lock()
	for len(q.list) >= maxDrafts {
		q.change.Wait()
	}
	q.list = append(q.list, l.draft)
	l.draft = nil
	idle := !q.busy
	q.busy = true
	q.mu.Unlock()
	if !idle {
		return
	}
	select {
	case l.ep.lanes <- l:
	default:
		l.work()
	}
}

// work seals and sends drafts until there are none.
func (l *lane) work() {
	q := &l.drafts
	for {
		q.mu.Lock()
		if len(q.list) == 0 {
			q.busy = false
			q.change.Broadcast()
			q.mu.Unlock()
			return
		}
		d := q.list[0]
		q.list = append(q.list[:0], q.list[1:]...)
		q.change.Broadcast()
		q.mu.Unlock()
		l.send(d)
	}
}

// send seals and sends a draft.
func (l *lane) send(d *draft) {
	l.mu.Lock()
	for i := range d.n {
		l.sealLocked(d.peers[i], d.arena[i][:d.sizes[i]], d.rtcp[i])
		d.peers[i] = nil
	}
	l.flushLocked()
	l.mu.Unlock()
	d.n = 0
	draftPool.Put(d)
}

// wait returns when everything handed over has been sent.
func (l *lane) wait() {
	q := &l.drafts
	q.mu.Lock()
	for q.busy {
		q.change.Wait()
	}
	q.mu.Unlock()
}

// flushLocked sends the batch.
func (l *lane) flushLocked() {
	if l.batch == nil {
		return
	}
	before := l.sock.gso.Load()
	l.batch.flush(l.sock, &l.ep.count)
	egressPool.Put(l.batch)
	l.batch = nil
	if before && !l.sock.gso.Load() {
		l.ep.log.Info().Msg("segmentation offload refused by the kernel; sending without it")
	}
}

// runSender serves lanes of rooms until stop is closed.
func (e *Endpoint) runSender(stop <-chan struct{}) {
	for {
		select {
		case l := <-e.lanes:
			l.work()
		case <-stop:
			return
		}
	}
}
