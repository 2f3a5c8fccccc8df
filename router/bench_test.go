package router

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtp"

	"parlor/packet"
)

// wire is an Out that does nothing but look at what it gets.
type wire struct{ packets, bytes int }

func (o *wire) SendRTP(h, p []byte) { o.packets++; o.bytes += len(h) + len(p) }
func (o *wire) SendRTCP([]byte)     {}

// load is a core with one publisher and many sinks that have begun.
type load struct {
	c   *core
	now int64
	raw []byte
	seq uint16
	ts  uint32
	inc uint32 // of timestamps from packet to packet; video is one long frame
	out wire
}

// newLoad gives half of the sinks another publisher first if switched, so that picture ids are rewritten.
func newLoad(tb testing.TB, sinks int, s Source, switched bool) *load {
	l := &load{c: newCore(Options{}.withDefaults()), now: 1_700_000_000e9}
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	join := func(id packet.PeerID, m MemberID, publish map[string]Source, sec packet.Section) {
		must(l.c.attach(id, m, &l.out, l.now))
		must(l.c.update(id, []packet.Section{sec}, publish, l.now))
		must(l.c.ready(id, l.now))
	}
	pub, seat, pt, size := pubVideo, seatVideo, vp8.PT, 1190
	if s == Mic {
		pub, seat, pt, size, l.inc = pubAudio, seatSound, opus.PT, 100, 960
	}
	join(1, 1, map[string]Source{"0": s}, pub("0", 100))
	join(2, 2, map[string]Source{"0": s}, pub("0", 200))
	for i := range sinks {
		id := packet.PeerID(10 + i)
		join(id, MemberID(id), nil, seat("5", uint32(id)*10))
		must(l.c.watch(id, "5", Want{Track: TrackKey{2, s}, Quality: High}, l.now))
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SSRC: 200}, Payload: make([]byte, size)}
	copy(p.Payload, []byte{0x90, 0xf0, 0x81, 2, 3, 4, 0})
	for id, v := range map[uint8]string{pubExt.MID: "0", pubExt.AbsSendTime: "abc", pubExt.TransportCC: "\x00\x01", pubExt.AudioLevel: "\x85"} {
		must(p.SetExtension(id, []byte(v)))
	}
	raw, err := p.Marshal()
	must(err)
	l.raw = raw
	if switched {
		l.deliver(2, 1)
	}
	binary.BigEndian.PutUint32(l.raw[8:], 100)
	for i := range sinks {
		must(l.c.watch(packet.PeerID(10+i), "5", Want{Track: TrackKey{1, s}, Quality: High}, l.now))
	}
	l.deliver(1, 1)
	if s != Mic {
		l.raw[len(l.raw)-size+6] = 1 // no keyframes from here on
	}
	for range 3000 { // rings and maps have their size
		l.deliver(1, 1)
	}
	return l
}

// lossy makes receivers need so much redundancy: those patterns, or copies for receivers that take none.
func (l *load) lossy(pattern, copies uint16) {
	for _, p := range l.c.peers {
		p.down.guard = &guard{pattern: pattern, copies: copies}
	}
}

// deliver has the core take in a batch of the publisher's next packets.
func (l *load) deliver(id packet.PeerID, n int) {
	b := packet.GetBatch(time.Unix(0, l.now))
	for range n {
		buf := packet.Get()
		buf.B = buf.B[:copy(buf.B, l.raw)]
		l.seq++
		l.ts += l.inc
		binary.BigEndian.PutUint16(buf.B[2:], l.seq)
		binary.BigEndian.PutUint32(buf.B[4:], l.ts)
		b.Add(id, buf, false)
	}
	l.now += int64(n) * ms
	l.c.batch(b, l.now)
	l.c.sendRuns()
	b.Release()
}

// estimate makes every receiver send feedback.
func (l *load) estimate() {
	for _, p := range l.c.peers {
		l.c.fed(p, l.now)
		p.down.book(l.now)
		p.down.net.est.End()
	}
}

// BenchmarkForward measures the whole path but the sealing: parse, ring, rewriting for each sink. ns/packet
// is the time per packet forwarded.
func BenchmarkForward(b *testing.B) {
	for _, x := range []struct {
		name     string
		sinks    int
		source   Source
		switched bool
		silent   bool   // receivers send no feedback, so nothing is estimated
		red      uint16 // what packets carry of those before
	}{
		{"video x1", 1, Camera, false, false, 0}, {"video x100", 100, Camera, false, false, 0}, {"video x100 no feedback", 100, Camera, false, true, 0},
		{"video x100 picture ids rewritten", 100, Camera, true, false, 0}, {"audio x50", 50, Mic, false, false, 0},
		{"audio x50 with 4 more blocks", 50, Mic, false, false, 0xf},
	} {
		b.Run(x.name, func(b *testing.B) {
			l := newLoad(b, x.sinks, x.source, x.switched)
			if !x.silent {
				l.estimate()
			}
			if x.red != 0 {
				l.lossy(x.red, 0)
			}
			before := l.out.packets
			b.ReportAllocs()
			for b.Loop() {
				l.deliver(1, 8)
			}
			b.StopTimer()
			n := l.out.packets - before
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/packet")
			if n != b.N*8*x.sinks {
				b.Fatalf("%d packets forwarded of %d", n, b.N*8*x.sinks)
			}
		})
	}
}

// raceEnabled says that the race detector is on. Pools forget on purpose then, so allocations say nothing.
var raceEnabled bool

// TestRedundancyDoesNotAllocate: redundancy is not made for each sink either. This holds for RED, and for
// copies to sinks that take none.
func TestRedundancyDoesNotAllocate(t *testing.T) {
	for pattern, each := range map[uint16]int{0xf: 1, 0: 3} {
		l := newLoad(t, 20, Mic, false)
		l.estimate()
		l.lossy(pattern, 0b101)
		if pattern == 0 {
			for _, p := range l.c.peers {
				for _, s := range p.down.sinks {
					s.seq.Current().State.red = 0
				}
			}
		}
		l.deliver(1, 8)
		before := l.out.packets
		const runs = 200
		got := testing.AllocsPerRun(runs, func() { l.deliver(1, 8) })
		if n := l.out.packets - before; n != each*(runs+1)*8*20 {
			t.Fatalf("%d packets forwarded, want %d", n, each*(runs+1)*8*20)
		}
		if got > 0.5 && !raceEnabled {
			t.Errorf("%v allocations per batch of 8 packets to 20 sinks", got)
		}
	}
}

// TestForwardingDoesNotAllocate: this holds also with reports' timers armed, rings full and ids rewritten.
func TestForwardingDoesNotAllocate(t *testing.T) {
	for _, switched := range []bool{false, true} {
		for _, s := range []Source{Camera, Mic} {
			t.Run(fmt.Sprint(s, switched), func(t *testing.T) {
				l := newLoad(t, 20, s, switched)
				l.estimate()
				before := l.out.packets
				const runs = 200
				got := testing.AllocsPerRun(runs, func() { l.deliver(1, 8) })
				if n := l.out.packets - before; n != (runs+1)*8*20 {
					t.Fatalf("%d packets forwarded", n)
				}
				// The collector may empty the pool of buffers in between. The allocations that follow are not
				// the path's.
				if got > 0.5 && !raceEnabled {
					t.Errorf("%v allocations per batch of 8 packets to 20 sinks", got)
				}
			})
		}
	}
}
