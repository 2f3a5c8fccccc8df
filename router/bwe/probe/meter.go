// Package probe finds out whether a link carries more than is sent over it. Controller decides when some
// packets are sent faster, and Meter measures what became of them (libwebrtc M150's probe_controller.cc and
// probe_bitrate_estimator.cc).
//
// Other than there, clusters of unmet need that fail do not get rarer than every 1.5 s. A link that has
// become faster is to be known within 3 s. Clusters last 15 ms: they cost 2 % of the estimate and a queue of
// 15 ms.
//
//	meter.go  Meter: the rate at which a cluster was sent and arrived
//	probe.go  Controller: when to probe, and how fast
package probe

const (
	// share of a cluster's packets and bytes must have arrived.
	share = 0.8
	// longest is what a cluster may take, in ns.
	longest = 1e9
	// ratioMost is by how much faster than sent it may arrive: otherwise it waited somewhere, and says
	// nothing.
	ratioMost = 2.0
	// saturated is the share of the rate of sending below which the link's limit was met; then utilized of it
	// is believed.
	saturated, utilized = 0.9, 0.95
)

// Meter measures one cluster. The zero value measures none.
type Meter struct {
	Cluster Cluster
	At      int64 // when it was made, in ns

	n, bytes           int // of the cluster
	among, since       int // bytes sent since the cluster's last packet, and before it
	firstSent, sent    int64
	firstBack, back    int64
	lastSize, headSize int
}

// Other takes a packet that is not of the cluster and arrived. What is sent between the cluster's packets
// shares the link with them.
func (m *Meter) Other(size int) {
	if m.n > 0 {
		m.since += size
	}
}

// Packet takes a packet of the cluster that arrived: both times in ns, of different clocks.
func (m *Meter) Packet(sent, arrived int64, size int) {
	if m.n == 0 {
		m.firstSent, m.sent, m.firstBack, m.back = sent, sent, arrived, arrived
		m.headSize, m.lastSize = size, size
	}
	if sent < m.firstSent {
		m.firstSent = sent
	}
	if sent >= m.sent {
		m.sent, m.lastSize = sent, size
	}
	if arrived < m.firstBack {
		m.firstBack, m.headSize = arrived, size
	}
	m.back = max(m.back, arrived)
	m.n++
	m.among += m.since
	m.since = 0
	m.bytes += size
}

// Result is what a cluster has shown.
type Result struct {
	Rate      float64 // bit/s that the link carries
	Saturated bool    // more was sent than it carries
}

// Result returns what was measured; false if too little has arrived, or it says nothing. lost is the share of
// what was sent that is lost for reasons other than the rate. wobble is the wobble of the delay, in ns: the
// cluster may have arrived too fast by that.
func (m *Meter) Result(lost, wobble float64) (Result, bool) {
	arrives := 1 - min(max(lost, 0), 0.95)
	enough := share
	if lost > 0 {
		enough = arrives * 0.6
	}
	if m.n < 3 || float64(m.n) < enough*float64(m.Cluster.Packets) || float64(m.bytes) < enough*float64(m.Cluster.Bytes) {
		return Result{}, false
	}
	out, in := float64(m.sent-m.firstSent), float64(m.back-m.firstBack)
	if out <= 0 || out > longest || in <= 0 || in > longest {
		return Result{}, false
	}
	sent := float64(m.bytes+m.among-m.lastSize) * 8e9 / out / arrives
	received := float64(m.bytes+m.among-m.headSize) * 8e9 / (in + wobble) / arrives
	if in*ratioMost < out {
		return Result{}, false
	}
	if received < saturated*sent {
		return Result{utilized * received, true}, true
	}
	return Result{min(sent, received), false}, true
}
