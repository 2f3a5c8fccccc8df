package sfu

import (
	"github.com/prometheus/client_golang/prometheus"

	"parlor/session/refusal"
	"parlor/session/stranger"
	"parlor/session/terms"
)

var (
	strangersNow     = metric("strangers", "Connections to http.listen of those who have not entered.")
	strangersInside  = metric("signals", "WebSocket connections of those who have entered.")
	strangersRefused = metric("strangers_refused_total", "What was refused to those who have not entered, by reason.", "reason")
)

// strangerCollector reads the budget of strangers when it is asked.
type strangerCollector struct{ budget *stranger.Budget }

func (c *strangerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- strangersNow
	out <- strangersInside
	out <- strangersRefused
}

func (c *strangerCollector) Collect(out chan<- prometheus.Metric) {
	s := c.budget.Stats()
	gauge(out, strangersNow, s.Strangers)
	gauge(out, strangersInside, s.Inside)
	counters(out, strangersRefused, s.Refused)
}

var refused = metric("refused_total", "Who was refused entering, another token, or commands over HTTP, by door and the name of the error.", "door", "reason")

// refusalCollector reads what the doors have refused when it is asked.
type refusalCollector struct{ of *refusal.Log }

func (c *refusalCollector) Describe(out chan<- *prometheus.Desc) { out <- refused }

// Collect has what can happen at each door from the start, so that the first time is a rise.
func (c *refusalCollector) Collect(out chan<- prometheus.Metric) {
	counts := c.of.Counts()
	for _, door := range []string{"websocket", "whip", "whep", "admin"} {
		for _, code := range []terms.Code{terms.CodeTokenInvalid, terms.CodeTokenExpired, terms.CodeNotAllowed} {
			counts[refusal.Kind{Door: door, Reason: string(code)}] += 0
		}
	}
	for kind, n := range counts {
		counter(out, refused, n, kind.Door, kind.Reason)
	}
}
