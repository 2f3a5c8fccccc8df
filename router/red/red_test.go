package red

import (
	"bytes"
	"slices"
	"testing"
)

func TestComposedIsParsed(t *testing.T) {
	for name, blocks := range map[string][]Block{
		"primary alone": {{PT: 111, Data: []byte("new")}},
		"empty primary": {{PT: 111, Data: []byte{}}},
		"two":           {{PT: 111, Offset: 960, Data: []byte("old")}, {PT: 111, Data: []byte("new")}},
		"limits":        {{PT: 127, Offset: MaxOffset, Data: bytes.Repeat([]byte{7}, MaxData)}, {Offset: 1, Data: []byte{}}, {PT: 9}},
	} {
		dst := make([]byte, Size(blocks))
		if n := Compose(dst, blocks); n != len(dst) {
			t.Errorf("%s: %d bytes, not %d", name, n, len(dst))
		}
		got, ok := Parse(dst, nil)
		if !ok || !slices.EqualFunc(got, blocks, same) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
}

func same(a, b Block) bool {
	return a.PT == b.PT && a.Offset == b.Offset && bytes.Equal(a.Data, b.Data)
}

// TestWireFormat: the format is that of RFC 2198 section 3: F, payload type, 14 bits of offset, 10 of length.
func TestWireFormat(t *testing.T) {
	blocks := []Block{{PT: 111, Offset: 960, Data: []byte{1, 2, 3}}, {PT: 111, Data: []byte{4}}}
	want := []byte{0x80 | 111, 0x0f, 0x00, 0x03, 111, 1, 2, 3, 4}
	got := make([]byte, Size(blocks))
	Compose(got, blocks)
	if !bytes.Equal(got, want) {
		t.Errorf("%x, not %x", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":             {},
		"header cut":          {0x80 | 111, 0, 0},
		"no primary":          {0x80 | 111, 0, 0, 0},
		"longer than it is":   {0x80 | 111, 0x0f, 0x03, 0xff, 111, 1, 2, 3},
		"one byte too long":   {0x80 | 111, 0x0f, 0x00, 0x02, 111, 1},
		"the second too long": {0x80 | 111, 0x0f, 0, 1, 0x80 | 111, 0x0f, 0, 2, 111, 1, 2},
		"too many":            append(bytes.Repeat([]byte{0x80 | 111, 0, 4, 0}, MaxBlocks), 111),
	} {
		if got, ok := Parse(b, nil); ok || len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzParse: nothing is read from beyond the payload, and what was read is written as it came.
func FuzzParse(f *testing.F) {
	f.Add([]byte{111, 1, 2})
	f.Add([]byte{0x80 | 111, 0x0f, 0x00, 0x03, 111, 1, 2, 3, 4})
	f.Add([]byte{0x80 | 111, 0xff, 0xff, 0xff, 0x80 | 111, 0, 0, 0, 111})
	f.Fuzz(func(t *testing.T, b []byte) {
		first := Block{PT: 5, Data: []byte("there before")}
		out, ok := Parse(b[:len(b):len(b)], []Block{first})
		if !same(out[0], first) || !ok && len(out) != 1 {
			t.Fatalf("%v, %v", out, ok)
		}
		if !ok {
			return
		}
		again := make([]byte, Size(out[1:]))
		if n := Compose(again, out[1:]); n != len(again) || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
