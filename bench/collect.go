package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"parlor/bench/stats"
)

// Result is what a run has measured.
type Result struct {
	Time     time.Time `json:"time"`
	Title    string    `json:"title"`
	Scenario Scenario  `json:"scenario"`
	Packets  Packets   `json:"packets"`
	// Delay is the time from the publisher's send call to the subscriber's read. The clients' queues are
	// included.
	Delay stats.Summary `json:"delay"`
	// Wire is the same until the packet comes to the subscriber's socket: the node's share, and the
	// publisher's sealing.
	Wire stats.Summary `json:"wire_delay"`
	// Residence is the node's own account of how long media is in it, by its metrics: the server's share of
	// the delay.
	Residence stats.Summary `json:"residence"`
	// WorstDelay is that of the subscriber with the highest 99th percentile.
	WorstDelay stats.Summary `json:"worst_delay"`
	// Join is the time until media is connected, with nothing flowing. 200 ms of it are the clients' own:
	// pion nominates a candidate pair on the second tick of its checks.
	Join          stats.Summary `json:"join"`
	FirstPacket   stats.Summary `json:"first_packet"`   // of late joins, from the start of joining
	FirstKeyframe stats.Summary `json:"first_keyframe"` // of late joins
	Node          NodeCost      `json:"node"`
	Limit         Limit         `json:"limit"`
	Saturation    *Saturation   `json:"saturation,omitempty"`
	Storm         float64       `json:"storm_s,omitempty"` // until all of it had joined
	Removals      stats.Summary `json:"removals,omitzero"` // RemoveUser, until its answer
	Strangers     *Strangers    `json:"strangers,omitempty"`
	Clients       ClientCost    `json:"clients"`
	// Warnings say what makes the figures doubtful.
	Warnings []string `json:"warnings"`
}

// Packets counts the window, over all subscribers.
type Packets struct {
	Sent       uint64  `json:"sent"`      // by publishers
	Expected   uint64  `json:"expected"`  // by subscribers, together, in their samples
	Forwarded  uint64  `json:"forwarded"` // by the node, in the time in which its CPU was measured
	Received   uint64  `json:"received"`  // different ones of those expected
	Lost       uint64  `json:"lost"`
	WorstLost  uint64  `json:"worst_lost"` // of one subscriber
	Duplicated uint64  `json:"duplicated"`
	Reordered  uint64  `json:"reordered"`
	Alien      uint64  `json:"alien"` // not a publisher's: probes, padding
	PerSecond  float64 `json:"per_second"`
}

// NodeCost is what the node's process has used.
type NodeCost struct {
	// CPUPerPacket is for a forwarded packet. The next two are its parts.
	CPUPerPacket    float64 `json:"cpu_us_per_packet"`
	UserPerPacket   float64 `json:"user_us_per_packet"`
	SystemPerPacket float64 `json:"system_us_per_packet"`
	CPU             float64 `json:"cpu_percent"`     // of one core
	CPUPerJoin      float64 `json:"cpu_ms_per_join"` // nothing flowing meanwhile
	// LimitRatio is CPUPerPacket as a ratio to the paced limit; 0: not measured.
	LimitRatio               float64 `json:"limit_ratio"`
	RSS                      float64 `json:"rss_mb"`                // at the end of the window
	RSSPerSubscriber         float64 `json:"rss_kb_per_subscriber"` // more than without subscribers, divided
	Goroutines               int     `json:"goroutines"`
	GoroutinesPerParticipant float64 `json:"goroutines_per_participant"`
	GoroutinesLeft           int     `json:"goroutines_left"` // after everybody has left, more than before
	RSSLeft                  float64 `json:"rss_left_mb"`     // likewise
	// Drops are what the node counted in the window as dropped, by the name of the counter.
	Drops map[string]uint64 `json:"drops"`
}

