package router

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/red"
)

// listening is a room in which member 1 speaks. Peer 3 hears it and asks for what it misses. The packets to
// peer 3 are in raw.
func listening(t *testing.T) (w *world, s *sender, raw *rawCapture) {
	w = newWorld(t)
	pub := pubAudio("0", 100)
	pub.Codecs = seatSound("0", 0).Codecs
	w.join(1, 1, map[string]Source{"0": Mic}, pub)
	return w, &sender{w: w, ssrc: 100, pt: opus.PT}, w.listener(3, seatSound("5", 5000))
}

// listener joins a peer that hears member 1 in a seat.
func (w *world) listener(id packet.PeerID, seat packet.Section) *rawCapture {
	raw := &rawCapture{}
	w.must(w.c.attach(id, MemberID(id), raw, w.now))
	w.must(w.c.update(id, []packet.Section{seat}, nil, w.now))
	w.must(w.c.ready(id, w.now))
	w.watch(id, seat.MID, 1, Mic, High)
	return raw
}

// needs makes a listener's packets carry the packets before them of a pattern, or be sent again after them.
func (w *world) needs(id packet.PeerID, pattern, copies uint16) {
	w.c.peers[id].down.guard = &guard{pattern: pattern, copies: copies}
}

// blocksOf reads a packet with redundancy. A plain packet is the primary alone.
func blocksOf(t *testing.T, raw []byte) (p rtp.Packet, blocks []red.Block) {
	require.NoError(t, p.Unmarshal(raw))
	if p.PayloadType == opus.PT {
		return p, []red.Block{{PT: opus.PT, Data: p.Payload}}
	}
	require.EqualValues(t, opusRED.PT, p.PayloadType)
	blocks, ok := red.Parse(p.Payload, nil)
	require.True(t, ok)
	return p, blocks
}

// speak makes so many packets of sound come, one each 20 ms.
func (w *world) speak(s *sender, n int) {
	for range n {
		w.deliver(1, false, s.audio())
		w.pass(20 * time.Millisecond)
	}
}

// miss makes peer 3 ask for packets that it was sent, by their place in raw.
func (w *world) miss(raw *rawCapture, places ...int) {
	var seqs []uint16
	for _, i := range places {
		seqs = append(seqs, binary.BigEndian.Uint16(raw.rtp[i][2:]))
	}
	w.rtcp(3, &rtcp.TransportLayerNack{MediaSSRC: 5000, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
}

// TestSoundIsSentAgainAsItWas: the very bytes, with the transport-wide number of the first time.
func TestSoundIsSentAgainAsItWas(t *testing.T) {
	w, s, raw := listening(t)
	w.speak(s, 5)
	// It must not take the MID out.
	w.rtcp(3, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000}}})
	w.speak(s, 5)
	w.miss(raw, 0, 3, 7)
	require.Len(t, raw.rtp, 13)
	for i, place := range []int{0, 3, 7} {
		require.Equal(t, raw.rtp[place], raw.rtp[10+i])
	}
	for i := range 10 {
		var p rtp.Packet
		w.must(p.Unmarshal(raw.rtp[i]))
		require.EqualValues(t, i, binary.BigEndian.Uint16(p.GetExtension(subExt.TransportCC)))
	}
	require.EqualValues(t, 10, w.c.peers[3].down.sent.Next(), "what is sent again has no number of its own")
}

// TestSoundIsSentAgainWithinLimits: browsers ask for everything that they miss with every packet that comes.
func TestSoundIsSentAgainWithinLimits(t *testing.T) {
	w, s, raw := listening(t)
	w.c.peers[3].rtt = 50 * ms
	w.speak(s, 3)
	again := func() (n int) {
		for _, b := range raw.rtp[3:] {
			if bytes.Equal(b, raw.rtp[1]) {
				n++
			}
		}
		return n
	}
	for i, want := range []int{1, 1, 1, 2, 2, 2, 3, 3, 3, 3} {
		w.miss(raw, 1)
		w.miss(raw, 1)
		require.Equal(t, want, again(), "request %d", i)
		w.speak(s, 1)
	}
	w.speak(s, 20)
	w.miss(raw, 2)
	for _, b := range raw.rtp[3:] {
		require.NotEqual(t, raw.rtp[2], b, "nobody plays it any more")
	}
}

