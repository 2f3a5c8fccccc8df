package probe

import "math"

// What turning these costs is said of each.
const (
	// Span is for how long a cluster is sent, in ns, and Packets is its least number of packets (libwebrtc's
	// probe_controller.cc). More measure better, and queue for longer if there is no room.
	Span    = 15e6
	Packets = 5
	// Size is how large a packet is at most, in bytes.
	Size = 1200
	// First is how many times the estimate the first cluster has as its rate.
	First = 3
	// Second is the same of the second cluster.
	Second = 6
	// Step is the same of all later clusters, at most.
	Step = 2
	// Unmet is the time between clusters while more is needed than the estimate allows, in ns. A cluster of
	// 15 ms at twice the estimate takes 2 % of it, and queues for 15 ms. Higher finds room later: from 2 s on
	// not within 3 s.
	Unmet = 1.2e9
	// Slower is how many times further apart each cluster is than the one before, while clusters fail.
	Slower = 1.1
	// UnmetMost is the longest time between clusters that fail, in ns.
	UnmetMost = 1.5e9
	// own is the share of a cluster's rate that its own packets have at least: what is sent beside it may
	// come unevenly.
	own = 0.8
	// Idle is the time between clusters of an application that sends less than it might, in ns. It holds
	// until the estimate is Enough times what the application sends.
	Idle = 5e9
	// Known is the time between such clusters after that, in ns.
	Known = 30e9
	// Enough is how many times what is sent the estimate must be.
	Enough = 3
	// Room times what is wanted is the most that is probed for once a call goes on (libwebrtc's twice
	// max_total_allocated_bitrate). Higher finds out sooner what more pictures might take. It also fills
	// links that have become narrow for longer.
	Room = 2
	// Recover is the share of the estimate before a drop that is tried again.
	Recover = 0.85
	// RecoverSpan is for how long after a drop that share is tried, in ns.
	RecoverSpan = 5e9
	// Timeout is how long a result is awaited beyond the round trip, in ns.
	Timeout = 1e9
	// QueueMost is the queue at the bottleneck above which nothing is probed, in ns.
	QueueMost = 30e6
)

// Cluster is packets to be sent at a rate, beside what is sent anyway.
type Cluster struct {
	ID      uint8   // never 0
	Rate    float64 // bit/s
	Bytes   int     // in all, as the link sees them
	Packets int
}

// State is what the decision depends on. Rates are in bit/s.
type State struct {
	Capacity float64 // the estimate
	Need     float64 // what the application would use, 0: nothing above the estimate
	Sent     float64 // what it sends
	Queue    int64   // at the bottleneck, in ns
	RTT      int64   // in ns
	Limited  bool    // the application sends less than it might
	// Lossy says that loss limits the estimate, and was not proved random: a probe would slip through a
	// policer.
	Lossy  bool
	Active bool // something is watched, and there is something to probe with
}

// Controller decides when to probe. The zero value is ready.
type Controller struct {
	id      uint8
	begun   bool
	second  float64 // the rate of the second first cluster, 0: none
	at      int64   // when the last cluster was made
	waiting bool
	again   bool    // after a success
	wait    int64   // between clusters of unmet need
	recover float64 // the rate to be tried, 0: none
	dropped int64
}

// Next returns a cluster that is due. It is to be called often, every 100 ms or sooner.
func (c *Controller) Next(now int64, s State) (Cluster, bool) {
	if c.waiting && now-c.at > s.RTT+Timeout {
		c.Failed(now)
	}
	if !s.Active || s.Lossy || s.Queue > QueueMost || s.Capacity <= 0 {
		return Cluster{}, false
	}
	if !c.begun {
		c.begun, c.second = true, Second*s.Capacity
		return c.cluster(now, First*s.Capacity, s.Sent), true
	}
	if c.second > 0 {
		rate := c.second
		c.second = 0
		return c.cluster(now, rate, s.Sent), true
	}
	if c.waiting {
		return Cluster{}, false
	}
	if rate := c.rate(now, s); rate > 0 {
		c.again, c.recover = false, 0
		return c.cluster(now, rate, s.Sent), true
	}
	return Cluster{}, false
}

// rate returns what is to be probed now, 0 for nothing.
func (c *Controller) rate(now int64, s State) float64 {
	most := Room * s.Need
	if rate := min(c.recover, most); rate > s.Capacity*1.05 && now-c.dropped < RecoverSpan && s.Queue < QueueMost/3 && now-c.at > s.RTT+2e8 {
		return rate
	}
	if s.Need > s.Capacity*1.02 {
		if c.again || now-c.at >= max(c.wait, Unmet) {
			return min(Step*s.Capacity, max(s.Need, 1.2*s.Capacity))
		}
		return 0
	}
	if !s.Limited || most <= s.Capacity*1.05 {
		return 0 // nobody would use what is found
	}
	every := int64(Known)
	if s.Capacity < Enough*s.Sent {
		every = Idle
	}
	if now-c.at >= every {
		return min(Step*s.Capacity, most)
	}
	return 0
}

func (c *Controller) cluster(now int64, rate, sent float64) Cluster {
	rate = max(rate-sent, own*rate)
	c.id = max(c.id+1, 1)
	c.at, c.waiting = now, true
	bytes := int(math.Ceil(rate / 8 * Span / 1e9))
	return Cluster{ID: c.id, Rate: rate, Bytes: bytes, Packets: max(Packets, (bytes+Size-1)/Size)}
}

// Succeeded takes that the last cluster has raised the estimate.
func (c *Controller) Succeeded(int64) { c.waiting, c.again, c.wait = false, true, 0 }

// Failed takes that it has not.
func (c *Controller) Failed(int64) {
	c.waiting, c.again = false, false
	c.wait = int64(min(float64(max(c.wait, Unmet))*Slower, UnmetMost))
}

// Dropped takes that the estimate has fallen from a rate by much, or that nothing was heard for a while.
func (c *Controller) Dropped(now int64, from float64) {
	if c.waiting {
		c.Failed(now)
	}
	c.recover, c.dropped = Recover*from, now
}
