package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/router/shed"
)

// obeys is a publisher whose client does after a while what it is told.
type obeys struct {
	*layered
	n     *notes
	lag   int64
	heard int
	later []func() // what is to be done, at
	at    []int64
}

// steered returns a world with a publisher that is told what is wanted, and one peer that may watch it.
func steered(t *testing.T) (*world, *obeys) {
	w, n := observed(t)
	w.steers = true
	cam := &obeys{layered: w.layered(1, 1, 500, 1900, 6000), n: n, lag: 60 * ms}
	w.join(4, 4, nil, seatVideo("s", 77))
	return w, cam
}

// told returns what the observer was told, as the layers that are on.
func (n *notes) told() (l []string) {
	for _, d := range n.demands {
		on := ""
		for _, x := range d.Layers {
			if x.On {
				on += x.RID
			}
		}
		l = append(l, on)
	}
	return l
}

// send sends frames for a while, 25 a second.
func (o *obeys) send(d time.Duration) {
	w := o.w
	for end := w.now + int64(d); w.now < end; {
		w.pass(40 * time.Millisecond)
		o.obey()
		o.frame()
	}
}

// obey takes in what the observer was told.
func (o *obeys) obey() {
	for ; o.heard < len(o.n.demands); o.heard++ {
		layers := o.n.demands[o.heard].Layers
		o.later, o.at = append(o.later, func() {
			for i, x := range layers {
				o.off[i] = !x.On
			}
		}), append(o.at, o.w.now+o.lag)
	}
	for len(o.later) > 0 && o.w.now >= o.at[0] {
		o.later[0]()
		o.later, o.at = o.later[1:], o.at[1:]
	}
}

// want makes peer 4 watch the camera at an area.
func (w *world) want(area uint32) {
	w.t.Helper()
	w.must(w.c.watch(4, "s", Want{Track: TrackKey{1, Camera}, Quality: High, Area: area}, w.now))
}

// fed returns which layer feeds the sink of peer 4; -1 if none does.
func (w *world) fed() int {
	s := w.c.peers[4].down.sinks["s"]
	if s.cur == nil {
		return -1
	}
	return s.cur.layer()
}

const (
	thumb = 240 * 135
	half  = 480 * 270
	full  = 960 * 540
)

// TestLayersThatNobodyWantsAreOff: they are off after 5 s and on as soon as a receiver wants one. The picture
// goes on meanwhile.
func TestLayersThatNobodyWantsAreOff(t *testing.T) {
	w, cam := steered(t)
	w.want(thumb)
	cam.send(5 * time.Second)
	require.Equal(t, []string{"qhf"}, cam.n.told())
	cam.send(time.Second)
	require.Equal(t, []string{"qhf", "q"}, cam.n.told())
	cam.send(60 * time.Second)
	require.Equal(t, []string{"qhf", "q"}, cam.n.told(), "nothing more")
	require.Equal(t, 0, w.fed())

	asked, out, began := w.outs[1].plis(), len(w.outs[4].rtp), w.now
	w.want(full)
	w.pass(0)
	require.Equal(t, []string{"qhf", "q", "qf"}, cam.n.told(), "at once")
	for w.fed() != 2 {
		cam.send(40 * time.Millisecond)
		require.Less(t, w.now-began, 400*ms)
	}
	cam.send(time.Second)
	require.Equal(t, asked, w.outs[1].plis(), "who begins does so with a keyframe")
	seqs := w.outs[4].seqs(77)
	require.Equal(t, int(seqs[0])+len(seqs)-1, int(seqs[len(seqs)-1]), "no gap")
	for i := out; i+1 < len(w.outs[4].at); i++ {
		require.LessOrEqual(t, w.outs[4].at[i+1]-w.outs[4].at[i], 50*ms, "the picture stands still")
	}
	require.EqualValues(t, 2, w.c.totals.LayersOff)
	require.EqualValues(t, 1, w.c.totals.LayersOn)

	w.want(half)
	cam.send(time.Second)
	require.Equal(t, 1, w.fed())
	cam.send(7 * time.Second)
	require.Equal(t, []string{"qhf", "q", "qf", "qhf", "qh"}, cam.n.told())
}

