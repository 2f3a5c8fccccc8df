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
)

// listening is a room in which member 1 speaks, and peer 3 hears it and asks for what it misses; what is sent to it is in raw.
func listening(t *testing.T) (w *world, s *sender, raw *rawCapture) {
	w = newWorld(t)
	pub, seat := pubAudio("0", 100), seatAudio("5", 5000)
	for _, sec := range []*packet.Section{&pub, &seat} {
		sec.Codecs = []packet.Codec{opus, opusRED}
		for i := range sec.Codecs {
			sec.Codecs[i].NACK = true
		}
	}
	w.join(1, 1, map[string]Source{"0": Mic}, pub)
	raw = &rawCapture{}
	w.must(w.c.attach(3, 3, raw, w.now))
	w.must(w.c.update(3, []packet.Section{seat}, nil, w.now))
	w.must(w.c.ready(3, w.now))
	w.watch(3, "5", 1, Mic, High)
	return w, &sender{w: w, ssrc: 100, pt: opus.PT}, raw
}

// speak has so many packets of sound come, one each 20 ms.
func (w *world) speak(s *sender, n int) {
	for range n {
		w.deliver(1, false, s.audio())
		w.pass(20 * time.Millisecond)
	}
}

// miss has peer 3 ask for packets that it was sent, by their place in raw.
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
	w.rtcp(3, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000}}}) // must not take the MID out
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

// TestSoundOfLongAgoIsNotSentAgain: what its packet carried is no longer known, so that it could be another one under its number.
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

// TestLostSoundIsAskedForOfPublishers that agreed to it, also where it comes as RED, for as long as somebody plays it.
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
		require.Equal(t, 3, asked(), "each 125 ms, for 300 ms")
	}
}

// TestWhatIsSentAgainHidesNoLoss: feedback names the number once, whichever of the two arrived. It is the first one only if it came
// sooner than the second one can.
func TestWhatIsSentAgainHidesNoLoss(t *testing.T) {
	w, s, raw := listening(t)
	r, at := twcc.NewRecorder(1), func(i int) int64 { return 7e6 + int64(i)*20e3 + 30e3 } // µs; on their way for 30 ms
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
