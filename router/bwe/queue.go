package bwe

import "math"

const (
	// baseSpan is the length of a bucket of the least delay, in ns, and baseBuckets how many there are. More
	// of them remember a path's delay for longer, so that a queue that stands is still seen as one. They take
	// longer after the path changed.
	baseSpan    = 1e9
	baseBuckets = 10
	// jitterReports is over how many reports jitter is averaged. More learn of it later.
	jitterReports = 32
	// stallFading says by which part, as a divisor, the largest stall shrinks with each report. Higher
	// remembers longer.
	stallFading = 256
	// bunched is how close to each other packets arrive, in ns, for it to be checked whether a bottleneck has
	// spaced them. Higher takes the emptying queues of fast links for jitter.
	bunched = 1e6
	// bunchedRate is the rate, in bit/s, above which no bottleneck has spaced the packets of a run: their
	// delay is not a queue's. bunchedScale times the capacity takes its place if that is less. Time alone
	// does not tell, as small packets are less than bunched apart on a slow link as well. Lower takes queues
	// of small packets that empty for jitter. Higher takes jitter of small packets for a queue.
	bunchedRate, bunchedScale = 8e6, 4
	// grain is by how much the span of a run may be wrong, in ns, as feedback tells times in steps.
	grain = 250e3
	// jitterScale times the jitter over the number of packets is what their least delay may be by chance.
	// Higher sees queues later.
	jitterScale = 8
	// jitterMost is the mean jitter, in ns, above which single reports say nothing. Then the least of
	// noisyBuckets seconds counts.
	jitterMost   = 60e6
	noisyBuckets = 3
	// noisyScale times the jitter is what that least may be by chance. Lower takes wandering delays for a
	// queue.
	noisyScale = 1.25
	// steadyMost is the wobble, in ns, below which two reports say that a queue grows. Higher believes
	// stalls.
	steadyMost = 2e6
	// overtakenLeast is the probability that the least delay of a report exceeds what is taken for chance, if
	// packets overtake each other. Higher sees queues sooner there, and takes chance for one.
	overtakenLeast = 1e-3
	// orderly is how much packets overtake each other on any network, in ns. Higher takes the delays of
	// packets that overtake each other for queues.
	orderly = 40e6
)

// sample is the delays of one report's packets.
type sample struct {
	least, fell float64 // in ns, above zero; the sum of what packets have fallen by
	n           int
}

// run is packets that arrive right after each other, though sent apart.
type run struct {
	fell  float32 // by how much the last one has waited less than the first one, in ns
	span  float32 // from the first arrival to the last, in ns
	bytes float32 // of all but the first one
}

// take goes on with a packet that was sent apart ns after the one before and arrives between ns after it. If
// it does not belong to the run, take begins anew.
func (r *run) take(apart, between int64, size int) {
	if between < bunched && apart > between && apart < sendGap {
		r.fell += float32(apart - between)
		r.span += float32(max(between, 0))
		r.bytes += float32(size)
	} else if between > 0 {
		*r = run{}
	}
}

// unspaced is how much the waiting of packets has fallen, in ns, if no bottleneck of that capacity has spaced
// them: they arrive faster than it could let them go. Else it is 0.
func (r *run) unspaced(capacity float64) float64 {
	if float64(r.bytes)*8e9 < min(bunchedRate, bunchedScale*capacity)*(float64(r.span)+grain) {
		return 0
	}
	return float64(r.fell)
}

// queue estimates how long the queue at the bottleneck is. It is by how much even the least of some packets'
// delays lies above the least of ten seconds. What that least would be by jitter alone is subtracted.
type queue struct {
	zero    int64 // the first delay, in ns: clocks differ
	known   bool
	reports int32                // up to jitterReports
	base    [baseBuckets]float64 // the least delays above zero, by baseSpan
	bucket  int64
	present sample
	sent    int64 // of the last packet
	arrived int64
	run     run
	most    float64 // the largest fall of the report in hand, in ns
	fall    float64 // most of the last report
	wobble  float64 // its average of late
	stall   float64 // half of the largest fall of late, in ns
	order   disorder
	jitter  float64 // by how much packets wait for longer than the least, by chance, in ns
	lowest  float64 // the least delay of late above zero, in ns, as of the last report
	length  int64   // in ns
	before  int64   // length at the last report
	drains  int64   // since when it is drained, in ns; 0: it is not
	offset  float64 // what competing traffic, not ours, holds of it, in ns
}

