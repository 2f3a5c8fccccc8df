package sfu

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parlor/control/command"
	"parlor/session/terms"
)

// commandMeter counts commands as they are carried out.
type commandMeter struct {
	seconds *prometheus.HistogramVec
	results *prometheus.CounterVec
}

func newCommandMeter() *commandMeter {
	m := &commandMeter{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parlor_command_seconds", Help: "Time from a command's arrival to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"action"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parlor_commands_total", Help: "Commands, by result: done, or the name of the error.",
		}, []string{"action", "result"}),
	}
	for _, s := range command.All() {
		m.seconds.WithLabelValues(string(s.Action))
		m.results.WithLabelValues(string(s.Action), "done")
	}
	return m
}

func (m *commandMeter) observe(a command.Action, took time.Duration, err error) {
	result := "done"
	if err != nil {
		result = string(terms.AsError(err).Code)
	}
	m.seconds.WithLabelValues(string(a)).Observe(took.Seconds())
	m.results.WithLabelValues(string(a), result).Inc()
}
