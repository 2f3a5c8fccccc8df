package feed

import (
	"container/heap"
	"slices"
	"strconv"
	"strings"

	"parlor/session/terms"
)

// lines holds the events that wait, a line for each room. Rooms take turns, so that what one of them has too
// much of waits by itself. If all of them together have too many, the longest line gives way (after
// McKenney's stochastic fairness queueing, 1990). The caller holds a lock.
type lines struct {
	events  int // in all lines
	rooms   map[terms.RoomID]*line
	ready   []*line // the one that is ready longest first
	longest longest
}

// line is the events of one room, in order. It is kept from the room's first event until its last has been
// stored, with what is to be known of the events to come.
type line struct {
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
func (q *lines) add(e terms.FeedEvent) bool {
	l := q.line(e.Room)
	told := l.follow(e)
	if told {
		q.events++
		if l.events = append(l.events, e); len(l.events) == 1 {
			q.ready = append(q.ready, l)
		}
	}
	q.changed(l)
	return told
}

func (q *lines) line(room terms.RoomID) *line {
	l := q.rooms[room]
	if l == nil {
		l = &line{room: room, at: -1}
		if q.rooms == nil {
			q.rooms = map[terms.RoomID]*line{}
		}
		q.rooms[room] = l
	}
	return l
}

// follow keeps in mind how things stand after a further event, and reports whether it is told.
func (l *line) follow(e terms.FeedEvent) (told bool) {
	if instance, _ := numberOf(e); instance != l.instance {
		l.instance, l.inside, l.over, l.untold, l.silent = instance, 0, false, nil, false
	}
	_, untold := l.untold[e.User]
	switch e.Type {
	case terms.FeedUserEntered:
		l.inside++
	case terms.FeedUserLeft:
		l.inside--
		delete(l.untold, e.User)
	case terms.FeedRoomDismissed:
		l.over = true
	}
	l.lossy = l.lossy || untold || l.silent
	return !untold && !l.silent
}

// numberOf takes the id of an event apart: what those of its room begin with, and its number.
func numberOf(e terms.FeedEvent) (instance string, number int) {
	instance, digits, _ := strings.Cut(e.ID, ".")
	number, _ = strconv.Atoi(digits)
	return instance, number
}

// take takes the room that has been ready longest, and its first event. The ids of a room's events have no
// gaps, whatever was left out: see remains.
func (q *lines) take() (l *line, e terms.FeedEvent, ok bool) {
	if len(q.ready) == 0 {
		return nil, e, false
	}
	l = q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	if !l.sent {
		l.name(&l.events[0])
	}
	l.sent, l.taken = true, true
	return l, l.events[0], true
}

// name gives an event that is about to be sent its number.
func (l *line) name(e *terms.FeedEvent) {
	instance, number := numberOf(*e)
	if number == 0 {
		return // not an event of a node's
	}
	if instance != l.named || !l.lossy {
		l.named, l.number = instance, number-1
	}
	if l.number++; l.number != number {
		e.ID = instance + "." + strconv.Itoa(l.number)
	}
}

// stored removes the event that was taken of a room.
func (q *lines) stored(l *line) {
	q.events--
	l.sent, l.taken, l.tight = false, false, max(l.tight-1, 0)
	l.events[0] = terms.FeedEvent{}
	if l.events = l.events[1:]; len(l.events) > 0 {
		q.ready = append(q.ready, l)
	}
	q.changed(l)
}

// drop removes a room whose first event was taken, with all its events.
func (q *lines) drop(l *line) {
	q.events -= len(l.events)
	l.events = nil
	q.changed(l)
	delete(q.rooms, l.room)
}

// back makes a room ready again whose first event was taken, before the others.
func (q *lines) back(l *line) {
	l.taken = false
	q.ready = slices.Insert(q.ready, 0, l)
}

// changed keeps the order of lines by length. It forgets a room that has ended and of which all is told.
func (q *lines) changed(l *line) {
	switch {
	case len(l.events) == 0 && l.at >= 0:
		heap.Remove(&q.longest, l.at)
	case len(l.events) > 0 && l.at < 0:
		heap.Push(&q.longest, l)
	case l.at >= 0:
		heap.Fix(&q.longest, l.at)
	}
	if len(l.events) == 0 && (l.over && l.inside <= 0 && len(l.untold) == 0 || l.instance == "") && q.rooms[l.room] == l {
		delete(q.rooms, l.room)
	}
}

// longest has the line on top that is to give way first.
type longest []*line

// weight is what a line can give way.
func (l *line) weight() int {
	if l.tight > 0 && len(l.events) <= l.tight+l.tight/8 {
		return 0
	}
	return len(l.events)
}

func (h longest) Len() int           { return len(h) }
func (h longest) Less(i, j int) bool { return h[i].weight() > h[j].weight() }
func (h longest) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *longest) Push(x any) {
	l := x.(*line)
	l.at = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *longest) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	l.at, l.tight = -1, 0
	return l
}
