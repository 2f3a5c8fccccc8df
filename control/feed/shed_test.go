package feed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

// hall is a node's rooms as its feed sees them, with people who come and go at random.
type hall struct {
	f      *Feed
	random *rand.Rand
	rooms  map[int]*played
	made   int
}

// played is a room.
type played struct {
	instance string
	number   int
	inside   map[string]int // streams that are on, as bits
}

func room(n int) terms.RoomID {
	id, err := terms.NumberRoom(int64(n + 1))
	if err != nil {
		panic(err)
	}
	return id
}

// publish gives the feed an event of a room, which is made if it is not there.
func (h *hall) publish(n int, kind terms.FeedType, user string) {
	r := h.rooms[n]
	if r == nil {
		h.made++
		r = &played{instance: fmt.Sprintf("i%d", h.made), inside: map[string]int{}}
		h.rooms[n] = r
		if kind != terms.FeedRoomCreated {
			h.publish(n, terms.FeedRoomCreated, "")
		}
	}
	r.number++
	h.f.Publish(terms.FeedEvent{ID: fmt.Sprintf("%s.%d", r.instance, r.number), Type: kind, Room: room(n), Node: "n", User: user})
}

// churn has somebody in a room do something.
func (h *hall) churn(n int, user string) {
	r := h.rooms[n]
	if r == nil || !h.in(n, user) {
		h.publish(n, terms.FeedUserEntered, user)
		h.rooms[n].inside[user] = 0
		return
	}
	switch kind := h.random.IntN(5); kind {
	case 0, 1, 2:
		bit := 1 << kind
		r.inside[user] ^= bit
		t := terms.FeedVideoStarted + terms.FeedType(2*kind)
		if r.inside[user]&bit == 0 {
			t++
		}
		h.publish(n, t, user)
	case 3:
		h.publish(n, terms.FeedRole+terms.FeedType(h.random.IntN(2)), user)
	default:
		h.exit(n, user)
	}
}

func (h *hall) in(n int, user string) bool {
	if h.rooms[n] == nil {
		return false
	}
	_, in := h.rooms[n].inside[user]
	return in
}

// exit has a user leave, and the room end with the last one.
func (h *hall) exit(n int, user string) {
	h.publish(n, terms.FeedUserLeft, user)
	if delete(h.rooms[n].inside, user); len(h.rooms[n].inside) == 0 {
		h.publish(n, terms.FeedRoomDismissed, "")
		delete(h.rooms, n)
	}
}

// dismiss ends a room: its end is told before those of its users.
func (h *hall) dismiss(n int) {
	if h.rooms[n] == nil {
		return
	}
	h.publish(n, terms.FeedRoomDismissed, "")
	for user := range h.rooms[n].inside {
		h.publish(n, terms.FeedUserLeft, user)
	}
	delete(h.rooms, n)
}

// store has the stream take up to most events, sometimes without an acknowledgement.
func (h *hall) store(s *moodyStream, most int) {
	left := most
	p := pipe{f: h.f, window: 1, publish: s.publish}
	s.mood = func() (bool, bool) { left--; return left < 0, h.random.IntN(20) == 0 }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.run(ctx, context.Background())
	p.giveUp()
}

