package router

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parlor/packet"
)

// FuzzCore has a room take in what a peer may send: the input is cut into datagrams, each with a byte that says from whom, whether it
// is RTCP, and how much time goes by. Nothing may panic, every number is used once, every buffer is given back.
func FuzzCore(f *testing.F) {
	add := func(parts ...[]byte) {
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
	add(media(0, 1, 0x10, 0, 0), media(4, 3, 0x00, 1), media(8, 2, 0x10, 1),
		control(&rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: []rtcp.NackPair{{PacketID: 7, LostPackets: 0xffff}}}),
		control(&rtcp.PictureLossIndication{MediaSSRC: 5000}), media(0, 40000), media(0, 40001), media(0, 40002, 0x10, 0))
	add(media(0, 1, 0x90, 0xf0, 0x81, 2, 3, 4, 0), control(&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000, LastSenderReport: 1}}}))
	f.Fuzz(func(t *testing.T, in []byte) {
		w := newWorld(t)
		out := &uniqueOut{t: t, sent: map[uint64]string{}}
		sec := seatVideo("5", 5000)
		w.must(w.c.attach(1, 1, &wire{}, w.now))
		w.must(w.c.update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}, w.now))
		w.must(w.c.ready(1, w.now))
		w.must(w.c.attach(2, 2, out, w.now))
		w.must(w.c.update(2, []packet.Section{sec}, nil, w.now))
		w.must(w.c.ready(2, w.now))
		w.watch(2, "5", 1, Camera, High)
		for len(in) >= 3 {
			kind, n := in[0], min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3, packet.Size)
			w.deliver(packet.PeerID(1+kind&1), kind&2 != 0, in[3:3+n])
			w.pass(time.Duration(kind>>2) * time.Millisecond)
			in = in[3+n:]
		}
		w.must(w.c.detach(1, w.now))
		w.must(w.c.detach(2, w.now))
	})
}

// uniqueOut fails when a number is used for two packets.
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
