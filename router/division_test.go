package router

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
)

// layered is a camera of three layers at 25 frames a second.
type layered struct {
	w      *world
	layers []*sender
	sizes  []int // bytes of a frame
	n      int
	asked  int // requests of the node that were answered
	off    [3]bool
	begins [3]bool // anew, after it was off
}

func (w *world) layered(id packet.PeerID, m MemberID, sizes ...int) *layered {
	l := &layered{w: w, sizes: sizes}
	sec := pubVideo("v")
	sec.RIDs = []string{"q", "h", "f"}[:len(sizes)]
	w.outs[id] = &capture{w: w}
	w.must(w.c.attach(id, m, w.outs[id], w.now))
	if w.steers {
		w.must(w.c.steer(id, w.now))
	}
	w.must(w.c.update(id, []packet.Section{sec}, map[string]Source{"v": Camera}, w.now))
	w.must(w.c.ready(id, w.now))
	for i, rid := range sec.RIDs {
		s := w.vp8(id, uint32(id)*100+uint32(i))
		s.mid, s.rid = "v", rid
		l.layers = append(l.layers, s)
	}
	return l
}

// frame sends a frame of every layer. It is a keyframe of a layer if the node has asked for one of it.
func (l *layered) frame() {
	l.w.t.Helper()
	key := map[uint32]bool{}
	for _, p := range l.w.outs[l.layers[0].peer].rtcp[l.asked:] {
		if pli, ok := p.(*rtcp.PictureLossIndication); ok {
			key[pli.MediaSSRC] = true
		}
	}
	l.asked = len(l.w.outs[l.layers[0].peer].rtcp)
	for i, s := range l.layers {
		if l.off[i] {
			l.begins[i] = true
			s.ts += 3600
			continue
		}
		packets := 1 + l.sizes[i]/1100
		isKey := key[s.ssrc] || l.n == 0 || l.begins[i]
		l.begins[i] = false
		if isKey {
			s.key++
		}
		s.tl0++
		for j := range packets {
			d := append(s.vp8Desc(j == 0), 1)
			if isKey && j == 0 {
				d = append(d[:len(d)-1], 0, 0, 0, 0x9d, 0x01, 0x2a)
				d = binary.LittleEndian.AppendUint16(d, 240<<i)
				d = binary.LittleEndian.AppendUint16(d, 135<<i)
			}
			l.w.deliver(s.peer, false, s.packet(j == packets-1, append(d, make([]byte, l.sizes[i]/packets)...)))
		}
		s.pid = (s.pid + 1) & 0x7fff
		s.ts += 3600
	}
	l.n++
}

// access is a link to a peer that carries so much. It has a queue of 300 ms, and its receiver's feedback.
type access struct {
	o     *capture
	id    packet.PeerID
	rate  float64 // bit/s
	told  int
	free  int64 // when the link has nothing more to carry
	queue int64 // the longest since it was looked at
	rec   *twcc.Recorder
	loss  func(bits float64) bool // whether a packet is lost on the way, of so many bits
}

func (w *world) access(id packet.PeerID, rate float64) *access {
	return &access{o: w.outs[id], id: id, rate: rate, rec: twcc.NewRecorder(1)}
}

// report tells of what has arrived.
func (n *access) report() {
	w := n.o.w
	for ; n.told < len(n.o.rtp); n.told++ {
		at := n.o.at[n.told]
		waits := max(n.free-at, 0)
		if n.queue = max(n.queue, waits); waits > 300*ms || n.loss != nil && n.loss(float64(8*n.o.rtp[n.told].MarshalSize())) {
			continue
		}
		n.free = at + waits + int64(float64(n.o.rtp[n.told].MarshalSize()+wireOverhead)*8e9/n.rate)
		if n.free > w.now { // it is under way: told of the next time
			n.free = at + waits
			break
		}
		n.rec.Record(1, transportNumber(w.t, n.o, n.told), (n.free/1e3)%1e9)
	}
	for _, p := range n.rec.BuildFeedbackPacket() {
		w.rtcp(n.id, p)
	}
}

// call has a camera send for a while, and the receiver at the end of the link report.
func (w *world) call(d time.Duration, l *layered, n *access) {
	w.t.Helper()
	for end := w.now + int64(d); w.now < end; {
		w.pass(20 * time.Millisecond)
		l.frame()
		w.pass(20 * time.Millisecond)
		n.report()
	}
}