// TestSoundOfLongAgoIsNotSentAgain: the content of its packet is no longer known, so that it could be another
// packet under its number.
func TestSoundOfLongAgoIsNotSentAgain(t *testing.T) {
	w, s, raw := listening(t)
	for range recentSound + 10 {
		w.deliver(1, false, s.audio())
		w.pass(2 * time.Millisecond)
	}
	w.miss(raw, 5, 20)
	require.Len(t, raw.rtp, recentSound+11)
	require.Equal(t, raw.rtp[20], raw.rtp[recentSound+10])
}

// TestLostSoundIsAskedForOfPublishers: it is asked for if they agreed to it, also if it comes as RED, for as
// long as somebody plays it.
func TestLostSoundIsAskedForOfPublishers(t *testing.T) {
	for _, pt := range []uint8{opus.PT, opusRED.PT} {
		w, s, raw := listening(t)
		s.pt = pt
		w.speak(s, 3)
		lost := s.audio()
		w.speak(s, 1)
		out := w.outs[1]
		asked := func() (n int) {
			for _, p := range out.rtcp {
				if p, ok := p.(*rtcp.TransportLayerNack); ok {
					require.Equal(t, []rtcp.NackPair{{PacketID: s.seq - 2}}, p.Nacks)
					n++
				}
			}
			return n
		}
		require.Equal(t, 1, asked())
		w.deliver(1, false, lost)
		require.Len(t, raw.rtp, 5)
		require.Equal(t, binary.BigEndian.Uint16(raw.rtp[2][2:])+1, binary.BigEndian.Uint16(raw.rtp[4][2:]))
		out.clear()
		w.pass(time.Second)
		require.Zero(t, asked())
		s.seq++
		w.speak(s, 1)
		w.pass(time.Second)
		require.Equal(t, 4, asked(), "each 125 ms, for 400 ms")
	}
}

// TestWhatIsSentAgainHidesNoLoss: feedback names the number once, whichever of the two arrived. It is the
// first one only if it came sooner than the second one can.
func TestWhatIsSentAgainHidesNoLoss(t *testing.T) {
	w, s, raw := listening(t)
	// at is in µs. Packets are on their way for 30 ms.
	r, at := twcc.NewRecorder(1), func(i int) int64 { return 7e6 + int64(i)*20e3 + 30e3 }
	w.speak(s, 10)
	for i := range 5 {
		r.Record(1, uint16(i), at(i))
	}
	report := func() {
		for _, p := range r.BuildFeedbackPacket() {
			w.rtcp(3, &rtcp.ReceiverReport{}, p)
		}
	}
	report()
	w.miss(raw, 5, 6, 7)           // at 200 ms, 100, 80 and 60 ms after they were sent
	r.Record(1, 5, at(5)+100e3)    // as if sent now
	r.Record(1, 6, at(6)+40e3)     // it was only overtaken
	r.Record(1, 7, at(7)+60e3+4e3) // as if sent now, on a longer way
	r.Record(1, 8, at(8))
	r.Record(1, 9, at(9))
	report()
	told := &w.c.peers[3].down.told
	require.EqualValues(t, 8, told.arrived)
	require.EqualValues(t, 2, told.lost)

	w.speak(s, 5) // 13 to 17 of raw
	r.Record(1, 10, at(10))
	r.Record(1, 14, at(14))
	report()
	r.Record(1, 14, at(14))
	report()
	require.EqualValues(t, 5, told.lost, "11 to 13 are missing")
	w.miss(raw, 14)
	w.pass(100 * time.Millisecond)
	r.Record(1, 11, at(15)+30e3) // late and again; 12 and 13 never
	report()
	require.EqualValues(t, 10, told.arrived)
	require.EqualValues(t, 5, told.lost)
}

