package router

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parlor/lab/link"
	"parlor/packet"
)

// The simulation: publishers with simulcast layers that answer NACK and PLI, links of lab/link that lose,
// repeat, reorder and queue by a seed, and receivers that report and ask as Chromium does. The payloads tell
// the truth of what they are.
//
//	sim_test.go           time and links
//	sim_camera_test.go    publishers
//	sim_ledger_test.go    what leaves the room for a receiver: the rules that hold whatever a network does
//	sim_viewer_test.go    receivers: what they report and ask for
//	sim_foreign_test.go   those that give no transport-wide feedback
//	sim_gaps_test.go      what they miss
//	sim_buffer_test.go    their jitter buffer, and what their decoder makes of it
//	sim_network_test.go   calls over bad networks, measured
//	sim_estimate_test.go  what the room thinks of a network, held against what it carries

type sim struct {
	*world
	rng   *rand.Rand
	seed  uint64
	queue events
	order int
	usual string // link of each peer that has none of its own, both ways
	ways  map[way]*road
	began int64
	cams  []*camera
	ended int64 // when the cameras were switched off; 0: not yet
	pad   int   // bytes added to each packet
	keys  int   // how many times larger than others keyframes are

	voiced int // bytes of a packet of sound, about

	arrive func(packet.PeerID, []byte) // takes an RTP packet of a publisher
	came   map[origin]int64            // when a packet of a publisher came to the room first
}

// origin names a packet of a publisher, whatever the room makes of it.
type origin struct {
	truth
	frame uint32 // or the number of a packet of sound
	idx   byte
}

// voice in place of a layer is sound.
const voice = 0xff

// way is one direction of a peer's network.
type way struct {
	peer packet.PeerID
	down bool
}

// road is the link of a way, and how long packets waited there.
type road struct {
	*link.Link
	profile link.Profile
	waited  []time.Duration
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

// newSim returns a room whose peers have a link, see link.Syntax.
func newSim(t *testing.T, seed uint64, usual string) *sim {
	s := &sim{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1)), seed: seed, usual: usual, ways: map[way]*road{}, came: map[origin]int64{}, keys: 3, voiced: 70}
	s.began = s.now
	s.arrive = func(id packet.PeerID, raw []byte) { s.deliver(id, false, raw) }
	return s
}

// draw gives one way a link of its own, whose time is that of the simulation.
func (s *sim) draw(id packet.PeerID, down bool, text string) *road {
	p, err := link.Parse(text)
	s.must(err)
	w := way{id, down}
	seed := s.seed<<20 | uint64(id)<<1
	if down {
		seed++
	}
	l, err := link.New(p, seed)
	s.must(err)
	s.ways[w] = &road{Link: l, profile: p}
	return s.ways[w]
}

func (s *sim) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.queue, event{s.now + int64(d), s.order, do})
}

// send lets so many bytes travel to or from a peer.
func (s *sim) send(id packet.PeerID, down bool, size int, do func()) {
	r := s.ways[way{id, down}]
	if r == nil {
		r = s.draw(id, down, s.usual)
	}
	now := time.Duration(s.now - s.began)
	f := r.Send(now, size)
	if f.Drop != link.Full && f.Drop != link.Policed {
		r.waited = append(r.waited, f.Waiting)
	}
	for _, at := range f.At[:f.Copies] {
		s.after(at-now, do)
	}
}

// wire lets a packet of a publisher travel to the room.
func (s *sim) wire(id packet.PeerID, raw []byte, what origin) {
	s.send(id, false, len(raw)+wireOverhead, func() {
		if _, ok := s.came[what]; !ok {
			s.came[what] = s.now
		}
		s.arrive(id, raw)
	})
}

// lossless says whether all packets that were sent so far have arrived, or will.
func (s *sim) lossless() bool {
	for _, r := range s.ways {
		if c := r.Counters(); c.Dropped[link.Passed] != c.Sent {
			return false
		}
	}
	return true
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

// end switches the cameras off, and lets all that is under way arrive.
func (s *sim) end() {
	for _, k := range s.cams {
		k.silent = 0
	}
	s.ended = s.now
	s.run(3 * time.Second)
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
	if seed%3 == 0 {
		return newSim(t, seed, "delay=10ms")
	}
	return newSim(t, seed, "loss=2% duplicate=2% delay=15ms jitter=15ms overtake")
}

// judgeCall has three viewers watch two cameras that send scale times as much as they must.
func judgeCall(s *sim, rtx bool, scale int) {
	t := s.t
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
	s.end()
	for i, v := range views {
		r := v.judge()
		t.Logf("viewer %d: %v", i, r)
		switch {
		case s.lossless() && (r.holes > 0 || r.decoded < r.whole || r.whole < r.frames-r.switches):
			t.Errorf("viewer %d, nothing lost: %v", i, r)
		case r.decoded*100 < r.frames*90:
			t.Errorf("viewer %d: %v", i, r)
		case r.freeze > 3*time.Second:
			t.Errorf("viewer %d: %v", i, r)
		}
	}
	if !slices.ContainsFunc(views, func(v *viewer) bool { return len(v.ledger.pictures) > 1000 }) {
		t.Error("hardly anything was sent")
	}
}
