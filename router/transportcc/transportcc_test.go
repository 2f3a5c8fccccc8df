package transportcc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"
)

// feedback writes a feedback of the chunks, followed by as many bytes.
func feedback(packets uint16, deltas int, chunks ...uint16) []byte {
	b := make([]byte, fixed, fixed+2*len(chunks)+deltas)
	b[0], b[1] = 0x80|15, 205
	binary.BigEndian.PutUint16(b[12:], 1000)
	binary.BigEndian.PutUint16(b[14:], packets)
	for _, c := range chunks {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	b = append(b, make([]byte, deltas)...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
	return b
}

func TestParse(t *testing.T) {
	for name, x := range map[string]struct {
		b        []byte
		received int
		ok       bool
	}{
		"nothing":             {feedback(0, 0), 0, true},
		"lost":                {feedback(100, 0, 100), 0, true},
		"small":               {feedback(9, 9, 1<<13|9), 9, true},
		"large":               {feedback(9, 18, 2<<13|9), 9, true},
		"longer than told of": {feedback(3, 3, 1<<13|9), 3, true},
		"one bit":             {feedback(14, 2, 0x8000|0x2001), 2, true},
		"one bit, some":       {feedback(3, 2, 0x8000|0x3001), 2, true},
		"two bits":            {feedback(7, 6, 0xc000|1<<12|2<<10|1<<2|2), 4, true},
		"two bits, some":      {feedback(2, 3, 0xc000|1<<12|2<<10|1<<2|2), 2, true},
		"chunks missing":      {feedback(20000, 0, 8191), 0, false},
		"deltas missing":      {feedback(8191, 0, 1<<13|8191), 0, false},
		"run of nothing":      {feedback(10, 0, 0, 0, 0), 0, false},
		"short":               {make([]byte, fixed-1), 0, false},
	} {
		r, err := Parse(x.b)
		if (err == nil) != x.ok || x.ok && (r.Received != x.received || r.Base != 1000) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	good, bad := feedback(700, 700, 1<<13|700), feedback(65535, 0, repeat(1<<13|8191, 500)...)
	if n := testing.AllocsPerRun(100, func() { Parse(good); Parse(bad) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func repeat(chunk uint16, n int) []uint16 {
	all := make([]uint16, n)
	for i := range all {
		all[i] = chunk
	}
	return all
}

// FuzzParse compares with pion's parser. That one wants a byte more after the chunks than there must be, and
// reads on in the padding. The other way round they agree.
func FuzzParse(f *testing.F) {
	f.Add(feedback(9, 18, 2<<13|9))
	f.Add(feedback(14, 2, 0x8000|0x2001))
	f.Add(feedback(7, 6, 0xc000|1<<12|2<<10|1<<2|2))
	f.Add(feedback(65535, 0, 1<<13|8191, 1<<13|8191))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 || len(b)%4 != 0 || len(b) > 2000 {
			return
		}
		b = bytes.Clone(b)
		b[0], b[1] = 0x80|15, 205
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
		var want rtcp.TransportLayerCC
		werr := want.Unmarshal(b)
		got, err := Parse(b)
		if err != nil && werr == nil {
			t.Fatalf("refused what pion takes: %v", err)
		}
		if werr == nil && (got.Base != want.BaseSequenceNumber || got.Packets != int(want.PacketStatusCount) || got.Received != len(want.RecvDeltas)) {
			t.Fatalf("%+v, pion has %d of %d", got, len(want.RecvDeltas), want.PacketStatusCount)
		}
		if err == nil && werr != nil {
			b = append(b, 0, 0, 0, 0)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
			if err := want.Unmarshal(b); err != nil {
				t.Fatalf("taken, %+v, though pion refuses it: %v", got, err)
			}
		}
	})
}
