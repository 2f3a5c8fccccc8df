package router

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/shed"
	"parlor/router/transportcc"
)

// A peer's reports can be wrong, or forged. They move at most what the peer is sent itself.

// feedbackOf is transport-wide feedback of count packets from base on. Its chunks and deltas need not make
// sense.
func feedbackOf(base, count uint16, reference uint32, chunks []uint16, deltas []byte) []byte {
	b := append([]byte{0x8f, 205, 0, 0}, make([]byte, 8)...)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, base), count)
	b = append(b, byte(reference>>16), byte(reference>>8), byte(reference), 0)
	for _, x := range chunks {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	b = append(b, deltas...)
	b = append(b, make([]byte, -len(b)&3)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)/4-1))
	return b
}

// pair is a camera in three layers, and two receivers that watch it over good networks.
func pair(t *testing.T) (s *sim, v, other *viewer) {
	s = newSim(t, 1, calm)
	s.pad, s.keys = 560, 8
	s.camera(1, 1, 1, 3, 8).scaled = true
	s.talk(50, s.now+int64(time.Hour))
	v, other = s.viewer(4, true), s.viewer(5, true)
	for _, x := range []*viewer{v, other} {
		s.watch(x.id, "s", 1, Camera, High)
		s.watch(x.id, "a", 50, Mic, High)
	}
	s.run(5 * time.Second)
	return s, v, other
}

// goesOn checks that what a receiver is sent has gone on for a time: all pictures, and all sound.
func (v *viewer) goesOn(d time.Duration, do func()) {
	frames, heard := v.buffer.decoded, len(v.heard)
	do()
	require.InDelta(v.s.t, 25*d.Seconds(), v.buffer.decoded-frames, 2, "frames for %d", v.id)
	require.InDelta(v.s.t, 50*d.Seconds(), len(v.heard)-heard, 2, "packets of sound for %d", v.id)
}

// TestForgedFeedback: it comes beside the true one, and nobody else notices. The receiver that forged it is
// sent all again once that is over.
func TestForgedFeedback(t *testing.T) {
	const came, cameLate, most = 1 << 13, 2 << 13, 1<<13 - 1
	backwards := make([]byte, 400)
	for i := range 200 {
		backwards[2*i] = 0x80
	}
	for name, x := range map[string]struct {
		forge     func(next uint16, i uint32) []byte
		malformed bool
	}{
		"all came at once": {forge: func(n uint16, _ uint32) []byte {
			return feedbackOf(n-200, 200, 5, []uint16{came | 200}, make([]byte, 200))
		}},
		"all is lost": {forge: func(n uint16, _ uint32) []byte { return feedbackOf(n-200, 200, 5, []uint16{200}, nil) }},
		"never sent": {forge: func(n uint16, _ uint32) []byte {
			return feedbackOf(n+500, 200, 5, []uint16{came | 200}, make([]byte, 200))
		}},
		"of all numbers": {forge: func(n uint16, _ uint32) []byte {
			return feedbackOf(n, 1<<16-1, 5, []uint16{most, most, most, most, most, most, most, most, 7}, nil)
		}},
		"before it left": {forge: func(n uint16, _ uint32) []byte { return feedbackOf(n-200, 200, 5, []uint16{cameLate | 200}, backwards) }},
		"at any time": {forge: func(n uint16, i uint32) []byte {
			return feedbackOf(n-50, 50, i*0x555555, []uint16{came | 50}, make([]byte, 50))
		}},
		"the same again":   {forge: func(uint16, uint32) []byte { return feedbackOf(100, 200, 5, []uint16{came | 200}, make([]byte, 200)) }},
		"of nothing":       {forge: func(n uint16, _ uint32) []byte { return feedbackOf(n, 0, 5, nil, nil) }},
		"without times":    {forge: func(n uint16, _ uint32) []byte { return feedbackOf(n-200, 200, 5, []uint16{came | 200}, nil) }, malformed: true},
		"without statuses": {forge: func(n uint16, _ uint32) []byte { return feedbackOf(n-200, 200, 5, nil, nil) }, malformed: true},
		"cut": {forge: func(uint16, uint32) []byte {
			return []byte{0x8f, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1}
		}, malformed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, v, other := pair(t)
			d, o := &s.c.peers[4].down, &s.c.peers[5].down
			before := o.net.est.Estimate().Capacity
			other.goesOn(5*time.Second, func() {
				for i := range uint32(50) {
					s.deliver(4, true, x.forge(d.sent.Next(), i))
					s.run(100 * time.Millisecond)
					rate := d.net.est.Estimate().Capacity
					require.True(t, rate >= 50e3 && rate <= 50e6, rate)
				}
			})
			require.GreaterOrEqual(t, o.net.est.Estimate().Capacity, before)
			require.Zero(t, o.told.lost)
			if x.malformed {
				require.EqualValues(t, 50, s.drops(DropMalformed))
				require.Zero(t, d.told.lost)
			} else {
				require.Zero(t, s.drops(DropMalformed))
			}
			require.LessOrEqual(t, d.told.arrived, uint64(d.sent.Next()))
			s.run(20 * time.Second)
			v.goesOn(5*time.Second, func() { s.run(5 * time.Second) })
		})
	}
}

