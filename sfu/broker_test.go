package sfu_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/client"
	"parlor/config"
)

// broker is a nats-server in a process of its own.
type broker struct {
	binary, dir string
	port        int
	cmd         *exec.Cmd
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{binary: filepath.Join(t.TempDir(), "nats-server"), dir: t.TempDir()}
	out, err := exec.Command("go", "build", "-o", b.binary, "github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, "building nats-server: %s", out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	t.Cleanup(func() { b.stop(t) })
	return b
}

func (b *broker) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.port) }

func (b *broker) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.Command(b.binary, "-a", "127.0.0.1", "-p", fmt.Sprint(b.port), "-js", "-sd", b.dir)
	require.NoError(t, b.cmd.Start())
	eventually(t, "nats-server serves", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (b *broker) stop(t *testing.T) {
	t.Helper()
	if b.cmd == nil {
		return
	}
	require.NoError(t, b.cmd.Process.Signal(syscall.SIGTERM))
	_ = b.cmd.Wait() // its exit status says only that a signal ended it
	b.cmd = nil
}

// events reads the feed from its beginning until it holds n events.
func (l *live) events(t *testing.T, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	js, err := jetstream.New(l.nats)
	require.NoError(t, err)
	c, err := js.OrderedConsumer(ctx, "SFU_EVENTS", jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	var all []string
	for len(all) < n {
		m, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		require.NoError(t, err, "after %q", all)
		var e struct {
			Type int
			User string
		}
		require.NoError(t, json.Unmarshal(m.Data(), &e))
		all = append(all, fmt.Sprint(e.Type, " ", e.User))
	}
	return all
}

// TestBrokerRestartsUnderACall stops and starts a NATS server while people talk: their media goes on without
// a gap, what happens meanwhile is not lost, and commands work again.
func TestBrokerRestartsUnderACall(t *testing.T) {
	b := newBroker(t)
	b.start(t)
	l := startLive(t, func(c *config.Config) { c.NATS.URL = b.url() })
	ann := l.join(t, "ann", client.Options{Publish: []client.Source{client.Camera}})
	bob := l.join(t, "bob", client.Options{Seats: 1})
	cat := l.join(t, "cat", client.Options{Seats: 1})
	bob.watch(t, seatName(1), "ann")
	ann.publish(t, client.Camera)
	flows := func(what string) {
		s := client.Section{Seat: seatName(1)}
		from := bob.received(s)
		eventually(t, what, func() bool { return bob.received(s) > from+300 })
	}
	flows("media before")
	l.command(t, "ListRooms", `{}`)

	b.stop(t)
	eventually(t, "the connection is lost", func() bool { return l.nats.Status() != nats.CONNECTED })
	flows("media without a broker")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, cat.Exit(ctx))
	require.Equal(t, "cat", bob.await(t, client.UserLeft).User)

	b.start(t)
	eventually(t, "the connection is back", func() bool { return l.nats.Status() == nats.CONNECTED })
	eventually(t, "commands work again", func() bool {
		m, err := l.nats.Request("sfu.v1.DescribeRoom", []byte(`{"StrRoomId":"lobby"}`), time.Second)
		return err == nil && m.Header.Get("Nats-Service-Error") == ""
	})
	flows("media afterwards")
	require.Zero(t, bob.gaps.Load(), "packets lost or out of order")
	l.command(t, "RemoveUser", `{"StrRoomId":"lobby","UserIds":["bob"]}`)
	require.Equal(t, 1, bob.await(t, client.Exited).Reason)
	require.Equal(t, []string{"101 ", "103 ann", "201 ann", "103 bob", "103 cat", "104 cat", "104 bob"}, l.events(t, 7))
}
