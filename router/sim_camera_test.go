package router

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/clock"
)

// The publishers of the simulation.

// camera is a publisher of simulcast VP8.
type camera struct {
	s      *sim
	id     packet.PeerID
	member MemberID
	layers []*camLayer
	clock  int64 // its clock, ahead of the node's
	silent int   // this layer and those above send nothing
	scaled bool  // with three temporal layers
}

// made is a packet, and what is in it.
type made struct {
	raw  []byte
	what origin
}

type camLayer struct {
	sender
	rtxSeq  uint16
	frameNo uint32
	keyNo   uint32 // frameNo of the last keyframe
	size    int
	wantKey bool
	history map[uint16]made
}

func (s *sim) camera(id packet.PeerID, m MemberID, sizes ...int) *camera {
	sec := pubVideo("v")
	rids := []string{"l", "m", "h"}
	if len(sizes) > 1 {
		sec.RIDs = rids[:len(sizes)]
	}
	k := &camera{s: s, id: id, member: m, clock: int64(m) * 1e12, silent: len(sizes)}
	for i, n := range sizes {
		ssrc := uint32(id)*1000 + uint32(i)*10
		l := &camLayer{sender: *s.vp8(id, ssrc), size: n, wantKey: true, history: map[uint16]made{}}
		l.mid = "v"
		if len(sizes) > 1 {
			l.rid = rids[i]
		}
		l.ts = s.rng.Uint32()
		l.seq = uint16(s.rng.Uint32())
		k.layers = append(k.layers, l)
	}
	s.must(s.c.attach(id, m, k, s.now))
	s.must(s.c.update(id, []packet.Section{sec}, map[string]Source{"v": Camera}, s.now))
	s.must(s.c.ready(id, s.now))
	s.cams = append(s.cams, k)
	s.frames(k)
	s.reports(k)
	return k
}

func (k *camera) SendRTP(_, _ []byte) { k.s.t.Error("RTP to a publisher") }

func (k *camera) SendRTCP(b []byte) {
	ps, err := rtcp.Unmarshal(bytes.Clone(b))
	k.s.must(err)
	k.s.send(k.id, true, len(b)+wireOverhead, func() {
		for _, p := range ps {
			k.feedback(p)
		}
	})
}

func (k *camera) feedback(p rtcp.Packet) {
	switch r := p.(type) {
	case *rtcp.PictureLossIndication:
		for _, l := range k.layers {
			l.wantKey = l.wantKey || l.ssrc == r.MediaSSRC
		}
	case *rtcp.TransportLayerNack:
		for _, l := range k.layers {
			for _, n := range r.Nacks {
				for _, seq := range n.PacketList() {
					if m, ok := l.history[seq]; ok && l.ssrc == r.MediaSSRC {
						k.s.wire(k.id, l.repair(m.raw), m.what)
					}
				}
			}
		}
	}
}

// repair wraps a packet into a retransmission.
func (l *camLayer) repair(raw []byte) []byte {
	var p rtp.Packet
	l.w.must(p.Unmarshal(raw))
	p.Payload = append(binary.BigEndian.AppendUint16(nil, p.SequenceNumber), p.Payload...)
	p.SequenceNumber, p.SSRC, p.PayloadType = l.rtxSeq, l.ssrc+1, vp8.RTX
	l.rtxSeq++
	if l.rid != "" {
		l.w.must(p.DelExtension(pubExt.RID))
		l.w.must(p.SetExtension(pubExt.RepairedRID, []byte(l.rid)))
	}
	out, err := p.Marshal()
	l.w.must(err)
	return out
}

// frames sends a frame of each layer 25 times a second.
func (s *sim) frames(k *camera) {
	if s.c.peers[k.id] == nil {
		return
	}
	for i, l := range k.layers {
		if i < k.silent {
			for _, m := range k.next(l, byte(i)) {
				s.wire(k.id, m.raw, m.what)
			}
		}
		l.ts += 3600
	}
	s.after(40*time.Millisecond, func() { s.frames(k) })
}

// next makes a frame whose packets tell their member, layer and frame, and which packet of how many they are.
func (k *camera) next(l *camLayer, layer byte) []made {
	key, n := l.wantKey, l.size
	l.wantKey = false
	if key {
		l.key++
		n *= k.s.keys
	}
	l.frameNo++
	tid, sync, refs := k.refer(l, key)
	if tid == 0 {
		l.tl0++
	}
	var packets []made
	for i := range n {
		b := append(l.vp8Desc(i == 0), 1, byte(k.member), layer, byte(i), byte(n))
		b[5] |= tid<<6 | sync<<5
		if key {
			b[6] = 0
		}
		b = binary.BigEndian.AppendUint32(b, l.frameNo)
		b = append(b, byte(refs[0]), byte(refs[1]), tid)
		b = append(b, make([]byte, k.s.pad)...)
		seq := l.seq
		raw := l.packet(i == n-1, b)
		packets = append(packets, made{raw, origin{truth{byte(k.member), layer}, l.frameNo, byte(i)}})
		l.history[seq] = packets[i]
		delete(l.history, seq-600)
	}
	l.pid = (l.pid + 1) & 0x7fff
	return packets
}

// reportSize is the size of a report on the network.
const reportSize = 28 + wireOverhead

func (s *sim) reports(k *camera) {
	if s.c.peers[k.id] == nil {
		return
	}
	for _, l := range k.layers {
		sr := &rtcp.SenderReport{SSRC: l.ssrc, NTPTime: clock.ToNTP(s.now + k.clock), RTPTime: l.ts}
		s.send(k.id, false, reportSize, func() { s.rtcp(k.id, sr) })
	}
	s.after(300*time.Millisecond, func() { s.reports(k) })
}
