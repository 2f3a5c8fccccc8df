package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/lab/traffic"
)

// talks makes a person of the room send sound for as long as it is in, and hear whoever is named.
func (p *person) talks(hears string) func(*client.Options) {
	return func(o *client.Options) {
		o.Publish, o.Seats, o.Blind = []client.Source{client.Mic}, 1, true
		o.OnRTP = func(client.Section) func([]byte) {
			return func([]byte) { p.heard.Add(1) }
		}
		p.hears = hears
	}
}

// takePart goes on with the media of a session that has just begun.
func (p *person) takePart(c *client.Client) {
	if p.hears == "" {
		return
	}
	go func() { // until the session ends
		s, out := traffic.NewAudio(1), c.Outgoing(client.Mic, "")
		ended := c.Done()
		began, tick := time.Now(), time.NewTicker(s.Interval())
		defer tick.Stop()
		for {
			for _, packet := range s.Next(time.Since(began), false) {
				_ = out.WriteRTP(packet) // fails when the node is gone
			}
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// Who is heard may come later than this one, after a node was lost: the seat waits for it no longer than
	// this.
	for ctx.Err() == nil {
		if c.Seat(ctx, client.SeatRequest{Seat: "0", User: p.hears, Audio: client.Mic}) == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// hearing waits until everybody who hears somebody gets sound from now on.
func hearing(t *testing.T, all []*person, when string) {
	t.Helper()
	for _, p := range all {
		if p.hears != "" {
			from := p.heard.Load()
			eventually(t, p.name+" hears "+p.hears+" "+when, 10*time.Second, func() bool { return p.heard.Load() > from+25 })
		}
	}
}

// listeners is how many of them hear somebody.
func listeners(t *testing.T, all []*person) (n int) {
	t.Helper()
	for _, p := range all {
		if p.hears != "" {
			n++
		}
	}
	require.Positive(t, n)
	return n
}
