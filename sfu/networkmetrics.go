package sfu

import (
	"github.com/prometheus/client_golang/prometheus"

	"parlor/session"
)

var (
	netEstimate  = metric("media_estimate_bytes_per_second", "What the networks to receivers carry, as far as what is sent has shown, one for each every two seconds.")
	netQueue     = metric("media_queue_seconds", "For how long packets to receivers wait on the way, likewise.")
	netUse       = metric("media_budget_use_ratio", "Share of what may be sent that is, likewise, of receivers who do not get all that they want.")
	netPauses    = metric("media_pauses_total", "Pictures that were paused as the receiver's network does not carry them.")
	netPaused    = metric("media_paused_seconds_total", "Time for which pictures were paused, all together.")
	netLayers    = metric("media_layer_changes_total", "Layers that receivers' networks let be sent (up) or did not carry any longer (down), and rises that were too much (failed).", "way")
	netProbes    = metric("media_probes_total", "Clusters of packets sent to find out what receivers' networks carry.")
	netProbed    = metric("media_probe_bytes_total", "Bytes of RTP sent for that.")
	netRedundant = metric("media_red_blocks_total", "Frames of sound that went once more in later packets, to receivers that lose many.")
	netCopies    = metric("media_copies_total", "Packets of sound sent again unasked, to those of them that take no RED.")
)

// networkCollector reads what is known of the networks to receivers when it is asked.
type networkCollector struct{ rooms *session.Rooms }

func (c *networkCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{netEstimate, netQueue, netUse, netPauses, netPaused, netLayers, netProbes, netProbed, netRedundant, netCopies} {
		out <- d
	}
}

func (c *networkCollector) Collect(out chan<- prometheus.Metric) {
	m := c.rooms.Media()
	histogram(out, netEstimate, m.EstimateBytes())
	histogram(out, netQueue, m.QueueSeconds())
	histogram(out, netUse, m.UseRatio())
	counter(out, netPauses, m.Pauses)
	out <- prometheus.MustNewConstMetric(netPaused, prometheus.CounterValue, float64(m.PausedTime)/1e9)
	counter(out, netLayers, m.LayersUp, "up")
	counter(out, netLayers, m.LayersDown, "down")
	counter(out, netLayers, m.LayersFailed, "failed")
	counter(out, netProbes, m.Probes)
	counter(out, netProbed, m.ProbeBytes)
	counter(out, netRedundant, m.RedBlocks)
	counter(out, netCopies, m.Copies)
}
