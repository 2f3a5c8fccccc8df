package router

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parlor/packet"
)

// The simulation: publishers with simulcast layers that answer NACK and PLI, a network that loses, repeats and reorders by a
// seed, and receivers that ask for what is missing and judge what they got by the truth written into the payloads.

type sim struct {
	*world
	rng   *rand.Rand
	queue events
	order int
	net   network
	pad   int // bytes added to each packet
	keys  int // how many times larger than others keyframes are

	arrive func(packet.PeerID, []byte) // takes an RTP packet of a publisher
}

// network is what happens on each way, in both directions.
type network struct {
	loss, dup     float64
	delay, jitter time.Duration
}

type event struct {
	at    int64
	order int
	do    func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any     { l := *q; x := l[len(l)-1]; *q = l[:len(l)-1]; return x }

func newSim(t *testing.T, seed uint64, net network) *sim {
	s := &sim{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1)), net: net, keys: 3}
	s.arrive = func(id packet.PeerID, raw []byte) { s.deliver(id, false, raw) }
	return s
}

func (s *sim) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.queue, event{s.now + int64(d), s.order, do})
}

// send lets something travel.
func (s *sim) send(do func()) {
	n := 1
	if s.rng.Float64() < s.net.loss {
		n = 0
	} else if s.rng.Float64() < s.net.dup {
		n = 2
	}
	for range n {
		d := s.net.delay
		if s.net.jitter > 0 {
			d += time.Duration(s.rng.Int64N(int64(s.net.jitter)))
		}
		s.after(d, do)
	}
}

// run lets the time go by.
func (s *sim) run(d time.Duration) {
	end := s.now + int64(d)
	for len(s.queue) > 0 && s.queue[0].at <= end {
		e := heap.Pop(&s.queue).(event)
		s.pass(time.Duration(e.at - s.now))
		e.do()
	}
	s.pass(time.Duration(end - s.now))
}

func TestSimulatedCallWithSwitches(t *testing.T) {
	for seed := range uint64(12) {
		for _, rtx := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d rtx %v", seed, rtx), func(t *testing.T) { judgeCall(newCall(t, seed), rtx, 1) })
		}
	}
}

// newCall returns a call over the network of a seed.
func newCall(t *testing.T, seed uint64) *sim {
	net := network{loss: 0.02, dup: 0.02, delay: 15 * time.Millisecond, jitter: 15 * time.Millisecond}
	if seed%3 == 0 {
		net = network{delay: 10 * time.Millisecond}
	}
	return newSim(t, seed, net)
}

// judgeCall has three viewers watch two cameras that send scale times as much as they must.
func judgeCall(s *sim, rtx bool, scale int) {
	t, net := s.t, s.net
	cams := []*camera{s.camera(1, 1, scale, 2*scale, 4*scale), s.camera(2, 2, 3*scale)}
	views := []*viewer{s.viewer(11, rtx), s.viewer(12, rtx), s.viewer(13, rtx)}
	for _, v := range views {
		s.watch(v.id, "s", 1, Camera, High)
	}
	s.run(2 * time.Second)
	for range 20 {
		v := views[s.rng.IntN(len(views))]
		s.watch(v.id, "s", MemberID(1+s.rng.IntN(2)), Camera, Quality(s.rng.IntN(3)))
		if s.rng.IntN(4) == 0 {
			cams[0].silent = 1 + s.rng.IntN(3)
		}
		s.run(time.Duration(200+s.rng.IntN(2500)) * time.Millisecond)
	}
	s.run(2 * time.Second)
	for i, v := range views {
		r := v.judge()
		t.Logf("viewer %d: %v", i, r)
		switch {
		case net.loss == 0 && (r.holes > 0 || r.decoded < r.frames-r.switches):
			t.Errorf("viewer %d, nothing lost: %v", i, r)
		case r.decoded*100 < r.frames*90:
			t.Errorf("viewer %d: %v", i, r)
		case r.freeze > 3*time.Second:
			t.Errorf("viewer %d: %v", i, r)
		}
	}
	if !slices.ContainsFunc(views, func(v *viewer) bool { return len(v.got) > 1000 }) {
		t.Error("hardly anything was sent")
	}
}
