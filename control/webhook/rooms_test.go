package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"parlor/control/bus"
)

// webServer is a web server without a network.
type webServer struct {
	answer func(ctx context.Context, id string, attempt int) (status int, err error)

	mu       sync.Mutex
	attempts map[string]int
	at       map[string][]time.Duration // since the start
	order    []string                   // ids of what was taken
	busy     int
	busiest  int
	began    time.Time
}

func newWebServer(answer func(ctx context.Context, id string, attempt int) (int, error)) *webServer {
	return &webServer{answer: answer, attempts: map[string]int{}, at: map[string][]time.Duration{}, began: time.Now()}
}

func (w *webServer) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.Header.Get(IDHeader)
	w.mu.Lock()
	w.attempts[id]++
	attempt := w.attempts[id]
	w.at[id] = append(w.at[id], time.Since(w.began))
	w.busy++
	w.busiest = max(w.busiest, w.busy)
	w.mu.Unlock()
	status, err := w.answer(r.Context(), id, attempt)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if err != nil {
		return nil, err
	}
	if status == 200 {
		w.order = append(w.order, id)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

// taken returns the ids of what was taken, in order.
func (w *webServer) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}

// tries returns how often an event was sent.
func (w *webServer) tries(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts[id]
}

// sent is what has become of events that were handed to rooms.
type sent struct {
	*rooms
	s      *Sender
	mu     sync.Mutex
	done   []string
	cancel context.CancelCauseFunc
	ctx    context.Context
	ids    map[uint64]string // of the events, by number
}

func startRooms(t *testing.T, w *webServer, o Options) *sent {
	o.URL, o.Transport, o.Log = "http://test/", w, zerolog.Nop()
	s := New(bus.Server{}, o)
	x := &sent{s: s, ids: map[uint64]string{}}
	x.ctx, x.cancel = context.WithCancelCause(t.Context())
	x.rooms = newRooms(s, func() bool { return true }, x.cancel)
	s.begin(x.rooms)
	t.Cleanup(func() {
		x.cancel(nil)
		x.wait()
	})
	return x
}

func (x *sent) event(room string, n int) {
	id := fmt.Sprintf("%s.%d", room, n)
	x.mu.Lock()
	number := uint64(len(x.ids) + 1)
	x.ids[number] = id
	x.mu.Unlock()
	e := &event{number: number, id: id, kind: 103, room: room, body: []byte("{}"), stored: time.Now()}
	e.done = func(context.Context) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.done = append(x.done, e.id)
		return nil
	}
	x.add(x.ctx, e)
}

// all returns the ids of what is done.
func (x *sent) all() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.done...)
}

func inOrder(t *testing.T, ids []string) {
	t.Helper()
	next := map[string]int{}
	for _, id := range ids {
		room, number, _ := strings.Cut(id, ".")
		if fmt.Sprint(next[room]) != number {
			t.Errorf("%s comes where %d should", id, next[room])
		}
		next[room]++
	}
}

// TestFailingServer fails for ten minutes. The events of that time are sent afterwards, in order, and each is
// taken once.
func TestFailingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rooms, each = 20, 10
		began := time.Now()
		w := newWebServer(func(context.Context, string, int) (int, error) {
			if time.Since(began) < 10*time.Minute {
				return 503, nil
			}
			return 200, nil
		})
		x := startRooms(t, w, Options{})
		for n := range each {
			for r := range rooms {
				x.event(fmt.Sprint("r", r), n)
			}
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		inOrder(t, w.order)
		inOrder(t, x.done)
		if len(w.order) != rooms*each || len(x.done) != rooms*each {
			t.Errorf("%d taken, %d done", len(w.order), len(x.done))
		}
		if s := x.s.Stats(); s.Sent != rooms*each || s.Expired+s.Refused != 0 || s.Failed == 0 {
			t.Errorf("%+v", s)
		}
		first := w.at["r0.0"]
		if len(first) > 40 {
			t.Errorf("%d attempts in ten minutes", len(first))
		}
		for i := range first[:len(first)-1] {
			least := min(firstRetry<<i, longestRetry) / 2
			if gap := first[i+1] - first[i]; gap < least || gap > 2*least {
				t.Errorf("%v between attempts %d and %d", gap, i, i+1)
			}
		}
	})
}

