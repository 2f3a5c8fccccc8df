package header

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pion/rtp"

	"parlor/packet"
)

var ext = packet.Extensions{MID: 1, RID: 2, RepairedRID: 3, AbsSendTime: 4, TransportCC: 5, AudioLevel: 6, VideoOrientation: 7,
	PlayoutDelay: 8, DependencyDescriptor: 9}

func ids(e packet.Extensions) *IDs {
	var t IDs
	t.Add(e)
	return &t
}

// full returns a packet with every extension, in the one-byte or the two-byte form.
func full(tb testing.TB, wide bool) []byte {
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, PayloadType: 96, SequenceNumber: 65535, Timestamp: 1 << 31, SSRC: 0xdeadbeef,
		CSRC: []uint32{1, 2}, Extension: true, ExtensionProfile: 0xBEDE}, Payload: []byte("payload")}
	if wide {
		p.ExtensionProfile = 0x1000
	}
	for id, v := range map[uint8]string{1: "mid", 2: "hi", 3: "re", 4: "abc", 5: "\x12\x34", 6: "\x85", 7: "\x03", 8: "\x01\x02\x03", 9: "\xc0\x00\x07"} {
		if err := p.SetExtension(id, []byte(v)); err != nil {
			tb.Fatal(err)
		}
	}
	raw, err := p.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func TestParseReadsEverything(t *testing.T) {
	for _, wide := range []bool{false, true} {
		var p Packet
		raw := full(t, wide)
		if err := Parse(&p, raw, ids(ext)); err != nil {
			t.Fatal(err)
		}
		if p.Seq != 65535 || p.PT != 96 || !p.Marker || p.Timestamp != 1<<31 || p.SSRC != 0xdeadbeef || string(p.Payload) != "payload" ||
			int(p.HeaderLen) != len(raw)-7 {
			t.Errorf("wide %v: %+v", wide, p)
		}
		if p.Has != 0x1ff || string(p.MID) != "mid" || string(p.RID) != "hi" || string(p.RRID) != "re" || p.TransportCC != 0x1234 ||
			p.AudioLevel != 0x85 || p.VideoOrientation != 3 || p.PlayoutDelay != [3]byte{1, 2, 3} || !bytes.Equal(p.DD, []byte{0xc0, 0, 7}) {
			t.Errorf("wide %v: extensions %+v", wide, p)
		}
		if err := Parse(&p, raw, ids(packet.Extensions{MID: 1})); err != nil || p.Has != MID {
			t.Errorf("wide %v: extensions that nobody asked for: %v %b", wide, err, p.Has)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, x := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":             {nil, ErrShort},
		"version 1":         {append([]byte{0x40}, make([]byte, 20)...), ErrVersion},
		"CSRC cut":          {append([]byte{0x83}, make([]byte, 15)...), ErrShort},
		"extension cut":     {append([]byte{0x90}, make([]byte, 13)...), ErrShort},
		"block cut":         {append([]byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 2}, 1, 2, 3, 4), ErrShort},
		"element cut":       {append([]byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1}, 0x1f, 2, 3, 4), ErrExtension},
		"wide element cut":  {append([]byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 1}, 1, 3, 3, 4), ErrExtension},
		"wide element half": {append([]byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 1}, 0, 0, 0, 4), ErrExtension},
		"padding of none":   {append([]byte{0xa0}, make([]byte, 11)...), ErrPadding},
		"padding of 0":      {append([]byte{0xa0}, make([]byte, 12)...), ErrPadding},
		"padding too long":  {append(append([]byte{0xa0}, make([]byte, 11)...), 2), ErrPadding},
	} {
		var p Packet
		if err := Parse(&p, x.raw, ids(ext)); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
}

