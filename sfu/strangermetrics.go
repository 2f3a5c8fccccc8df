package sfu

import "github.com/prometheus/client_golang/prometheus"

var (
	strangersNow     = metric("strangers", "Connections to http.listen of those who have not entered.")
	strangersInside  = metric("signals", "WebSocket connections of those who have entered.")
	strangersRefused = metric("strangers_refused_total", "What was refused to those who have not entered, by reason.", "reason")
)

// strangerCollector reads the budget of strangers when it is asked.
type strangerCollector struct{ n *Node }

func (c *strangerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- strangersNow
	out <- strangersInside
	out <- strangersRefused
}

func (c *strangerCollector) Collect(out chan<- prometheus.Metric) {
	s := c.n.budget.Stats()
	gauge(out, strangersNow, s.Strangers)
	gauge(out, strangersInside, s.Inside)
	counters(out, strangersRefused, s.Refused)
}
