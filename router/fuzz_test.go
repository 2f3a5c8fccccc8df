package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
	"parlor/router/seqmap"
)

// FuzzCore has a room take in what a peer may send. The input is cut into datagrams. A byte of each says from
// whom it is, whether it is RTCP, and how much time goes by. Datagrams without time between them come in one
// batch. Nothing may panic, every number is used once, every buffer is given back.
func FuzzCore(f *testing.F) {
	seed := func(parts ...[]byte) {
		var in []byte
		for _, p := range parts {
			in = append(binary.BigEndian.AppendUint16(append(in, p[0]), uint16(len(p)-1)), p[1:]...)
		}
		f.Add(in)
	}
	media := func(kind byte, seq uint16, payload ...byte) []byte {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: vp8.PT, SSRC: 100, SequenceNumber: seq}, Payload: payload}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{kind}, raw...)
	}
	control := func(p rtcp.Packet) []byte {
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{3}, raw...)
	}
	seed(media(0, 1, 0x10, 0, 0), media(4, 3, 0x00, 1), media(8, 2, 0x10, 1),
		control(&rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: 7, LostPackets: 0xffff}}}),
		control(&rtcp.PictureLossIndication{MediaSSRC: 5000}), media(0, 40000), media(0, 40001), media(0, 40002, 0x10, 0))
	seed(media(0, 1, 0x90, 0xf0, 0x81, 2, 3, 4, 0), control(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000, LastSenderReport: 1}}}))
	feedback := func(reference uint32, base uint16) rtcp.Packet {
		return &rtcp.TransportLayerCC{Header: rtcp.Header{Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: 5},
			BaseSequenceNumber: base, PacketStatusCount: 3, ReferenceTime: reference,
			PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{Type: rtcp.TypeTCCRunLengthChunk, PacketStatusSymbol: 1, RunLength: 2}},
			RecvDeltas:   []*rtcp.RecvDelta{{Type: 1, Delta: 250}, {Type: 1, Delta: 500}}}
	}
	late := func(b []byte) []byte { return append([]byte{b[0] | 63<<2}, b[1:]...) }
	seed(media(0, 1, 0x10, 0, 0), late(media(0, 2, 1)), control(feedback(5, 0)), late(control(feedback(1<<23+5, 0))), control(feedback(4, 65535)),
		late(control(&rtcp.ExtendedReport{SenderSSRC: 5, Reports: []rtcp.ReportBlock{&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 1 << 40},
			&rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{{SSRC: 1, LastRR: 9, DLRR: 9}}}}})), media(0, 3, 1))
	speech := func(kind byte, pt uint8, seq uint16, payload ...byte) []byte {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SSRC: 200, SequenceNumber: seq}, Payload: payload}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{kind}, raw...)
	}
	asked := control(&rtcp.TransportLayerNack{MediaSSRC: 7000, Nacks: []rtcp.NackPair{{LostPackets: 0xffff}}})
	seed(speech(20<<2, opus.PT, 1, 0xfc, 1), speech(20<<2, opusRED.PT, 3, 0xef, 0, 4, 1, 111, 7, 8), asked, speech(20<<2, opus.PT, 2, 0xfc, 2), asked,
		control(feedback(5, 0)), late(asked), speech(0, opusRED.PT, 4, 111, 9), late(asked))
	var many [][]byte // more than there are places for
	for seq := range uint16(2 * maxSlots) {
		payload := []byte{0x10, byte(seq % 33), 0}
		many = append(many, media(0, seq, payload[:seq%4]...))
		if seq%5 == 0 {
			many = append(many, control(&rtcp.TransportLayerNack{MediaSSRC: 5000 + 1000*uint32(seq&1), Nacks: []rtcp.NackPair{{LostPackets: 0xffff}}}))
		}
	}
	seed(many...)
	pictures := &layeredSender{sender: &sender{w: &world{t: &testing.T{}}, ssrc: 100, pt: vp9.PT, mid: "0"}}
	var layers [][]byte
	for i := range 12 {
		for k, raw := range pictures.next(i%7 == 0) {
			if i%3 != 1 || k != 1 {
				layers = append(layers, append([]byte{byte(k) / 3 * 33 << 2}, raw...))
			}
		}
		layers = append(layers, control(&rtcp.TransportLayerNack{MediaSSRC: 9000, Nacks: []rtcp.NackPair{{LostPackets: 0xffff}}}))
	}
	seed(layers...)
	f.Fuzz(func(t *testing.T, in []byte) {
		w := newWorld(t)
		out := &uniqueOut{t: t, sent: map[uint64]string{}}
		sec, exact := seatVideo("5", 5000), seatVideo("6", 6000)
		for i := range exact.Codecs {
			exact.Codecs[i].RTX = 0 // what is sent again are the very bytes
		}
		speech, sound := pubAudio("1", 200), seatSound("7", 7000)
		speech.Codecs = sound.Codecs
		w.must(w.c.attach(1, 1, &wire{}, w.now))
		w.must(w.c.update(1, []packet.Section{pubVideo("0", 100), speech}, map[string]Source{"0": Camera, "1": Mic}, w.now))
		w.must(w.c.ready(1, w.now))
		w.must(w.c.attach(2, 2, out, w.now))
		w.must(w.c.update(2, []packet.Section{sec, exact, sound, seatAudio("8", 8000), seatVideo("9", 9000)}, nil, w.now))
		w.must(w.c.ready(2, w.now))
		w.watch(2, "5", 1, Camera, High)
		w.watch(2, "6", 1, Camera, High)
		w.watch(2, "9", 1, Camera, Low)
		w.watch(2, "7", 1, Mic, High)
		w.watch(2, "8", 1, Mic, High)
		for _, s := range w.c.peers[2].down.sinks {
			s.seq = seqmap.New[rewrite](0) // so that an input means the same each time
		}
		b := packet.GetBatch(time.Unix(0, w.now))
		for len(in) >= 3 {
			kind, n := in[0], min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3, packet.Size)
			w.needs(2, uint16(kind)*0x0101, uint16(kind>>1)&0x25)
			add(b, packet.PeerID(1+kind&1), kind&2 != 0, in[3:3+n])
			if kind>>2 != 0 {
				w.take(b)
				w.pass(time.Duration(kind>>2) * time.Millisecond)
				b = packet.GetBatch(time.Unix(0, w.now))
			}
			in = in[3+n:]
		}
		w.take(b)
		w.must(w.c.detach(1, w.now))
		w.must(w.c.detach(2, w.now))
	})
}

// uniqueOut fails if a number is used for two packets.
type uniqueOut struct {
	t    *testing.T
	sent map[uint64]string
}

func (o *uniqueOut) SendRTP(h, p []byte) {
	key := uint64(binary.BigEndian.Uint32(h[8:]))<<16 | uint64(binary.BigEndian.Uint16(h[2:]))
	if old, ok := o.sent[key]; ok && old != string(h)+string(p) {
		o.t.Fatalf("two packets under %x:\n%x\n%x%x", key, old, h, p)
	}
	o.sent[key] = string(h) + string(p)
}

func (o *uniqueOut) SendRTCP([]byte) {}
