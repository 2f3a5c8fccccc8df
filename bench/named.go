package main

import (
	"fmt"
	"strings"
	"time"

	"parlor/client"
)

// Mark is what a figure must stay under; 0: there is no mark.
type Mark struct {
	// Ratio is the CPU per forwarded packet, as a ratio to the paced limit.
	Ratio      float64 `json:"ratio,omitempty"`
	P99        float64 `json:"p99_ms,omitempty"`     // delay
	Memory     float64 `json:"memory_kb,omitempty"`  // resident, per subscriber
	Goroutines float64 `json:"goroutines,omitempty"` // per participant
	Join       float64 `json:"join_ms,omitempty"`    // CPU per join
	Idle       float64 `json:"idle_cpu,omitempty"`   // % of a core
	Saturation float64 `json:"saturation,omitempty"` // not less, as a ratio to the limit flat out
}

// named are the scenarios that have a name, with their marks.
func named() []Scenario {
	base := defaults()
	base.Feedback = client.AllFeedback
	base.Readers, base.Sample = 10, 64
	base.Duration, base.Limit = 20*time.Second, 4*time.Second
	base.LateJoins, base.Parallel = 3, 32
	make := func(name string, change func(*Scenario)) Scenario {
		s := base
		s.Name = name
		change(&s)
		return s
	}
	strangers := func(kind string) Scenario {
		return make("hostile-"+kind, func(s *Scenario) {
			s.Subscribers, s.Strangers, s.Limit, s.LateJoins, s.Duration = 100, kind, 0, 0, 20*time.Second
		})
	}
	return []Scenario{
		make("video-1x100", func(s *Scenario) {
			s.Subscribers = 100
			s.Mark = Mark{Ratio: 2, P99: 1.5, Memory: 48, Goroutines: 2, Join: 1.2}
		}),
		make("video-4x100", func(s *Scenario) {
			s.Publishers, s.Subscribers = 4, 100
			s.Mark = Mark{Ratio: 1.5, Goroutines: 2}
		}),
		make("video-1x300", func(s *Scenario) {
			s.Subscribers = 300
			s.Mark = Mark{Ratio: 1.5, P99: 4, Memory: 48, Goroutines: 2, Join: 1.2}
		}),
		make("rooms-20x1x5", func(s *Scenario) {
			s.Rooms, s.Subscribers, s.Readers = 20, 5, 1
			s.Mark = Mark{Ratio: 4, Goroutines: 2}
		}),
		make("audio-10x50", func(s *Scenario) {
			s.Publishers, s.Subscribers, s.VideoBitrate, s.Audio, s.Readers = 10, 50, 0, true, 5
			s.Mark = Mark{Ratio: 1.8, Goroutines: 2}
		}),
		make("whep-1x100", func(s *Scenario) {
			s.Subscribers, s.Door = 100, doorWHEP
			s.Mark = Mark{Ratio: 2, P99: 1.5, Memory: 48, Goroutines: 2, Join: 1.2}
		}),
		make("idle-100", func(s *Scenario) {
			s.Subscribers, s.Idle, s.Limit, s.LateJoins = 99, true, 0, 0
			s.Mark = Mark{Goroutines: 2, Idle: 0.3}
		}),
		make("hostile-4x100", func(s *Scenario) {
			s.Publishers, s.Subscribers, s.Flood, s.Hog, s.Dead, s.Limit = 4, 100, 100_000, 10_000_000, 10, 0
		}),
		strangers("idle"), strangers("bodies"), strangers("json"), strangers("metrics"), strangers("churn"),
		make("joins-500", func(s *Scenario) {
			s.Subscribers, s.Storm, s.Door, s.Limit, s.LateJoins, s.Duration, s.Parallel = 20, 500, doorWHEP, 0, 0, 5*time.Second, 128
		}),
		make("saturation", func(s *Scenario) {
			// Frames stay below what the node paces, so that the delay is that of its queues.
			s.Rooms, s.Publishers, s.Subscribers, s.VideoBitrate, s.Readers, s.Sample = 2, 2, 500, 1_000_000, 3, 1024
			s.Feedback, s.Saturate, s.LateJoins, s.Duration, s.Removals = client.NoFeedback, true, 0, 10*time.Second, 20
			s.Mark = Mark{P99: 5, Saturation: 0.6}
		}),
		make("large-2x4x250", func(s *Scenario) {
			s.Rooms, s.Publishers, s.Subscribers, s.VideoBitrate, s.Readers, s.Sample = 2, 4, 250, 500_000, 4, 256
			s.Feedback = client.NoFeedback // clients that count a sample have nothing to say of the rest
		}),
	}
}

// scenarioNamed returns the scenario with a name, or an error that lists them.
func scenarioNamed(name string) (Scenario, error) {
	var names []string
	for _, s := range named() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("there is no scenario %q; there are: all, %s", name, strings.Join(names, ", "))
}
