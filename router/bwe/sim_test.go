package bwe

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parlor/lab/link"
	"parlor/router/bwe/probe"
	"parlor/router/sent"
)

// The simulation has a sender that obeys the estimate, a link, and a receiver that reports every 100 ms as
// Chromium does. All is in virtual time, and the same each time for a seed.

var trace = flag.Bool("trace", false, "print what the simulations do")

const (
	simStep   = time.Millisecond
	simPace   = 5 // steps between what is sent
	simReport = 100
	simSize   = 1200
)

// simStatus is one status of a report.
type simStatus struct {
	seq     uint16
	arrived int64 // in ns by the receiver's clock; below 0: not
}

type simPacket struct {
	seq  uint16
	size int
}

// moment is what is looked at, every 50 ms.
type moment struct {
	at       time.Duration
	estimate Estimate
	queue    time.Duration // at the bottleneck, truly
	sent     int64         // bytes so far
	lost     int64         // packets so far, truly
	packets  int64
}

type sim struct {
	profile string
	seed    uint64
	offered func(at time.Duration) float64 // bit/s; nil: more than any link carries
	noProbe bool
	// time between pictures, all of whose packets are sent at once; 0: packets are sent evenly
	frames time.Duration
	start  float64
	forge  func(at time.Duration, report []simStatus) []simStatus // what the receiver tells
	busy   func(at time.Duration) bool                            // the receiver reads nothing

	est     Estimator
	ring    sent.Ring
	control probe.Controller
	rnd     *rand.Rand
	there   *link.Pipe[simPacket]
	back    *link.Pipe[[]simStatus]

	credit      float64
	extra       float64
	cluster     probe.Cluster
	clusterLeft int
	bytes       int64
	rate        float64 // sent, over the last second or so

	arrivals map[int]int64 // by unwrapped number
	fresh    []int
	reached  int // one beyond the highest number reported
	highest  int
	events   [Failed + 1]int
	moments  []moment
}

func (s *sim) run(t testing.TB, d time.Duration) []moment {
	t.Helper()
	p, err := link.Parse(s.profile)
	if err != nil {
		t.Fatal(err)
	}
	if s.there, err = link.NewPipe[simPacket](p, s.seed); err != nil {
		t.Fatal(err)
	}
	s.back, _ = link.NewPipe[[]simStatus](link.Always(link.Shape{Delay: 25 * time.Millisecond}), s.seed)
	s.rnd = rand.New(rand.NewPCG(s.seed, 7))
	s.arrivals = map[int]int64{}
	s.highest = -1
	if s.start != 0 {
		s.est.Start(s.start)
	}
	phase := s.rnd.IntN(simReport)
	for i := range int(d / simStep) {
		now := time.Duration(i) * simStep
		s.receive(now)
		if i%simReport == phase {
			s.report(now)
		}
		for r, ok := s.back.Receive(now); ok; r, ok = s.back.Receive(now) {
			s.reported(int64(now), r)
		}
		if i%simPace == 0 {
			s.send(now)
		}
		if i%100 == 0 {
			s.tick(now)
		}
		if i%50 == 0 {
			s.look(now)
		}
	}
	return s.moments
}

func (s *sim) send(now time.Duration) {
	budget := s.est.Estimate().Budget
	if budget == 0 {
		budget = headroom * StartRate
	}
	if s.offered != nil {
		budget = min(budget, s.offered(now))
	}
	const dt = float64(simPace*simStep) / 1e9
	s.credit = min(s.credit+budget/8*dt, 10*simSize)
	s.extra = min(s.extra+s.est.Estimate().Extra/8*dt, simSize)
	s.rate += (0 - s.rate) * dt
	for ; s.credit >= simSize && (s.frames == 0 || now%s.frames == 0); s.credit -= simSize {
		s.packet(now, simSize-s.rnd.IntN(100), sent.Video, 0)
	}
	for ; s.extra >= simSize; s.extra -= simSize {
		s.packet(now, simSize, sent.Copy, 0)
	}
	if s.clusterLeft > 0 {
		size := s.cluster.Bytes / s.cluster.Packets
		for n := int(s.cluster.Rate/8*dt)/size + 1; n > 0 && s.clusterLeft > 0; n-- {
			s.packet(now, size, sent.Padding, s.cluster.ID)
			s.clusterLeft--
		}
	}
}

func (s *sim) packet(now time.Duration, size int, kind sent.Kind, cluster uint8) {
	seq := s.ring.Add(int64(now), size, kind, cluster)
	s.est.Sent(int64(now), size)
	s.bytes += int64(size)
	if kind != sent.Copy {
		s.rate += float64(size) * 8
	}
	s.there.Send(now, size, simPacket{seq, size})
}

