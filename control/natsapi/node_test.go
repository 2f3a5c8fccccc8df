package natsapi_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/control/natstest"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// node is a node's rooms behind NATS, without media.
type node struct {
	*session.Rooms
	t  *testing.T
	nc *nats.Conn
}

// self is a node that knows its name.
type self string

func (n self) ID() string                               { return string(n) }
func (n self) Describe() command.NodeInfo               { return command.NodeInfo{Node: string(n)} }
func (n self) History() command.History                 { return command.History{Node: string(n)} }
func (self) Drain(context.Context, time.Duration) error { return nil }

// startNode starts a node at a broker, which may be down. The test's end stops it in order.
func startNode(t *testing.T, b natstest.Broker, o session.Options) *node {
	t.Helper()
	nc, err := bus.Connect(bus.Server{URL: b.URL()}, "node-1", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	o.Node = "node-1"
	o.Limits.Entries = 1_000_000 // users of tests come and go without a pause
	n := &node{t: t, nc: nc}
	n.Rooms = session.New(o, &fakewire.Transport{}, nil)
	served := make(chan error, 1)
	serveCtx, stopServing := context.WithCancel(context.Background())
	service, err := natsapi.Register(nc, natsapi.ServiceOptions{
		Commands: command.New(command.Options{Rooms: n.Rooms, Node: self("node-1")}), Node: "node-1", Version: "1.2.3", Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- service.Run(serveCtx) }()
	t.Cleanup(func() {
		stopServing()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := n.Shutdown(context.Background()); err != nil {
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
	natstest.Eventually(n.t, "commands are answered", func() bool {
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
