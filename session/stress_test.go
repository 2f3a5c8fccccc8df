package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// TestChurn has users enter, publish, lose connections, resume, exit, be removed and dismissed all at once,
// in real time. It holds everybody to the rules: no leave without an entry, none twice, and nothing after
// exited. The feed has the same number of entries and leaves, and nothing is left over.
func TestChurn(t *testing.T) {
	before := runtime.NumGoroutine()
	wire, feed := &fakewire.Transport{}, &feed{}
	rooms := session.New(session.Options{Limits: session.Limits{Entries: 1_000_000}, Timers: session.Timers{Timeout: 300 * time.Millisecond}}, wire, feed)
	ctx, cancel := context.WithCancel(context.Background())
	var running, users sync.WaitGroup
	running.Go(func() { _ = rooms.Run(ctx) })
	stop := make(chan struct{})
	for i := range 24 {
		users.Go(func() {
			c := churner{t: t, rooms: rooms, rand: rand.New(rand.NewPCG(1, uint64(i))), user: fmt.Sprintf("u%d", i%16)}
			for range 40 {
				c.live(ctx)
			}
		})
	}
	running.Go(func() { // the commands
		r := rand.New(rand.NewPCG(2, 3))
		for {
			select {
			case <-stop:
				return
			default:
			}
			if r.IntN(20) == 0 {
				_, _ = rooms.DismissRoom(ctx, lobby, "")
			} else {
				_, _ = rooms.RemoveUsers(ctx, lobby, []string{fmt.Sprintf("u%d", r.IntN(16))}, "", 0)
			}
			_, _ = rooms.DescribeRoom(lobby, terms.Page{})
			time.Sleep(time.Millisecond)
		}
	})
	users.Wait()
	close(stop)
	if err := rooms.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	cancel()
	running.Wait()
	if wire.Open() != 0 || rooms.Stats() != (session.Stats{}) {
		t.Errorf("left over: %d connections, %+v", wire.Open(), rooms.Stats())
	}
	feed.checkPairs(t)
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after\n%s", before, after, buf[:runtime.Stack(buf, true)])
	}
}

// churner is one user of TestChurn; some share a user id.
type churner struct {
	t     *testing.T
	rooms *session.Rooms
	rand  *rand.Rand
	user  string
}

// live enters once, does this and that, and leaves in some way.
func (c *churner) live(ctx context.Context) {
	s, e, err := c.rooms.Enter(ctx, session.EnterRequest{Room: lobby, User: c.user, Grant: granted, Signal: true})
	if errors.Is(err, terms.CodeNotAllowed) && terms.AsError(err).Field == "user" {
		return // another one of the same id has asked later, and was faster
	}
	if err != nil {
		c.t.Errorf("%s enters: %v", c.user, err)
		return
	}
	w := &watcher{t: c.t, there: map[string]bool{}}
	for _, u := range e.Users {
		w.there[u.User] = true
	}
	read := w.read(ctx, s)
	for range c.rand.IntN(4) {
		switch c.rand.IntN(6) {
		case 0:
			_, _ = s.Negotiate(ctx, plan(map[string]terms.Source{"mic": terms.Mic}, 1, c.rand.IntN(2) == 0))
		case 1:
			_ = s.SetPublishing(terms.Mic, c.rand.IntN(2) == 0)
		case 2:
			_ = s.SetSeat(session.SeatRequest{Seat: "seat0", User: fmt.Sprintf("u%d", c.rand.IntN(16)), Audio: terms.Mic})
		case 3:
			if again, err := c.rooms.Resume(ctx, s.ID(), s.Key(), 0); err == nil {
				<-read // the older connection has been told
				w.restart(e)
				s = again
				read = w.read(ctx, s)
			}
		case 4:
			blocks := []terms.Block{terms.BlockNone, terms.BlockAudio, terms.BlockVideo, terms.BlockBoth}
			_ = c.rooms.SetUserBlocked(ctx, lobby, fmt.Sprintf("u%d", c.rand.IntN(16)), blocks[c.rand.IntN(4)])
		case 5:
			rights := []terms.Right{terms.RightEnter, terms.RightSendAudio, terms.RightRecvAudio}
			_, _ = s.Renew(lasting(time.Duration(c.rand.IntN(3))*20*time.Millisecond, rights[:1+c.rand.IntN(3)]...))
		}
	}
	switch c.rand.IntN(3) {
	case 0:
		_ = s.Exit(ctx)
	case 1:
		s.Detached() // and is lost
	case 2: // stays until somebody puts it out, or it times out
		go func() { time.Sleep(50 * time.Millisecond); s.Detached() }()
	}
	<-read
}

// watcher checks the events of one session.
type watcher struct {
	t     *testing.T
	there map[string]bool
	seq   uint64
}

// restart forgets what came after entering: the resume replays all of it.
func (w *watcher) restart(e terms.Entered) {
	w.there, w.seq = map[string]bool{}, 0
	for _, u := range e.Users {
		w.there[u.User] = true
	}
}

func (w *watcher) read(ctx context.Context, s *session.Session) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		exited := false
		for {
			e, err := s.Next(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, session.ErrDetached) {
					w.t.Errorf("Next: %v", err)
				}
				return
			}
			if exited || e.Seq != w.seq+1 {
				w.t.Errorf("%s after event %d (exited: %t): %+v", s.User(), w.seq, exited, e)
			}
			w.seq, exited = e.Seq, e.Type == terms.EventExited
			w.check(s.User(), e)
		}
	}()
	return done
}

func (w *watcher) check(me string, e terms.Event) {
	there := w.there[e.User.User]
	switch e.Type {
	case terms.EventUserEntered:
		if there {
			w.t.Errorf("%s: %s enters twice", me, e.User.User)
		}
		w.there[e.User.User] = true
	case terms.EventUserLeft, terms.EventStreams:
		if !there {
			w.t.Errorf("%s: %s of %s, who is not there", me, e.Type, e.User.User)
		}
		w.there[e.User.User] = e.Type == terms.EventStreams
	}
}
