package feed_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/control/feed"
	"parlor/control/natstest"
	"parlor/session/terms"
)

// cluster is three nats-servers in processes of their own.
type cluster struct {
	ports [3]int
	cmd   [3]*exec.Cmd
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := new(cluster)
	var routes []string
	var clusterPorts [3]int
	for i := range c.ports {
		c.ports[i], clusterPorts[i] = natstest.FreePort(t), natstest.FreePort(t)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", clusterPorts[i]))
	}
	for i := range c.cmd {
		c.cmd[i] = natstest.Command("-a", "127.0.0.1", "-p", fmt.Sprint(c.ports[i]), "-js", "-sd", t.TempDir(),
			"-n", fmt.Sprint("s", i), "-cluster_name", "three", "-cluster", routes[i], "-routes", strings.Join(routes, ","))
		if err := c.cmd[i].Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.kill(i) })
	}
	natstest.Eventually(t, "the cluster stores streams", func() bool {
		nc, err := nats.Connect(c.url())
		if err != nil {
			return false
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return false
		}
		ctx := t.Context()
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "probe", Subjects: []string{"probe"}, Replicas: 3}); err != nil {
			return false
		}
		return js.DeleteStream(ctx, "probe") == nil
	})
	return c
}

func (c *cluster) url() string {
	return fmt.Sprintf("nats://127.0.0.1:%d,nats://127.0.0.1:%d,nats://127.0.0.1:%d", c.ports[0], c.ports[1], c.ports[2])
}

// kill ends a server at once.
func (c *cluster) kill(i int) {
	if c.cmd[i].ProcessState == nil {
		_ = c.cmd[i].Process.Kill()
		_ = c.cmd[i].Wait()
	}
}

// jetStream returns a connection to the cluster that finds a living server by itself.
func (c *cluster) jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(c.url(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// leader returns the server that leads the stream of events.
func (c *cluster) leader(t *testing.T, js jetstream.JetStream) int {
	t.Helper()
	leader := -1
	natstest.Eventually(t, "the stream has a leader", func() bool {
		s, err := js.Stream(t.Context(), feed.Stream)
		if err != nil || s.CachedInfo().Cluster == nil {
			return false
		}
		_, err = fmt.Sscanf(s.CachedInfo().Cluster.Leader, "s%d", &leader)
		return err == nil
	})
	return leader
}

// TestLeaderOfTheStreamIsKilled kills the leader while three servers store events. Every event is there, in
// order per room, none twice.
func TestLeaderOfTheStreamIsKilled(t *testing.T) {
	const rooms, each = 50, 120
	c := startCluster(t)
	js := c.jetStream(t)
	f, log, _ := runningWith(t, bus.Server{URL: c.url()}, feed.Options{Stream: feed.StreamOptions{Replicas: 3}}, nil)
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			for r := range rooms {
				f.Publish(terms.FeedEvent{
					ID: fmt.Sprintf("r%d.%d", r, i+1), Type: terms.FeedUserEntered, Node: "node-1", Room: must(terms.NumberRoom(int64(r + 1))),
				})
			}
		}
	}
	publish(0, 1)
	natstest.Eventually(t, "the stream is made", func() bool { return f.Stats().Queued == 0 })
	leader := c.leader(t, js)
	publish(1, each)
	natstest.Eventually(t, "a part is stored", func() bool { return f.Stats().Published > 500 })
	c.kill(leader)
	if f.Stats().Queued == 0 {
		t.Fatal("the leader was killed too late")
	}
	natstest.Eventually(t, "all events are stored", func() bool { return f.Stats().Queued == 0 })
	if log.Count("events wait for NATS") == 0 {
		t.Error("the leader was not missed")
	}
	events := readStream(t, js)
	complete(t, events)
	if len(events) != rooms*each {
		t.Errorf("%d events are stored, not %d", len(events), rooms*each)
	}
}

// TestLargeRoomAgainstThreeServers: a room's events are stored one by one; those of a thousand people who
// enter at once are there within seconds nevertheless.
func TestLargeRoomAgainstThreeServers(t *testing.T) {
	c := startCluster(t)
	js := c.jetStream(t)
	began := time.Now()
	f, _, _ := runningWith(t, bus.Server{URL: c.url()}, feed.Options{Stream: feed.StreamOptions{Replicas: 3}}, feedOf(2000))
	natstest.Eventually(t, "all events are stored", func() bool { return f.Stats().Queued == 0 })
	t.Logf("2000 events of one room, three replicas: %v", time.Since(began))
	complete(t, readStream(t, js))
	s, err := js.Stream(t.Context(), feed.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config.Replicas; got != 3 {
		t.Errorf("%d replicas", got)
	}
}

// readStream reads the stream from the first event to the last.
func readStream(t *testing.T, js jetstream.JetStream) []terms.FeedEvent {
	t.Helper()
	var last uint64
	natstest.Eventually(t, "the stream can be read", func() bool {
		s, err := js.Stream(t.Context(), feed.Stream)
		if err == nil {
			last = s.CachedInfo().State.LastSeq
		}
		return err == nil
	})
	var messages jetstream.MessagesContext
	// if a server has died, there is none before the others agree
	natstest.Eventually(t, "a consumer is made", func() bool {
		c, err := js.OrderedConsumer(t.Context(), feed.Stream, jetstream.OrderedConsumerConfig{})
		if err == nil {
			messages, err = c.Messages()
		}
		return err == nil
	})
	defer messages.Stop()
	var events []terms.FeedEvent
	for seq := uint64(0); seq < last; {
		m, err := messages.Next()
		if err != nil {
			t.Fatal(err)
		}
		var e terms.FeedEvent
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		seq, events = meta.Sequence.Stream, append(events, e)
	}
	return events
}
