package transport

import (
	"encoding/binary"
	"sync"

	"github.com/pion/srtp/v3"

	"parlor/packet"
)

// rtpHeader is the size of the fixed part of an RTP header.
const rtpHeader = 12

// Writer is the way out for the peers of one room, by one lane or several (lane.go). It belongs to the
// goroutine of that room. Nobody contends for the locks in the steady state. They are there for the moments
// in which another goroutine connects, moves or closes a peer.
type Writer struct {
	ep    *Endpoint
	first int // index of the first lane's socket

	mu    sync.Mutex // the lanes' numbers of peers, too
	lanes []*lane
	peers int
}

// sealing is the way out of one peer: where its packets go, and under which keys. All but writer and lane is
// guarded by lane.mu. dest is written with Peer.mu held as well, so it may be read under either.
type sealing struct {
	writer    *Writer
	lane      *lane                // of writer
	out       *srtp.Context        // the one holder of each SRTP and SRTCP sending index
	dest      *path                // nil: not connected
	sequences map[uint32]*sequence // by SSRC, of RTP
}

// NewWriter returns a Writer. It holds no resources while nothing is queued, and need not be closed.
func (e *Endpoint) NewWriter() *Writer {
	w := &Writer{ep: e, first: int(e.writers.Add(1))}
	w.lanes = []*lane{newLane(e, w.socket(0), false)}
	return w
}

// socket returns the socket of lane i.
func (w *Writer) socket(i int) *socket { return w.ep.sockets[(w.first+i)%len(w.ep.sockets)] }

// assign gives a new peer its lane. The size of the room decides how many lanes there are, and the peer gets
// the one with the fewest peers.
func (w *Writer) assign() *lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers++
	for i := len(w.lanes); i < min(1+w.peers/lanePeers, len(w.ep.sockets)); i++ {
		w.lanes = append(w.lanes, newLane(w.ep, w.socket(i), true))
	}
	least := w.lanes[0]
	for _, l := range w.lanes {
		if l.peers < least.peers {
			least = l
		}
	}
	least.peers++
	return least
}

// unassign takes a peer off its lane.
func (w *Writer) unassign(l *lane) {
	w.mu.Lock()
	w.peers--
	l.peers--
	w.mu.Unlock()
}

// Flush sends what is queued and returns when it is sent. A room calls it at the end of what it does in one
// go. A full batch is sent by itself.
func (w *Writer) Flush() {
	w.mu.Lock()
	lanes := w.lanes // grows only
	w.mu.Unlock()
	own, away := lanes[0], lanes[1:]
	for _, l := range away {
		l.handOver()
	}
	own.mu.Lock()
	own.flushLocked()
	own.mu.Unlock()
	for _, l := range away {
		l.wait()
	}
}

// SendRTP seals one RTP packet into the batch of the peer's lane. header must be a whole RTP header. The
// bytes are not kept. Only the goroutine that owns the Writer calls it. Before the peer is connected, after
// it is lost and after Close the packet is dropped and counted.
//
// Two different packets must never have the same SSRC, rollover counter and sequence number (AES-GCM,
// RFC 7714 section 8.2): the caller sees to it. A packet that is too far from those sent before on its SSRC
// is refused. Dropped packets do not count as sent. See sequence.go.
func (p *Peer) SendRTP(header, payload []byte) {
	l := p.lane
	if l.away {
		l.copyToDraft(p, header, payload, false)
		return
	}
	l.mu.Lock()
	l.sealRTPLocked(p, header, payload)
	l.mu.Unlock()
}

// SendRTCP seals one compound RTCP packet into the batch of the peer's lane. The rules of SendRTP hold.
func (p *Peer) SendRTCP(compound []byte) {
	l := p.lane
	if l.away {
		l.copyToDraft(p, nil, compound, true)
		return
	}
	l.mu.Lock()
	l.sealRTCPLocked(p, compound)
	l.mu.Unlock()
}

