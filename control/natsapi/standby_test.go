package natsapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/control/natsapi"
	"parlor/control/natstest"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// serve starts a NATS server without JetStream, and nodes of these names on it. It returns a connection of
// somebody else.
func serve(t *testing.T, o server.Options, names ...string) (*nats.Conn, map[string]*session.Rooms) {
	t.Helper()
	s := natstest.WithoutJetStream(t, o)
	rooms := map[string]*session.Rooms{}
	for _, name := range names {
		nc := must(bus.Connect(bus.Server{URL: s.ClientURL()}, name, zerolog.Nop()))
		t.Cleanup(nc.Close)
		r := session.New(session.Options{Node: name}, &fakewire.Transport{}, nil)
		t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
		rooms[name] = r
		natsapi.RunService(t, nc, natsapi.ServiceOptions{
			Commands: command.New(command.Options{Rooms: r, Node: self(name)}), Node: name, Version: "1.2.3", Log: zerolog.Nop(),
			Peers: func() []string {
				return slices.DeleteFunc(append([]string{"hung"}, names...), func(n string) bool { return n == name })
			},
		})
	}
	nc := must(nats.Connect(s.ClientURL()))
	t.Cleanup(nc.Close)
	return nc, rooms
}

// TestACommandThatAHangingNodeGot: a node that hangs stays among those that NATS gives commands to. Each
// command is answered within a second all the same. A message must not be sent twice, and is answered with an
// error.
func TestACommandThatAHangingNodeGot(t *testing.T) {
	nc, rooms := serve(t, server.Options{}, "a", "b")
	got := make(chan string, 1000)
	hung := must(nc.QueueSubscribe("sfu.v1.*", micro.DefaultQueueGroup, func(m *nats.Msg) {
		if m.Reply != "" { // the others tell of theirs without one
			got <- m.Reply
		}
	}))
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := rooms["a"].Enter(t.Context(), session.EnterRequest{Room: lobby, User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}}); err != nil {
		t.Fatal(err)
	}
	slowest := time.Duration(0)
	for i := range 24 {
		began := time.Now()
		_, err := nc.Request("sfu.v1.DescribeNode", nil, 2*time.Second)
		if err != nil {
			t.Fatalf("command %d: %v", i, err)
		}
		slowest = max(slowest, time.Since(began))
	}
	if len(got) == 0 {
		t.Fatal("the node that hangs got none")
	}
	if slowest > time.Second {
		t.Errorf("the slowest answer took %v", slowest)
	}
	before, told := len(got), 0
	for range 24 {
		m, err := nc.Request("sfu.v1.SendMessage", []byte(`{"StrRoomId":"lobby","CmdId":1,"Text":"hi"}`), 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get(micro.ErrorCodeHeader) == string(terms.CodeInternal) {
			told++
		}
	}
	if told != len(got)-before || told == 0 {
		t.Errorf("%d of %d lost messages are told", told, len(got)-before)
	}
	_ = hung.Unsubscribe()
}

// TestANodeThatHangsIsTold: a client that asks one node learns within a second that it hangs, but waits for
// one that is slow.
func TestANodeThatHangsIsTold(t *testing.T) {
	nc, _ := serve(t, server.Options{})
	must(nc.Subscribe("sfu.v1.node.hung.>", func(*nats.Msg) {}))
	must(nc.Subscribe("sfu.v1.node.slow.*", func(m *nats.Msg) {
		if m.Subject == "sfu.v1.node.slow.alive" {
			_ = m.Respond(nil)
			return
		}
		time.AfterFunc(1500*time.Millisecond, func() { _ = m.Respond([]byte(`{"Users":7}`)) })
	}))
	c := natsapi.NewClient(nc)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	_, err := c.Ask(ctx, "hung", command.DismissRoom, nil)
	if took := time.Since(began); !errors.Is(err, command.ErrSilent) || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if answer, err := c.Ask(ctx, "slow", command.DismissRoom, nil); err != nil || string(answer) != `{"Users":7}` {
		t.Errorf("%s %v", answer, err)
	}
	if _, err := c.Ask(ctx, "nobody", command.DismissRoom, nil); !errors.Is(err, command.ErrNoNode) {
		t.Error(err)
	}
}

// TestAnswersFitIntoWhatNATSTakes: a list that is too large for max_payload comes in shorter pages, and
// nobody is left out.
func TestAnswersFitIntoWhatNATSTakes(t *testing.T) {
	const users = 250
	nc, rooms := serve(t, server.Options{MaxPayload: 16 << 10}, "a")
	for i := range users {
		_, _, err := rooms["a"].Enter(t.Context(), session.EnterRequest{
			Room: lobby, User: fmt.Sprintf("user-%03d-with-a-long-name", i), Grant: terms.Grant{Rights: terms.AllRights()},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c := natsapi.NewClient(nc)
	seen := map[string]int{}
	pages := 0
	name := "lobby"
	for after := ""; pages == 0 || after != ""; pages++ {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var d command.DescribeRoomResponse
		q := command.DescribeRoomRequest{RoomRef: command.RoomRef{StrRoomID: &name}, After: after, Limit: 1000}
		if err := c.Do(ctx, command.DescribeRoom, q, &d); err != nil {
			t.Fatal(err)
		}
		for _, u := range d.UserList {
			seen[u.UserID]++
		}
		after = d.Next
	}
	if len(seen) != users || pages < 3 {
		t.Errorf("%d of %d users on %d pages", len(seen), users, pages)
	}
	for u, n := range seen {
		if n != 1 {
			t.Errorf("%s was told of %d times", u, n)
		}
	}
	small, _ := serve(t, server.Options{MaxPayload: 1 << 10}, "a")
	m, err := small.Request("sfu.v1.DescribeNode", nil, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		t.Errorf("with max_payload 1 KB what fits is refused: %s", code)
	}
}