// checkWhole checks that the stored events are whole. Every end has its beginning and, after all have left,
// every beginning its end. The numbers of each room have no gap, and streams start and stop in turn.
func checkWhole(t *testing.T, events []terms.FeedEvent) {
	t.Helper()
	type state struct {
		number int
		users  map[string]int
		over   bool
	}
	rooms := map[string]*state{}
	for _, e := range events {
		instance, number := numberOf(e)
		r := rooms[instance]
		if r == nil {
			if e.Type != terms.FeedRoomCreated {
				t.Fatalf("%+v without its 101", e)
			}
			r = &state{users: map[string]int{}}
			rooms[instance] = r
		}
		if r.number++; number != r.number {
			t.Fatalf("%+v where number %d should be", e, r.number)
		}
		on, in := r.users[e.User]
		switch e.Type {
		case terms.FeedRoomCreated:
		case terms.FeedRoomDismissed:
			r.over = true
		case terms.FeedUserEntered:
			if in {
				t.Fatalf("%+v twice", e)
			}
			r.users[e.User] = 0
		case terms.FeedUserLeft:
			if delete(r.users, e.User); !in {
				t.Fatalf("%+v without its 103", e)
			}
		case terms.FeedRole, terms.FeedUserUpdated:
			if !in {
				t.Fatalf("%+v without its 103", e)
			}
		default:
			bit := 1 << ((e.Type - terms.FeedVideoStarted) / 2)
			starts := (e.Type-terms.FeedVideoStarted)%2 == 0
			if !in || starts == (on&bit != 0) {
				t.Fatalf("%+v where %b is on", e, on)
			}
			r.users[e.User] = on ^ bit
		}
	}
	for instance, r := range rooms {
		if !r.over || len(r.users) > 0 {
			t.Fatalf("room %s is left open, with %v", instance, r.users)
		}
	}
}

// TestWhatIsLeftOutIsWhole: the events in the stream are whole in the end, whatever people do and however few
// the stream takes. The queue has stayed within its bound, and nothing is remembered.
func TestWhatIsLeftOutIsWhole(t *testing.T) {
	lost := Drops{}
	for seed := range uint64(60) {
		const queue = 60
		h := &hall{random: rand.New(rand.NewPCG(seed, 1)), rooms: map[int]*played{}, f: New(bus.Server{}, Options{Queue: queue})}
		s := &moodyStream{known: map[string]bool{}}
		for range 3000 {
			n := h.random.IntN(1 + h.random.IntN(12))
			switch h.random.IntN(100) {
			case 0:
				h.dismiss(n)
			case 1, 2, 3:
				h.store(s, h.random.IntN(20))
			default:
				h.churn(n, fmt.Sprintf("u%d", h.random.IntN(1+h.random.IntN(8))))
			}
			if q := h.f.Stats().Queued; q > queue+12*(8*5+1) { // those beyond the bound are ends
				t.Fatalf("seed %d: %d events wait", seed, q)
			}
		}
		for n := range 12 {
			h.dismiss(n)
		}
		for h.f.Stats().Queued > 0 {
			h.store(s, 1000)
		}
		checkWhole(t, s.events)
		qs := &h.f.queues
		if left := len(qs.rooms); left > 0 || len(qs.ready) > 0 || len(qs.longest) > 0 {
			t.Fatalf("seed %d: %d queues are left", seed, left)
		}
		lost.Undone += h.f.Stats().Dropped.Undone
		lost.Untold += h.f.Stats().Dropped.Untold
	}
	if lost.Undone == 0 || lost.Untold == 0 {
		t.Errorf("the test has lost %+v", lost)
	}
}

// TestFloodLosesItsOwnEvents: one user enters and exits without end while NATS is away. The room has others
// who come and go, and there are quiet rooms beside it. No event of anybody else is lost.
func TestFloodLosesItsOwnEvents(t *testing.T) {
	h := &hall{random: rand.New(rand.NewPCG(1, 1)), rooms: map[int]*played{}, f: New(bus.Server{}, Options{Queue: 2000})}
	want := map[string]int{}
	note := func(n int, user string) { want[fmt.Sprint(n, user)]++ }
	for i := range 50_000 {
		if h.in(0, "mallory") {
			h.publish(0, terms.FeedUserLeft, "mallory")
			delete(h.rooms[0].inside, "mallory")
		} else {
			h.publish(0, terms.FeedUserEntered, "mallory")
			h.rooms[0].inside["mallory"] = 0
		}
		if i%500 != 0 {
			continue
		}
		for _, n := range []int{0, 1 + i/500} {
			user := fmt.Sprintf("quiet-%d", i)
			h.publish(n, terms.FeedUserEntered, user)
			h.rooms[n].inside[user] = 0
			h.publish(n, terms.FeedAudioStarted, user)
			note(n, user)
			h.exit(n, user)
		}
	}
	if s := h.f.Stats(); s.Queued > 2000 || s.Dropped.Undone == 0 || s.Dropped.Untold > 0 {
		t.Fatalf("%+v", s)
	}
	h.dismiss(0)
	s := &moodyStream{known: map[string]bool{}}
	for h.f.Stats().Queued > 0 {
		h.store(s, 1000)
	}
	checkWhole(t, s.events)
	for _, e := range s.events {
		if e.Type == terms.FeedUserEntered && e.User != "mallory" {
			n, _ := e.Room.Number()
			want[fmt.Sprint(n-1, e.User)]--
		}
	}
	for who, n := range want {
		if n != 0 {
			t.Errorf("%s: %d events are missing", who, n)
		}
	}
}

