package router

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parlor/packet"
	"parlor/router/allocate"
)

// audience is a crowd that watches a camera in two layers. Each layer has brought a keyframe.
type audience struct {
	*world
	pub      *capture
	layers   []*sender
	answered int // requests
}

func newAudience(t *testing.T, viewers int, q Quality) *audience {
	a := &audience{world: newWorld(t)}
	sec := pubVideo("v")
	sec.RIDs = []string{"l", "h"}
	a.pub = a.join(1, 1, map[string]Source{"v": Camera}, sec)
	for i, rid := range sec.RIDs {
		s := a.vp8(1, uint32(100*(i+1)))
		s.mid, s.rid = "v", rid
		a.layers = append(a.layers, s)
		a.deliver(1, false, s.keyframe(uint16(320*(i+1)), uint16(180*(i+1))))
	}
	for i := range viewers {
		id := packet.PeerID(10 + i)
		a.join(id, MemberID(id), nil, seatVideo("5", uint32(id)*100))
		a.watch(id, "5", 1, Camera, q)
	}
	a.flow(time.Second)
	a.answered = 0
	return a
}

// flow lets time go by. The camera sends meanwhile, and answers 40 ms after it was asked.
func (a *audience) flow(d time.Duration) {
	for ; d > 0; d -= 40 * time.Millisecond {
		asked := map[uint32]bool{}
		for _, p := range a.pub.rtcp {
			if pli, ok := p.(*rtcp.PictureLossIndication); ok {
				asked[pli.MediaSSRC] = true
			}
		}
		a.pub.clear()
		a.pass(40 * time.Millisecond)
		for i, s := range a.layers {
			if asked[s.ssrc] {
				a.answered++
				a.deliver(1, false, s.keyframe(uint16(320*(i+1)), uint16(180*(i+1))))
			} else {
				a.deliver(1, false, s.frame(false, 2)...)
			}
		}
	}
}

// lose makes a viewer ask for a keyframe.
func (a *audience) lose(viewer int) {
	a.rtcp(packet.PeerID(10+viewer), &rtcp.PictureLossIndication{MediaSSRC: uint32(10+viewer) * 100})
}

// TestLossyViewersOfACrowdShareKeyframes: a keyframe comes once a second for all losses of some among many.
// For losses among few it comes at once.
func TestLossyViewersOfACrowdShareKeyframes(t *testing.T) {
	for _, x := range []struct{ viewers, least, most int }{{100, 8, 11}, {19, 20, 60}} {
		a := newAudience(t, x.viewers, High)
		for i := range 100 { // 8 s
			a.lose(i % x.viewers)
			a.flow(80 * time.Millisecond)
		}
		if a.answered < x.least || a.answered > x.most {
			t.Errorf("%d keyframes in 8 s in which %d viewers lose 100 pictures, want %d to %d", a.answered, x.viewers, x.least, x.most)
		}
	}
}

// TestACrowdIsNotKeptFrozenByItsPublishersLoss: all need what the publisher has lost for good, so it is asked
// for at once.
func TestACrowdIsNotKeptFrozenByItsPublishersLoss(t *testing.T) {
	for _, lost := range []bool{true, false} {
		a := newAudience(t, 30, High)
		a.lose(1)
		a.flow(120 * time.Millisecond)
		if a.answered != 1 {
			t.Fatalf("%d keyframes for the first loss", a.answered)
		}
		if lost {
			a.layers[1].frame(false, 2)
		}
		a.flow(320 * time.Millisecond)
		a.lose(2)
		a.flow(120 * time.Millisecond)
		if want := map[bool]int{true: 2, false: 1}[lost]; a.answered != want {
			t.Errorf("publisher has lost packets %v: %d keyframes within half a second, want %d", lost, a.answered, want)
		}
	}
}

// TestTheNewcomersOfACrowdDoNotWaitForItsQuota: a receiver that has no picture yet gets one as soon as in a
// small room.
func TestTheNewcomersOfACrowdDoNotWaitForItsQuota(t *testing.T) {
	a := newAudience(t, 30, High)
	a.lose(1)
	a.flow(time.Second)
	a.lose(2)
	a.flow(240 * time.Millisecond)
	a.join(3, 3, nil, seatVideo("5", 5000))
	a.watch(3, "5", 1, Camera, High)
	if a.flow(200 * time.Millisecond); len(a.outs[3].seqs(5000)) == 0 {
		t.Error("no picture after 200 ms")
	}
}

// TestACrowdGoesUpTogether: many networks turn out to carry more, one after the other. They cost the
// publisher a keyframe a second.
func TestACrowdGoesUpTogether(t *testing.T) {
	a := newAudience(t, 100, Low)
	for i := range 100 {
		s := a.c.peers[packet.PeerID(10+i)].down.sinks["5"]
		s.want.Quality, s.allowed.layers = High, 1
	}
	a.flow(time.Second)
	a.answered = 0
	for i := range 100 {
		a.c.allow(a.c.peers[packet.PeerID(10+i)].down.sinks["5"], allocate.State{Rung: 1, Want: 1}, []allocate.Rung{{}, {Layer: 1, Temporal: whole}})
		a.flow(40 * time.Millisecond)
	}
	a.flow(time.Second)
	if a.answered < 4 || a.answered > 6 {
		t.Errorf("%d keyframes for 100 who go up in 4 s, want about one a second", a.answered)
	}
	for i := range 100 {
		if s := a.c.peers[packet.PeerID(10+i)].down.sinks["5"]; s.cur != s.cur.track.layers[1] {
			t.Fatalf("viewer %d has not gone up", i)
		}
	}
}