// TestListenersGetWhatTheyLose: each gets redundancy for as much as it loses itself. A listener that loses
// nothing gets what was sent, as it was.
func TestListenersGetWhatTheyLose(t *testing.T) {
	w, s, _ := listening(t)
	type line struct {
		raw  *rawCapture
		lost float64
		want int
		r    *twcc.Recorder
		seen int
	}
	lines := map[packet.PeerID]*line{4: {lost: 0}, 5: {lost: 0.1, want: 2}, 6: {lost: 0.3, want: 4}, 7: {lost: 0.65, want: 12}}
	for id, l := range lines {
		l.raw, l.r = w.listener(id, seatSound("5", uint32(id)*1000)), twcc.NewRecorder(1)
	}
	for n := range 400 {
		w.speak(s, 1)
		for id, l := range lines {
			for ; l.seen < len(l.raw.rtp); l.seen++ {
				if i := float64(l.seen); int(i*l.lost) == int((i-1)*l.lost) { // evenly
					l.r.Record(1, uint16(l.seen), int64(l.seen)*20e3+5e9)
				}
			}
			if n%5 == 0 {
				for _, p := range l.r.BuildFeedbackPacket() {
					w.rtcp(id, &rtcp.ReceiverReport{}, p)
				}
			}
		}
	}
	carried := 0
	for id, l := range lines {
		require.Len(t, l.raw.rtp, 400, "listener %d", id)
		for _, raw := range l.raw.rtp {
			_, blocks := blocksOf(t, raw)
			carried += len(blocks) - 1
		}
		for i, raw := range l.raw.rtp[350:] {
			p, blocks := blocksOf(t, raw)
			require.Len(t, blocks, l.want+1, "listener %d, packet %d", id, i)
			_, first := blocksOf(t, l.raw.rtp[0])
			number := binary.BigEndian.Uint32(first[0].Data[1:]) + 350 + uint32(i)
			for back, b := range blocks {
				back = len(blocks) - 1 - back
				require.EqualValues(t, 960*back, b.Offset)
				require.EqualValues(t, opus.PT, b.PT)
				require.Equal(t, binary.BigEndian.AppendUint32([]byte{0xfc}, number-uint32(back)), b.Data)
			}
			require.Equal(t, binary.BigEndian.Uint16(l.raw.rtp[0][2:])+350+uint16(i), p.SequenceNumber)
		}
	}
	require.EqualValues(t, carried, w.c.totals.RedBlocks)
}

// TestRedundancyIsSentAgainAsItWas: packets that have come since are not in it, and packets that are gone
// cannot be.
func TestRedundancyIsSentAgainAsItWas(t *testing.T) {
	w, s, raw := listening(t)
	w.speak(s, 3)
	w.needs(3, 0b1011, 0)
	late := s.audio()
	w.speak(s, 3) // 3 to 5 of raw
	w.deliver(1, false, late)
	w.speak(s, 3) // 7 to 9
	w.needs(3, 0b1, 0)
	for place, want := range map[int][]uint32{2: {0}, 3: {3840, 1920, 0}, 4: {3840, 960, 0}, 6: {1920, 960, 0}, 7: {3840, 1920, 960, 0}} {
		_, blocks := blocksOf(t, raw.rtp[place])
		var offsets []uint32
		for _, b := range blocks {
			offsets = append(offsets, b.Offset)
		}
		require.Equal(t, want, offsets, "packet %d", place)
	}
	for place := range 10 {
		w.miss(raw, place)
		require.Equal(t, raw.rtp[place], raw.rtp[len(raw.rtp)-1], "packet %d", place)
	}
	require.Len(t, raw.rtp, 20)
	w.pass(100 * time.Millisecond)
	w.speak(s, 9) // up to 400 ms after the first ones
	before := len(raw.rtp)
	w.miss(raw, 5)
	require.Len(t, raw.rtp, before+1)
	w.speak(s, 4)
	before = len(raw.rtp)
	w.miss(raw, 5)
	require.Len(t, raw.rtp, before, "one of its blocks is gone")
	w.miss(raw, 9)
	require.Len(t, raw.rtp, before+1)
}