// flows returns what a peer was sent of each layer in a second from now on, in bit/s, by the size of frames.
// Probes and resends are not in it.
func (w *world) flows(l *layered, n *access, ssrc uint32) (rates []int) {
	w.t.Helper()
	from := len(n.o.rtp)
	w.call(time.Second, l, n)
	rates = make([]int, len(l.sizes))
	for _, p := range n.o.rtp[from:] {
		for i, size := range l.sizes {
			if d := len(p.Payload) - size/(1+size/1100); p.SSRC == ssrc && d > 0 && d < 40 {
				rates[i] += 8 * len(p.Payload)
			}
		}
	}
	return rates
}

// TestPicturesFitTheNetwork: a receiver gets the largest layer that its network carries, and nothing if not
// even the smallest goes. It gets all again when there is room.
func TestPicturesFitTheNetwork(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000) // 100, 400 and 1,250 kbit/s with their headers
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 20e6)
	only := func(layer int) {
		t.Helper()
		rates := w.flows(cam, link, 77)
		for i, r := range rates {
			require.Equal(t, i == layer, r > 0, "%v", rates)
		}
	}
	w.call(3*time.Second, cam, link)
	only(2)
	link.rate = 700e3
	w.call(3*time.Second, cam, link)
	only(1)
	link.queue = 0
	w.call(10*time.Second, cam, link)
	require.Less(t, link.queue, 150*ms)
	link.rate = 250e3
	w.call(3*time.Second, cam, link)
	only(0)
	link.rate = 50e3
	w.call(5*time.Second, cam, link)
	only(-1)
	paused := Undecodable{Peer: 4, Member: 4, MID: "s", Track: TrackKey{1, Camera}, Paused: true}
	over := Undecodable{Peer: 4, Member: 4, MID: "s"}
	require.Equal(t, []Undecodable{paused}, n.undecodable)
	u := w.c.usage([]MemberID{4})[4]
	require.Equal(t, []Undecodable{paused}, u.Undecodable)
	require.NotEqual(t, LimitNone, u.Network.Limit)
	require.InDelta(t, 50e3, u.Network.Estimate, 30e3)
	link.rate = 20e6
	w.call(5*time.Second, cam, link)
	only(2)
	require.Equal(t, []Undecodable{paused, over}, n.undecodable)
	require.NotZero(t, w.c.totals.Probes)
	require.EqualValues(t, 1, w.c.totals.Pauses)
}

// TestPaddingIsNoPicture: a publisher may send empty packets, or packets that have arrived already, to find
// out what its own network carries. That is not taken for what its picture costs.
func TestPaddingIsNoPicture(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000) // 100, 400 and 1,250 kbit/s with their headers
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 250e3)
	again := &sender{w: w, peer: 1, ssrc: 999, pt: vp8.RTX}
	for range 25 * 10 {
		w.call(40*time.Millisecond, cam, link)
		for range 4 {
			w.deliver(1, false, cam.layers[0].padding())
			w.deliver(1, false, again.repeat(cam.layers[0]))
		}
	}
	rates := w.flows(cam, link, 77)
	require.InDelta(t, 110e3, rates[0], 20e3, "%v", rates)
	require.Empty(t, n.undecodable, "paused")
	require.Greater(t, w.drops(DropDuplicate), uint64(900))
}

// repeat returns a retransmission of a publisher's packet that has long arrived.
func (s *sender) repeat(of *sender) []byte {
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: s.pt, SequenceNumber: s.seq, Timestamp: of.ts, SSRC: s.ssrc},
		Payload: append(binary.BigEndian.AppendUint16(nil, of.seq-5), make([]byte, 1000)...)}
	s.seq++
	s.w.must(p.SetExtension(pubExt.MID, []byte(of.mid)))
	s.w.must(p.SetExtension(pubExt.RepairedRID, []byte(of.rid)))
	raw, err := p.Marshal()
	s.w.must(err)
	return raw
}

// TestLossThatHasEndedLimitsNoLonger: a network was narrow, so that its queue overflowed, and is wide again.
// That is found, also if the next layer takes much more than what is sent.
func TestLossThatHasEndedLimitsNoLonger(t *testing.T) {
	for _, narrow := range []time.Duration{5 * time.Second, 20 * time.Second} {
		w, _ := observed(t)
		cam := w.layered(1, 1, 500, 1900, 6000)
		w.join(4, 4, nil, seatVideo("s", 77))
		w.watch(4, "s", 1, Camera, High)
		link := w.access(4, 20e6)
		w.call(3*time.Second, cam, link)
		link.rate = 50e3
		w.call(narrow, cam, link)
		link.rate = 20e6
		w.call(20*time.Second, cam, link)
		rates := w.flows(cam, link, 77)
		require.NotZero(t, rates[2], "after %s: %v", narrow, rates)
	}
}

