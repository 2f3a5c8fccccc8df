package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

// world drives a core under a clock of its own. It has publishers made by hand on one side, and captures on
// the other.
type world struct {
	t    *testing.T
	c    *core
	now  int64
	outs map[packet.PeerID]*capture

	steers bool  // clients that publish layers are told which to send
	late   int64 // for how long media have waited when they are taken in
}

const ms = int64(time.Millisecond)

func newWorld(t *testing.T) *world {
	w := &world{t: t, c: newCore(Options{}.withDefaults()), now: 1_700_000_000e9, outs: map[packet.PeerID]*capture{}}
	t.Cleanup(func() {
		w.c.sendRuns()
		if n := len(w.c.out.free); n != maxSlots {
			t.Errorf("%d places for packets are free in the end, not %d", n, maxSlots)
		}
		w.c.close()
	})
	return w
}

// capture is an Out that keeps all that is sent.
type capture struct {
	w    *world
	rtp  []*rtp.Packet
	at   []int64
	rtcp []rtcp.Packet
}

func (o *capture) SendRTP(header, payload []byte) {
	p := &rtp.Packet{}
	if err := p.Unmarshal(append(append([]byte(nil), header...), payload...)); err != nil {
		o.w.t.Errorf("sent RTP cannot be read: %v", err)
		return
	}
	o.rtp = append(o.rtp, p)
	o.at = append(o.at, o.w.now)
}

func (o *capture) SendRTCP(b []byte) {
	ps, err := rtcp.Unmarshal(append([]byte(nil), b...))
	if err != nil {
		o.w.t.Errorf("sent RTCP cannot be read: %v", err)
	}
	o.rtcp = append(o.rtcp, ps...)
}

func (o *capture) clear() { o.rtp, o.at, o.rtcp = nil, nil, nil }

// seqs returns the sequence numbers sent under an SSRC.
func (o *capture) seqs(ssrc uint32) []uint16 {
	var s []uint16
	for _, p := range o.rtp {
		if p.SSRC == ssrc {
			s = append(s, p.SequenceNumber)
		}
	}
	return s
}

func (o *capture) plis() int {
	n := 0
	for _, p := range o.rtcp {
		if _, ok := p.(*rtcp.PictureLossIndication); ok {
			n++
		}
	}
	return n
}

var (
	opus    = packet.Codec{Name: "OPUS", ClockRate: 48000, Channels: 2, PT: 111}
	opusRED = packet.Codec{Name: "RED", ClockRate: 48000, Channels: 2, PT: 63, Fmtp: "111/111"}
	vp8     = packet.Codec{Name: "VP8", ClockRate: 90000, PT: 96, RTX: 97, NACK: true, PLI: true, FIR: true, TransportCC: true}
	vp9     = packet.Codec{Name: "VP9", ClockRate: 90000, PT: 98, RTX: 99, NACK: true, PLI: true, FIR: true, Fmtp: "profile-id=0"}
	h264    = packet.Codec{Name: "H264", ClockRate: 90000, PT: 102, RTX: 103, NACK: true, PLI: true, FIR: true,
		Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}
	av1 = packet.Codec{Name: "AV1", ClockRate: 90000, PT: 45, RTX: 46, NACK: true, PLI: true, FIR: true}

	pubExt = packet.Extensions{MID: 4, RID: 10, RepairedRID: 11, AbsSendTime: 2, TransportCC: 3, AudioLevel: 1, VideoOrientation: 13,
		PlayoutDelay: 5, DependencyDescriptor: 12}
	subExt = packet.Extensions{MID: 9, AbsSendTime: 8, TransportCC: 7, AudioLevel: 6, VideoOrientation: 5, PlayoutDelay: 4,
		DependencyDescriptor: 3}
)

func pubVideo(mid string, ssrcs ...uint32) packet.Section {
	return packet.Section{MID: mid, Kind: packet.Video, Publish: true, Active: true, Codecs: []packet.Codec{vp8, vp9, h264, av1},
		Ext: pubExt, SSRCs: ssrcs}
}

func pubAudio(mid string, ssrcs ...uint32) packet.Section {
	return packet.Section{MID: mid, Kind: packet.Audio, Publish: true, Active: true, Codecs: []packet.Codec{opus}, Ext: pubExt, SSRCs: ssrcs}
}

func seatVideo(mid string, ssrc uint32) packet.Section {
	cs := []packet.Codec{vp8, vp9, h264, av1}
	for i := range cs {
		cs[i].PT += 10 // a receiver numbers differently
		cs[i].RTX += 10
	}
	return packet.Section{MID: mid, Kind: packet.Video, Active: true, Codecs: cs, Ext: subExt, SSRC: ssrc, RTXSSRC: ssrc + 1}
}

func seatAudio(mid string, ssrc uint32) packet.Section {
	return packet.Section{MID: mid, Kind: packet.Audio, Active: true, Codecs: []packet.Codec{opus}, Ext: subExt, SSRC: ssrc}
}