// TestWhoWantsAgainWhatHasJustStopped: the receiver gets it, and nothing else is sent in its place while it
// begins.
func TestWhoWantsAgainWhatHasJustStopped(t *testing.T) {
	for after := range 20 {
		w, cam := steered(t)
		cam.lag = 300 * ms
		w.want(thumb)
		cam.send(6 * time.Second)
		require.Equal(t, []string{"qhf", "q"}, cam.n.told())
		cam.send(time.Duration(after) * 100 * time.Millisecond)
		w.want(full)
		cam.send(10 * time.Second)
		require.Equal(t, []string{"qhf", "q", "qf"}, cam.n.told(), "wanted again after %d00 ms", after)
		require.Equal(t, 2, w.fed())
	}
}

// TestWhoGetsAnotherLayerKeepsItsOwn: it keeps its layer until the one that it wants is there. It does not go
// down to the lowest in between.
func TestWhoGetsAnotherLayerKeepsItsOwn(t *testing.T) {
	w, cam := steered(t)
	w.want(full)
	cam.send(10 * time.Second)
	require.Equal(t, []string{"qhf", "qf"}, cam.n.told())
	require.Equal(t, 2, w.fed())
	for _, step := range []struct {
		area uint32
		then int
	}{{half, 1}, {full, 2}, {half, 1}} {
		before := w.fed()
		w.want(step.area)
		for n := 0; w.fed() != step.then; n++ {
			require.Equal(t, before, w.fed())
			cam.begins[0] = true // others have it asked for keyframes of the lowest
			cam.send(40 * time.Millisecond)
			require.Less(t, n, 50)
		}
		cam.send(10 * time.Second)
	}
	w.want(thumb)
	cam.send(10 * time.Second)
	require.Equal(t, 0, w.fed())
	require.Equal(t, "q", last(cam.n.told()))
}

// TestALoneUserSendsTheLowestLayer: a receiver that begins to watch has all that is wanted at once. It does
// not matter for which reason nobody watched.
func TestALoneUserSendsTheLowestLayer(t *testing.T) {
	watch := func(w *world) { w.want(full) }
	for name, c := range map[string]struct{ goes, comes func(w *world) }{
		"nobody":                    {func(*world) {}, watch},
		"a seat that shows another": {func(w *world) { watch(w); w.watch(4, "s", 9, Camera, High) }, watch},
		"a hidden picture": {func(w *world) {
			w.must(w.c.watch(4, "s", Want{Track: TrackKey{1, Camera}, Hidden: true}, w.now))
		}, watch},
		"a lost connection": {
			func(w *world) { watch(w); w.must(w.c.suspend(4, w.now)) },
			func(w *world) { w.must(w.c.ready(4, w.now)) },
		},
		"one who has left": {
			func(w *world) { watch(w); w.must(w.c.detach(4, w.now)) },
			func(w *world) { w.join(4, 4, nil, seatVideo("s", 78)); watch(w) },
		},
		"a seat that is gone": {
			func(w *world) { watch(w); w.must(w.c.update(4, nil, nil, w.now)) },
			func(w *world) { w.must(w.c.update(4, []packet.Section{seatVideo("s", 78)}, nil, w.now)); watch(w) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, cam := steered(t)
			c.goes(w)
			cam.send(29 * time.Second)
			require.Equal(t, []string{"qhf"}, cam.n.told())
			cam.send(3 * time.Second)
			require.Equal(t, []string{"qhf", "q"}, cam.n.told())
			c.comes(w)
			w.pass(0)
			require.Equal(t, []string{"qhf", "q", "qf"}, cam.n.told())
			cam.send(400 * time.Millisecond)
			require.Equal(t, 2, w.fed())
		})
	}
}

// TestMutedKeepsWhatItsWatchersWant: a member that switches its camera on again is seen at once as it was.
func TestMutedKeepsWhatItsWatchersWant(t *testing.T) {
	w, cam := steered(t)
	w.want(full)
	cam.send(10 * time.Second)
	w.must(w.c.setPublishing(TrackKey{1, Camera}, false, w.now))
	w.pass(time.Minute) // a camera that is muted sends nothing
	require.Equal(t, []string{"qhf", "qf"}, cam.n.told())
	w.must(w.c.setPublishing(TrackKey{1, Camera}, true, w.now))
	cam.send(400 * time.Millisecond)
	require.Equal(t, 2, w.fed())
	cam.send(time.Minute)
	require.Equal(t, []string{"qhf", "qf"}, cam.n.told())
}