// TestNoEstimate: everybody is sent all if nothing is to be divided. Nothing is paused or probed, and no
// estimate is told. Loss is told, and sound is protected.
func TestNoEstimate(t *testing.T) {
	for _, off := range []bool{false, true} {
		w, n := observed(t)
		w.c.o.NoEstimate = off
		cam, mic := w.layered(1, 1, 500, 1900, 6000), w.talker(2)
		w.join(4, 4, nil, seatVideo("s", 77), seatAudio("a", 78))
		w.watch(4, "s", 1, Camera, High)
		w.watch(4, "a", 2, Mic, High)
		link := w.access(4, 20e6)
		w.call(time.Second, cam, link)
		link.rate = 50e3
		talk := func(seconds int) {
			for range 25 * seconds {
				w.deliver(2, false, mic.next())
				w.call(40*time.Millisecond, cam, link)
			}
		}
		talk(16)
		rates := w.flows(cam, link, 77)
		require.Equal(t, off, rates[2] > 1e6, "%v", rates)
		require.Equal(t, off, w.c.totals.Pauses == 0)
		require.Equal(t, off, len(n.undecodable) == 0)
		require.Equal(t, off, w.c.totals.Probes == 0)
		last := n.last(4)
		require.Equal(t, off, last.Estimate == 0)
		if off {
			require.Greater(t, float64(last.Lost), 0.8*float64(last.Expected), "of that it is told")
			r := rand.New(rand.NewPCG(1, 2))
			link.rate, link.loss = 20e6, func(float64) bool { return r.Float64() < .3 }
			talk(10)
			require.NotZero(t, n.last(4).Red)
		}
	}
}

// TestRandomLossTakesNoPictureAway: a receiver that loses three packets of ten whatever is sent gets as much
// as without loss. A receiver behind a policer gets less.
func TestRandomLossTakesNoPictureAway(t *testing.T) {
	for seed := range uint64(20) {
		for policed, want := range map[bool]int{false: 2, true: 1} {
			w := newWorld(t)
			cam := w.layered(1, 1, 500, 1900, 6000)
			w.join(4, 4, nil, seatVideo("s", 77))
			w.watch(4, "s", 1, Camera, High)
			link, rnd := w.access(4, 20e6), rand.New(rand.NewPCG(seed, 1))
			w.call(3*time.Second, cam, link)
			tokens, at := 120e3, w.now
			link.loss = func(bits float64) bool {
				if !policed {
					return rnd.Float64() < 0.3
				}
				tokens, at = min(tokens+float64(w.now-at)*800e3/1e9, 120e3), w.now
				if tokens < bits {
					return true
				}
				tokens -= bits
				return false
			}
			w.call(8*time.Second, cam, link)
			if rates := w.flows(cam, link, 77); rates[want] == 0 {
				t.Errorf("seed %d, policed %v: %v", seed, policed, rates)
			}
		}
	}
}

// TestPausedComesBackWithItsPublisher: a publisher stops sending while it is paused at a receiver. It is seen
// if it begins again when that receiver's network is better.
func TestPausedComesBackWithItsPublisher(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	pub := w.talker(2)
	w.join(4, 4, nil, seatVideo("s", 77), seatAudio("a", 79))
	w.watch(4, "s", 1, Camera, High)
	w.watch(4, "a", 2, Mic, High)
	link := w.access(4, 60e3)
	w.call(5*time.Second, cam, link)
	paused := func() bool { return n.undecodable[len(n.undecodable)-1].Paused }
	require.True(t, paused())
	link.rate = 20e6
	for range 250 { // its sound alone
		w.talk(20*time.Millisecond, pub)
		link.report()
	}
	require.False(t, paused(), "who sends nothing is not paused")
	w.call(15*time.Second, cam, link)
	require.False(t, paused(), "and no longer")
	require.NotNil(t, w.c.peers[4].down.sinks["s"].cur)
}

// TestWhatIsPausedIsForgotten: this happens if something else is to be shown, or nothing.
func TestWhatIsPausedIsForgotten(t *testing.T) {
	for name, forget := range map[string]func(w *world){
		"nobody":      func(w *world) { w.watch(4, "s", 0, Camera, High) },
		"hidden":      func(w *world) { w.must(w.c.watch(4, "s", Want{Track: TrackKey{1, Camera}, Hidden: true}, w.now)) },
		"no section":  func(w *world) { w.must(w.c.update(4, nil, nil, w.now)) },
		"unpublished": func(w *world) { w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now)) },
	} {
		t.Run(name, func(t *testing.T) {
			w, n := observed(t)
			cam := w.layered(1, 1, 500, 1900, 6000)
			w.join(4, 4, nil, seatVideo("s", 77))
			w.watch(4, "s", 1, Camera, High)
			link := w.access(4, 50e3)
			w.call(5*time.Second, cam, link)
			require.Len(t, n.undecodable, 1)
			forget(w)
			w.pass(200 * time.Millisecond)
			require.Equal(t, []Undecodable{{Peer: 4, Member: 4, MID: "s"}}, n.undecodable[1:])
			w.pass(time.Minute)
			require.Zero(t, w.c.next(), "the room sleeps: %v", w.c.due)
		})
	}
}