// TestRoomsTakeTurns: if a room has too many events, these wait, and no others do.
func TestRoomsTakeTurns(t *testing.T) {
	f := New(bus.Server{}, Options{})
	h := &hall{random: rand.New(rand.NewPCG(1, 1)), rooms: map[int]*played{}, f: f}
	for i := range 5000 {
		h.churn(0, fmt.Sprint(i))
	}
	for n := range 100 {
		h.churn(n+1, "ann")
	}
	quiet := 0
	for range 3 * 101 { // one at a time, as with a window of one
		l, e, ok := f.queues.take()
		if !ok {
			t.Fatal("nothing is ready")
		}
		f.queues.stored(l)
		if e.Room != room(0) && e.Type == terms.FeedUserEntered {
			quiet++
		}
	}
	if quiet != 100 {
		t.Errorf("%d quiet rooms are among the first 303 events", quiet)
	}
}

// BenchmarkPublishToAFullQueue measures the cost of an event to its publisher. One user floods a full queue
// meanwhile, with NATS away.
func BenchmarkPublishToAFullQueue(b *testing.B) {
	f := New(bus.Server{}, Options{})
	h := &hall{rooms: map[int]*played{}, f: f}
	for i := range DefaultQueue / 2 {
		h.publish(i%1000, terms.FeedUserEntered, fmt.Sprint(i))
	}
	kinds := [2]terms.FeedType{terms.FeedUserEntered, terms.FeedUserLeft}
	for i := 0; b.Loop(); i++ {
		h.publish(2000, kinds[i%2], "mallory")
	}
}

// TestManyRoomsAreUnderWayAtATime checks the throughput that a round trip to NATS of 1 ms and of 10 ms
// leaves, for one room and for many.
func TestManyRoomsAreUnderWayAtATime(t *testing.T) {
	for _, c := range []struct {
		trip        time.Duration
		rooms, each int
		least       float64 // events a second
	}{
		{time.Millisecond, 1, 500, 990}, {10 * time.Millisecond, 1, 50, 99},
		{time.Millisecond, 500, 100, 200_000}, {10 * time.Millisecond, 500, 100, 20_000},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := New(bus.Server{}, Options{})
			h := &hall{rooms: map[int]*played{}, f: f}
			for range c.each {
				for n := range c.rooms {
					h.publish(n, terms.FeedUserEntered, "ann")
				}
			}
			queued := f.Stats().Queued
			publish := func(*nats.Msg, ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
				a := answer{stored: make(chan *jetstream.PubAck, 1), failed: make(chan error)}
				time.AfterFunc(c.trip, func() { a.stored <- new(jetstream.PubAck) })
				return a, nil
			}
			p := pipe{f: f, publish: publish, window: 1}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			if err := p.run(ctx, t.Context()); err != nil {
				t.Fatal(err)
			}
			rate := float64(queued) / time.Since(began).Seconds()
			t.Logf("%v, %d rooms: %.0f events a second", c.trip, c.rooms, rate)
			if rate < c.least {
				t.Errorf("%v, %d rooms: %.0f events a second", c.trip, c.rooms, rate)
			}
		})
	}
}
