package natsapi_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/control/command"
	"parlor/control/embedded"
	"parlor/control/natsapi"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// serverBinary is a nats-server, built from its module.
var serverBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nats-server-")
	if err != nil {
		panic(err)
	}
	serverBinary = filepath.Join(dir, "nats-server")
	build := exec.Command("go", "build", "-o", serverBinary, "github.com/nats-io/nats-server/v2")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "building nats-server:", err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// broker is a NATS server that can be stopped and started again at the same address, with the same store.
type broker interface {
	url() string
	start(t *testing.T)
	stop(t *testing.T)
}

// eachBroker runs a test against the embedded server and against one in a process of its own. Neither is started.
func eachBroker(t *testing.T, f func(t *testing.T, b broker)) {
	port := freePort(t)
	t.Run("embedded", func(t *testing.T) {
		b := &inside{listen: fmt.Sprintf("127.0.0.1:%d", port), dir: t.TempDir()}
		defer b.stop(t)
		f(t, b)
	})
	t.Run("process", func(t *testing.T) {
		b := &outside{port: port, dir: t.TempDir()}
		defer b.stop(t)
		f(t, b)
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

type inside struct {
	listen, dir string
	s           *embedded.Server
}

func (b *inside) url() string { return "nats://" + b.listen }

func (b *inside) start(t *testing.T) {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Listen: b.listen, Dir: b.dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	b.s = s
}

func (b *inside) stop(t *testing.T) {
	if b.s == nil {
		return
	}
	if err := b.s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	b.s = nil
}

type outside struct {
	port int
	dir  string
	cmd  *exec.Cmd
}

func (b *outside) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", b.port) }

func (b *outside) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.Command(serverBinary, "-a", "127.0.0.1", "-p", fmt.Sprint(b.port), "-js", "-sd", b.dir)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nats-server listens", func() bool {
		nc, err := nats.Connect(b.url())
		if err != nil {
			return false
		}
		nc.Close()
		return true
	})
}

func (b *outside) stop(t *testing.T) {
	if b.cmd == nil {
		return
	}
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	_ = b.cmd.Wait() // its exit code after a signal tells nothing
	b.cmd = nil
}

// eventually waits for something that other processes do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// node is a node's rooms behind NATS, without media.
type node struct {
	*session.Rooms
	t    *testing.T
	nc   *nats.Conn
	feed *natsapi.Feed
}

// self is a node that knows its name.
type self string

func (n self) ID() string                               { return string(n) }
func (n self) Describe() command.NodeInfo               { return command.NodeInfo{Node: string(n)} }
func (self) Drain(context.Context, time.Duration) error { return nil }

// startNode starts a node at a broker, which may be down. The test's end stops it in order.
func startNode(t *testing.T, b broker, o session.Options) *node {
	t.Helper()
	nc, err := natsapi.Connect(natsapi.Server{URL: b.url()}, "node-1", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	o.Node = "node-1"
	o.Limits.Entries = 1_000_000 // users of tests come and go without a pause
	n := &node{t: t, nc: nc, feed: natsapi.NewFeed(natsapi.Server{URL: b.url()}, natsapi.FeedOptions{})}
	n.Rooms = session.New(o, &fakewire.Transport{}, n.feed)
	served, fed := make(chan error, 1), make(chan error, 1)
	serveCtx, stopServing := context.WithCancel(context.Background())
	feedCtx, stopFeed := context.WithCancel(context.Background())
	service, err := natsapi.Register(nc, natsapi.ServiceOptions{
		Commands: command.New(command.Options{Rooms: n.Rooms, Node: self("node-1")}), Node: "node-1", Version: "1.2.3", Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- service.Run(serveCtx) }()
	go func() { fed <- n.feed.Run(feedCtx) }()
	t.Cleanup(func() {
		stopServing()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		stopFeed()
		if err := <-fed; err != nil {
			t.Error(err)
		}
		nc.Close()
	})
	return n
}

// serving waits until commands are answered.
func (n *node) serving() {
	n.t.Helper()
	nc := n.dial()
	eventually(n.t, "commands are answered", func() bool {
		_, err := nc.Request("sfu.v1.ListRooms", nil, time.Second)
		return err == nil
	})
}

// dial returns a connection of somebody else.
func (n *node) dial() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(n.nc.Servers()[0], nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

var lobby = must(terms.StringRoom("lobby"))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// enter lets a user without signalling in.
func (n *node) enter(room terms.RoomID, user string) *session.Session {
	n.t.Helper()
	s, _, err := n.Enter(n.t.Context(), session.EnterRequest{Room: room, User: user, Grant: terms.Grant{Rights: terms.AllRights()}})
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}
