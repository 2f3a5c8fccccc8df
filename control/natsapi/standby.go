package natsapi

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/command"
	"parlor/session/terms"
)

// NATS gives a command to one of the nodes, also to one that hangs. A process that was stopped, or a machine
// that swaps, keeps its connection for minutes. So all nodes hear every command, and the node that got it
// says at once that it has it. If none says so, the first of the others that live carries it out in its
// place, or the second if that one hangs, too. Commands may be repeated, so it does no harm if the node was
// only late. But a message is not sent twice: its sender is told.
const (
	// standbyTime is when the first of the others acts. Higher makes commands wait for longer that a hanging
	// node got. Lower has more of them carried out twice if nodes are busy.
	standbyTime = 300 * time.Millisecond
	// standbyStep is how much later the second one acts.
	standbyStep = 200 * time.Millisecond
	standbys    = 2
	// maxHeard is how many commands are watched at a time. What comes beyond it is not.
	maxHeard = 4096
	// takenFor is for how long it is remembered that a command was taken, if that is heard before the
	// command.
	takenFor = 2 * time.Second
	// takenName is the last part of the subject on which nodes say what they have. No command is called so.
	takenName = "taken"
)

// standby hears the commands that other nodes get.
type standby struct {
	service *Service
	self    string
	peers   func() []string // the others that live
	log     zerolog.Logger
	subs    []*nats.Subscription
	heard   chan *nats.Msg

	mu    sync.Mutex
	waits map[string]*time.Timer // by the subject on which the answer is awaited
	taken map[string]time.Time
}

// listen begins to hear, until the service stops.
func (b *standby) listen(nc *nats.Conn) error {
	b.heard, b.waits, b.taken = make(chan *nats.Msg, maxHeard), map[string]*time.Timer{}, map[string]time.Time{}
	// One channel, so that what is said of a command does not overtake it. No wildcard, so that NATS tells a
	// sender if it asks for a command that there is not.
	subjects := []string{bus.Prefix + "." + takenName}
	for _, c := range command.All() {
		subjects = append(subjects, CommandSubject(c.Action))
	}
	for _, subject := range subjects {
		sub, err := nc.ChanSubscribe(subject, b.heard)
		if err != nil {
			return err
		}
		b.subs = append(b.subs, sub)
	}
	return nil
}

// unsubscribe hears nothing from here on.
func (b *standby) unsubscribe() {
	for _, sub := range b.subs {
		_ = sub.Unsubscribe() // the connection may be gone
	}
}

func (b *standby) run(ctx context.Context) {
	for {
		select {
		case m := <-b.heard:
			b.hear(m)
		case <-ctx.Done():
			b.unsubscribe()
			b.mu.Lock()
			defer b.mu.Unlock()
			for reply, t := range b.waits {
				t.Stop()
				delete(b.waits, reply)
			}
			return
		}
	}
}

func (b *standby) hear(m *nats.Msg) {
	name := m.Subject[len(bus.Prefix)+1:]
	if name == takenName {
		b.done(string(m.Data))
		return
	}
	a := command.Action(name)
	rank := b.rank(m.Reply)
	if m.Reply == "" || !a.Known() || rank >= standbys {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, over := b.taken[m.Reply]; over || len(b.waits) >= maxHeard {
		return
	}
	b.waits[m.Reply] = time.AfterFunc(standbyTime+time.Duration(rank)*standbyStep, func() { b.act(a, m) })
}

// done notes that a node has a command.
func (b *standby) done(reply string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.waits[reply]; t != nil {
		t.Stop()
		delete(b.waits, reply)
		return
	}
	now := time.Now()
	if len(b.taken) >= maxHeard {
		for r, at := range b.taken {
			if now.Sub(at) > takenFor {
				delete(b.taken, r)
			}
		}
	}
	if len(b.taken) < maxHeard {
		b.taken[reply] = now
	}
}

// act carries out a command that nobody has taken.
func (b *standby) act(a command.Action, m *nats.Msg) {
	if !b.due(a, m) {
		return
	}
	b.service.take(m.Reply)
	b.log.Warn().Str("action", string(a)).Msg("a node that got a command does not take it: this one does")
	b.service.stoodIn.Add(1)
	q := request{action: a, reply: m.Reply, header: m.Header.Get, data: m.Data}
	if !a.Repeatable() {
		b.service.answer(q, nil, terms.Errorf(terms.CodeInternal, "",
			"the node that got the command does not answer; whether it was carried out is not known"))
		return
	}
	b.service.begin(q, b.service.commands.Do)
}

// due reports whether a command is still to be carried out, now. If this process has just not run for a
// while, it is not now: what others have said of it meanwhile is heard first.
func (b *standby) due(a command.Action, m *nats.Msg) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.waits[m.Reply]
	if t == nil {
		return false
	}
	age := b.service.pulse.look()
	if age == late {
		t.Reset(graceTime)
		return false
	}
	delete(b.waits, m.Reply)
	return age == fresh && b.service.tell()
}

// rank is how many of the nodes that live come before this one, for the command whose answer is awaited
// there. It differs from command to command.
func (b *standby) rank(reply string) int {
	weigh := func(node string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(node + " " + reply)) // it has no errors
		return h.Sum64()
	}
	all := append([]string{b.self}, b.peers()...)
	slices.SortFunc(all, func(x, y string) int { return cmp.Compare(weigh(x), weigh(y)) })
	return slices.Index(all, b.self)
}

const (
	// beat is how often a process notices that it runs.
	beat = 100 * time.Millisecond
	// lateTime is after which time without running others may have stood in soon. It is less than
	// standbyTime. A value that high has commands carried out twice. Lower has more of them wait for others
	// if nodes are busy.
	lateTime = 250 * time.Millisecond
	// hangTime is after which time without running the process takes itself to have hung. Others have stood
	// in by then. Higher has older commands carried out. Lower makes busy nodes refuse commands.
	hangTime = 2 * time.Second
	// graceTime is for how long what comes after a hang is taken to have come before its end.
	graceTime = 300 * time.Millisecond
)

// age is how old what has come may be.
type age uint8

const (
	fresh age = iota
	late      // others may have stood in
	stale     // from long ago
)

// pulse knows whether this process has run all the time.
type pulse struct {
	log zerolog.Logger

	mu        sync.Mutex
	last      time.Time
	lateUntil time.Time // what comes before that may be late
	until     time.Time // what comes before that is of unknown age
}

// look says how old what has come may be, since the process may not have run for a while.
func (p *pulse) look() age {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if hung := now.Sub(p.last); !p.last.IsZero() && hung >= lateTime {
		p.lateUntil = now.Add(graceTime)
		if hung > hangTime {
			p.until = p.lateUntil
			p.log.Warn().Stringer("hung", hung.Round(time.Millisecond)).Msg("this process did not run for a while: commands that came meanwhile are not carried out")
		}
	}
	p.last = now
	switch {
	case now.Before(p.until):
		return stale
	case now.Before(p.lateUntil):
		return late
	}
	return fresh
}

func (p *pulse) run(ctx context.Context) {
	t := time.NewTicker(beat)
	defer t.Stop()
	for {
		p.look()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