// TestWhatDoesNotComeIsDoneWithout: a layer that was asked for has stopped if the publisher cannot send it.
// It is not asked for again and again.
func TestWhatDoesNotComeIsDoneWithout(t *testing.T) {
	w, cam := steered(t)
	w.want(thumb)
	cam.send(10 * time.Second)
	sends := func(d time.Duration) {
		for end := w.now + int64(d); w.now < end; {
			w.pass(40 * time.Millisecond)
			cam.obey()
			cam.off[2] = true
			cam.frame()
		}
	}
	w.want(full)
	sends(1800 * time.Millisecond)
	require.Equal(t, []string{"qhf", "q", "qf"}, cam.n.told())
	w.join(5, 5, nil, seatVideo("s", 99)) // a receiver that gets the middle one meanwhile makes no difference
	w.must(w.c.watch(5, "s", Want{Track: TrackKey{1, Camera}, Quality: High, Area: half}, w.now))
	sends(150 * time.Millisecond)
	require.Equal(t, 0, w.fed())
	sends(300 * time.Millisecond)
	require.Equal(t, 1, w.fed())
	w.must(w.c.detach(5, w.now))
	sends(time.Minute)
	require.Equal(t, []string{"qhf", "q", "qf", "qhf"}, cam.n.told())
	require.Equal(t, 1, w.fed())
	cam.off[2] = false // its network has got better
	cam.send(time.Second)
	require.Equal(t, 2, w.fed())
	cam.send(10 * time.Second)
	require.Equal(t, []string{"qhf", "q", "qf", "qhf", "qf"}, cam.n.told())
}

// TestWhoIsNotToldIsNotTakenAtItsWord: no layer of a WHIP client is ever off, and one that has stopped is not
// waited for. The same holds for a client that does not understand what it is told. Only what comes counts
// for it.
func TestWhoIsNotToldIsNotTakenAtItsWord(t *testing.T) {
	w, n := observed(t)
	cam := w.layered(1, 1, 500, 1900, 6000)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.want(thumb)
	for range 1000 {
		w.pass(40 * time.Millisecond)
		cam.frame()
	}
	require.Empty(t, n.demands)
	require.Zero(t, w.c.totals.LayersOff)

	w, deaf := steered(t)
	w.want(thumb)
	all := func() {
		for range 100 {
			w.pass(40 * time.Millisecond)
			deaf.frame()
		}
	}
	for range 3 {
		all()
	}
	require.Equal(t, []string{"qhf", "q"}, deaf.n.told())
	w.want(full)
	all()
	require.Equal(t, 2, w.fed())
	w.want(half)
	all()
	require.Equal(t, 1, w.fed())
}

// TestANewTrackIsWantedWhole: its client may have been told otherwise of a track before, over another
// connection.
func TestANewTrackIsWantedWhole(t *testing.T) {
	w, cam := steered(t)
	w.want(thumb)
	cam.send(10 * time.Second)
	require.Equal(t, []string{"qhf", "q"}, cam.n.told())
	cam.layered = w.layered(5, 1, 500, 1900, 6000)
	require.Equal(t, []string{"qhf", "q", "qhf"}, cam.n.told())
	require.Equal(t, packet.PeerID(5), cam.n.demands[2].Peer)
	w.must(w.c.detach(1, w.now))
	cam.send(10 * time.Second)
	require.Equal(t, []string{"qhf", "q", "qhf", "q"}, cam.n.told())
	require.Equal(t, packet.PeerID(5), cam.n.demands[3].Peer)
}

// TestTheLowestThatComesStays: it stays whatever the order of the offer is and whatever stops by itself.
func TestTheLowestThatComesStays(t *testing.T) {
	w, cam := steered(t)
	cam.off[0] = true // a publisher may leave out a layer by itself
	for range 1000 {
		w.pass(40 * time.Millisecond)
		cam.frame()
	}
	require.Equal(t, []string{"qhf", "qh"}, cam.n.told())
}