// TestHangingServer: requests end at their time, and no more than so many are under way. An event that is
// older than it may be is given up after a last attempt.
func TestHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(ctx context.Context, _ string, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		x := startRooms(t, w, Options{RetryFor: 10 * time.Minute})
		for n := range 2 {
			for r := range 2 * parallel {
				x.event(fmt.Sprint("r", r), n)
			}
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if s := x.s.Stats(); s.Held != 4*parallel || s.Expired != 0 || time.Since(s.Oldest) != 9*time.Minute {
			t.Errorf("%+v", s)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if s := x.s.Stats(); s.Held != 0 || s.Expired != 4*parallel || s.Sent != 0 {
			t.Errorf("%+v", s)
		}
		if w.busiest != parallel {
			t.Errorf("%d requests at the same time", w.busiest)
		}
		inOrder(t, x.done)
		for n := range 2 * parallel {
			if last := w.at[fmt.Sprintf("r%d.1", n)]; len(last) != 1 || last[0] < 10*time.Minute {
				t.Errorf("attempts at the second event of a room: %v", last)
			}
		}
	})
}

// TestOneEventIsNotTaken: an event that is not taken holds up its room alone.
func TestOneEventIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(_ context.Context, id string, attempt int) (int, error) {
			if id == "bad.1" && attempt < 8 {
				return 0, errors.New("connection reset")
			}
			return 200, nil
		})
		x := startRooms(t, w, Options{})
		for n := range 5 {
			x.event("bad", n)
			x.event("good", n)
		}
		synctest.Wait()
		if done := x.all(); len(done) != 6 {
			t.Errorf("%q", done)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		inOrder(t, w.order)
		if len(w.order) != 10 || x.s.Stats().Failed != 7 {
			t.Errorf("%q, %+v", w.order, x.s.Stats())
		}
	})
}

// TestWhatAnAnswerMeans: the answer says whether an event is taken, is sent again or is given up at once.
func TestWhatAnAnswerMeans(t *testing.T) {
	for status, want := range map[int]outcome{
		200: taken, 201: taken, 204: taken, 299: taken, 400: refused, 410: refused, 413: refused, 422: refused,
		301: failed, 302: failed, 307: failed, 401: failed, 403: failed, 404: failed, 408: failed, 425: failed, 429: failed, 500: failed, 503: failed,
	} {
		if got := meaning(status); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(_ context.Context, id string, _ int) (int, error) {
			if id == "a.0" {
				return 422, nil
			}
			return 200, nil
		})
		x := startRooms(t, w, Options{})
		x.event("a", 0)
		x.event("a", 1)
		synctest.Wait()
		if s := x.s.Stats(); s.Refused != 1 || s.Sent != 1 || s.Failed != 0 || len(x.done) != 2 || w.attempts["a.0"] != 1 {
			t.Errorf("%+v, %v", s, x.done)
		}
	})
}

// TestTypes: events of other types are acknowledged and not sent.
func TestTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(context.Context, string, int) (int, error) { return 200, nil })
		x := startRooms(t, w, Options{Types: []int{104}})
		x.event("a", 0)
		synctest.Wait()
		if len(x.done) != 1 || len(w.order) != 0 {
			t.Errorf("%q, %q", x.done, w.order)
		}
	})
}

// TestAcknowledgementFails: the turn ends, and the event is not sent again by this node.
func TestAcknowledgementFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(context.Context, string, int) (int, error) { return 200, nil })
		x := startRooms(t, w, Options{})
		lost := errors.New("no leader")
		x.add(x.ctx, &event{number: 1, id: "a.0", body: []byte("{}"), kind: 101, room: "a", stored: time.Now(), done: func(context.Context) error { return lost }})
		x.wait()
		if !errors.Is(context.Cause(x.ctx), lost) {
			t.Errorf("%v", context.Cause(x.ctx))
		}
		again := startRooms(t, w, Options{})
		again.rooms.s = x.s
		again.event("a", 0)
		again.event("a", 1)
		synctest.Wait()
		if w.attempts["a.0"] != 1 || w.attempts["a.1"] != 1 || len(again.done) != 2 {
			t.Errorf("%v, %q", w.attempts, again.done)
		}
	})
}

