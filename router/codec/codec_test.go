package codec

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
)

func TestKeyframes(t *testing.T) {
	stap := func(units ...[]byte) []byte {
		b := []byte{24}
		for _, u := range units {
			b = append(append(b, 0, byte(len(u))), u...)
		}
		return b
	}
	ap := func(units ...[]byte) []byte {
		b := []byte{48 << 1, 1}
		for _, u := range units {
			b = append(append(b, 0, byte(len(u))), u...)
		}
		return b
	}
	dd := func(first byte, structure bool) []byte {
		if structure {
			return []byte{first, 0, 1, 0x80, 0}
		}
		return []byte{first, 0, 1}
	}
	for name, x := range map[string]struct {
		id         ID
		b, dd      []byte
		key, intra bool
	}{
		"VP8 key":                 {VP8, []byte{0x10, 0, 0, 0}, nil, true, false},
		"VP8 delta":               {VP8, []byte{0x10, 1, 0, 0}, nil, false, false},
		"VP8 second packet":       {VP8, []byte{0x00, 0, 0, 0}, nil, false, false},
		"VP8 second partition":    {VP8, []byte{0x11, 0, 0, 0}, nil, false, false},
		"VP8 extended key":        {VP8, []byte{0x90, 0xf0, 0x81, 2, 3, 4, 0, 0}, nil, true, false},
		"VP8 descriptor cut":      {VP8, []byte{0x90, 0x80, 0x81}, nil, false, false},
		"VP8 nothing behind it":   {VP8, []byte{0x90, 0x80, 0x01}, nil, false, false},
		"VP9 key":                 {VP9, []byte{0x88, 0x81, 2, 0}, nil, true, false},
		"VP9 inter":               {VP9, []byte{0xc8, 0x81, 2, 0}, nil, false, false},
		"VP9 not the beginning":   {VP9, []byte{0x80, 0x81, 2, 0}, nil, false, false},
		"VP9 upper spatial layer": {VP9, []byte{0xa8, 0x81, 2, 0x02, 7, 0}, nil, false, false},
		"VP9 base spatial layer":  {VP9, []byte{0xa8, 0x81, 2, 0x00, 7, 0}, nil, true, false},
		"H264 SPS":                {H264, []byte{0x67, 1}, nil, true, false},
		"H264 IDR alone":          {H264, []byte{0x65, 1}, nil, false, true},
		"H264 delta":              {H264, []byte{0x41, 1}, nil, false, false},
		"H264 STAP-A":             {H264, stap([]byte{9, 0}, []byte{0x67, 1}, []byte{0x68, 1}, []byte{0x65}), nil, true, true},
		"H264 STAP-A without":     {H264, stap([]byte{0x68, 1}, []byte{0x41}), nil, false, false},
		"H264 STAP-A cut":         {H264, []byte{24, 0, 9, 0x67}, nil, false, false},
		"H264 FU-A IDR begins":    {H264, []byte{0x7c, 0x85, 1}, nil, false, true},
		"H264 FU-A IDR goes on":   {H264, []byte{0x7c, 0x05, 1}, nil, false, false},
		"H265 VPS":                {H265, []byte{0x40, 1, 0}, nil, true, false},
		"H265 AP":                 {H265, ap([]byte{0x42, 1, 0}, []byte{0x26, 1, 0}), nil, true, true},
		"H265 IDR":                {H265, []byte{0x26, 1, 0}, nil, false, true},
		"H265 FU CRA begins":      {H265, []byte{98, 1, 0x80 | 21}, nil, false, true},
		"H265 delta":              {H265, []byte{0x02, 1, 0}, nil, false, false},
		"AV1 new sequence":        {AV1, []byte{0x08, 0x0a}, nil, true, false},
		"AV1 goes on":             {AV1, []byte{0x88, 0x0a}, nil, false, false},
		"AV1 delta":               {AV1, []byte{0x10, 0x32}, nil, false, false},
		"AV1 structure":           {AV1, []byte{0x10, 0x32}, dd(0x80, true), true, false},
		"AV1 structure, end":      {AV1, []byte{0x10, 0x32}, dd(0x40, true), false, false},
		"AV1 no structure":        {AV1, []byte{0x18, 0x32}, dd(0x80, false), false, false},
		"empty":                   {VP8, nil, nil, false, false},
		"Opus":                    {Opus, []byte{1, 2, 3}, nil, false, false},
	} {
		var i Info
		Parse(&i, x.id, x.b, x.dd)
		if i.Keyframe != x.key || i.Intra != x.intra {
			t.Errorf("%s: keyframe %v intra %v", name, i.Keyframe, i.Intra)
		}
	}
}

