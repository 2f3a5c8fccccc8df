package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parlor/control/bus"
	"parlor/session/terms"
)

// moodyStream refuses events one by one, and takes others whose acknowledgement it does not send.
type moodyStream struct {
	mood   func() (refuse, silent bool)
	known  map[string]bool
	events []terms.FeedEvent
}

var errRefused = errors.New("no leader")

func (s *moodyStream) publish(m *nats.Msg, _ ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	refuse, silent := s.mood()
	var e terms.FeedEvent
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return nil, err
	}
	if !refuse && !s.known[e.ID] {
		s.known[e.ID] = true
		s.events = append(s.events, e)
	}
	a := answer{stored: make(chan *jetstream.PubAck, 1), failed: make(chan error, 1)}
	if refuse || silent {
		a.failed <- errRefused
	} else {
		a.stored <- &jetstream.PubAck{}
	}
	return a, nil
}

type answer struct {
	jetstream.PubAckFuture
	stored chan *jetstream.PubAck
	failed chan error
}

func (a answer) Ok() <-chan *jetstream.PubAck { return a.stored }
func (a answer) Err() <-chan error            { return a.failed }

// TestStreamRefusesOneOfAWindow: a refused event is stored before any later event of its room. The stream
// takes events that were sent right behind it, as a stream does whose leader has just changed.
func TestStreamRefusesOneOfAWindow(t *testing.T) {
	const rooms, each = 40, 50
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		f := New(bus.Server{}, Options{})
		for i := range each {
			for r := range rooms {
				room, err := terms.NumberRoom(int64(r + 1))
				if err != nil {
					t.Fatal(err)
				}
				e := terms.FeedEvent{ID: fmt.Sprintf("%d.%d", r, i+1), TimeMS: int64(i), Room: room, Node: "n"}
				if i == each-1 {
					e.Type = terms.FeedRoomDismissed
				}
				f.Publish(e)
			}
		}
		s := &moodyStream{known: map[string]bool{}, mood: func() (bool, bool) { return random.IntN(20) == 0, random.IntN(40) == 0 }}
		p := pipe{f: f, publish: s.publish, window: 1}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that run returns when all is stored
		for p.run(ctx, t.Context()) != nil {
			p.giveUp()
		}
		next := map[terms.RoomID]int64{}
		for _, e := range s.events {
			if e.TimeMS != next[e.Room] {
				t.Fatalf("seed %d: room %s: event %d where %d should be", seed, e.Room, e.TimeMS, next[e.Room])
			}
			next[e.Room]++
		}
		if got := f.Stats(); len(s.events) != rooms*each || got != (Stats{Published: rooms * each}) {
			t.Errorf("seed %d: %d events, %+v", seed, len(s.events), got)
		}
		if len(f.queues.rooms) != 0 || len(f.queues.ready) != 0 {
			t.Errorf("seed %d: %d rooms are left", seed, len(f.queues.rooms))
		}
	}
}
