package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// gauge reads a metric of a node without labels.
func (n *node) gauge(t *testing.T, name string) float64 {
	t.Helper()
	res, err := http.Get(n.url + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(res.Body)
	require.NoError(t, err)
	require.Contains(t, families, name)
	m := families[name].Metric[0]
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}

// keys returns the keys of a bucket.
func (f *fleet) keys(t *testing.T, bucket string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	js, err := jetstream.New(f.nats)
	require.NoError(t, err)
	kv, err := js.KeyValue(ctx, bucket)
	require.NoError(t, err)
	keys, err := kv.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	}
	require.NoError(t, err)
	// Those are no rooms.
	return slices.DeleteFunc(keys, func(key string) bool { return strings.HasPrefix(key, "node.") })
}

// nothingLeft waits until no room is placed anywhere, no node holds one, and nobody is blocked or banned;
// bans must be short.
func (f *fleet) nothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, "no room is placed", 10*time.Second, func() bool { return len(f.keys(t, "SFU_ROOMS")) == 0 })
	eventually(t, "nobody is blocked or banned", 20*time.Second, func() bool { return len(f.keys(t, "SFU_MARKS")) == 0 })
	for _, n := range f.nodes {
		if !n.ended() {
			eventually(t, "node "+n.id+" holds no room", 10*time.Second, func() bool {
				return n.gauge(t, "parlor_rooms") == 0 && n.gauge(t, "parlor_users") == 0
			})
		}
	}
}

// event is one of the feed.
type event struct {
	ID, Node, Room, User, By string
	Type, Reason             int
	TimeMs                   int64
}

// feed reads the feed from its beginning to where it ends now, without repeats.
func (f *fleet) feed(t *testing.T) []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	js, err := jetstream.New(f.nats)
	require.NoError(t, err)
	s, err := js.Stream(ctx, "SFU_EVENTS")
	require.NoError(t, err)
	info, err := s.Info(ctx)
	require.NoError(t, err)
	var all []event
	seen := map[string]bool{}
	for read := uint64(0); read < info.State.LastSeq; {
		// A consumer may be lost with a broker that was killed; the next one goes on.
		c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: read + 1})
		require.NoError(t, err)
		batch, err := c.Fetch(int(min(info.State.LastSeq-read, 1000)), jetstream.FetchMaxWait(5*time.Second))
		require.NoError(t, err)
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			require.NoError(t, err)
			read = meta.Sequence.Stream
			var e event
			require.NoError(t, json.Unmarshal(m.Data(), &e))
			if !seen[e.ID] {
				seen[e.ID] = true
				all = append(all, e)
			}
		}
		require.NoError(t, ctx.Err(), "after %d of %d events: %v", read, info.State.LastSeq, batch.Error())
	}
	return all
}

// requireBalanced: every 103 has its 104, none twice, and nothing of a user lies outside of the two.
func requireBalanced(t *testing.T, all []event) {
	t.Helper()
	type who struct{ node, room, user string }
	in := map[who]int{}
	for i, e := range all {
		w := who{e.Node, e.Room, e.User}
		switch {
		case e.Type == 103:
			in[w]++
		case e.Type == 104:
			in[w]--
		case e.User != "" && in[w] == 0:
			t.Fatalf("event %d: %+v of a user who is not in", i, e)
		}
		if n := in[w]; n < 0 || n > 1 {
			t.Fatalf("event %d: %+v makes %s in %d times", i, e, w.user, n)
		}
	}
	for w, n := range in {
		require.Zero(t, n, "%+v has entered and never left", w)
	}
}
