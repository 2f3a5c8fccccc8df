package main

import (
	"context"
	"fmt"
	"time"

	"parlor/lab/traffic"
)

// Saturation is what a node forwards at most before it loses packets.
type Saturation struct {
	PacketsPerSecond float64 `json:"packets_per_second"` // of the last step without loss
	// LimitRatio is the ratio to the bare loop, flat out on as many cores; 0: not measured.
	LimitRatio float64          `json:"limit_ratio"`
	Steps      []SaturationStep `json:"steps"`
}

// SaturationStep is one bitrate of the publishers.
type SaturationStep struct {
	Bitrate          int     `json:"bitrate"` // of one publisher, bits per second
	PacketsPerSecond float64 `json:"packets_per_second"`
	Lost             uint64  `json:"lost"`
	NodeCPU          float64 `json:"node_cpu_percent"` // of a core
}

const (
	saturationGrowth = 1.25
	saturationRest   = time.Second     // until a new bitrate is measured
	saturationTime   = 3 * time.Second // of a step
	saturationSteps  = 16
	// saturationShare is how much of what went without loss is sent in the window.
	saturationShare = 0.8
)

// saturate raises the publishers' bitrate step by step until packets are lost. It leaves the bitrate at
// saturationShare of the last one at which none were.
func (r *run) saturate(ctx context.Context, m *measurement) error {
	r.say("raising the bitrate until packets are lost")
	sat := &Saturation{}
	m.saturation = sat
	bitrate, best := r.scenario.VideoBitrate, 0
	for range saturationSteps {
		step, err := r.saturationStep(ctx, bitrate)
		if err != nil {
			return err
		}
		sat.Steps = append(sat.Steps, step)
		r.say("  %5.2f Mbit/s each: %7.0f packets/s  lost %d  node %5.1f %% CPU", float64(bitrate)/1e6, step.PacketsPerSecond, step.Lost, step.NodeCPU)
		if step.Lost > 0 {
			break
		}
		best, sat.PacketsPerSecond = bitrate, step.PacketsPerSecond
		bitrate = int(float64(bitrate) * saturationGrowth)
	}
	if best == 0 {
		return fmt.Errorf("packets are lost at %d bits per second already; begin lower with --video-bitrate", r.scenario.VideoBitrate)
	}
	r.setBitrate(int(float64(best) * saturationShare))
	return r.wait(ctx, saturationRest)
}

func (r *run) saturationStep(ctx context.Context, bitrate int) (step SaturationStep, err error) {
	r.setBitrate(bitrate)
	if err := r.wait(ctx, saturationRest); err != nil {
		return step, err
	}
	from := r.marks()
	before, err := r.node.probe.read(ctx)
	if err != nil {
		return step, err
	}
	sent := r.sent()
	if err := r.wait(ctx, saturationTime); err != nil {
		return step, err
	}
	after, err := r.node.probe.read(ctx)
	if err != nil {
		return step, err
	}
	to := r.marks()
	step = SaturationStep{
		Bitrate: bitrate, NodeCPU: percent(before, after),
		PacketsPerSecond: float64(r.sent()-sent) / after.at.Sub(before.at).Seconds(),
	}
	r.pause(true)
	defer r.pause(false)
	if err := r.wait(ctx, drain); err != nil {
		return step, err
	}
	for i, s := range r.subscribers {
		for _, p := range r.roomOf(i) {
			for k, x := range p.streams {
				expected, received := s.between(x.id, from[p][k], to[p][k])
				step.Lost += expected - received
			}
		}
	}
	return step, nil
}

// roomOf returns the publishers of a subscriber's room.
func (r *run) roomOf(subscriber int) []*publisher {
	n := r.scenario.Publishers
	room := subscriber % r.scenario.Rooms
	return r.publishers[room*n : (room+1)*n]
}

// marks returns how many packets each stream has sent.
func (r *run) marks() map[*publisher][]uint64 {
	m := map[*publisher][]uint64{}
	for _, p := range r.publishers {
		for _, s := range p.streams {
			m[p] = append(m[p], s.mark())
		}
	}
	return m
}

func (r *run) setBitrate(bitrate int) {
	for _, p := range r.publishers {
		for _, s := range p.streams {
			s.mu.Lock()
			if v, ok := s.stream.(*traffic.Video); ok {
				v.SetBitrate(bitrate)
			}
			s.mu.Unlock()
		}
	}
}