// TestWhatIsNotMeasuredIsNotBounded: a section without transport-wide numbers gets what it asks for, as the
// estimate does not know of it.
func TestWhatIsNotMeasuredIsNotBounded(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	seat := seatVideo("s", 77)
	seat.Ext.TransportCC = 0
	pub := w.talker(2)
	w.join(4, 4, nil, seat, seatAudio("a", 79))
	w.watch(4, "s", 1, Camera, High)
	w.watch(4, "a", 2, Mic, High)
	r, told, waits := twcc.NewRecorder(1), 0, int64(30)
	for range 60 {
		w.pass(20 * time.Millisecond)
		cam.frame()
		w.talk(20*time.Millisecond, pub)
		told = w.feedbackOf(r, told, waits)
		waits += 5
	}
	require.Less(t, w.c.peers[4].down.net.est.Estimate().Budget, 100e3)
	require.Empty(t, n.undecodable)
	require.Same(t, w.c.tracks[TrackKey{1, Camera}][0].layers[2], w.c.peers[4].down.sinks["s"].cur)
}

// TestWithoutProbes: a receiver that takes no retransmissions cannot be probed with them. It is sent all
// until its network is full, then what fits. All is tried again after a while, and seldom after that fails.
func TestWithoutProbes(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 1900, 6000, 15000) // 400, 1,250 and 3,100 kbit/s
	seat := seatVideo("s", 77)
	seat.RTXSSRC = 0
	for i := range seat.Codecs {
		seat.Codecs[i].RTX = 0
	}
	w.join(4, 4, nil, seat)
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 20e6)
	w.call(3*time.Second, cam, link)
	shows := func(want int) {
		t.Helper()
		rates := w.flows(cam, link, 77)
		for i, r := range rates {
			require.Equal(t, i == want, r > 0, "%v", rates)
		}
	}
	shows(2)
	link.rate = 700e3
	w.call(5*time.Second, cam, link)
	shows(0)
	require.Empty(t, n.undecodable)
	link.queue = 0
	tries := 0
	for range 180 {
		if w.call(time.Second, cam, link); link.queue > 200*ms {
			tries++
		}
		link.queue = 0
	}
	require.InDelta(t, 4, tries, 3)
	link.rate = 20e6
	w.call((trialsWait + 5e9), cam, link)
	shows(2)
	require.Zero(t, w.c.totals.Probes)
}

// feedbackOf makes peer 4 report what of its sound it has got since the last time, with a delay in ms.
func (w *world) feedbackOf(r *twcc.Recorder, from int, delay int64) int {
	w.t.Helper()
	return w.feedback(r, from, func(i int) (int64, bool) { return delay, w.outs[4].rtp[i].GetExtension(subExt.TransportCC) == nil })
}

// TestNothingIsAddedToAQueue: a missing packet of a picture is not sent again while so much waits on the way
// already. It is sent again once that is over.
func TestNothingIsAddedToAQueue(t *testing.T) {
	for _, exact := range []bool{false, true} {
		w, _ := observed(t)
		cam := w.layered(1, 1, 500, 1900, 6000)
		seat := seatVideo("s", 77)
		if exact {
			seat.RTXSSRC = 0
			for i := range seat.Codecs {
				seat.Codecs[i].RTX = 0
			}
		}
		w.join(4, 4, nil, seat)
		w.watch(4, "s", 1, Camera, High)
		link := w.access(4, 20e6)
		w.call(2*time.Second, cam, link)
		asks := func() (resent int) {
			t.Helper()
			before := w.c.totals.Resent
			last := uint16(w.c.peers[4].down.sinks["s"].last.seq)
			w.rtcp(4, &rtcp.TransportLayerNack{MediaSSRC: 77, Nacks: []rtcp.NackPair{{PacketID: last - 1}}})
			return int(w.c.totals.Resent - before)
		}
		require.Equal(t, 1, asks(), "exact: %v", exact)
		link.rate = 600e3
		for range 50 {
			if w.call(40*time.Millisecond, cam, link); w.c.peers[4].down.net.est.Estimate().Queue > crammedQueue {
				break
			}
		}
		require.True(t, w.c.peers[4].down.crammed())
		require.Zero(t, asks(), "exact: %v", exact)
		w.call(5*time.Second, cam, link)
		require.False(t, w.c.peers[4].down.crammed())
		require.Equal(t, 1, asks(), "exact: %v", exact)
	}
}
