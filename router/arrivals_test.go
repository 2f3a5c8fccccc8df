package router

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// reported is a publisher of pictures whose packets may be lost, and what it is told of that.
type reported struct {
	*world
	pub    *capture
	layer  camLayer
	rnd    *rand.Rand
	lose   func() bool
	number uint16
	made   map[uint16][]byte // by number of the stream
	is     map[uint16]uint16 // which of them is under a transport-wide number
	over   map[uint16]bool   // of the stream: told to have come
	told   map[uint16]uint16 // by transport-wide number: what was told of it
	lost   int
	mends  bool // it sends again what it is asked for
}

func newReported(t *testing.T) *reported {
	w := newWorld(t)
	x := &reported{world: w, pub: w.join(1, 1, map[string]Source{"v": Camera}, pubVideo("v", 100)), rnd: rand.New(rand.NewPCG(1, 1)), number: 65000, mends: true,
		made: map[uint16][]byte{}, is: map[uint16]uint16{}, over: map[uint16]bool{}, told: map[uint16]uint16{}}
	w.join(4, 4, nil, seatVideo("s", 5000))
	w.watch(4, "s", 1, Camera, High)
	x.layer = camLayer{sender: *w.vp8(1, 100)}
	x.layer.mid = "v"
	return x
}

// transmit sends one packet, of a number of the stream.
func (x *reported) transmit(raw []byte, seq uint16) {
	var p rtp.Packet
	x.must(p.Unmarshal(raw))
	x.must(p.SetExtension(pubExt.TransportCC, binary.BigEndian.AppendUint16(nil, x.number)))
	raw, err := p.Marshal()
	x.must(err)
	x.is[x.number] = seq
	x.number++
	if x.lose() {
		x.lost++
		return
	}
	x.deliver(1, false, raw)
}

// send sends pictures for a time, so many packets a second. It returns which share of all packets was lost,
// and which share the publisher was told of as lost.
func (x *reported) send(d time.Duration, rate int, lose func() bool) (lost, told float64) {
	x.lose, x.lost, x.is, x.told = lose, 0, map[uint16]uint16{}, map[uint16]uint16{}
	for end := x.now + int64(d); x.now < end; x.pass(time.Second / time.Duration(rate)) {
		seq := x.layer.seq
		x.made[seq] = x.layer.frame(len(x.made) == 0, 1)[0]
		x.transmit(x.made[seq], seq)
		x.read()
	}
	x.pass(100 * time.Millisecond)
	x.read()
	missing := 0
	for _, status := range x.told {
		if status == rtcp.TypeTCCPacketNotReceived {
			missing++
		}
	}
	return float64(x.lost) / float64(len(x.is)), float64(missing) / float64(len(x.is))
}

// read takes in what the publisher is told and asked for.
func (x *reported) read() {
	packets := x.pub.rtcp
	x.pub.rtcp = nil
	for _, p := range packets {
		switch r := p.(type) {
		case *rtcp.TransportLayerCC:
			for i, status := range statuses(r) {
				n := r.BaseSequenceNumber + uint16(i)
				seq, ok := x.is[n]
				if !ok {
					continue // from before
				}
				if x.told[n] = status; status != rtcp.TypeTCCPacketNotReceived {
					x.over[seq] = true
				}
			}
		case *rtcp.TransportLayerNack:
			for _, n := range r.Nacks {
				for _, seq := range n.PacketList() {
					require.False(x.t, x.over[seq], "it cannot be sent again")
					if raw := x.made[seq]; raw != nil && x.mends {
						x.transmit(x.layer.repair(raw), seq)
					}
				}
			}
		}
	}
}

// statuses are what feedback says of each packet.
func statuses(r *rtcp.TransportLayerCC) (all []uint16) {
	for _, c := range r.PacketChunks {
		switch c := c.(type) {
		case *rtcp.RunLengthChunk:
			for range c.RunLength {
				all = append(all, c.PacketStatusSymbol)
			}
		case *rtcp.StatusVectorChunk:
			all = append(all, c.SymbolList...)
		}
	}
	return all[:min(len(all), int(r.PacketStatusCount))]
}

// chance loses a share.
func (x *reported) chance(share float64) func() bool {
	return func() bool { return x.rnd.Float64() < share }
}

// full lets so many packets a second pass.
func (x *reported) full(rate float64) func() bool {
	tokens, at := 5., x.now
	return func() bool {
		tokens, at = min(tokens+float64(x.now-at)/1e9*rate, 5), x.now
		if tokens < 1 {
			return true
		}
		tokens--
		return false
	}
}