// sealLocked seals a packet of a draft.
func (l *lane) sealLocked(p *Peer, plain []byte, isRTCP bool) {
	if isRTCP {
		l.sealRTCPLocked(p, plain)
		return
	}
	if !l.prepareRTPLocked(p, plain, len(plain)) {
		return
	}
	sealed, err := p.out.EncryptRTP(l.batch.slot(), plain, &l.header)
	l.commitLocked(p, sealed, err)
}

func (l *lane) sealRTPLocked(p *Peer, header, payload []byte) {
	n := len(header) + len(payload)
	if !l.prepareRTPLocked(p, header, n) {
		return
	}
	slot := l.batch.slot()
	copy(slot, header)
	copy(slot[len(header):], payload)
	sealed, err := p.out.EncryptRTP(slot, slot[:n], &l.header)
	l.commitLocked(p, sealed, err)
}

// prepareRTPLocked provides a batch with a free slot for an RTP packet of n bytes. It returns false if the
// packet cannot be sealed.
func (l *lane) prepareRTPLocked(p *Peer, header []byte, n int) bool {
	if !l.prepareLocked(p, n) {
		p.followLocked(header)
		return false
	}
	if !p.admitLocked(header) {
		l.ep.count.drop(DropSequenceJump)
		return false
	}
	return true
}

func (l *lane) sealRTCPLocked(p *Peer, compound []byte) {
	if !l.prepareLocked(p, len(compound)) {
		return
	}
	slot := l.batch.slot()
	copy(slot, compound)
	sealed, err := p.out.EncryptRTCP(slot, slot[:len(compound)], &l.rtcp)
	l.commitLocked(p, sealed, err)
}

// admitLocked says whether a packet may be sealed as far as its sequence number goes. If header is not a
// whole RTP header, refusing it is left to the sealing.
func (s *sealing) admitLocked(header []byte) bool {
	if len(header) < rtpHeader {
		return true
	}
	ssrc, seq := binary.BigEndian.Uint32(header[8:]), binary.BigEndian.Uint16(header[2:])
	if q := s.sequences[ssrc]; q != nil {
		return q.admit(seq)
	}
	if s.sequences == nil {
		s.sequences = map[uint32]*sequence{}
	}
	s.sequences[ssrc] = newSequence(seq)
	return true
}

// followLocked notes the sequence number of a packet that is not sent.
func (s *sealing) followLocked(header []byte) {
	if len(s.sequences) == 0 || len(header) < rtpHeader {
		return
	}
	if q := s.sequences[binary.BigEndian.Uint32(header[8:])]; q != nil {
		q.follow(binary.BigEndian.Uint16(header[2:]))
	}
}

// prepareLocked provides a batch with a free slot for n bytes to p. It returns false if they cannot be
// sealed.
func (l *lane) prepareLocked(p *Peer, n int) bool {
	if p.out == nil || p.dest == nil {
		l.ep.count.drop(DropNotConnected)
		return false
	}
	if n > packet.Size {
		l.ep.count.drop(DropSealFailed)
		return false
	}
	if !p.dest.charge(n + sealOverhead) {
		l.ep.count.drop(DropPathUnproven)
		return false
	}
	if l.batch == nil {
		l.batch = egressPool.Get().(*egress)
	}
	return true
}

func (l *lane) commitLocked(p *Peer, sealed []byte, err error) {
	switch {
	case err != nil:
		l.ep.count.drop(DropSealFailed)
	case p.dest.tcp != nil:
		p.dest.tcp.sendMedia(sealed)
	default:
		l.batch.commit(p.dest, len(sealed))
		if l.batch.full() {
			l.flushLocked()
		}
	}
}

// setDest says where a peer's packets go. nil takes back what is queued for it.
func (l *lane) setDest(p *Peer, to *path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.dest = to
	if to == nil && l.batch != nil {
		l.batch.revoke(p)
	}
}

// setOut gives a peer its sending keys, or takes them away.
func (l *lane) setOut(p *Peer, out *srtp.Context) {
	l.mu.Lock()
	p.out = out
	l.mu.Unlock()
}
