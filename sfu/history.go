package sfu

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"parlor/control/command"
	"parlor/router"
	"parlor/session"
	"parlor/transport"
)

const (
	// historyEvery is the time between two points of the history. Lower shows shorter bursts, and costs a look
	// at all rooms each time.
	historyEvery = 5 * time.Second
	// historyPoints is how many points are kept: a quarter of an hour.
	historyPoints = 180
)

// moment is what a point of the history is made of: what the node is, and what it has counted since its start.
type moment struct {
	load loadSample
	session.Stats
	session.Losses
	memory                          uint64
	qualities                       []int
	joins, leaves, drops, wireDrops map[string]uint64
}

// pointBetween is what the node has done from one moment to the next.
func pointBetween(a, b moment, cores int) command.HistoryPoint {
	r := between(a.load, b.load, cores)
	return command.HistoryPoint{
		TimeMS: b.load.at.UnixMilli(), CPU: math.Round(r.cpu*1e4) / 1e4, MemoryBytes: b.memory, Rooms: b.Rooms, Participants: b.Users, Publishers: b.Publishers,
		PacketsIn: math.Round(r.packetsIn), PacketsOut: math.Round(r.packetsOut), BitsIn: math.Round(r.bitsIn), BitsOut: math.Round(r.bitsOut),
		ExpectedUp: b.ExpectedUp - a.ExpectedUp, LostUp: b.LostUp - a.LostUp,
		ExpectedDown: b.ExpectedDown - a.ExpectedDown, LostDown: b.LostDown - a.LostDown,
		Qualities: b.qualities, Joins: risen(a.joins, b.joins), Leaves: risen(a.leaves, b.leaves),
		Drops: risen(a.drops, b.drops), WireDrops: risen(a.wireDrops, b.wireDrops),
	}
}

// risen has the counters that have risen, with by how much; nil: none.
func risen(from, to map[string]uint64) map[string]uint64 {
	var m map[string]uint64
	for name, n := range to {
		if n <= from[name] {
			continue
		}
		if m == nil {
			m = map[string]uint64{}
		}
		m[name] = n - from[name]
	}
	return m
}

// history remembers the last quarter of an hour. Its memory is bounded: a point has no more than one count for
// each reason that there is.
type history struct {
	look func() moment

	mu     sync.Mutex
	points []command.HistoryPoint // a ring, once it is full
	oldest int
}

// run adds a point every historyEvery.
func (h *history) run(ctx context.Context) error {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
	before := h.look()
	for {
		select {
		case <-tick.C:
			now := h.look()
			h.add(pointBetween(before, now, runtime.GOMAXPROCS(0)))
			before = now
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *history) add(p command.HistoryPoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.points) < historyPoints {
		h.points = append(h.points, p)
		return
	}
	h.points[h.oldest] = p
	h.oldest = (h.oldest + 1) % historyPoints
}

// all returns the points, oldest first.
func (h *history) all() []command.HistoryPoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.points[h.oldest:], h.points[:h.oldest])
}

// lookAt returns what looks at a node's rooms and wire, by counters that they have anyway.
func lookAt(rooms *session.Rooms, l *load) func() moment {
	return func() moment {
		m := moment{
			load: l.sample(), Stats: rooms.Stats(), Losses: rooms.Losses(), memory: resident(),
			joins: rooms.Joins(), leaves: rooms.Leaves(), drops: map[string]uint64{}, wireDrops: map[string]uint64{},
		}
		q := rooms.Qualities()
		m.qualities = q[:]
		media := rooms.Media()
		for _, why := range router.DropReasons() {
			m.drops[why.String()] = media.Dropped[why]
		}
		for i, n := range m.load.Drops {
			m.wireDrops[transport.Drop(i).String()] = n
		}
		return m
	}
}
