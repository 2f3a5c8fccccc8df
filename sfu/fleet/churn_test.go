package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// entries is how often somebody enters and leaves in TestChurn.
const entries = 10_000

// TestChurn: users enter and leave in rooms all over three nodes, many at a time. Everybody's leave is in the
// feed, no bucket keeps anything, and the nodes are as large as before.
func TestChurn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	visit := func(r *rand.Rand, worker, i int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		c, err := client.Dial(ctx, client.Options{
			URL: f.nodes[r.IntN(3)].url, Room: fmt.Sprint("room", r.IntN(30)), User: fmt.Sprintf("w%d-%d", worker, i),
			NoPing: true, OnEvent: func(client.Event) {},
		})
		if err != nil {
			return err
		}
		if r.IntN(4) == 0 {
			c.Close() // without a word: a beacon follows, as of a page that is closed
			return c.Beacon(ctx)
		}
		return c.Exit(ctx)
	}
	churn := func(total int) {
		var left atomic.Int64
		left.Store(int64(total))
		var workers sync.WaitGroup
		for w := range 16 {
			workers.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), uint64(total)))
				for i := 0; left.Add(-1) >= 0; i++ {
					if err := visit(r, w, total+i); err != nil {
						t.Errorf("visit %d of worker %d: %v", i, w, err)
						return
					}
				}
			})
		}
		workers.Wait()
	}
	churn(500) // what a node makes once is there after it
	f.nothingLeft(t)
	goroutines, resident := make([]float64, len(f.nodes)), make([]float64, len(f.nodes))
	for i, n := range f.nodes {
		goroutines[i], resident[i] = n.gauge(t, "go_goroutines"), n.gauge(t, "process_resident_memory_bytes")
	}
	began := time.Now()
	churn(entries)
	t.Logf("%d entries and exits over three nodes in %.1f s", entries, time.Since(began).Seconds())
	f.nothingLeft(t)
	for i, n := range f.nodes {
		eventually(t, "goroutines of node "+n.id, 10*time.Second, func() bool { return n.gauge(t, "go_goroutines") <= goroutines[i]+5 })
		eventually(t, "events of node "+n.id+" are stored", 30*time.Second, func() bool { return n.gauge(t, "parlor_events_queued") == 0 })
		require.Zero(t, n.gauge(t, "parlor_events_dropped_total"))
		// Who left without being told is remembered for 90 s, which is a megabyte or two. An estimate: were
		// all 3,300 users of a node left behind, they would hold 5 KB each at least.
		eventually(t, "memory of node "+n.id, 40*time.Second, func() bool { return n.gauge(t, "process_resident_memory_bytes") < resident[i]+12e6 })
		t.Logf("node %s: %.0f goroutines of %.0f before, %.1f MB resident of %.1f", n.id, n.gauge(t, "go_goroutines"), goroutines[i],
			n.gauge(t, "process_resident_memory_bytes")/1e6, resident[i]/1e6)
	}
	all := f.feed(t)
	requireBalanced(t, all)
	var in int
	for _, e := range all {
		if e.Type == 103 {
			in++
		}
	}
	require.Equal(t, entries+500, in)
	require.Less(t, len(f.keys(t, "SFU_NODES")), 4)
}
