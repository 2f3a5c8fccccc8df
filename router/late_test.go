package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/bwe"
)

// overtaking makes packets to a peer overtake each other from now on. They come up to so much later than
// others.
func (w *world) overtaking(p *peer, late time.Duration) {
	p.down.pathOf().listed = true // what is told of its network is told here
	o := &p.down.net.order
	*o = bwe.Order{}
	o.Turn(w.now)
	for i := range int64(400) {
		o.Packet(w.now+i, w.now-i*2*ms, int64(late)*(i%2))
	}
	e := bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6}
	for range 10 {
		p.down.net.protect(w.now, p.rtt, 1e6, &e, &p.down.told)
	}
	w.c.guard(p)
}

// TestWhatIsOnlyLateIsNotSentAgain: a packet may be asked for before it can have come, if packets overtake
// each other. It is not sent again then, but after that it is.
func TestWhatIsOnlyLateIsNotSentAgain(t *testing.T) {
	for _, rtx := range []uint32{5001, 5000} { // or the very same packet
		w, a, _, sub := meeting(t)
		if rtx == 5000 {
			s := seatVideo("5", 5000)
			s.RTXSSRC = 0
			for i := range s.Codecs {
				s.Codecs[i].RTX = 0
			}
			w.must(w.c.update(3, []packet.Section{s}, nil, w.now))
		}
		w.watch(3, "5", 1, Camera, High)
		p := w.c.peers[3]
		p.rtt = 50 * ms
		w.overtaking(p, 200*time.Millisecond)
		w.deliver(1, false, a.frame(true, 3)...)
		lost := sub.rtp[1].SequenceNumber
		again := func() int {
			sub.clear()
			sub.nack(lost)
			return len(sub.seqs(rtx))
		}
		w.now += 100 * ms
		require.Zero(t, again())
		w.now += 149 * ms
		require.Zero(t, again(), "just before it must have come")
		w.now += 2 * ms
		require.Equal(t, 1, again())
		w.deliver(1, false, a.frame(false, 3)...)
		lost = sub.rtp[len(sub.rtp)-1].SequenceNumber
		w.overtaking(p, 0)
		require.Equal(t, 1, again(), "at once where packets keep their order")
	}
}

// TestWhatIsLateIsWaitedForLessWhereMuchIsLost: it is never waited for longer than receivers ask.
func TestWhatIsLateIsWaitedForLessWhereMuchIsLost(t *testing.T) {
	w, a, _, sub := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	p := w.c.peers[3]
	w.overtaking(p, 1500*time.Millisecond)
	ages := func() (age int64) {
		w.deliver(1, false, a.frame(true, 1)...)
		from, lost := w.now, sub.rtp[len(sub.rtp)-1].SequenceNumber
		for sub.clear(); len(sub.seqs(5001)) == 0 && age < 3000*ms; age = w.now - from {
			w.now += 10 * ms
			sub.nack(lost)
		}
		return age
	}
	require.Equal(t, int64(heldMost), ages())
	p.down.net.guarded.lost = 0.2
	require.Equal(t, 240*ms, ages(), "a fifth of the utmost")
	p.down.net.guarded.lost = 0.3
	require.Equal(t, 10*ms, ages())
}

// TestReceiversWaitForWhatIsLate: they wait as long as packets take that others overtake, within a second.
// They wait less once that is over.
func TestReceiversWaitForWhatIsLate(t *testing.T) {
	w, _, _, _ := meeting(t)
	w.watch(3, "5", 1, Camera, High)
	p := w.c.peers[3]
	w.overtaking(p, 0)
	x := &p.down.net.guarded
	w.overtaking(p, 730*time.Millisecond)
	require.Equal(t, 730*ms+int64(lateSpare), x.delay)
	e := bwe.Estimate{Capacity: 10e6, Budget: 10e6, Delay: 10e6}
	// Packets that are overtaken are taken for lost at first, and round trips are late.
	x.delay, x.lost, p.rtt = 0, 0.3, 900*ms
	for i := range int64(8) {
		p.down.net.protect(w.now, p.rtt, 1e6, &e, &p.down.told)
		require.GreaterOrEqual(t, x.delay, 730*ms, "at once")
		require.LessOrEqual(t, x.delay, 1150*ms-i*10*ms)
	}
	x.lost, p.rtt = 0, 50*ms
	w.overtaking(p, 1900*time.Millisecond)
	require.Equal(t, int64(lateMost+lateSpare), x.delay)
	w.overtaking(p, 0)
	require.Less(t, x.delay, 1130*ms, "shorter by a tenth within a second")
	require.Greater(t, x.delay, 1040*ms)
}

// TestSoundThatComesLateGoesWithOthers: redundancy brings it sooner if packets overtake each other.
func TestSoundThatComesLateGoesWithOthers(t *testing.T) {
	for late, want := range map[time.Duration]int{0: 0, 100 * time.Millisecond: 0, time.Second: 6} {
		w := newWorld(t)
		w.join(3, 3, nil, seatSound("a", 77))
		d := &w.c.peers[3].down
		w.overtaking(w.c.peers[3], late)
		for range 30 {
			w.now += 100 * ms
			d.told.arrived += 20
			d.watchLoss(w.now)
		}
		require.Equal(t, want, d.guard.depth(), "%v", late)
	}
}

// TestRepairOverALongWay: the way is 150 ms long in each direction, and every tenth packet is lost.
// Retransmissions bring all pictures in time once it is known for how long they are to be waited for. So
// there is no forward error correction.
func TestRepairOverALongWay(t *testing.T) {
	for seed := range uint64(3) {
		s := newSim(t, seed, calm)
		s.pad, s.keys = 560, 8
		s.draw(11, true, drawn(far, "loss=10%"))
		s.draw(11, false, far)
		s.camera(1, 1, 1, 3, 8).scaled = true
		v := s.viewer(11, true)
		s.watch(v.id, "s", 1, Camera, High)
		s.run(calmFor + 5*time.Second)
		v.buffer.frozen = 0
		before := v.buffer.decoded
		s.run(10 * time.Second)
		require.LessOrEqual(t, v.buffer.frozen, 500*ms/6, "seed %d", seed)
		require.GreaterOrEqual(t, v.buffer.decoded-before, 245, "seed %d", seed)
	}
}
