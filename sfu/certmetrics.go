package sfu

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	certEnds    = metric("certificate_expires_timestamp_seconds", "When a certificate ends that the node shows, by the section of its settings, and by host for http.acme.", "certificate", "host")
	certReloads = metric("certificate_reloads_total", "Changes of the files of certificates and authorities, by result: changed, or refused, after which what was before stays.", "certificate", "result")
	certOrders  = metric("acme_orders_total", "Orders of certificates, by host and result: issued, refused, limited, unreachable; unkept is a fault of the files.", "host", "result")
)

// certCollector reads the state of certificates when it is asked.
type certCollector struct{ c *certs }

func (c *certCollector) Describe(out chan<- *prometheus.Desc) {
	out <- certEnds
	out <- certReloads
	out <- certOrders
}

func (c *certCollector) Collect(out chan<- prometheus.Metric) {
	c.c.mu.Lock()
	list, orders := c.c.list, c.c.acme
	c.c.mu.Unlock()
	for _, one := range list {
		counter(out, certReloads, one.changes.Load(), one.name(), "changed")
		counter(out, certReloads, one.failures.Load(), one.name(), "refused")
		if cert, ok := one.source.(*certificate); ok {
			ends(out, cert.shown.Load().Leaf.NotAfter, cert.section, "")
		}
	}
	if orders == nil {
		return
	}
	for _, host := range orders.Report() {
		if !host.Until.IsZero() {
			ends(out, host.Until, "http.acme", host.Name)
		}
		for result, n := range host.Orders {
			counter(out, certOrders, n, host.Name, result)
		}
	}
}

func ends(out chan<- prometheus.Metric, until time.Time, section, host string) {
	out <- prometheus.MustNewConstMetric(certEnds, prometheus.GaugeValue, float64(until.Unix()), section, host)
}
