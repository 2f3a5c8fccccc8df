package natsapi

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"parlor/control/command"
	"parlor/control/natstest"
	"parlor/session"
	"parlor/session/fakewire"
)

type named string

func (n named) ID() string                               { return string(n) }
func (n named) History() command.History                 { return command.History{Node: string(n)} }
func (n named) Describe() command.NodeInfo               { return command.NodeInfo{Node: string(n)} }
func (named) Drain(context.Context, time.Duration) error { return nil }

// pair starts the nodes "a" and "b", which know each other, on a NATS server. It returns a connection of
// somebody else.
func pair(t *testing.T, tell func() bool) (*nats.Conn, []*Service) {
	t.Helper()
	s := natstest.WithoutJetStream(t, server.Options{})
	connect := func() *nats.Conn {
		nc, err := nats.Connect(s.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	var both []*Service
	for name, other := range map[string]string{"a": "b", "b": "a"} {
		r := session.New(session.Options{Node: name}, &fakewire.Transport{}, nil)
		t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
		both = append(both, RunService(t, connect(), ServiceOptions{
			Commands: command.New(command.Options{Rooms: r, Node: named(name)}), Node: name, Version: "1.2.3", Log: zerolog.Nop(),
			Peers: func() []string { return []string{other} }, PeersTell: tell,
		}))
	}
	return connect(), both
}

// TestPulse: a command that has come after a gap may be late. After a long gap its age is unknown.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pulse{log: zerolog.Nop()}
		for _, step := range []struct {
			gap  time.Duration
			want age
		}{
			{0, fresh}, {beat, fresh}, {lateTime - 1, fresh}, {lateTime, late}, {beat, late}, {graceTime - beat, fresh},
			{hangTime, late}, {hangTime + 1, stale}, {beat, stale}, {graceTime - beat, fresh},
		} {
			time.Sleep(step.gap)
			if got := p.look(); got != step.want {
				t.Errorf("after %v: %v, not %v", step.gap, got, step.want)
			}
		}
	})
}

// TestALateNodeHearsTheOthersFirst: a node that has not run for 300 ms may get a command for which another
// node has stood in. It does not carry the command out at once. If all nodes are late, one of them does so,
// once.
func TestALateNodeHearsTheOthersFirst(t *testing.T) {
	nc, both := pair(t, nil)
	for _, s := range both {
		s.pulse.mu.Lock()
		s.pulse.lateUntil = time.Now().Add(200 * time.Millisecond)
		s.pulse.mu.Unlock()
	}
	answers, err := nc.SubscribeSync("answers")
	if err == nil {
		err = nc.PublishRequest(CommandSubject(command.DescribeNode), "answers", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answers.NextMsg(5 * time.Second); err != nil {
		t.Fatalf("nobody carries it out: %v", err)
	}
	if n := both[0].StoodIn() + both[1].StoodIn(); n != 1 {
		t.Errorf("%d stood in: a node that was late carried the command out at once", n)
	}
	if _, err := answers.NextMsg(standbyTime + 2*standbyStep + graceTime); err == nil {
		t.Error("the command was carried out twice")
	}
}

// TestAStandbyThatIsLateHearsTheOthersFirst: a standby that has not run when it was to stand in waits for
// what was said meanwhile. If nothing was said, it stands in then.
func TestAStandbyThatIsLateHearsTheOthersFirst(t *testing.T) {
	for _, taken := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := &standby{self: "a", taken: map[string]time.Time{}, service: &Service{
				pulse: pulse{log: zerolog.Nop()}, tell: func() bool { return true },
			}}
			b.service.pulse.look()
			m := &nats.Msg{Reply: "answers"}
			var acted atomic.Int32
			b.mu.Lock()
			b.waits = map[string]*time.Timer{m.Reply: time.AfterFunc(standbyTime, func() {
				if b.due(command.DescribeNode, m) {
					acted.Add(1)
				}
			})}
			b.mu.Unlock()
			time.Sleep(standbyTime + beat)
			if acted.Load() != 0 {
				t.Error("it stands in before it knows what others have said")
			}
			if taken {
				b.done(m.Reply)
			}
			for range 10 {
				b.service.pulse.look()
				time.Sleep(beat)
			}
			if n := acted.Load(); taken != (n == 0) || n > 1 {
				t.Errorf("taken by another one: %t; it stood in %d times", taken, n)
			}
		})
	}
}

// TestNobodyStandsInForOldNodes: old nodes do not say which commands they take. So none of the others takes
// them to hang.
func TestNobodyStandsInForOldNodes(t *testing.T) {
	const commands = 12
	nc, both := pair(t, func() bool { return false })
	answers, err := nc.SubscribeSync("answers.*")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *nats.Msg, commands)
	_, err = nc.QueueSubscribe(CommandSubject(command.DescribeNode), micro.DefaultQueueGroup, func(m *nats.Msg) {
		got <- m
		time.AfterFunc(standbyTime+2*standbyStep, func() { _ = m.Respond(nil) })
	})
	if err == nil {
		err = nc.Flush()
	}
	for i := range commands {
		if err == nil {
			err = nc.PublishRequest(CommandSubject(command.DescribeNode), "answers."+string(rune('a'+i)), nil)
		}
	}
	for range commands {
		if err == nil {
			_, err = answers.NextMsg(5 * time.Second)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		t.Fatal("the old node got none")
	}
	if m, err := answers.NextMsg(100 * time.Millisecond); err == nil {
		t.Errorf("%s was answered twice", m.Subject)
	}
	if n := both[0].StoodIn() + both[1].StoodIn(); n != 0 {
		t.Errorf("%d times somebody stood in", n)
	}
}
