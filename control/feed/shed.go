package feed

import (
	"container/heap"
	"slices"

	"parlor/session/terms"
)

// shedPart is which part of all that waits gives way at once at most. So a room's queue is not gone through
// for each event. Lower loses more than needed, higher costs CPU while the queue is full.
const shedPart = 16

// shed leaves events out until no more than limit are left, or only those that have to be told. These are
// ends, a few for each user inside. The longest queue gives way. In it the first to go is what the users with
// the most events have begun and ended. Then go the users that have entered last and are still in. It returns
// the room whose events were left out last, and whether any were.
func (qs *queues) shed(limit int, drops *Drops) (room terms.RoomID, lost bool) {
	for qs.events > limit && len(qs.longest) > 0 && qs.longest[0].weight() > 0 {
		q := qs.longest[0]
		n := q.leaveOut(max(qs.events-limit, min(limit/shedPart, len(q.events)/4)))
		drops.Undone += uint64(n)
		if n == 0 {
			n = q.untell()
			drops.Untold += uint64(n)
		}
		if n == 0 {
			q.tight = len(q.events)
		} else {
			room, lost = q.room, true
			q.lossy, q.tight = true, 0
		}
		qs.events -= n
		if len(q.events) == 0 && !q.taken {
			i := slices.Index(qs.ready, q)
			qs.ready = slices.Delete(qs.ready, i, i+1)
		}
		qs.changed(q)
	}
	return room, lost
}

// movable returns the events that were not sent yet.
func (q *roomQueue) movable() []terms.FeedEvent {
	if q.sent {
		return q.events[1:]
	}
	return q.events
}

// unit are the indices of events of one user that are told or left out together. Entering, leaving and what
// is between are one, and so are the start and the stop of a stream. Others are a role or a name that was
// changed again, and what a user did before it left.
type unit []int32

// share is what one user has in the queue of a room.
type share struct {
	user   string
	events int
	units  []unit // what can be left out, the oldest first

	stay    unit     // since it entered, or all if it did before
	entered bool     // stay begins with the entering
	streams [3]int32 // the last start or stop without its counterpart, -1: none; of video, audio, screen
	role    int32    // the last role; -1: none
	name    int32    // the last change of its name; -1: none
}

// begin forgets what belongs to an earlier stay.
func (s *share) begin() {
	s.stay, s.entered, s.streams, s.role, s.name = nil, false, [3]int32{-1, -1, -1}, -1, -1
}

// add takes the user's next event, which is at index i of the queue.
func (s *share) add(events []terms.FeedEvent, i int32) {
	s.events++
	switch t := events[i].Type; t {
	case terms.FeedUserEntered:
		s.begin()
		s.stay, s.entered = unit{i}, true
	case terms.FeedUserLeft:
		if s.entered {
			s.stay = append(s.stay, i)
		}
		if len(s.stay) > 0 {
			s.units = append(s.units, s.stay)
		}
		s.begin()
	case terms.FeedRole:
		if s.role >= 0 {
			s.units = append(s.units, unit{s.role})
		}
		s.stay, s.role = append(s.stay, i), i
	case terms.FeedUserUpdated:
		if s.name >= 0 {
			s.units = append(s.units, unit{s.name})
		}
		s.stay, s.name = append(s.stay, i), i
	case terms.FeedVideoStarted, terms.FeedVideoStopped, terms.FeedAudioStarted, terms.FeedAudioStopped,
		terms.FeedScreenStarted, terms.FeedScreenStopped:
		s.stay = append(s.stay, i)
		last := &s.streams[(t-terms.FeedVideoStarted)/2]
		if *last < 0 || events[*last].Type == t {
			*last = i
			return
		}
		s.units = append(s.units, unit{*last, i})
		*last = -1
	}
}

// survey returns what each user has in the queue of a room.
func survey(events []terms.FeedEvent) shares {
	var l shares
	users := map[string]*share{}
	for i, e := range events {
		if e.User == "" {
			continue
		}
		s := users[e.User]
		if s == nil {
			s = &share{user: e.User}
			s.begin()
			users[e.User] = s
			l = append(l, s)
		}
		s.add(events, int32(i))
	}
	return l
}

// leaveOut leaves out at least want events that later ones undo, if there are so many. It returns how many it
// left out.
func (q *roomQueue) leaveOut(want int) int {
	events := q.movable()
	out := make([]bool, len(events))
	h := survey(events)
	heap.Init(&h)
	n := 0
	for n < want && len(h) > 0 {
		s := h[0]
		if len(s.units) == 0 {
			heap.Pop(&h)
			continue
		}
		for _, i := range s.units[0] {
			if !out[i] {
				out[i] = true
				s.events--
				n++
			}
		}
		s.units = s.units[1:]
		heap.Fix(&h, 0)
	}
	if n > 0 {
		n += unused(events, out)
		q.without(out)
	}
	return n
}

// unused marks the beginning and the end of rooms of which nothing else is told. It returns how many it
// marked.
func unused(events []terms.FeedEvent, out []bool) (n int) {
	type bounds struct {
		made, ended int // index + 1
		used        bool
	}
	rooms := map[string]*bounds{}
	for i, e := range events {
		instance, _ := numberOf(e)
		b := rooms[instance]
		if b == nil {
			b = new(bounds)
			rooms[instance] = b
		}
		switch {
		case e.Type == terms.FeedRoomCreated:
			b.made = i + 1
		case e.Type == terms.FeedRoomDismissed:
			b.ended = i + 1
		case !out[i]:
			b.used = true
		}
	}
	for _, b := range rooms {
		if b.made > 0 && b.ended > 0 && !b.used {
			out[b.made-1], out[b.ended-1] = true, true
			n += 2
		}
	}
	return n
}

// untell leaves out the user that has entered last and is still in, or else the room itself, and what is to
// come of it. It returns how many events it left out.
func (q *roomQueue) untell() int {
	events := q.movable()
	out := make([]bool, len(events))
	var last *share
	for _, s := range survey(events) {
		if s.entered && (last == nil || s.stay[0] > last.stay[0]) {
			last = s
		}
	}
	if last == nil {
		i := slices.IndexFunc(events, func(e terms.FeedEvent) bool { return e.Type == terms.FeedRoomCreated })
		if i < 0 || i != len(events)-1 { // its end is to be told, or it has begun before
			return 0
		}
		q.silent = true
		out[i] = true
		q.without(out)
		return 1
	}
	if q.untold == nil {
		q.untold = map[string]struct{}{}
	}
	q.untold[last.user] = struct{}{}
	for _, i := range last.stay {
		out[i] = true
	}
	q.without(out)
	return len(last.stay)
}

// without removes the marked ones of the events that were not sent.
func (q *roomQueue) without(out []bool) {
	events, kept := q.movable(), 0
	for i, e := range events {
		if !out[i] {
			events[kept] = e
			kept++
		}
	}
	clear(events[kept:])
	q.events = q.events[:len(q.events)-len(events)+kept]
}

// shares is a heap with the user on top that has the most events.
type shares []*share

func (h shares) Len() int           { return len(h) }
func (h shares) Less(i, j int) bool { return h[i].events > h[j].events }
func (h shares) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface. Nobody is added.
func (h *shares) Push(any) {}

// Pop implements heap.Interface.
func (h *shares) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	*h = (*h)[:last]
	return s
}
