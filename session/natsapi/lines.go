package natsapi

import (
	"slices"

	"parlor/session"
)

// lines holds the events that wait, a line for each room. A room is in one of three states: it has no line, its line is
// ready, or its first event was taken and it is neither stored nor back yet. Whoever uses it holds a lock.
type lines struct {
	events int // in all lines
	rooms  map[session.RoomID]*line
	ready  []*line // the one that is ready longest first
}

// line is the events of one room, in order.
type line struct {
	room   session.RoomID
	events []session.FeedEvent
}

func (q *lines) add(e session.FeedEvent) {
	q.events++
	l := q.rooms[e.Room]
	if l == nil {
		l = &line{room: e.Room}
		if q.rooms == nil {
			q.rooms = map[session.RoomID]*line{}
		}
		q.rooms[e.Room] = l
		q.ready = append(q.ready, l)
	}
	l.events = append(l.events, e)
}

// take returns the room that has been ready longest, and its first event.
func (q *lines) take() (l *line, e session.FeedEvent, ok bool) {
	if len(q.ready) == 0 {
		return nil, e, false
	}
	l = q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	return l, l.events[0], true
}

// stored removes the event that was taken of a room.
func (q *lines) stored(l *line) {
	q.events--
	l.events[0] = session.FeedEvent{}
	if l.events = l.events[1:]; len(l.events) == 0 {
		delete(q.rooms, l.room)
		return
	}
	q.ready = append(q.ready, l)
}

// drop removes a room whose first event was taken, with all its events.
func (q *lines) drop(l *line) {
	q.events -= len(l.events)
	delete(q.rooms, l.room)
}

// back makes a room ready again whose first event was taken, before the others.
func (q *lines) back(l *line) { q.ready = slices.Insert(q.ready, 0, l) }