// TestOffIsForANetworkWhatCanBeHad: a layer that a receiver's network does not carry is off, and on again
// when it carries it.
func TestOffIsForANetworkWhatCanBeHad(t *testing.T) {
	w, cam := steered(t)
	w.want(full)
	link := w.access(4, 20e6)
	call := func(d time.Duration) {
		t.Helper()
		for end := w.now + int64(d); w.now < end; {
			cam.obey()
			w.call(40*time.Millisecond, cam.layered, link)
		}
	}
	call(8 * time.Second)
	require.Equal(t, 2, w.fed())
	require.Equal(t, "qf", cam.n.told()[1])
	link.rate = 700e3
	call(12 * time.Second)
	require.Equal(t, 1, w.fed())
	require.Equal(t, "qh", last(cam.n.told()))
	before := cam.n.told()
	call(time.Minute)
	require.Equal(t, before, cam.n.told(), "it is not tried over and over")
	link.rate = 20e6
	call(10 * time.Second)
	require.Equal(t, 2, w.fed(), "%v", cam.n.told())
	require.Equal(t, "qf", last(cam.n.told()), "%v", cam.n.told())
	require.LessOrEqual(t, len(cam.n.told()), len(before)+4, "%v", cam.n.told())
}

func last(l []string) string { return l[len(l)-1] }

// TestLayersThatAreOffAreNotLost: a publisher's quality does not suffer as its layers stop. Its statistics
// name what it sends.
func TestLayersThatAreOffAreNotLost(t *testing.T) {
	w, cam := steered(t)
	w.want(thumb)
	cam.send(20 * time.Second)
	for _, s := range cam.n.samples {
		for _, x := range s.Sent {
			require.Zero(t, x.Lost)
		}
		require.False(t, s.Member == 1 && s.Down)
	}
	require.Equal(t, LimitApplication, cam.n.last(4).Limit, "there is more, if it wants it")
	rids := ""
	for _, x := range cam.n.last(1).Sent {
		rids += x.RID
	}
	require.Equal(t, "q", rids)
	for _, p := range w.outs[1].rtcp {
		if rr, ok := p.(*rtcp.ReceiverReport); ok {
			for _, r := range rr.Reports {
				require.Zero(t, r.FractionLost)
			}
		}
	}
}

// TestARoomThatLeavesMuchOutHasLessSent: a layer that it would not forward is off after a while, and back
// when it keeps up again.
func TestARoomThatLeavesMuchOutHasLessSent(t *testing.T) {
	w, cam := steered(t)
	w.want(full)
	cam.send(10 * time.Second)
	require.Equal(t, "qf", last(cam.n.told()))
	until := func(level shed.Level, late int64) {
		for n := 0; w.c.over.shed.Level() != level; n++ {
			w.late = late
			cam.send(40 * time.Millisecond)
			require.Less(t, n, 2000)
		}
	}
	until(shed.MidQuality, 200*ms)
	w.late = 40 * ms // and so it stays
	cam.send(10 * time.Second)
	require.Equal(t, shed.MidQuality, w.c.over.shed.Level())
	require.Equal(t, "qh", last(cam.n.told()))
	require.Equal(t, 1, w.fed())
	until(shed.Nothing, 0)
	cam.send(time.Second)
	require.Contains(t, last(cam.n.told()), "f")
	require.Equal(t, 2, w.fed())
}

// TestDemandOfManyIsTheirUnion: a layer that one wants is on for all, and off when the last one has gone.
func TestDemandOfManyIsTheirUnion(t *testing.T) {
	w, cam := steered(t)
	w.want(thumb)
	for id := packet.PeerID(10); id < 13; id++ {
		w.join(id, MemberID(id), nil, seatVideo("s", 100*uint32(id)))
		area := []uint32{thumb, half, full}[id-10]
		w.must(w.c.watch(id, "s", Want{Track: TrackKey{1, Camera}, Quality: High, Area: area}, w.now))
	}
	cam.send(20 * time.Second)
	require.Equal(t, []string{"qhf"}, cam.n.told())
	w.must(w.c.detach(12, w.now))
	cam.send(7 * time.Second)
	w.must(w.c.detach(11, w.now))
	cam.send(7 * time.Second)
	require.Equal(t, "qhf qh q", strings.Join(cam.n.told(), " "))
	w.must(w.c.detach(1, w.now))
	w.pass(time.Minute)
	require.Zero(t, w.c.next(), fmt.Sprint("the room sleeps: ", w.c.due))
}