// TestRedundancyEndsWithItsSource: a speaker's packets carry nothing of the one before, whose timestamps were
// others.
func TestRedundancyEndsWithItsSource(t *testing.T) {
	w, s, raw := listening(t)
	w.join(2, 2, map[string]Source{"0": Mic}, pubAudio("0", 200))
	w.join(4, 4, nil, seatAudio("5", 6000))
	w.watch(4, "5", 2, Mic, High) // so that its packets are kept
	w.needs(3, 0b111, 0)
	w.speak(s, 5)
	other := &sender{w: w, peer: 2, ssrc: 200, pt: opus.PT, seq: s.seq, ts: 77}
	w.deliver(2, false, other.audio()) // before it is heard
	w.watch(3, "5", 2, Mic, High)
	for range 3 {
		w.deliver(2, false, other.audio())
	}
	for i, want := range []int{1, 2, 3, 4, 4, 1, 2, 3} {
		_, blocks := blocksOf(t, raw.rtp[i])
		require.Len(t, blocks, want, "packet %d", i)
	}
}

// TestRedundancyFits: silence is left out, and so is what is too long, or too long ago.
func TestRedundancyFits(t *testing.T) {
	w, s, raw := listening(t)
	w.needs(3, 0xffff, 0)
	sizes := []int{400, 300, 2, 300, 400, 300, 2}
	for i, size := range sizes {
		b := s.packet(false, make([]byte, size-min(4, size)))
		if size == 2 {
			b = b[:14]
		}
		s.ts += 960
		if i == 3 {
			s.ts += 1 << 14
		}
		w.deliver(1, false, b)
	}
	for i, want := range [][]int{{400}, {400, 300}, {400, 300, 2}, {400, 300, 300}, {400}, {400, 300}, {400, 300, 2}} {
		_, blocks := blocksOf(t, raw.rtp[i])
		var got []int
		for _, b := range blocks {
			got = append(got, len(b.Data))
		}
		require.Equal(t, want, got, "packet %d", i)
	}
	for range 3 {
		w.deliver(1, false, s.packet(false, make([]byte, 396)))
		s.ts += 960
	}
	_, blocks := blocksOf(t, raw.rtp[9])
	require.Len(t, blocks, 2, "more would be too long")
}

// TestRepeatedForWhoTakesNoRED: the very packets are sent once more, with later ones.
func TestRepeatedForWhoTakesNoRED(t *testing.T) {
	w, s, _ := listening(t)
	raw := w.listener(4, seatAudio("5", 6000))
	w.speak(s, 10)
	w.needs(4, 0xf, 0b100101)
	w.speak(s, 10)
	number := func(i int) int {
		return int(binary.BigEndian.Uint16(raw.rtp[i][2:]) - binary.BigEndian.Uint16(raw.rtp[0][2:]))
	}
	var got []int
	first := map[int][]byte{}
	for i := range raw.rtp {
		n := number(i)
		if got = append(got, n); first[n] == nil {
			first[n] = raw.rtp[i]
		}
		require.Equal(t, first[n], raw.rtp[i], "packet %d", i)
	}
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 10, 12, 11, 13, 12, 10, 14, 13, 11, 15, 14, 12, 16, 15, 13, 10}, got[:28])
	require.EqualValues(t, 20, w.c.peers[4].down.sent.Next(), "and no numbers of their own")
	require.EqualValues(t, len(raw.rtp)-20, w.c.totals.Copies)
}

