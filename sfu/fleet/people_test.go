package fleet

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/client"
)

// person is a user that stays in a room over the loss of nodes. It keeps a list of who else is there as an
// application does.
type person struct {
	name, room string
	end        context.CancelFunc
	result     chan error
	hears      string        // whose sound it gets; "": nobody's, and it has no media
	heard      atomic.Uint64 // packets of it

	mu      sync.Mutex
	client  *client.Client // the present or last one
	times   int            // how often the room was entered
	others  map[string]bool
	last    *session       // the one that was tried last
	exits   []client.Event // each `exited`
	doubled []string       // users who entered though they were there, or left though they were not
}

// session is one entering of a person.
type session struct {
	live  bool           // its list of others has come
	early []client.Event // what it has told before
}

// enter lets a user in at a node. It returns when the user is in.
func enter(t *testing.T, at *node, room, name string, change ...func(*client.Options)) *person {
	t.Helper()
	return enterAs(t, &person{}, at, room, name, change...)
}

// enterAs is enter for a person that changes may speak of.
func enterAs(t *testing.T, p *person, at *node, room, name string, change ...func(*client.Options)) *person {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.name, p.room, p.end, p.result, p.others = name, room, cancel, make(chan error, 1), map[string]bool{}
	o := client.Options{URL: at.url, Room: room, User: name}
	for _, f := range change {
		f(&o)
	}
	entered := make(chan struct{}, 1)
	go func() {
		p.result <- client.Roam(ctx, o, p.begin, func(c *client.Client) {
			p.came(c)
			go p.takePart(c) // Roam goes on meanwhile
			select {
			case entered <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() { p.leave() })
	select {
	case <-entered:
	case err := <-p.result:
		p.result <- err
		require.NoError(t, err, "%s enters %s at %s", name, room, at.id)
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not get into %s at %s", name, room, at.id)
	}
	return p
}

// leave exits, and returns how being in the room ended.
func (p *person) leave() error {
	p.end()
	err := <-p.result
	p.result <- err
	return err
}

// putOut waits until somebody else has ended the stay.
func (p *person) putOut(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.result:
		p.result <- err
		require.ErrorIs(t, err, client.ErrEnded, p.name)
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is still in", p.name)
	}
}

// begin is told of a try to enter.
func (p *person) begin(o *client.Options) {
	s := &session{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
	o.OnEvent = func(e client.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !s.live {
			s.early = append(s.early, e)
			return
		}
		p.apply(e)
	}
}

// came takes the session that was tried last: whoever is in its list is there, nobody else is. What it has
// told since then may have come before.
func (p *person) came(c *client.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = c
	p.times++
	clear(p.others)
	for _, u := range c.Entered().Users {
		p.others[u.ID] = true
	}
	for _, e := range p.last.early {
		p.apply(e)
	}
	p.last.live, p.last.early = true, nil
}

func (p *person) apply(e client.Event) {
	switch e.Type {
	case client.UserEntered:
		if p.others[e.User] {
			p.doubled = append(p.doubled, e.User)
		}
		p.others[e.User] = true
	case client.UserLeft:
		if !p.others[e.User] {
			p.doubled = append(p.doubled, e.User)
		}
		delete(p.others, e.User)
	case client.Exited:
		p.exits = append(p.exits, e)
	}
}

func (p *person) sees() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.others)
}

func (p *person) entered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times
}

func (p *person) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client.At()
}

// lastExit returns the reason of the last `exited`, -1 before any.
func (p *person) lastExit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.exits) == 0 {
		return -1
	}
	return p.exits[len(p.exits)-1].Reason
}