// ClientCost says whether the clients could keep up.
type ClientCost struct {
	CPU         float64 `json:"cpu_percent"` // of one core
	SocketDrops uint64  `json:"socket_drops"`
	// SendLate is how late frames were sent: what the clients' own scheduling adds.
	SendLate stats.Summary `json:"send_late"`
}

// collect makes a Result of what the phases have read.
func (r *run) collect(m *measurement) *Result {
	res := &Result{Title: r.scenario.String(), Scenario: r.scenario, Warnings: []string{}}
	r.collectPackets(m, res)
	r.collectTimes(m, res)
	res.Residence = histogramBetween(m.node.metricsOpened, m.node.metricsClosed, residenceMetric)
	res.Node, res.Limit, res.Storm = r.nodeCost(m), m.limit, m.storm.Seconds()
	res.Removals = stats.Percentiles(m.removals)
	if res.Saturation = m.saturation; m.saturation != nil && m.limit.Rate > 0 {
		m.saturation.LimitRatio = m.saturation.PacketsPerSecond / m.limit.Rate
	}
	if m.limit.Paced > 0 {
		res.Node.LimitRatio = res.Node.CPUPerPacket / m.limit.Paced
	}
	r.collectStrangers(m, res)
	r.collectClients(m, res)
	r.warn(m, res)
	return res
}

func (r *run) collectPackets(m *measurement, res *Result) {
	p := &res.Packets
	for _, w := range m.perStream {
		p.Sent += w.to - w.from
	}
	delays, wire, worst := stats.NewDelays(), stats.NewDelays(), stats.Summary{}
	for i, s := range r.subscribers {
		if s.dead {
			continue
		}
		room := r.publishers[i%r.scenario.Rooms*r.scenario.Publishers].room
		var expected, received uint64
		for _, w := range m.perStream {
			if w.room == room {
				e, got := s.between(w.id, w.from, w.to)
				expected += e
				received += got
			}
		}
		p.Expected += expected
		p.Received += received
		p.WorstLost = max(p.WorstLost, expected-received)
		own := stats.NewDelays()
		if s.sample > 1 {
			continue
		}
		s.each(func(x *receiver) {
			own.Merge(x.delays)
			wire.Merge(x.wire)
		})
		if sum := own.Summary(); sum.P99 > worst.P99 {
			worst = sum
		}
		delays.Merge(own)
	}
	p.Lost = p.Expected - p.Received
	all := r.counts().minus(m.countsOpened)
	p.Duplicated, p.Reordered, p.Alien = all.duplicates, all.reordered, all.alien
	p.Forwarded = m.sentClosed - m.sentOpened
	p.PerSecond = float64(p.Forwarded) / m.ownClosed.at.Sub(m.ownOpened.at).Seconds()
	res.Delay, res.Wire, res.WorstDelay = delays.Summary(), wire.Summary(), worst
}

func (r *run) collectTimes(m *measurement, res *Result) {
	var joins, packets, keyframes []time.Duration
	for _, s := range r.subscribers {
		joins = append(joins, s.joined)
	}
	for _, s := range m.late {
		if t := s.firstPacket.Load(); t != 0 {
			packets = append(packets, time.Duration(t))
		}
		if t := s.firstKeyframe.Load(); t != 0 {
			keyframes = append(keyframes, time.Duration(t))
		}
	}
	res.Join, res.FirstPacket, res.FirstKeyframe = stats.Percentiles(joins), stats.Percentiles(packets), stats.Percentiles(keyframes)
}