func TestWriteIsReadByAnother(t *testing.T) {
	out := packet.Extensions{MID: 9, AbsSendTime: 8, TransportCC: 7, AudioLevel: 6, VideoOrientation: 5, PlayoutDelay: 4, DependencyDescriptor: 3}
	wideIDs := out
	wideIDs.AudioLevel = 20
	long := append([]byte{0xc0, 0, 0, 0x80}, make([]byte, 60)...)
	for name, x := range map[string]struct {
		ids  packet.Extensions
		dd   []byte
		mid  string
		wide bool
	}{
		"one-byte": {out, []byte{0xc0, 0, 0}, "v0", false}, "long descriptor": {out, long, "v0", true},
		"high id": {wideIDs, []byte{0xc0, 0, 0}, "v0", true}, "long MID": {out, nil, "a-mid-of-twenty-bytes", true},
	} {
		in := Packet{Has: AudioLevel | VideoOrientation | PlayoutDelay, AudioLevel: 0x91, VideoOrientation: 2, PlayoutDelay: [3]byte{7, 8, 9}, DD: x.dd}
		if x.dd != nil {
			in.Has |= DependencyDescriptor
		}
		tmpl := NewTemplate(x.ids, x.mid)
		var buf [MaxLen]byte
		n := tmpl.Write(&buf, &Fields{Timestamp: 77, SSRC: 99, AbsSend: 0x010203, Seq: 1234, TransportCC: 4321, Frame: 0x0506, PT: 100, Marker: true, MID: true}, &in)
		var p rtp.Packet
		if err := p.Unmarshal(append(buf[:n:n], "body"...)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Timestamp != 77 || p.SSRC != 99 || p.SequenceNumber != 1234 || p.PayloadType != 100 || !p.Marker || string(p.Payload) != "body" ||
			(p.ExtensionProfile == 0x1000) != x.wide {
			t.Errorf("%s: %v", name, p.Header)
		}
		for id, v := range map[uint8]string{x.ids.MID: x.mid, 8: "\x01\x02\x03", 7: "\x10\xe1", x.ids.AudioLevel: "\x91", 5: "\x02", 4: "\x07\x08\x09"} {
			if string(p.GetExtension(id)) != v {
				t.Errorf("%s: extension %d is %x, want %x", name, id, p.GetExtension(id), v)
			}
		}
		if dd := p.GetExtension(3); len(dd) != len(x.dd) || len(dd) > 0 && (dd[1] != 5 || dd[2] != 6) {
			t.Errorf("%s: descriptor %x", name, dd)
		}
	}
}

func TestWriteWithoutExtensions(t *testing.T) {
	tmpl := NewTemplate(packet.Extensions{}, "v")
	var buf [MaxLen]byte
	if n := tmpl.Write(&buf, &Fields{MID: true}, &Packet{Has: AudioLevel}); n != 12 || buf[0] != 0x80 {
		t.Errorf("%d bytes, first %x", n, buf[0])
	}
}

// FuzzParse compares with pion/rtp. A packet that both take must mean the same, and a packet that was written
// again must be read the same.
func FuzzParse(f *testing.F) {
	f.Add(full(f, false))
	f.Add(full(f, true))
	f.Add([]byte{0xa0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 3})
	f.Add([]byte{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1, 0x10, 0, 0xf0, 4})
	table := ids(ext)
	tmpl := NewTemplate(ext, "mid")
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p, again Packet
		if Parse(&p, raw, table) != nil {
			return
		}
		if int(p.HeaderLen)+len(p.Payload) > len(raw) || len(p.DD) > 255 {
			t.Fatalf("%+v of %d bytes", p, len(raw))
		}
		var other rtp.Packet
		if other.Unmarshal(raw) == nil {
			if other.SequenceNumber != p.Seq || other.Timestamp != p.Timestamp || other.SSRC != p.SSRC || other.PayloadType != p.PT || other.Marker != p.Marker {
				t.Fatalf("%+v\n%+v", p, other)
			}
			if len(other.Payload) > 0 && !bytes.Equal(other.Payload, p.Payload) {
				t.Fatalf("payload %x, pion has %x", p.Payload, other.Payload)
			}
		}
		var buf [MaxLen]byte
		n := tmpl.Write(&buf, &Fields{Seq: p.Seq, MID: true}, &p)
		if err := Parse(&again, buf[:n], table); err != nil || again.Has&^(MID|AbsSendTime|TransportCC) != p.Has&(AudioLevel|VideoOrientation|PlayoutDelay|DependencyDescriptor) {
			t.Fatalf("written %x: %v %b from %b", buf[:n], err, again.Has, p.Has)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw, table := full(b, false), ids(ext)
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		var p Packet
		for b.Loop() {
			if Parse(&p, raw, table) != nil {
				b.Fatal()
			}
		}
	})
	b.Run("pion", func(b *testing.B) {
		b.ReportAllocs()
		var p rtp.Packet
		for b.Loop() {
			if p.Unmarshal(raw) != nil {
				b.Fatal()
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	var p Packet
	if err := Parse(&p, full(b, false), ids(ext)); err != nil {
		b.Fatal(err)
	}
	tmpl := NewTemplate(ext, "v0")
	var buf [MaxLen]byte
	b.ReportAllocs()
	for b.Loop() {
		tmpl.Write(&buf, &Fields{Seq: 1}, &p)
	}
}
