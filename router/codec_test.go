package router

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"

	"parlor/packet"
)

func TestCodecChangeAndNoCodec(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	sec := seatVideo("5", 6000)
	sec.Codecs = sec.Codecs[:1]
	poor := w.join(4, 4, nil, sec)
	w.watch(3, "5", 1, Camera, High)
	w.watch(4, "5", 1, Camera, High)
	s := w.vp8(1, 100)
	w.deliver(1, false, s.frame(true, 1)...)
	s.pt = h264.PT
	w.deliver(1, false, s.packet(false, []byte{0x41, 1}), s.packet(true, []byte{0x67, 1}), s.packet(true, []byte{0x65, 1}))
	if len(sub.rtp) != 3 || sub.rtp[1].PayloadType != h264.PT+10 || sub.rtp[2].SequenceNumber != sub.rtp[0].SequenceNumber+2 {
		t.Errorf("after the change of codec: %v", sub.rtp)
	}
	old := w.vp8(1, 100)
	old.seq = s.seq - 4 // a packet of the codec before, late
	w.deliver(1, false, old.frame(true, 1)...)
	if n := len(sub.rtp); n != 3 || w.drops(DropPayloadType) != 1 {
		t.Errorf("late packet of the codec before: %d packets, drops %v", n, w.c.totals.Dropped)
	}
	if len(poor.rtp) != 1 || w.drops(DropCodec) == 0 {
		t.Errorf("%d packets to a receiver without the codec, %d counted", len(poor.rtp), w.drops(DropCodec))
	}
	if i := w.c.snapshot(0).Sinks[1]; !i.NoCodec || i.Feeding {
		t.Errorf("snapshot does not show it: %+v", i)
	}
	w.deliver(1, false, func() []byte { s.pt = 120; return s.packet(true, []byte{1}) }())
	if w.drops(DropPayloadType) != 2 {
		t.Error("unknown payload type is not counted")
	}
}

// An offer may drop the payload type in use or give it to another codec. Packets that come then must not go
// to decoders of the codec before.
func TestRenegotiationOfThePayloadTypeInUse(t *testing.T) {
	moved := h264
	moved.PT, moved.RTX = vp8.PT, vp8.RTX
	was, is := vp9, vp8
	was.PT, was.RTX, is.PT, is.RTX = vp8.PT, vp8.RTX, vp9.PT, vp9.RTX
	for name, x := range map[string]struct {
		codecs []packet.Codec
		pt     uint8
	}{
		"dropped":          {[]packet.Codec{h264}, h264.PT},
		"another codec":    {[]packet.Codec{moved}, vp8.PT},
		"two change place": {[]packet.Codec{was, is}, vp8.PT},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, _, sub := meeting(t)
			w.watch(3, "5", 1, Camera, High)
			w.deliver(1, false, s.frame(true, 1)...)
			sec := pubVideo("0", 100)
			sec.Codecs = x.codecs
			w.outs[1].clear()
			w.must(w.c.update(1, []packet.Section{sec}, map[string]Source{"0": Camera}, w.now))
			w.pass(time.Second)
			if w.outs[1].plis() == 0 {
				t.Error("no keyframe asked of the new codec")
			}
			s.pt = x.pt
			w.deliver(1, false, s.packet(true, []byte{0x41, 1}))
			if n := len(sub.rtp); n != 1 {
				t.Fatalf("%d packets of another codec in the middle of the stream", n-1)
			}
			if x.codecs[0].Name != "H264" {
				return
			}
			w.deliver(1, false, s.packet(true, []byte{0x67, 1}))
			if n := len(sub.rtp); n != 2 || sub.rtp[1].PayloadType != h264.PT+10 {
				t.Errorf("%d packets after the keyframe: %v", n-1, sub.rtp)
			}
		})
	}
	t.Run("the rest changes", func(t *testing.T) {
		w, s, _, sub := meeting(t)
		w.watch(3, "5", 1, Camera, High)
		w.deliver(1, false, s.frame(true, 1)...)
		sec := pubVideo("0", 100)
		sec.Codecs = sec.Codecs[:1]
		w.must(w.c.update(1, []packet.Section{sec}, map[string]Source{"0": Camera}, w.now))
		w.deliver(1, false, s.frame(false, 1)...)
		if len(sub.rtp) != 2 {
			t.Error("stopped though its payload type means the same")
		}
	})
}