// TestFeedbackOfOneCompoundIsBounded: a compound is not read further once it has told of so many packets.
func TestFeedbackOfOneCompoundIsBounded(t *testing.T) {
	w := newWorld(t)
	pub := w.talker(1)
	sub := w.join(4, 4, nil, seatAudio("s", 77))
	w.watch(4, "s", 1, Mic, High)
	w.talk(time.Second, pub)
	first := feedbackOf(transportNumber(t, sub, 0), 5, 5, []uint16{1<<13 | 5}, make([]byte, 5))
	for _, n := range []uint16{transportcc.Bound, transportcc.Bound - 3, 0} {
		w.deliver(4, true, append(feedbackOf(30000, n, 5, []uint16{n}, nil), first...))
		require.EqualValues(t, min(transportcc.Bound-n, 5), w.c.peers[4].down.told.arrived, "after %d", n)
	}
}

// TestReportsThatStop: the network of a receiver that is not heard any more is taken for less and less if it
// was full. If it was not, what goes out goes on, and no more. Nobody else notices, and all is as before soon
// after reports come again.
func TestReportsThatStop(t *testing.T) {
	for link, full := range map[string]bool{calm + " rate=600k queue=300ms": true, calm: false} {
		s, v, other := pair(t)
		s.draw(4, true, link)
		s.run(15 * time.Second)
		e := &s.c.peers[4].down.net.est
		before := e.Estimate().Capacity
		s.draw(4, false, "loss=100%")
		other.goesOn(12*time.Second, func() {
			s.run(8 * time.Second)
			bytes := v.stats.bytes
			s.run(4 * time.Second)
			require.Equal(t, full, float64(v.stats.bytes-bytes)*8/4 < 300e3, "%d bytes in four seconds", v.stats.bytes-bytes)
		})
		require.LessOrEqual(t, e.Estimate().Capacity, before)
		require.Equal(t, full, e.Estimate().Capacity < before/4)
		s.draw(4, false, calm)
		s.run(8 * time.Second)
		v.goesOn(4*time.Second, func() { s.run(4 * time.Second) })
		require.Greater(t, e.Estimate().Capacity, before/2)
	}
}

// TestClocksThatLeap: a clock of a receiver or a publisher that leaps changes nothing of what is sent. A
// receiver's clock that leaps forward by some seconds does for ten seconds, as that looks like a queue.
func TestClocksThatLeap(t *testing.T) {
	for _, leap := range []time.Duration{time.Hour, -time.Hour, -3 * time.Second} {
		t.Run(leap.String(), func(t *testing.T) {
			s, v, _ := pair(t)
			bytes := v.stats.bytes
			v.goesOn(6*time.Second, func() {
				s.run(2 * time.Second)
				v.clock += int64(leap)
				s.cams[0].clock += int64(leap)
				s.run(4 * time.Second)
			})
			require.Greater(t, float64(v.stats.bytes-bytes)*8/6, 900e3)
			require.NotZero(t, s.c.peers[1].offset)
			for _, q := range []Quality{Low, High, Mid, High} {
				s.watch(4, "s", 1, Camera, q)
				v.goesOn(2*time.Second, func() { s.run(2 * time.Second) })
			}
			s.end()
			checkWhole(t, 0, v)
		})
	}
}

