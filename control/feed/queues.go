package feed

import (
	"container/heap"
	"slices"
	"strconv"
	"strings"

	"parlor/session/terms"
)

// queues holds the events that wait, a queue for each room. Rooms take turns, so that what one of them has
// too much of waits by itself. If all of them together have too many, the longest queue gives way (after
// McKenney's stochastic fairness queueing, 1990). The caller holds a lock.
type queues struct {
	events  int // in all queues
	rooms   map[terms.RoomID]*roomQueue
	ready   []*roomQueue // the one that is ready longest first
	longest longest
}

// roomQueue is the events of one room, in order. It is kept from the room's first event until its last has
// been stored, with what is to be known of the events to come.
type roomQueue struct {
	room   terms.RoomID
	events []terms.FeedEvent
	sent   bool // the first event was sent, and may be stored: it stays as it is
	taken  bool // and is under way

	at    int // in longest; -1: it has no events
	tight int // nothing could be left out when it had that many events, or a few more; 0: that is not known

	named  string // what the id of the event that was sent last begins with
	number int    // and its number
	lossy  bool   // events were left out

	// Of the room as the events that came say it is now.
	instance string              // what their ids begin with
	inside   int                 // users
	over     bool                // its end has come
	untold   map[string]struct{} // users of whose present stay nothing is told
	silent   bool                // nothing is told of it
}

// add takes an event, unless it belongs to what has been left out.
func (qs *queues) add(e terms.FeedEvent) bool {
	q := qs.of(e.Room)
	told := q.follow(e)
	if told {
		qs.events++
		if q.events = append(q.events, e); len(q.events) == 1 {
			qs.ready = append(qs.ready, q)
		}
	}
	qs.changed(q)
	return told
}

func (qs *queues) of(room terms.RoomID) *roomQueue {
	q := qs.rooms[room]
	if q == nil {
		q = &roomQueue{room: room, at: -1}
		if qs.rooms == nil {
			qs.rooms = map[terms.RoomID]*roomQueue{}
		}
		qs.rooms[room] = q
	}
	return q
}

// follow keeps in mind how things stand after a further event, and reports whether it is told.
func (q *roomQueue) follow(e terms.FeedEvent) (told bool) {
	if instance, _ := numberOf(e); instance != q.instance {
		q.instance, q.inside, q.over, q.untold, q.silent = instance, 0, false, nil, false
	}
	_, untold := q.untold[e.User]
	switch e.Type {
	case terms.FeedUserEntered:
		q.inside++
	case terms.FeedUserLeft:
		q.inside--
		delete(q.untold, e.User)
	case terms.FeedRoomDismissed:
		q.over = true
	}
	q.lossy = q.lossy || untold || q.silent
	return !untold && !q.silent
}

// numberOf takes the id of an event apart: what those of its room begin with, and its number.
func numberOf(e terms.FeedEvent) (instance string, number int) {
	instance, digits, _ := strings.Cut(e.ID, ".")
	number, _ = strconv.Atoi(digits)
	return instance, number
}

// take takes the room that has been ready longest, and its first event. The ids of a room's events have no
// gaps, whatever was left out: see remains.
func (qs *queues) take() (q *roomQueue, e terms.FeedEvent, ok bool) {
	if len(qs.ready) == 0 {
		return nil, e, false
	}
	q = qs.ready[0]
	qs.ready[0] = nil
	qs.ready = qs.ready[1:]
	if !q.sent {
		q.name(&q.events[0])
	}
	q.sent, q.taken = true, true
	return q, q.events[0], true
}

// name gives an event that is about to be sent its number.
func (q *roomQueue) name(e *terms.FeedEvent) {
	instance, number := numberOf(*e)
	if number == 0 {
		return // not an event of a node's
	}
	if instance != q.named || !q.lossy {
		q.named, q.number = instance, number-1
	}
	if q.number++; q.number != number {
		e.ID = instance + "." + strconv.Itoa(q.number)
	}
}

// stored removes the event that was taken of a room.
func (qs *queues) stored(q *roomQueue) {
	qs.events--
	q.sent, q.taken, q.tight = false, false, max(q.tight-1, 0)
	q.events[0] = terms.FeedEvent{}
	if q.events = q.events[1:]; len(q.events) > 0 {
		qs.ready = append(qs.ready, q)
	}
	qs.changed(q)
}

// drop removes a room whose first event was taken, with all its events.
func (qs *queues) drop(q *roomQueue) {
	qs.events -= len(q.events)
	q.events = nil
	qs.changed(q)
	delete(qs.rooms, q.room)
}

// back makes a room ready again whose first event was taken, before the others.
func (qs *queues) back(q *roomQueue) {
	q.taken = false
	qs.ready = slices.Insert(qs.ready, 0, q)
}

// changed keeps the order of queues by length. It forgets a room that has ended and of which all is told.
func (qs *queues) changed(q *roomQueue) {
	switch {
	case len(q.events) == 0 && q.at >= 0:
		heap.Remove(&qs.longest, q.at)
	case len(q.events) > 0 && q.at < 0:
		heap.Push(&qs.longest, q)
	case q.at >= 0:
		heap.Fix(&qs.longest, q.at)
	}
	over := q.over && q.inside <= 0 && len(q.untold) == 0 || q.instance == ""
	if len(q.events) == 0 && over && qs.rooms[q.room] == q {
		delete(qs.rooms, q.room)
	}
}

// longest has the queue on top that is to give way first.
type longest []*roomQueue

// weight is what a queue can give way.
func (q *roomQueue) weight() int {
	if q.tight > 0 && len(q.events) <= q.tight+q.tight/8 {
		return 0
	}
	return len(q.events)
}

func (h longest) Len() int           { return len(h) }
func (h longest) Less(i, j int) bool { return h[i].weight() > h[j].weight() }
func (h longest) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *longest) Push(x any) {
	q := x.(*roomQueue)
	q.at = len(*h)
	*h = append(*h, q)
}

// Pop implements heap.Interface.
func (h *longest) Pop() any {
	last := len(*h) - 1
	q := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	q.at, q.tight = -1, 0
	return q
}