func (s *sim) tick(now time.Duration) {
	e := s.est.Tick(int64(now))
	if s.noProbe {
		return
	}
	need := 20e6
	if s.offered != nil {
		need = 0
	}
	c, ok := s.control.Next(int64(now), probe.State{
		Capacity: e.Capacity, Need: need, Sent: s.rate, Queue: e.Queue, RTT: 50e6, Limited: e.Limited, Active: true,
		Lossy: e.Cause == Loss && e.Loss < e.Delay,
	})
	if ok {
		s.est.Probe(int64(now), c)
		s.cluster, s.clusterLeft = c, c.Packets
	}
}

func (s *sim) receive(now time.Duration) {
	if s.busy != nil && s.busy(now) {
		return
	}
	for {
		at, ok := s.there.Next()
		if s.busy != nil {
			at = now // it reads no clock but its own
		}
		p, got := s.there.Receive(now)
		if !ok || !got {
			return
		}
		n := s.highest + int(int16(p.seq-uint16(s.highest)))
		if s.highest < 0 {
			n = int(p.seq)
		}
		s.highest = max(s.highest, n)
		if _, again := s.arrivals[n]; !again {
			s.arrivals[n] = int64(at) / 250e3 * 250e3
			s.fresh = append(s.fresh, n)
		}
	}
}

// report tells of all numbers from the lowest that arrived since the last one.
func (s *sim) report(now time.Duration) {
	if len(s.fresh) == 0 {
		return
	}
	from := min(s.reached, slices.Min(s.fresh))
	var r []simStatus
	for n := from; n <= s.highest; n++ {
		at, ok := s.arrivals[n]
		if !ok {
			at = -1
		}
		r = append(r, simStatus{uint16(n), at})
	}
	s.reached, s.fresh = s.highest+1, s.fresh[:0]
	if s.forge != nil {
		r = s.forge(now, r)
	}
	if r != nil {
		s.back.Send(now, 100, r)
	}
}

// reported is what the router does with a report.
func (s *sim) reported(now int64, r []simStatus) {
	const rtt = 50e6
	s.ring.Begin(now)
	s.est.Begin(now, rtt)
	for _, x := range r {
		if x.arrived < 0 {
			s.ring.Missing(x.seq)
			continue
		}
		p, fate := s.ring.Arrived(x.seq)
		if fate == sent.Late {
			s.est.Found(p.At, p.Size)
		}
		if fate == sent.First || fate == sent.Late {
			s.est.Packet(p.At, x.arrived+1e15, p.Size, p.Cluster)
		}
	}
	for p, ok := s.ring.Lost(now); ok; p, ok = s.ring.Lost(now) {
		s.est.Lost(p.At, p.Size)
	}
	e, event := s.est.End()
	s.events[event]++
	switch event {
	case Probed:
		s.control.Succeeded(now)
	case Failed:
		s.control.Failed(now)
	case Congested, Recovered:
		s.control.Dropped(now, e.Before)
	}
	if *trace {
		t := &s.est.trend
		fmt.Printf("  %6.2f %s\tcap %5.0f budget %5.0f acked %5.0f loss %5.0f p %.2f queue %3d true %3d trend %6.1f/%.1f %d jit %3.0f rnd %v cause %d lim %v\n",
			float64(now)/1e9, []string{"", "CONG", "RECOV", "PROBED", "failed"}[event], e.Capacity/1e3, e.Budget/1e3, e.Acked/1e3,
			e.Loss/1e3, e.Lost, e.Queue/1e6, s.there.Queueing(time.Duration(now)).Milliseconds(),
			t.previous*float64(min(t.deltas, 60))*gain, t.threshold, t.state, s.est.queue.jitter/1e6, e.Random, e.Cause, e.Limited)
	}
}

func (s *sim) look(now time.Duration) {
	c := s.there.Counters()
	lost := int64(0)
	for _, n := range c.Dropped[1:] {
		lost += int64(n)
	}
	s.moments = append(s.moments, moment{
		at: now, estimate: s.est.Estimate(), queue: s.there.Queueing(now), sent: s.bytes, lost: lost, packets: int64(c.Sent),
	})
}

// between returns what was looked at in a span of time.
func between(all []moment, from, to time.Duration) []moment {
	lo, _ := slices.BinarySearchFunc(all, from, func(m moment, at time.Duration) int { return int(m.at - at) })
	hi, _ := slices.BinarySearchFunc(all, to, func(m moment, at time.Duration) int { return int(m.at - at) })
	return all[lo:hi]
}

// percentile of some figure of the moments.
func percentile(all []moment, p float64, of func(moment) float64) float64 {
	var v []float64
	for _, m := range all {
		v = append(v, of(m))
	}
	slices.Sort(v)
	return v[min(int(p*float64(len(v))), len(v)-1)]
}

func capacityOf(m moment) float64 { return m.estimate.Capacity }
func queueOf(m moment) float64    { return float64(m.queue) }

func seeds(t *testing.T, run func(t *testing.T, seed uint64)) {
	t.Helper()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { run(t, seed) })
	}
}
