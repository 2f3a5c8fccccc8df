package sfu

import (
	"github.com/prometheus/client_golang/prometheus"

	"parlor/session"
)

var (
	messagesSent      = metric("messages_sent_total", "Custom messages taken of users and commands.")
	messagesDelivered = metric("messages_delivered_total", "Custom messages handed to receivers, each counted, by the way to them.", "by")
	messagesRefused   = metric("messages_refused_total", "Custom messages that went back to their sender, by the error's code.", "reason")
	messagesDropped   = metric("messages_dropped_total", "Custom messages that a receiver did not get, by reason.", "reason")
)

// messageCollector counts custom messages when it is asked.
type messageCollector struct{ rooms *session.Rooms }

func (c *messageCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{messagesSent, messagesDelivered, messagesRefused, messagesDropped} {
		out <- d
	}
}

func (c *messageCollector) Collect(out chan<- prometheus.Metric) {
	m := c.rooms.Messages()
	counter(out, messagesSent, m.Sent)
	counter(out, messagesDelivered, m.Channel, "data_channel")
	counter(out, messagesDelivered, m.Socket, "websocket")
	for code, n := range m.Refused {
		counter(out, messagesRefused, n, string(code))
	}
	for why, n := range m.Dropped {
		counter(out, messagesDropped, n, why.String())
	}
}