func (r *run) nodeCost(m *measurement) NodeCost {
	forwarded := float64(m.sentClosed - m.sentOpened)
	joins := float64(r.scenario.subscribers())
	const mb = 1 << 20
	per := func(d time.Duration, unit time.Duration, n float64) float64 {
		if n == 0 {
			return 0
		}
		return float64(d) / float64(unit) / n
	}
	n := NodeCost{
		CPUPerPacket:    per(m.node.closed.cpu()-m.node.opened.cpu(), time.Microsecond, forwarded),
		UserPerPacket:   per(m.node.closed.user-m.node.opened.user, time.Microsecond, forwarded),
		SystemPerPacket: per(m.node.closed.system-m.node.opened.system, time.Microsecond, forwarded),
		CPU:             percent(m.node.opened, m.node.closed),
		CPUPerJoin:      per(m.node.joined.cpu()-m.node.before.cpu(), time.Millisecond, joins),
		RSS:             float64(m.node.closed.rss) / mb,
		Goroutines:      m.node.goroutines,
		GoroutinesLeft:  m.node.leftGoroutines - m.node.idleGoroutines,
		RSSLeft:         float64(m.node.left.rss-m.node.idle.rss) / mb,
		Drops:           dropsBetween(m.node.metricsOpened, m.node.metricsClosed),
	}
	if joins > 0 {
		n.RSSPerSubscriber = float64(m.node.closed.rss-m.node.before.rss) / 1024 / joins
	}
	n.GoroutinesPerParticipant = float64(m.node.goroutines-m.node.idleGoroutines) / float64(r.scenario.participants())
	return n
}

// dropsBetween returns the counters of drops that have risen, and by how much.
func dropsBetween(from, to map[string]float64) map[string]uint64 {
	d := map[string]uint64{}
	for name, v := range to {
		if strings.Contains(name, "dropped") && v > from[name] {
			d[name] = uint64(v - from[name])
		}
	}
	return d
}

func percent(from, to reading) float64 {
	return 100 * float64(to.cpu()-from.cpu()) / float64(to.at.Sub(from.at))
}

func (r *run) collectClients(m *measurement, res *Result) {
	late := stats.NewDelays()
	for _, p := range r.publishers {
		for _, s := range p.streams {
			late.Merge(s.late)
		}
	}
	res.Clients = ClientCost{CPU: percent(m.ownOpened, m.ownClosed), SocketDrops: m.drops, SendLate: late.Summary()}
}

// warn says what makes the figures doubtful.
func (r *run) warn(m *measurement, res *Result) {
	warn := func(format string, args ...any) { res.Warnings = append(res.Warnings, fmt.Sprintf(format, args...)) }
	if res.Clients.SocketDrops > 0 {
		warn("the clients were too slow for %d packets, which the kernel dropped at their sockets", res.Clients.SocketDrops)
	}
	if busy := res.Clients.CPU + res.Node.CPU; busy > 90*float64(runtime.NumCPU()) && r.node.probe.pid != 0 {
		warn("clients and node together took %.0f %% of a core on %d cores: the delay is that of a full machine", busy, runtime.NumCPU())
	}
	if res.Clients.SendLate.P99 > 10 {
		warn("frames were sent late, by %.1f ms at the 99th percentile: the clients or the machine were busy", res.Clients.SendLate.P99)
	}
	if n := int64(len(m.late)) - res.FirstPacket.Count; n > 0 {
		warn("%d late subscribers got no packet within 5 s", n)
	}
	if n := int64(len(m.late)) - res.FirstKeyframe.Count; n > 0 && r.scenario.VideoBitrate > 0 {
		warn("%d late subscribers got no keyframe within 5 s", n)
	}
	if d := m.limit.Drift; d != 0 && (d < 0.85 || d > 1.15) {
		warn("the machine has changed during the run: the limit afterwards was %.2f times that before", d)
	}
	switch ticks := (m.node.closed.cpu() - m.node.opened.cpu()) / tick; {
	case r.scenario.Idle:
	case ticks == 0 && res.Packets.Received > 1000:
		warn("process %d took no CPU time: it is not the node", r.node.probe.pid)
	case ticks < 50:
		warn("the node used only %d ticks of CPU time: its cost per packet is good to ± %.0f %%", ticks, math.Ceil(100/float64(max(ticks, 1))))
	}
}