// TestPosition: a position knows how far the events are done, whatever their order, also after a turn of
// another node. It knows nothing of another stream.
func TestPosition(t *testing.T) {
	made := time.Unix(1, 0).UTC()
	var p position
	p.begin(made, 50)
	if p.next() != 0 {
		t.Errorf("at first: %d", p.next())
	}
	for _, n := range []uint64{3, 5, 6, 9} {
		p.given(n)
	}
	for _, step := range []struct{ done, next uint64 }{{6, 0}, {3, 4}, {5, 7}} {
		if p.finished(step.done); p.next() != step.next {
			t.Errorf("after %d is done the next is %d, not %d", step.done, p.next(), step.next)
		}
	}
	p.finished(9)
	p.given(12)
	p.given(13)
	p.finished(13)
	if !p.isDone(13) || p.isDone(12) || p.next() != 10 {
		t.Errorf("%+v", &p)
	}
	p.begin(made, 50) // 12 and 13 come again
	p.given(12)
	p.given(13)
	if p.finished(12); !p.isDone(13) || p.next() != 14 {
		t.Errorf("%+v", &p)
	}
	var other position
	other.learn(p.entry("node-1"))
	other.learn([]byte("node-0"))
	other.begin(made, 50)
	if other.next() != 14 {
		t.Errorf("another node goes on at %d", other.next())
	}
	other.begin(made.Add(time.Second), 50)
	if other.next() != 0 || other.isDone(1) {
		t.Errorf("at another stream: %d", other.next())
	}
	p.given(20)
	p.given(21)
	p.finished(21)
	p.begin(made, 50)
	p.given(40) // another node has had a turn
	if p.finished(40); p.next() != 41 || len(p.done) != 0 {
		t.Errorf("after another node's turn: %+v", &p)
	}
	p.given(44)
	p.given(45)
	p.finished(45)
	p.begin(made, 38) // the server has lost what came after 38
	if p.next() != 39 || p.isDone(40) || p.isDone(45) {
		t.Errorf("after a server has lost its last events: %+v", &p)
	}
}

// TestFloodedRoomDelaysNoOther: one room has thousands of events, and the requests of another one hang. An
// event of a quiet room is sent within 50 ms nevertheless.
func TestFloodedRoomDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(ctx context.Context, id string, _ int) (int, error) {
			if strings.HasPrefix(id, "slow") {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			time.Sleep(20 * time.Millisecond)
			return 200, nil
		})
		x := startRooms(t, w, Options{})
		x.rooms.load = func(_ context.Context, e *event) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			e.id, e.body = x.ids[e.number], []byte("{}")
			return nil
		}
		for n := range 60_000 {
			x.event("flood", n)
			if n < 5 {
				x.event("slow", n)
			}
		}
		whole := 0
		x.rooms.mu.Lock()
		for _, e := range x.rooms.queues["flood"].events {
			if e.body != nil {
				whole++
			}
		}
		x.rooms.mu.Unlock()
		if whole > 2*64 {
			t.Errorf("%d of the events are held whole", whole)
		}
		x.event("quiet", 0)
		time.Sleep(50 * time.Millisecond)
		if w.tries("quiet.0") != 1 {
			t.Error("the quiet room's event was not sent within 50 ms")
		}
		time.Sleep(10 * time.Second)
		inOrder(t, w.taken())
		if n := len(w.taken()); n < 400 {
			t.Errorf("%d events are sent", n)
		}
	})
}

// TestManyRoomsAtATime: a web server that takes 20 ms for an event gets those of many rooms at the same time.
func TestManyRoomsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(context.Context, string, int) (int, error) {
			time.Sleep(20 * time.Millisecond)
			return 200, nil
		})
		x := startRooms(t, w, Options{})
		for n := range 100 {
			for r := range 100 {
				x.event(fmt.Sprint("r", r), n)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		inOrder(t, w.taken())
		if n := len(w.taken()); n < 50*parallel {
			t.Errorf("%d events a second", n)
		}
		for r := range 100 {
			if w.tries(fmt.Sprintf("r%d.9", r)) == 0 {
				t.Errorf("room %d waits for others that have more", r)
			}
		}
	})
}

// TestTurnIsOver: nothing is sent when it is not this node's turn any more.
func TestTurnIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebServer(func(context.Context, string, int) (int, error) { return 200, nil })
		x := startRooms(t, w, Options{})
		x.rooms.valid = func() bool { return false }
		x.event("a", 0)
		x.wait()
		if len(w.attempts) != 0 || !errors.Is(context.Cause(x.ctx), errTurnOver) || x.s.Stats().Failed != 0 {
			t.Errorf("%v, %v", w.attempts, context.Cause(x.ctx))
		}
	})
}

// TestWindow: no more events are asked for than are held at most.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		w := newWebServer(func(context.Context, string, int) (int, error) {
			<-hold
			return 200, nil
		})
		x := startRooms(t, w, Options{Timeout: 24 * time.Hour})
		for n := range window {
			x.event(fmt.Sprint("r", n%50), n/50)
		}
		free := make(chan int)
		go func() {
			n, _ := x.free(x.ctx)
			free <- n
		}()
		synctest.Wait()
		select {
		case n := <-free:
			t.Errorf("%d are free", n)
		default:
		}
		close(hold)
		if n := <-free; n < window/8 {
			t.Errorf("%d are free", n)
		}
	})
}