// TestRandomLossOfPublishersIsNotTold: this holds once they have sent less and as large a share was lost. A
// missing packet is in no report, and is told to have come once it has. A packet that the publisher is still
// asked for is not told to have come, as it could not be sent again then.
func TestRandomLossOfPublishersIsNotTold(t *testing.T) {
	for _, share := range []float64{0.3, 0.5} {
		x := newReported(t)
		lost, told := x.send(2*time.Second, 200, x.chance(share))
		require.InDelta(t, lost, told, 0.03, "nothing is known")
		x.send(4*time.Second, 70, x.chance(share))
		lost, told = x.send(6*time.Second, 200, x.chance(share))
		require.InDelta(t, share, lost, 0.05)
		require.Less(t, told, 0.06)
		require.Greater(t, float64(len(x.told))/float64(len(x.is)), 1-lost*0.4, "most have come later, and that is told")
		require.Equal(t, share == 0.5, x.c.peers[1].reports.arrivals.heavy)
	}
}

// TestWhatAFullLinkLosesIsTold: all of it is told to the publisher at once, whether it sends less then or
// not.
func TestWhatAFullLinkLosesIsTold(t *testing.T) {
	x := newReported(t)
	x.mends = false
	full := x.full(100)
	for _, rate := range []int{200, 70, 200, 110, 200, 150} {
		lost, told := x.send(3*time.Second, rate, full)
		require.InDelta(t, lost, told, 0.02, rate)
		require.InDelta(t, len(x.is), len(x.told), 10, "%d: each is told of", rate)
	}
}

// TestALinkThatBecomesFullIsTold: it is told although loss was random before, as more is lost than was shown.
func TestALinkThatBecomesFullIsTold(t *testing.T) {
	x := newReported(t)
	x.send(2*time.Second, 200, x.chance(0.3))
	x.send(4*time.Second, 70, x.chance(0.3))
	_, told := x.send(4*time.Second, 200, x.chance(0.3))
	require.Less(t, told, 0.06)
	full, random := x.full(70), x.chance(0.3)
	both := func() bool { return random() || full() }
	x.send(1500*time.Millisecond, 200, both)
	lost, told := x.send(3*time.Second, 200, both)
	require.Greater(t, lost, 0.5)
	require.InDelta(t, lost, told, 0.03)
}

// TestACleanUplinkIsToldOfEachPacketOnce: it takes one report each interval.
func TestACleanUplinkIsToldOfEachPacketOnce(t *testing.T) {
	x := newReported(t)
	before := x.c.totals.TransportFeedbacksSent
	lost, told := x.send(8*time.Second, 150, func() bool { return false })
	require.Zero(t, lost)
	require.Zero(t, told)
	require.Len(t, x.told, len(x.is))
	require.InDelta(t, 100, x.c.totals.TransportFeedbacksSent-before, 3)
}

// TestAPublisherThatLosesMuchSendsTheLowestLayer: it sends that alone until it loses less, or until the loss
// is known to be random. The other layers are more than its network takes. A break of some hundred
// milliseconds is no such loss.
func TestAPublisherThatLosesMuchSendsTheLowestLayer(t *testing.T) {
	w, cam := steered(t)
	w.want(full)
	cam.send(6 * time.Second)
	require.Equal(t, 2, w.fed())
	p := w.c.peers[1]
	a := &p.reports.arrivals
	lose := func(d time.Duration, passed ...int) {
		for end := w.now + int64(d); w.now < end; w.now += 10 * ms {
			a.loss.Arrived(w.now, passed[w.now/10/ms%int64(len(passed))])
		}
		w.c.spareLarge(p)
	}
	lose(2*time.Second, 0)
	lose(300*time.Millisecond, 9)
	require.False(t, a.heavy, "a break")
	lose(2*time.Second, 0)
	lose(2*time.Second, 1, 0, 0)
	cam.send(time.Second)
	require.Equal(t, 0, w.fed())
	require.Equal(t, []string{"qhf", "qf", "q"}, cam.n.told())
	lose(2*time.Second, 0, 0, 0, 0, 0, 1)
	require.True(t, a.heavy, "more than it begins with")
	a.spares = true
	lose(2*time.Second, 1, 0, 0)
	require.False(t, a.heavy, "it is random")
	lose(2*time.Second, 1)
	require.True(t, a.heavy, "random or not")
	lose(2*time.Second, 0)
	cam.send(time.Second)
	require.Equal(t, 2, w.fed())
}
