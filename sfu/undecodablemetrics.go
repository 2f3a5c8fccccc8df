package sfu

import (
	"github.com/prometheus/client_golang/prometheus"

	"parlor/session"
)

var mediaUndecodable = metric("media_undecodable_total",
	"Times that nothing of a stream could be sent to a receiver, as its client has offered no codec that decodes it, by the stream's codec and what was offered.",
	"sent", "offered")

// undecodableCollector counts what receivers could not decode when it is asked.
type undecodableCollector struct{ rooms *session.Rooms }

func (c *undecodableCollector) Describe(out chan<- *prometheus.Desc) { out <- mediaUndecodable }

func (c *undecodableCollector) Collect(out chan<- prometheus.Metric) {
	all := c.rooms.Undecodable()
	// The metric is there before there is anything to count.
	all[session.Formats{Sent: "other", Offered: "other"}] += 0
	for pair, n := range all {
		counter(out, mediaUndecodable, n, pair.Sent, pair.Offered)
	}
}