// seatSound is a seat that asks for lost sound, and takes RED.
func seatSound(mid string, ssrc uint32) packet.Section {
	s := seatAudio(mid, ssrc)
	s.Codecs = []packet.Codec{opus, opusRED}
	s.Codecs[0].NACK, s.Codecs[1].NACK = true, true
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// uncached makes the room do without the keyframe cache. The test is about something else, for which pictures
// have to wait.
func (w *world) uncached() { w.c.o.NoCache = true }

// join attaches a connected peer.
func (w *world) join(id packet.PeerID, m MemberID, publish map[string]Source, sections ...packet.Section) *capture {
	w.t.Helper()
	o := &capture{w: w}
	w.outs[id] = o
	w.must(w.c.attach(id, m, o, w.now))
	w.must(w.c.update(id, sections, publish, w.now))
	w.must(w.c.ready(id, w.now))
	return o
}

func (w *world) watch(id packet.PeerID, mid string, m MemberID, s Source, q Quality) {
	w.t.Helper()
	w.must(w.c.watch(id, mid, Want{Track: TrackKey{m, s}, Quality: q}, w.now))
}

// deliver makes the core take in raw packets of a peer.
func (w *world) deliver(id packet.PeerID, isRTCP bool, raws ...[]byte) {
	b := packet.GetBatch(time.Unix(0, w.now-w.late))
	for _, raw := range raws {
		add(b, id, isRTCP, raw)
	}
	w.take(b)
}

// add puts a copy of raw into a batch.
func add(b *packet.Batch, id packet.PeerID, isRTCP bool, raw []byte) {
	buf := packet.Get()
	buf.B = buf.B[:copy(buf.B, raw)]
	b.Add(id, buf, isRTCP)
}

// take makes the core take in a batch.
func (w *world) take(b *packet.Batch) {
	w.c.batch(b, w.now)
	w.c.sendRuns()
	b.Release()
	w.c.tick(w.now)
}

func (w *world) rtcp(id packet.PeerID, ps ...rtcp.Packet) {
	w.t.Helper()
	raw, err := rtcp.Marshal(ps)
	w.must(err)
	w.deliver(id, true, raw)
}

// pass lets time go by, and runs the timers that come due in it.
func (w *world) pass(d time.Duration) {
	end := w.now + int64(d)
	for n := 0; ; n++ {
		if n > 100_000 {
			w.t.Fatalf("timers come due without end: %v at %d", w.c.due, w.now)
		}
		next := w.c.next()
		if next == 0 || next > end {
			break
		}
		w.now = max(next, w.now)
		w.c.tick(w.now)
	}
	w.now = end
}

// sender makes the packets of one RTP stream of a publisher.
type sender struct {
	w        *world
	peer     packet.PeerID
	ssrc     uint32
	pt       uint8
	seq      uint16
	ts       uint32
	mid, rid string
	pid      uint16
	tl0      uint8
	key      uint8
	n        uint32 // packets made, written into the payload
}

// packet returns the next packet: raw bytes.
func (s *sender) packet(marker bool, payload []byte) []byte {
	s.n++
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: marker, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc},
		Payload: binary.BigEndian.AppendUint32(payload, s.n)}
	s.seq++
	if s.mid != "" {
		s.w.must(p.SetExtension(pubExt.MID, []byte(s.mid)))
	}
	if s.rid != "" {
		s.w.must(p.SetExtension(pubExt.RID, []byte(s.rid)))
	}
	raw, err := p.Marshal()
	s.w.must(err)
	return raw
}

// vp8Desc is a descriptor with a 15-bit picture id, TL0PICIDX and KEYIDX.
func (s *sender) vp8Desc(start bool) []byte {
	d := []byte{0x80, 0xf0, byte(s.pid>>8) | 0x80, byte(s.pid), s.tl0, s.key & 0x1f}
	if start {
		d[0] |= 0x10
	}
	return d
}

// frame returns the packets of a VP8 frame and goes on to the next one.
func (s *sender) frame(key bool, packets int) [][]byte {
	if key {
		s.key++
	}
	s.tl0++
	var raws [][]byte
	for i := range packets {
		d := append(s.vp8Desc(i == 0), 1)
		if key && i == 0 {
			d[len(d)-1] = 0
		}
		raws = append(raws, s.packet(i == packets-1, d))
	}
	s.pid = (s.pid + 1) & 0x7fff
	s.ts += 3000
	return raws
}

// keyframe returns the packet of a VP8 keyframe of a size, and goes on to the next frame.
func (s *sender) keyframe(width, height uint16) []byte {
	s.key++
	s.tl0++
	d := append(s.vp8Desc(true), 0, 0, 0, 0x9d, 0x01, 0x2a)
	d = binary.LittleEndian.AppendUint16(d, width)
	d = binary.LittleEndian.AppendUint16(d, height)
	raw := s.packet(true, d)
	s.pid = (s.pid + 1) & 0x7fff
	s.ts += 3000
	return raw
}

// padding returns a packet with nothing but padding.
func (s *sender) padding() []byte {
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc,
		Padding: true, PaddingSize: 200}}
	s.seq++
	raw, err := p.Marshal()
	s.w.must(err)
	return raw
}

// audio returns an Opus packet.
func (s *sender) audio() []byte {
	raw := s.packet(false, []byte{0xfc})
	s.ts += 960
	return raw
}

func (w *world) drops(d Drop) uint64 { return w.c.totals.Dropped[d] }

func (w *world) vp8(peer packet.PeerID, ssrc uint32) *sender {
	return &sender{w: w, peer: peer, ssrc: ssrc, pt: vp8.PT, seq: uint16(ssrc * 7), ts: ssrc * 1000, pid: uint16(ssrc * 13 & 0x7fff), tl0: uint8(ssrc)}
}