// packet takes a packet that has arrived. It returns how long the packet has waited beyond the least of late,
// in ns. capacity is what the link is taken for, in bit/s.
func (q *queue) packet(sent, arrived int64, size int, capacity float64) (waited float64) {
	delay := arrived - sent
	if !q.known || abs(delay-q.zero) > leap {
		*q = queue{zero: delay, known: true, bucket: -1, lowest: math.Inf(1), order: disorder{sent: sent, arrived: arrived}}
	}
	d := float64(delay - q.zero)
	if q.present.n == 0 || d < q.present.least {
		q.present.least = d
	}
	q.order.packet(sent, arrived)
	q.run.take(sent-q.sent, arrived-q.arrived, size)
	q.sent, q.arrived = sent, arrived
	fell := q.run.unspaced(capacity)
	q.most = max(q.most, fell)
	q.present.fell += fell
	q.present.n++
	return d - q.lowest
}

// disorder is by how much packets overtake each other. A queue keeps their order, so disorder is no queue.
type disorder struct {
	sent, arrived int64   // the packet that was sent last
	most          float32 // of late, in ns
}

// packet takes a packet that has arrived.
func (o *disorder) packet(sent, arrived int64) {
	if sent < o.sent {
		o.most = max(o.most, float32(arrived-o.arrived))
		return
	}
	o.most = max(o.most, float32(o.arrived-arrived))
	o.sent, o.arrived = sent, arrived
}

// chance is how long the least delay of so many packets may be for that reason, in ns.
func (o *disorder) chance(packets int) float64 {
	if o.most < orderly {
		return 0
	}
	return float64(o.most) * (1 - math.Pow(overtakenLeast, 1/float64(packets)))
}

// end ends a report.
func (q *queue) end(now int64) {
	if q.present.n == 0 {
		return
	}
	q.turn(now)
	s := q.present
	q.present = sample{}
	b := int(q.bucket % baseBuckets)
	q.base[b] = min(q.base[b], s.least)
	q.reports = min(q.reports+1, jitterReports)
	q.fall, q.most = q.most, 0
	q.wobble += (q.fall - q.wobble) / 8
	q.jitter += (2*s.fell/float64(s.n) - q.jitter) / float64(q.reports)
	q.stall -= q.stall / stallFading
	q.order.most -= q.order.most / stallFading
	if q.fall > jitterMost {
		q.stall = max(q.stall, q.fall/2)
	}
	least, chance := s.least, max(jitterScale*q.jitter/float64(s.n+1), q.order.chance(s.n))
	if q.noisy() {
		chance = noisyScale * max(q.jitter, q.stall)
		for i := range int64(noisyBuckets) {
			least = min(least, q.base[(q.bucket-i+baseBuckets)%baseBuckets])
		}
	}
	q.lowest = q.floor()
	above := least - q.lowest
	q.offset = min(q.offset, max(above, 0))
	q.length = int64(max(above-chance-q.offset, 0))
}

// noisy says whether delays jump about so that the trend of some reports means nothing.
func (q *queue) noisy() bool { return max(q.jitter, q.stall) > jitterMost }

// steadily says whether the queue was longer than by, in ns, before the last report, and has grown by more
// than that with it. It is never so on a path where something else makes delays change.
func (q *queue) steadily(by int64) bool {
	return q.before > by && q.length-q.before > by && q.fall == 0 && q.wobble < steadyMost
}

// turn goes on to the bucket of now.
func (q *queue) turn(now int64) {
	b := now / baseSpan
	if q.bucket < 0 || b-q.bucket >= baseBuckets || b < q.bucket {
		for i := range q.base {
			q.base[i] = math.Inf(1)
		}
		q.bucket = b
	}
	for ; q.bucket < b; q.bucket++ {
		q.base[(q.bucket+1)%baseBuckets] = math.Inf(1)
	}
}

// floor returns the least of the delays of ten seconds, above zero; infinite before there is any.
func (q *queue) floor() float64 {
	least := math.Inf(1)
	for _, b := range q.base {
		least = min(least, b)
	}
	return least
}

// concede takes what stands now as others'.
func (q *queue) concede() {
	q.offset += float64(q.length)
	q.length = 0
}
