package transport

import (
	"encoding/binary"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parlor/packet"
)

// rtpHeader is the size of the fixed part of an RTP header.
const rtpHeader = 12

// Writer is the way out for the peers of one room: a batch that is sealed into and sent by sendmmsg. It belongs to the
// goroutine of that room; the mutex, which nobody contends for in the steady state, is there for the moments in which
// another goroutine connects, moves or closes a peer.
type Writer struct {
	ep   *Endpoint
	sock *socket

	mu     sync.Mutex
	batch  *egress     // nil: nothing queued
	header rtp.Header  // scratch
	rtcp   rtcp.Header // scratch
}

// NewWriter returns a Writer; it holds no resources while nothing is queued and need not be closed.
func (e *Endpoint) NewWriter() *Writer {
	n := e.writers.Add(1)
	return &Writer{ep: e, sock: e.sockets[int(n)%len(e.sockets)]}
}

// Flush sends what is queued. A room calls it at the end of what it does in one go; a full batch is sent by itself.
func (w *Writer) Flush() {
	w.mu.Lock()
	w.flushLocked()
	w.mu.Unlock()
}

func (w *Writer) flushLocked() {
	if w.batch == nil {
		return
	}
	before := w.sock.gso.Load()
	w.batch.flush(w.sock, &w.ep.count)
	egressPool.Put(w.batch)
	w.batch = nil
	if before && !w.sock.gso.Load() {
		w.ep.log.Info().Msg("segmentation offload refused by the kernel; sending without it")
	}
}

// SendRTP seals one RTP packet into the batch of the peer's Writer; header must be a whole RTP header. The bytes are not
// kept. Only the goroutine that owns the Writer calls it. Before the peer is connected, after it is lost and after Close
// the packet is dropped and counted. Two different packets must never have the same SSRC, rollover counter and sequence
// number: the caller sees to it (AES-GCM, RFC 7714 section 8.2). A packet that is too far from those sent before on its
// SSRC, dropped ones not counting as sent, is refused: see sequence.go.
func (p *Peer) SendRTP(header, payload []byte) {
	w := p.writer
	w.mu.Lock()
	w.sealRTPLocked(p, header, payload)
	w.mu.Unlock()
}

// SendRTCP seals one compound RTCP packet into the batch of the peer's Writer. The rules of SendRTP hold.
func (p *Peer) SendRTCP(compound []byte) {
	w := p.writer
	w.mu.Lock()
	w.sealRTCPLocked(p, compound)
	w.mu.Unlock()
}

func (w *Writer) sealRTPLocked(p *Peer, header, payload []byte) {
	n := len(header) + len(payload)
	if !w.acceptLocked(p, n) {
		p.followLocked(header)
		return
	}
	if !p.admitLocked(header) {
		w.ep.count.drop(DropSequenceJump)
		return
	}
	slot := w.batch.slot()
	copy(slot, header)
	copy(slot[len(header):], payload)
	sealed, err := p.out.EncryptRTP(slot, slot[:n], &w.header)
	w.queueLocked(p, sealed, err)
}

func (w *Writer) sealRTCPLocked(p *Peer, compound []byte) {
	if !w.acceptLocked(p, len(compound)) {
		return
	}
	slot := w.batch.slot()
	copy(slot, compound)
	sealed, err := p.out.EncryptRTCP(slot, slot[:len(compound)], &w.rtcp)
	w.queueLocked(p, sealed, err)
}

// admitLocked says whether a packet may be sealed as far as its sequence number goes. What is no header is left to the sealing
// to refuse.
func (p *Peer) admitLocked(header []byte) bool {
	if len(header) < rtpHeader {
		return true
	}
	ssrc, seq := binary.BigEndian.Uint32(header[8:]), binary.BigEndian.Uint16(header[2:])
	if s := p.sent[ssrc]; s != nil {
		return s.admit(seq)
	}
	if p.sent == nil {
		p.sent = map[uint32]*sequence{}
	}
	p.sent[ssrc] = newSequence(seq)
	return true
}

// followLocked notes the sequence number of a packet that is not sent.
func (p *Peer) followLocked(header []byte) {
	if len(p.sent) == 0 || len(header) < rtpHeader {
		return
	}
	if s := p.sent[binary.BigEndian.Uint32(header[8:])]; s != nil {
		s.follow(binary.BigEndian.Uint16(header[2:]))
	}
}

// acceptLocked says whether n bytes can be sealed for p, and provides a batch with a free slot if so.
func (w *Writer) acceptLocked(p *Peer, n int) bool {
	if p.out == nil || p.dest == nil {
		w.ep.count.drop(DropNotConnected)
		return false
	}
	if n > packet.Size {
		w.ep.count.drop(DropSealFailed)
		return false
	}
	if w.batch == nil {
		w.batch = egressPool.Get().(*egress)
	}
	return true
}

func (w *Writer) queueLocked(p *Peer, sealed []byte, err error) {
	switch {
	case err != nil:
		w.ep.count.drop(DropSealFailed)
	case p.dest.tcp != nil:
		p.dest.tcp.sendMedia(sealed)
	default:
		w.batch.commit(p.dest, len(sealed))
		if w.batch.full() {
			w.flushLocked()
		}
	}
}

// setDest says where a peer's packets go; nil takes back what is queued for it.
func (w *Writer) setDest(p *Peer, to *path) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.dest = to
	if to == nil && w.batch != nil {
		w.batch.revoke(p)
	}
}

// setOut gives a peer its sending keys, or takes them away.
func (w *Writer) setOut(p *Peer, out *srtp.Context) {
	w.mu.Lock()
	p.out = out
	w.mu.Unlock()
}