// TestPublishersRedundancyRepairs: the next packets already have what is missing, so nobody is asked for it.
// A late packet is known by then.
func TestPublishersRedundancyRepairs(t *testing.T) {
	w, s, _ := listening(t)
	raw := w.listener(4, seatAudio("5", 6000))
	s.pt = opusRED.PT
	var frames [][]byte
	next := func(offsets ...uint32) []byte {
		n := uint32(len(frames))
		frames = append(frames, binary.BigEndian.AppendUint32([]byte{0xfc}, n))
		var blocks []red.Block
		for i, o := range offsets {
			blocks = append(blocks, red.Block{PT: opus.PT, Offset: o, Data: frames[int(n)-len(offsets)+i]})
		}
		blocks = append(blocks, red.Block{PT: opus.PT, Data: frames[n]})
		payload := make([]byte, red.Size(blocks))
		red.Compose(payload, blocks)
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc}, Payload: payload}
		w.must(p.SetExtension(pubExt.AudioLevel, []byte{0x85}))
		s.seq, s.ts = s.seq+1, s.ts+960
		b, err := p.Marshal()
		w.must(err)
		return b
	}
	got := func() (list []uint32) {
		for _, b := range raw.rtp {
			var p rtp.Packet
			w.must(p.Unmarshal(b))
			n := uint32(p.SequenceNumber - binary.BigEndian.Uint16(raw.rtp[0][2:]))
			require.Equal(t, frames[n], p.Payload)
			require.Equal(t, 960*n, p.Timestamp)
			list = append(list, n)
		}
		return list
	}
	w.deliver(1, false, next())
	lost := next(960)
	w.deliver(1, false, next(960))
	require.Equal(t, []uint32{0, 1, 2}, got())
	w.deliver(1, false, lost)
	require.Len(t, raw.rtp, 3)
	require.EqualValues(t, 1, w.drops(DropDuplicate))
	next(960) // 3 is lost, 4 too
	next(960)
	w.deliver(1, false, next(1920, 960))
	require.Equal(t, []uint32{0, 1, 2, 3, 4, 5}, got())
	w.outs[1].clear()
	w.pass(100 * time.Millisecond)
	next(960) // 6, and 8 has one of another length
	next(960)
	w.deliver(1, false, next(2000, 960))
	require.Equal(t, []uint32{0, 1, 2, 3, 4, 5, 7, 8}, got())
	w.pass(10 * time.Millisecond)
	for _, p := range w.outs[1].rtcp {
		if p, ok := p.(*rtcp.TransportLayerNack); ok {
			require.Equal(t, []rtcp.NackPair{{PacketID: s.seq - 3}}, p.Nacks)
		}
	}
	require.NotZero(t, w.c.totals.NACKsOut)
	require.Len(t, w.c.out.free, maxSlots)
}

// TestOnePacketIsNotMany: a packet with more blocks than browsers send brings its own data alone, so that
// none makes work for thirty.
func TestOnePacketIsNotMany(t *testing.T) {
	for blocks, want := range map[int]uint64{maxMended: maxMended, maxMended + 1: 0} {
		w, s, _ := listening(t)
		raw := w.listener(4, seatAudio("5", 6000))
		s.pt = opusRED.PT
		send := func(list ...red.Block) {
			payload := make([]byte, red.Size(list))
			red.Compose(payload, list)
			p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc}, Payload: payload}
			b, err := p.Marshal()
			w.must(err)
			w.deliver(1, false, b)
		}
		send(red.Block{PT: opus.PT, Data: []byte{0xfc}})
		s.seq, s.ts = s.seq+40, s.ts+40*960
		var list []red.Block
		for i := range blocks {
			list = append(list, red.Block{PT: opus.PT, Offset: uint32(blocks-i) * 120, Data: []byte{1}})
		}
		before := len(raw.rtp)
		send(append(list, red.Block{PT: opus.PT, Data: []byte{0xfc}})...)
		require.EqualValues(t, want+1, len(raw.rtp)-before, "%d blocks", blocks)
	}
}