func TestDependencyDescriptorGoesOn(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100))
	w.join(2, 2, map[string]Source{"v": Camera}, pubVideo("v", 200))
	sub := w.join(3, 3, nil, seatVideo("5", 5000))
	send := func(id packet.PeerID, s *sender, frame uint16, key bool) {
		dd := []byte{0xc0, byte(frame >> 8), byte(frame)}
		if key {
			dd = append(dd, 0x80)
			dd = append(dd, make([]byte, 20)...)
		}
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: av1.PT, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc, Marker: true}, Payload: []byte{0x10, 1, 2}}
		p.SetExtension(1, []byte{0})
		p.Header.ExtensionProfile = 0x1000
		w.must(p.SetExtension(pubExt.DependencyDescriptor, dd))
		s.seq++
		s.ts += 3000
		raw, err := p.Marshal()
		w.must(err)
		w.deliver(id, false, raw)
	}
	w.watch(3, "5", 1, Camera, High)
	a, b := &sender{ssrc: 100, seq: 9}, &sender{ssrc: 200, seq: 7}
	send(1, a, 65534, true)
	send(1, a, 65535, false)
	send(1, a, 0, false)
	w.watch(3, "5", 2, Camera, High)
	send(2, b, 500, false)
	send(2, b, 501, true)
	send(2, b, 502, false)
	if len(sub.rtp) != 5 {
		t.Fatalf("%d packets, want 5", len(sub.rtp))
	}
	for i, p := range sub.rtp {
		dd := p.GetExtension(subExt.DependencyDescriptor)
		if len(dd) < 3 || binary.BigEndian.Uint16(dd[1:]) != 65534+uint16(i) {
			t.Errorf("packet %d: dependency descriptor %x", i, dd)
		}
	}
}

func TestREDIsUnwrappedWhereNotKnown(t *testing.T) {
	w := newWorld(t)
	red := packet.Codec{Name: "RED", ClockRate: 48000, Channels: 2, PT: 63, Fmtp: "111/111"}
	sec := pubAudio("a", 101)
	sec.Codecs = []packet.Codec{red, opus}
	w.join(1, 1, map[string]Source{"a": Mic}, sec)
	plain := w.join(2, 2, nil, seatAudio("6", 6000))
	both := seatAudio("6", 7000)
	both.Codecs = []packet.Codec{opus, red}
	knows := w.join(3, 3, nil, both)
	silent := both
	silent.SSRC, silent.Ext.TransportCC = 8000, 0
	mute := w.join(4, 4, nil, silent) // never tells what it loses
	for id := range packet.PeerID(3) {
		w.watch(2+id, "6", 1, Mic, High)
	}
	payload := []byte{0x80 | 111, 0, 0, 3, 111, 'o', 'l', 'd', 'n', 'e', 'w'}
	s := &sender{w: w, ssrc: 101, pt: 63}
	w.deliver(1, false, s.packet(false, payload))
	if p := plain.rtp; len(p) != 1 || p[0].PayloadType != opus.PT || !bytes.HasPrefix(p[0].Payload, []byte("new")) || !p[0].Marker {
		t.Errorf("without RED: %v", p)
	}
	if p := knows.rtp; len(p) != 1 || p[0].PayloadType != opus.PT || !bytes.HasPrefix(p[0].Payload, []byte("new")) {
		t.Errorf("with RED of its own: %v", p)
	}
	if p := mute.rtp; len(p) != 1 || p[0].PayloadType != 63 || !bytes.HasPrefix(p[0].Payload, payload) {
		t.Errorf("with RED: %v", p)
	}
	encrypted := w.join(5, 5, nil, both)
	w.watch(5, "6", 1, Mic, High)
	payload = []byte("\xef encrypted end to end")
	w.deliver(1, false, s.packet(false, payload))
	if p := encrypted.rtp; len(p) != 1 || p[0].PayloadType != 63 || !bytes.HasPrefix(p[0].Payload, payload) {
		t.Errorf("with RED that is none: %v", p)
	}
}

func TestAudioGoesOnOverGapsAndSwitches(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"a": Mic}, pubAudio("a", 101))
	w.join(2, 2, map[string]Source{"a": Mic}, pubAudio("a", 201))
	sub := w.join(3, 3, nil, seatAudio("6", 6000))
	a, b := &sender{w: w, ssrc: 101, pt: opus.PT, ts: 77}, &sender{w: w, ssrc: 201, pt: opus.PT, seq: 500}
	w.watch(3, "6", 1, Mic, High)
	w.deliver(1, false, a.audio(), a.audio())
	a.ts += 48000 // DTX
	w.now += 1000 * ms
	w.deliver(1, false, a.audio())
	w.watch(3, "6", 2, Mic, High)
	w.now += 20 * ms
	w.deliver(2, false, b.audio(), b.audio())
	want := []uint32{0, 960, 48000 + 1920, 48000 + 2880, 48000 + 3840}
	for i, p := range sub.rtp {
		if p.SequenceNumber != sub.rtp[0].SequenceNumber+uint16(i) || p.Timestamp-sub.rtp[0].Timestamp != want[i] || p.Marker != (i == 0 || i == 3) {
			t.Errorf("packet %d: %v", i, p.Header)
		}
	}
}