// TestARoomThatIsOverloadedRaisesNoEstimate: packets that it sends late look like a network that has got
// better afterwards.
func TestARoomThatIsOverloadedRaisesNoEstimate(t *testing.T) {
	for _, overloaded := range []bool{false, true} {
		s, _, _ := pair(t)
		e := &s.c.peers[4].down.net.est
		e.Start(600e3)
		for range 30 {
			for at := s.now; overloaded && s.c.over.shed.Level() == shed.Nothing; at += int64(shed.Window) {
				s.c.over.shed.Observe(at, 70*ms, false)
			}
			s.run(100 * time.Millisecond)
		}
		require.Equal(t, overloaded, e.Estimate().Capacity <= 600e3, "overloaded %v: %.0f", overloaded, e.Estimate().Capacity)
	}
}

// TestDescriptorsThatLie: they affect their own stream alone. A receiver of another stream notices nothing,
// numbers go on, and all is as before with the next keyframe. Descriptors that cannot be read are sent to
// all.
func TestDescriptorsThatLie(t *testing.T) {
	const all = "00.10.|02.12.|01.11.|02.12.|" // four pictures
	for name, x := range map[string]struct {
		lie   func(dd []byte) []byte
		shown *[2]string // of four pictures, to viewers of low and high; nil: it does not matter
	}{
		"nothing":            {func([]byte) []byte { return nil }, &[2]string{all, all}},
		"cut":                {func(dd []byte) []byte { return dd[:2] }, &[2]string{all, all}},
		"no such template":   {func(dd []byte) []byte { return append([]byte{dd[0] | 0x3f}, dd[1:3]...) }, &[2]string{all, all}},
		"of any other frame": {func(dd []byte) []byte { return []byte{dd[0], dd[2] * 91, dd[1]} }, &[2]string{"00.|02.|01.|02.|", "10.|12.|11.|12.|"}},
		"a cut structure":    {func(dd []byte) []byte { return append(dd[:3:3], 0x80, 0) }, &[2]string{all, all}},
		"one that ends soon": {func(dd []byte) []byte { return append(dd[:3:3], twoByThree[:20]...) }, &[2]string{all, all}},
		"ends before chains": {func(dd []byte) []byte { return append(dd[:3:3], 0x08) }, &[2]string{all, all}},
		"an endless one":     {func(dd []byte) []byte { return append(dd[:3:3], bytes.Repeat([]byte{0xff}, 200)...) }, &[2]string{all, all}},
		"of endless layers":  {func(dd []byte) []byte { return append(dd[:3:3], bytes.Repeat([]byte{0xaa}, 200)...) }, &[2]string{all, all}},
		"another, of a frame far ahead": {func(dd []byte) []byte {
			return append([]byte{dd[0], dd[1] + 0x40, dd[2], twoByThree[0], twoByThree[1] + 8}, twoByThree[2:]...)
		}, nil},
		"another each time": {func(dd []byte) []byte {
			return append(append(dd[:3:3], twoByThree[0], twoByThree[1]+dd[2]), twoByThree[2:]...)
		}, nil},
		"no target is active": {func(dd []byte) []byte { return append(dd[:3:3], 0x40, 0, 0) }, &[2]string{}},
	} {
		for _, kind := range layeredKinds[:2] {
			w, s, low, high := onStage(t, kind)
			w.join(2, 2, map[string]Source{"v": Camera}, pubVideo("v", 200))
			another := w.join(5, 5, nil, seatVideo("5", 7000))
			w.watch(5, "5", 2, Camera, High)
			honest := w.svc(2, 200)
			honest.mid = "v"
			w.pictures(s, 4, true)
			shown := [2]string{low.shown(5000), high.shown(6000)}
			w.pictures(honest, 1, true)
			low.clear()
			high.clear()
			for range 20 {
				for _, raw := range s.next(false) {
					var p rtp.Packet
					w.must(p.Unmarshal(raw))
					w.must(p.SetExtension(pubExt.DependencyDescriptor, x.lie(p.GetExtension(pubExt.DependencyDescriptor))))
					raw, err := p.Marshal()
					w.must(err)
					w.deliver(1, false, raw)
				}
				w.pictures(honest, 1, false)
			}
			if x.shown != nil {
				require.Equal(t, strings.Repeat(x.shown[0], 5), low.shown(5000), "%s, %s", name, kind)
				require.Equal(t, strings.Repeat(x.shown[1], 5), high.shown(6000), "%s, %s", name, kind)
			}
			require.Len(t, another.seqs(7000), 4+20*2, "%s, %s", name, kind)
			low.consecutive(5000)
			high.consecutive(6000)
			low.clear()
			high.clear()
			w.pictures(s, 4, true)
			require.Equal(t, shown, [2]string{low.shown(5000), high.shown(6000)}, "%s, %s", name, kind)
			low.consecutive(5000)
			high.consecutive(6000)
		}
	}
}

