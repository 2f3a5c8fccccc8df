package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"parlor/packet"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, v := range []int64{-5, 0, 1, 2, 3, 230, 231, 255} {
		h.observe(v, &lossBounds)
	}
	m := h.measure(&lossBounds, 256)
	if m.Count != 8 || m.Sum != 722./256 {
		t.Errorf("%d values, sum %v", m.Count, m.Sum)
	}
	for bound, want := range map[float64]uint64{0: 2, 1. / 256: 3, 2. / 256: 4, 4. / 256: 5, 192. / 256: 5, 230. / 256: 6} {
		if m.Buckets[bound] != want {
			t.Errorf("%d values up to %v, want %d", m.Buckets[bound], bound, want)
		}
	}
	for name, b := range map[string]*bounds{"residence": &residenceBounds, "rtt": &rttBounds, "loss": &lossBounds} {
		for i := range b[1:] {
			if b[i+1] <= b[i] {
				t.Errorf("%s: bound %d does not rise", name, i+1)
			}
		}
	}
}

// slowFlush takes its time, as the kernel does.
type slowFlush struct{ d time.Duration }

func (f *slowFlush) Flush() { time.Sleep(f.d) }

// TestResidence: residence lasts from the read to the end of the flush, once for each batch with media. The
// wait for the room's goroutine counts.
func TestResidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(Options{}, &slowFlush{2 * time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for _, err := range []error{
			r.Attach(1, 1, &counting{}, PeerOptions{}), r.Update(1, []packet.Section{pubVideo("0", 100)}, map[string]Source{"0": Camera}), r.Ready(1),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var p pool
		reports := p.batch(1, []byte{0x80, 201, 0, 1, 0, 0, 0, 1})
		reports.Items[0].RTCP = true
		r.Deliver(reports)
		read := p.batch(1, vp8Packet(t, 100, 1, true), vp8Packet(t, 100, 2, false))
		time.Sleep(300 * time.Microsecond) // in the transport
		r.Deliver(read)
		time.Sleep(500 * time.Microsecond) // the room is in the flush
		r.Deliver(p.batch(1, vp8Packet(t, 100, 3, false)))
		time.Sleep(time.Second)
		totals := r.Totals()
		m := totals.ResidenceSeconds() // 0.3 + 2 ms, 1.5 + 2 ms
		if m.Count != 2 || m.Sum != 0.0058 || m.Buckets[0.002] != 0 || m.Buckets[0.003] != 1 || m.Buckets[0.005] != 2 {
			t.Errorf("%+v", m)
		}
		cancel()
		<-ended
	})
}