func TestWhatOthersCanDoWithout(t *testing.T) {
	for name, x := range map[string]struct {
		id   ID
		b    []byte
		want Info
	}{
		"VP8 reference":         {VP8, []byte{0x90, 0x20, 0x40, 1}, Info{TID: 1}},
		"VP8 no reference":      {VP8, []byte{0xb0, 0x20, 0x80, 1}, Info{TID: 2, Discardable: true}},
		"VP8 layer sync":        {VP8, []byte{0x90, 0x20, 0x60, 1}, Info{TID: 1, Sync: true}},
		"VP8 key index alone":   {VP8, []byte{0x90, 0x10, 0x1f, 1}, Info{}},
		"VP9 no switching":      {VP9, []byte{0xa8, 0x01, 0x20, 7, 0}, Info{TID: 1}},
		"VP9 switching up":      {VP9, []byte{0xa8, 0x01, 0x30, 7, 0}, Info{TID: 1, SwitchUp: true}},
		"H264 reference":        {H264, []byte{0x41, 1}, Info{}},
		"H264 no reference":     {H264, []byte{0x01, 1}, Info{Discardable: true}},
		"H264 FU-A reference":   {H264, []byte{0x5c, 0x81, 1}, Info{}},
		"H264 FU-A none":        {H264, []byte{0x1c, 0x81, 1}, Info{Discardable: true}},
		"H264 FU-A goes on":     {H264, []byte{0x1c, 0x01, 1}, Info{Discardable: true}},
		"H264 FU-A cut":         {H264, []byte{0x1c}, Info{}},
		"H264 delimiter":        {H264, []byte{0x09, 0x30}, Info{}},
		"H264 delimiter, slice": {H264, []byte{24, 0, 2, 9, 0x30, 0, 2, 0x01, 1}, Info{Discardable: true}},
		"H264 IDR":              {H264, []byte{0x65, 1}, Info{}},
	} {
		var i Info
		Parse(&i, x.id, x.b, nil)
		if i.TID != x.want.TID || i.Discardable != x.want.Discardable || i.Sync != x.want.Sync || i.SwitchUp != x.want.SwitchUp {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

func TestSizes(t *testing.T) {
	var i Info
	Parse(&i, VP8, []byte{0x10, 0x50, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x02, 0xe0, 0x41}, nil)
	if i.Width != 640 || i.Height != 480 {
		t.Errorf("VP8 %dx%d", i.Width, i.Height)
	}
	Parse(&i, VP9, []byte{0x8a, 1, 0x30, 0x01, 0x40, 0, 0xf0, 0x02, 0x80, 0x01, 0xe0, 0}, nil)
	if i.Width != 640 || i.Height != 480 {
		t.Errorf("VP9 %dx%d", i.Width, i.Height)
	}
}

// vp8Descs are descriptors of every shape. A frame follows each.
var vp8Descs = [][]byte{
	{0x10}, {0x90, 0x80, 0x7f}, {0x90, 0x80, 0xff, 0xff}, {0x80, 0xf0, 0x81, 2, 3, 0xa4}, {0x90, 0x40, 9}, {0x90, 0x20, 0x60}, {0x90, 0x10, 0x1f},
	{0xb0, 0xe0, 0x05, 6, 0xe7}, {0x90, 0x00},
}

func TestRewriteVP8(t *testing.T) {
	var buf [32]byte
	for _, desc := range vp8Descs {
		payload := append(bytes.Clone(desc), 0, 'x', 'y')
		var i, j Info
		Parse(&i, VP8, payload, nil)
		if int(i.Desc) != len(desc) {
			t.Errorf("%x: descriptor of %d bytes", desc, i.Desc)
			continue
		}
		out := append(Rewrite(buf[:], VP8, &i, payload, PIDs{PID: 0x1234, TL0: 99, KeyIdx: 7}), payload[i.Desc:]...)
		Parse(&j, VP8, out, nil)
		if i.HasPID && j.PID != 0x1234 || i.HasTL0 && j.TL0 != 99 || i.HasKeyIdx && j.KeyIdx != 7 || j.TID != i.TID || j.Start != i.Start || j.Keyframe != i.Keyframe {
			t.Errorf("%x became %x", desc, out)
		}
		var p codecs.VP8Packet
		body, err := p.Unmarshal(out)
		if err != nil || !bytes.Equal(body, payload[i.Desc:]) || p.TID != i.TID || i.HasPID && p.PictureID != 0x1234 {
			t.Errorf("%x became %x, which pion reads as %+v %v", desc, out, p, err)
		}
	}
}

// vp9Descs are the same for VP9: with and without picture id, layers, flexible mode.
var vp9Descs = [][]byte{
	{0x0c}, {0x8c, 0x05}, {0x8c, 0x85, 6}, {0xac, 0x85, 6, 0x20, 77}, {0xbc, 0x85, 6, 0x21}, {0x2c, 0x20, 77}, {0xac, 0x05, 0x21, 77},
}

func TestRewriteVP9(t *testing.T) {
	var buf [32]byte
	for _, desc := range vp9Descs {
		payload := append(bytes.Clone(desc), 'x', 'y', 'z')
		var i, j Info
		Parse(&i, VP9, payload, nil)
		if int(i.Desc) != len(desc) {
			t.Errorf("%x: descriptor of %d bytes", desc, i.Desc)
			continue
		}
		out := append(Rewrite(buf[:], VP9, &i, payload, PIDs{PID: 0x7abc, TL0: 5}), payload[i.Desc:]...)
		Parse(&j, VP9, out, nil)
		if i.HasPID && j.PID != 0x7abc || i.HasTL0 && j.TL0 != 5 || j.TID != i.TID || j.SID != i.SID || j.Keyframe != i.Keyframe {
			t.Errorf("%x became %x", desc, out)
		}
		var p codecs.VP9Packet
		body, err := p.Unmarshal(out)
		if err != nil || !bytes.Equal(body, payload[i.Desc:]) || i.HasPID && p.PictureID != 0x7abc || i.HasTL0 && p.TL0PICIDX != 5 {
			t.Errorf("%x became %x, which pion reads as %+v %v", desc, out, p, err)
		}
	}
}

func TestPrimary(t *testing.T) {
	b, pt, ok := Primary([]byte{0x80 | 96, 0, 0, 2, 0x80 | 97, 0, 0, 1, 111, 'a', 'b', 'c', 'n', 'e', 'w'})
	if !ok || pt != 111 || string(b) != "new" {
		t.Errorf("%q %d %v", b, pt, ok)
	}
	if b, pt, ok = Primary([]byte{111, 'x'}); !ok || pt != 111 || string(b) != "x" {
		t.Errorf("%q %d %v", b, pt, ok)
	}
	for _, bad := range [][]byte{nil, {0x80 | 96, 0, 0}, {0x80 | 96, 0, 0, 9, 111, 'x'}, {0x80, 0, 0, 0}} {
		if b, _, ok := Primary(bad); ok {
			t.Errorf("%x gives %q", bad, b)
		}
	}
}

func TestNames(t *testing.T) {
	for id := Opus; id <= G722; id++ {
		if ByName(id.String()) != id {
			t.Errorf("%d is %v", id, id)
		}
	}
	if ByName("G723") != Unknown || ID(200).String() != "unknown" {
		t.Error("unknown codec")
	}
}

// checkInfo checks what holds for any payload.
func checkInfo(t *testing.T, id ID, b []byte) Info {
	var i Info
	Parse(&i, id, b, nil)
	if int(i.Desc) > len(b) || i.Keyframe && !i.Start || i.Keyframe && len(b) == 0 {
		t.Fatalf("%v %x: %+v", id, b, i)
	}
	return i
}

func checkRewrite(t *testing.T, id ID, b []byte) Info {
	i := checkInfo(t, id, b)
	if i.Desc == 0 {
		return i
	}
	var buf [16]byte
	desc := Rewrite(buf[:], id, &i, b, PIDs{PID: 0x2345, TL0: 1, KeyIdx: 2})
	j := checkInfo(t, id, append(bytes.Clone(desc), b[i.Desc:]...))
	if j.HasPID != i.HasPID || i.HasPID && j.PID != 0x2345 || j.TID != i.TID || j.SID != i.SID || j.Keyframe != i.Keyframe || len(desc) > MaxDesc {
		t.Fatalf("%v %x became %x: %+v", id, b, desc, j)
	}
	return i
}

func FuzzVP8(f *testing.F) {
	for _, d := range vp8Descs {
		f.Add(append(bytes.Clone(d), 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1))
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i := checkRewrite(t, VP8, b)
		var p codecs.VP8Packet
		if _, err := p.Unmarshal(b); err == nil && i.Desc != 0 && (i.HasPID && p.PictureID != i.PID || i.HasTL0 && p.TL0PICIDX != i.TL0) {
			t.Fatalf("%+v, pion reads %+v", i, p)
		}
	})
}

func FuzzVP9(f *testing.F) {
	for _, d := range vp9Descs {
		f.Add(append(bytes.Clone(d), 1, 2, 3))
		f.Add(d)
	}
	f.Add([]byte{0x8a, 1, 0x30, 0x01, 0x40, 0, 0xf0, 0x02, 0x80, 0x01, 0xe0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		i := checkRewrite(t, VP9, b)
		var p codecs.VP9Packet
		if _, err := p.Unmarshal(b); err == nil && i.Desc != 0 && (i.HasPID && p.PictureID != i.PID || i.HasTL0 && p.TL0PICIDX != i.TL0 || p.SID != i.SID) {
			t.Fatalf("%+v, pion reads %+v", i, p)
		}
	})
}

func FuzzH264(f *testing.F) {
	f.Add([]byte{0x67, 1})
	f.Add([]byte{24, 0, 2, 9, 0, 0, 2, 0x67, 1})
	f.Add([]byte{0x7c, 0x85, 1})
	f.Fuzz(func(t *testing.T, b []byte) { checkInfo(t, H264, b) })
}

func FuzzH265(f *testing.F) {
	f.Add([]byte{0x40, 1, 0})
	f.Add([]byte{0x60, 1, 0, 3, 0x42, 1, 0})
	f.Add([]byte{98, 1, 0x95})
	f.Fuzz(func(t *testing.T, b []byte) { checkInfo(t, H265, b) })
}

func FuzzAV1(f *testing.F) {
	f.Add([]byte{0x08, 0x0a}, []byte{})
	f.Add([]byte{0x10, 0x32}, []byte{0x80, 0, 1, 0x80, 0})
	f.Add([]byte{0x10, 0x32}, []byte{0x40, 0, 1})
	f.Fuzz(func(t *testing.T, b, dd []byte) {
		var i Info
		Parse(&i, AV1, b, dd)
		if i.Keyframe && !i.Start {
			t.Fatalf("%x %x: %+v", b, dd, i)
		}
		if len(dd) >= 3 {
			FrameNumber(dd)
		}
	})
}

func FuzzPrimary(f *testing.F) {
	f.Add([]byte{0x80 | 96, 0, 0, 2, 111, 'a', 'b', 'n'})
	f.Add([]byte{111})
	f.Fuzz(func(t *testing.T, b []byte) {
		if block, _, ok := Primary(b); ok && len(block) >= len(b) {
			t.Fatalf("block of %d bytes out of %d", len(block), len(b))
		}
	})
}

func BenchmarkParseVP8(b *testing.B) {
	payload := append(bytes.Clone(vp8Descs[3]), make([]byte, 1200)...)
	var i Info
	b.ReportAllocs()
	for b.Loop() {
		Parse(&i, VP8, payload, nil)
	}
}
