package sfu

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parlor/control/webhook"
)

var (
	webhookSending = metric("webhook_sending", "1 while it is this node that sends webhooks.")
	webhookHeld    = metric("webhook_held", "Events that this node has read from the stream and not got rid of yet.")
	webhookOldest  = metric("webhook_oldest_seconds", "Age of the oldest of them; 0 where there is none.")
	webhookSent    = metric("webhook_sent_total", "Events that the web server has taken.")
	webhookFailed  = metric("webhook_failed_total", "Requests that failed, after which the event is sent again or given up.")
	webhookDropped = metric("webhook_dropped_total", "Events that were given up: expired, or refused by the web server.", "reason")
)

// webhookCollector counts webhooks when it is asked.
type webhookCollector struct {
	sender *webhook.Sender // nil: there are none
}

func (c *webhookCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{webhookSending, webhookHeld, webhookOldest, webhookSent, webhookFailed, webhookDropped} {
		out <- d
	}
}

func (c *webhookCollector) Collect(out chan<- prometheus.Metric) {
	var s webhook.Stats
	if c.sender != nil {
		s = c.sender.Stats()
	}
	sending, oldest := 0, 0.0
	if s.Sending {
		sending = 1
	}
	if !s.Oldest.IsZero() {
		oldest = max(0, time.Since(s.Oldest).Seconds())
	}
	gauge(out, webhookSending, sending)
	gauge(out, webhookHeld, s.Held)
	out <- prometheus.MustNewConstMetric(webhookOldest, prometheus.GaugeValue, oldest)
	counter(out, webhookSent, s.Sent)
	counter(out, webhookFailed, s.Failed)
	counter(out, webhookDropped, s.Expired, "expired")
	counter(out, webhookDropped, s.Refused, "refused")
}