// TestLayersThatLie: the layer that is called the lowest, and was, brings more than all others. Only what
// layers bring counts. Another layer is sent over a narrow link, and a receiver with room for all goes on.
func TestLayersThatLie(t *testing.T) {
	s, v, other := pair(t)
	down := s.draw(4, true, calm+" rate=900k queue=300ms")
	s.run(15 * time.Second)
	low := s.cams[0].layers[0]
	require.Equal(t, "l", low.rid)
	other.goesOn(20*time.Second, func() {
		low.size = 20
		s.run(10 * time.Second)
		waited, frames, heard := len(down.waited), v.buffer.decoded, len(v.heard)
		s.run(10 * time.Second)
		require.Greater(t, v.buffer.decoded-frames, 200)
		require.Greater(t, len(v.heard)-heard, 490)
		require.Less(t, percentile(down.waited[waited:], 95), 200.)
	})
	track := s.c.present(TrackKey{1, Camera})
	require.Equal(t, 2, track.rank(track.layers[0]), "it is the highest now")
}

// TestREDThatIsNone: a receiver that takes RED gets the packet as it is. The packet keeps its number for a
// receiver that does not. Nothing is taken out of it in place of what is missing.
func TestREDThatIsNone(t *testing.T) {
	w := newWorld(t)
	mic := pubAudio("a", 200)
	mic.Codecs = []packet.Codec{opus, opusRED}
	w.join(1, 1, map[string]Source{"a": Mic}, mic)
	plain, takes := w.join(4, 4, nil, seatAudio("s", 7000)), w.join(5, 5, nil, foreigner(seatSound("s", 8000)))
	w.watch(4, "s", 1, Mic, High)
	w.watch(5, "s", 1, Mic, High)
	seq := uint16(100)
	say := func(payload ...byte) {
		raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: opusRED.PT, SSRC: 200, SequenceNumber: seq, Timestamp: uint32(seq) * 960},
			Payload: payload}).Marshal()
		w.must(err)
		w.deliver(1, false, raw)
		seq++
		w.pass(20 * time.Millisecond)
	}
	const block = 0x80 | 111
	none := [][]byte{
		{block, 0, 0}, {block, 0, 0, 0}, {block, 0x0f, 0x03, 0xff, 111, 1, 2, 3}, {block, 0x0f, 0, 2, 111, 1}, bytes.Repeat([]byte{block}, 1000),
		append(bytes.Repeat([]byte{block, 0xff, 0xfc, 1}, 200), 111), {block, 0x0f, 0, 1, block, 0x0f, 0, 2, 111, 1, 2},
	}
	for _, gap := range []uint16{0, 1} {
		say(111, 7, 8)
		plain.clear()
		takes.clear()
		repaired := w.c.totals.Repaired
		for _, payload := range none {
			seq += gap
			say(payload...)
		}
		say(111, 7, 9)
		require.Len(t, plain.rtp, len(none)+1)
		for i, p := range plain.rtp[:len(none)] {
			require.Empty(t, p.Payload)
			require.Equal(t, none[i], takes.rtp[i].Payload)
		}
		require.Equal(t, []byte{7, 9}, plain.rtp[len(none)].Payload)
		require.Equal(t, repaired, w.c.totals.Repaired)
	}
}
