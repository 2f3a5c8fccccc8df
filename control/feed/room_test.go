package feed_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/embedded"
	"parlor/control/feed"
	"parlor/control/natstest"
)

// TestASmallerStreamWhereThereIsLittleRoom: a smaller stream is made, and the log says that it is smaller. If
// there is next to no room, the error says what to do.
func TestASmallerStreamWhereThereIsLittleRoom(t *testing.T) {
	for _, c := range []struct {
		store, want int64 // bytes; 0: no stream
	}{{400 << 20, 256 << 20}, {100 << 20, 64 << 20}, {9 << 20, 8 << 20}, {4 << 20, 0}} {
		s, err := embedded.Start(t.Context(), embedded.Options{Listen: "127.0.0.1:0", Log: zerolog.Nop(), MaxStore: c.store})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Shutdown(t.Context()) })
		f, log, stop := running(t, bus.Server{URL: s.URL()}, 3)
		if c.want == 0 {
			natstest.Eventually(t, "the error says what to do", func() bool { return log.Count("events wait for NATS", "free disk space") >= 1 })
			stop()
			continue
		}
		natstest.Eventually(t, "the events are stored", func() bool { return f.Stats().Queued == 0 })
		nc, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		info, err := js.StreamInfo(feed.Stream)
		if err != nil || info.Config.MaxBytes != c.want {
			t.Errorf("%d: %d, %v", c.store, info.Config.MaxBytes, err)
		}
		if smaller := log.Count("no room for nats.events_mb") == 1; smaller != (c.want < 256<<20) {
			t.Errorf("%d: told %v", c.store, smaller)
		}
		nc.Close()
		stop()
	}
}
