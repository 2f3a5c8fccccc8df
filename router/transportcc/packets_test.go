package transportcc

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/pion/rtcp"
)

// at sets base and reference time, and the deltas, which are bytes, after the chunks.
func at(b []byte, base uint16, reference uint32, chunks int, deltas ...byte) []byte {
	binary.BigEndian.PutUint16(b[12:], base)
	b[16], b[17], b[18] = byte(reference>>16), byte(reference>>8), byte(reference)
	copy(b[fixed+2*chunks:], deltas)
	return b
}

func read(t *testing.T, c *Clock, b []byte, bound int) (all []Status, p Packets) {
	t.Helper()
	p, err := c.Packets(b, bound)
	if err != nil {
		t.Fatal(err)
	}
	for s, ok := p.Next(); ok; s, ok = p.Next() {
		all = append(all, s)
	}
	return all, p
}

func TestPackets(t *testing.T) {
	const r = 1000 * PerReference
	for name, x := range map[string]struct {
		b    []byte
		want []Status
	}{
		"nothing":  {at(feedback(0, 0), 7, 1000, 0), nil},
		"lost":     {at(feedback(2, 0, 2), 65535, 1000, 1), []Status{{Seq: 65535}, {Seq: 0}}},
		"small":    {at(feedback(2, 2, 1<<13|2), 7, 1000, 1, 4, 255), []Status{{7, true, r + 4}, {8, true, r + 259}}},
		"backward": {at(feedback(2, 4, 2<<13|2), 7, 1000, 1, 0xff, 0xfe, 0, 5), []Status{{7, true, r - 2}, {8, true, r + 3}}},
		"one bit": {
			at(feedback(3, 2, 0x8000|0x2800), 7, 1000, 1, 1, 1),
			[]Status{{7, true, r + 1}, {8, false, 0}, {9, true, r + 2}},
		},
		"two bits, reserved too": {
			at(feedback(4, 3, 0xc000|1<<12|3<<10|0<<8|2<<6), 7, 1000, 1, 1, 1, 0),
			[]Status{{7, true, r + 1}, {8, false, 0}, {9, false, 0}, {10, true, r + 257}},
		},
		"two chunks": {
			at(feedback(4, 3, 1, 1<<13|3), 7, 1000, 2, 1, 1, 1),
			[]Status{{7, false, 0}, {8, true, r + 1}, {9, true, r + 2}, {10, true, r + 3}},
		},
	} {
		got, _ := read(t, new(Clock), x.b, Bound)
		if len(got) != len(x.want) {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for i := range got {
			if got[i] != x.want[i] {
				t.Errorf("%s, %d: %v, not %v", name, i, got[i], x.want[i])
			}
		}
	}
}

// TestPacketsAreBounded: packets beyond the bound are skipped and counted, also if one chunk crosses it.
func TestPacketsAreBounded(t *testing.T) {
	b := feedback(8191+5, 0, 8191, 5)
	for _, x := range []struct{ bound, read int }{{Bound, Bound}, {3, 3}, {0, 0}, {-1, 0}, {1 << 20, 8196}} {
		got, p := read(t, new(Clock), b, x.bound)
		if len(got) != x.read || p.Skipped != 8196-x.read {
			t.Errorf("of bound %d: %d, skipped %d", x.bound, len(got), p.Skipped)
		}
	}
}

// TestReferenceTimesAreUnwrapped: a time is taken as the one nearest to the time before, over the wrap in
// both directions.
func TestReferenceTimesAreUnwrapped(t *testing.T) {
	const wrap = 1 << 24
	var c Clock
	for i, x := range []struct {
		wire uint32
		want int64
	}{{wrap - 2, wrap - 2}, {1, wrap + 1}, {wrap - 1, wrap - 1}, {3, wrap + 3}, {wrap/2 + 2, wrap + wrap/2 + 2}, {0, 2 * wrap}} {
		got, _ := read(t, &c, at(feedback(1, 1, 1<<13|1), 7, x.wire, 1), Bound)
		if got[0].Arrival != x.want*PerReference {
			t.Errorf("%d: %d, not %d", i, got[0].Arrival/PerReference, x.want)
		}
	}
	if _, err := c.Packets(at(feedback(9, 0, 1<<13|9), 7, 77, 1), Bound); err == nil || c.reference != 2*wrap {
		t.Errorf("a refused feedback moved the clock: %v, %d", err, c.reference)
	}
}

// TestForgedTimesLeadNowhere: times leap by half of their range again and again. They stay such that ns of
// them can be compared.
func TestForgedTimesLeadNowhere(t *testing.T) {
	for _, leap := range []uint32{1<<23 - 1, 1 << 23} {
		var c Clock
		most := int64(0)
		for i := range uint32(40_000) {
			got, _ := read(t, &c, at(feedback(1, 1, 1<<13|1), 7, i*leap&(1<<24-1), 1), Bound)
			most = max(most, got[0].Arrival, -got[0].Arrival)
		}
		if float64(most) > math.MaxInt64/2/Unit {
			t.Errorf("leaps of %d lead to %d", leap, most)
		}
	}
}

func TestPacketsDoNotAllocate(t *testing.T) {
	b := feedback(700, 700, 1<<13|700)
	var c Clock
	if n := testing.AllocsPerRun(100, func() {
		p, _ := c.Packets(b, Bound)
		for _, ok := p.Next(); ok; _, ok = p.Next() {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPackets never panics. It agrees with Parse on which packets were received, and with pion on which and
// when.
func FuzzPackets(f *testing.F) {
	f.Add(feedback(9, 18, 2<<13|9), 5)
	f.Add(feedback(14, 2, 0x8000|0x2001), Bound)
	f.Add(feedback(7, 6, 0xc000|1<<12|2<<10|3<<8|1<<2|2), Bound)
	f.Add(feedback(65535, 0, 8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191), Bound)
	f.Fuzz(func(t *testing.T, b []byte, bound int) {
		if len(b) < 4 || len(b) > 2000 {
			return
		}
		b = bytes.Clone(b[:len(b)&^3])
		b[0], b[1] = 0x80|15, 205
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
		r, rerr := Parse(b)
		var c Clock
		p, err := c.Packets(b, bound)
		if (err == nil) != (rerr == nil) {
			t.Fatalf("Parse %v, Packets %v", rerr, err)
		}
		if err != nil {
			return
		}
		var want rtcp.TransportLayerCC
		pion := want.Unmarshal(b) == nil
		n, received := 0, 0
		reference := p.arrival
		for s, ok := p.Next(); ok; s, ok = p.Next() {
			if s.Seq != r.Base+uint16(n) {
				t.Fatalf("number %d at %d", s.Seq, n)
			}
			n++
			if !s.Received {
				continue
			}
			if pion {
				reference += want.RecvDeltas[received].Delta / 250
				if s.Arrival != reference {
					t.Fatalf("arrival %d, pion %d", s.Arrival, reference)
				}
			}
			received++
		}
		if n+p.Skipped != r.Packets || n > max(bound, 0) || p.Skipped == 0 && received != r.Received {
			t.Fatalf("%d of %+v, %d skipped, %d received", n, r, p.Skipped, received)
		}
	})
}

func BenchmarkPackets(b *testing.B) {
	x := feedback(50, 50, 1<<13|50)
	var c Clock
	b.ReportAllocs()
	for b.Loop() {
		p, _ := c.Packets(x, Bound)
		for _, ok := p.Next(); ok; _, ok = p.Next() {
		}
	}
}
