package feed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/feed"
	"parlor/control/natstest"
	"parlor/session/terms"
)

// TestTheBucketOfFeedsIsDeleted deletes the bucket, or the key in it, under a node that publishes. Nobody can
// have completed the node's feed, so the feed goes on where it was. Nothing is told twice, and no event that
// waits is dropped.
func TestTheBucketOfFeedsIsDeleted(t *testing.T) {
	for name, spoil := range map[string]func(context.Context, jetstream.JetStream) error{
		"the bucket": func(ctx context.Context, js jetstream.JetStream) error {
			return js.DeleteKeyValue(ctx, feed.Bucket)
		},
		"the key": func(ctx context.Context, js jetstream.JetStream) error {
			kv, err := js.KeyValue(ctx, feed.Bucket)
			if err != nil {
				return err
			}
			return kv.Purge(ctx, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := natstest.Embedded(t)
			b.Start(t)
			t.Cleanup(func() { b.Stop(t) })
			n := startFed(t, b, "a", func(o *feed.Options) {
				o.Forget = 6 * time.Second
			})
			n.enter(lobby, "ann")
			n.stored()
			nc := must(nats.Connect(b.URL()))
			defer nc.Close()
			js := must(jetstream.New(nc))
			if err := spoil(t.Context(), js); err != nil {
				t.Fatal(err)
			}
			r := read(t, b)
			natstest.Eventually(t, "its key is there again", func() bool {
				_, err := js.KeyValue(t.Context(), feed.Bucket)
				return err == nil && len(r.keys()) == 1
			})
			n.enter(lobby, "bob")
			n.stored()
			n.end()
			if n.begunAnew.Load() != 0 {
				t.Error("the feed was begun anew")
			}
			if s := n.feed.Stats(); s.Dropped != (feed.Drops{}) || s.Completed != 0 {
				t.Errorf("%+v", s)
			}
			r.balanced()
		})
	}
}

// TestTheNumberOfEventsIsBounded: with a server of the process's own, a stream that is there already is
// bounded, too.
func TestTheNumberOfEventsIsBounded(t *testing.T) {
	b := natstest.Embedded(t)
	b.Start(t)
	t.Cleanup(func() { b.Stop(t) })
	run := func(first, events int, o feed.StreamOptions) jetstream.StreamInfo {
		n := startFed(t, b, "a", func(f *feed.Options) { f.Stream = o })
		for i := range events {
			n.feed.Publish(terms.FeedEvent{
				ID: fmt.Sprintf("x%d.1", first+i), Node: "a", Type: terms.FeedRoomDismissed, Room: must(terms.StringRoom(fmt.Sprint("room", first+i))),
			})
		}
		n.stored()
		n.end()
		nc := must(nats.Connect(b.URL()))
		defer nc.Close()
		return *must(must(jetstream.New(nc)).Stream(t.Context(), feed.Stream)).CachedInfo()
	}
	for _, c := range []struct {
		o    feed.StreamOptions
		want uint64
	}{
		{feed.StreamOptions{}, 20},
		{feed.StreamOptions{MaxMsgs: 5}, 40}, // somebody else's server, whose stream is left as it is
		{feed.StreamOptions{MaxMsgs: 5, Own: true}, 5},
		{feed.StreamOptions{Own: true}, 25},
	} {
		first := int(c.want) * 100
		if got := run(first, 20, c.o).State.Msgs; got != c.want {
			t.Errorf("%+v: %d events", c.o, got)
		}
	}
}
