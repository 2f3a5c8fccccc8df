package main

import (
	"context"
	"sync"
	"time"

	"parlor/bench/stats"
	"parlor/client"
	"parlor/lab/traffic"
)

// publisher is one sending client with its streams.
type publisher struct {
	room, user string
	streams    []*sender
	client     *client.Client
}

// sender sends one stream in its rhythm, on a goroutine of its own.
type sender struct {
	id     uint32
	source client.Source

	mu     sync.Mutex // held while a frame is sent, so that pause and mark fall between frames
	stream traffic.Stream
	paused bool
	late   *stats.Delays // how much later than due frames were sent
}

// pause stops (true) or continues the stream. After pause(true) has returned no packet is sent.
func (s *sender) pause(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = on
}

// mark returns the number of packets sent so far.
func (s *sender) mark() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Count()
}

// run sends until ctx ends. The first frame is due after phase, so that streams do not all burst at once.
func (s *sender) run(ctx context.Context, out *client.Outgoing, phase time.Duration) error {
	start := time.Now()
	timer := time.NewTimer(phase)
	defer timer.Stop()
	for due := phase; ; due += s.stream.Interval() {
		timer.Reset(due - time.Since(start))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := s.send(out, start, due); err != nil {
			return err
		}
		if behind := time.Since(start) - due; behind > time.Second {
			due += behind // the machine stood still: do not send all of it at once
		}
	}
}

// send sends the frame that is due, unless the stream is paused.
func (s *sender) send(out *client.Outgoing, start time.Time, due time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		return nil
	}
	s.late.Add(time.Since(start) - due)
	asked := false
	select {
	case <-out.Keyframes():
		asked = true
	default:
	}
	for _, p := range s.stream.Next(due, asked) {
		traffic.Sent(p.Payload, time.Now())
		if err := out.WriteRTP(p); err != nil {
			return err
		}
	}
	return nil
}
