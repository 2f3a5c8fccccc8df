package session

import (
	"sync"
	"time"
)

const (
	// entryTime is what Limits.Entries counts in.
	entryTime = time.Minute
	// roomsAtOnce is how many times Limits.Entries a user may enter all rooms of the node together. A
	// recorder that is in every room has one id for all of them. Higher lets one token for all rooms make and
	// end more of them.
	roomsAtOnce = 10
)

// entries bounds how often a user enters: each room by itself, and all rooms together. Both are the generic
// cell rate algorithm (ITU-T I.371): for each key it keeps the time at which the key owes nothing any more. A
// key that owes nothing takes no memory. Safe for use from several goroutines.
type entries struct {
	mu    sync.Mutex
	rooms cells // by room and user
	users cells // by user, without a room
}

// newEntries takes Limits.Entries.
func newEntries(limit int) *entries {
	return &entries{rooms: newCells(limit), users: newCells(roomsAtOnce * limit)}
}

// take takes an entry of a user into a room. If there have been too many it takes none, and returns after
// which time there may be another.
func (e *entries) take(room, user string, now time.Time) (wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	here, all := banned{room, user}, banned{user: user}
	if wait = max(e.rooms.wait(here, now), e.users.wait(all, now)); wait <= 0 {
		e.rooms.take(here, now)
		e.users.take(all, now)
	}
	return wait
}

// forget frees what owes nothing at now.
func (e *entries) forget(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms.forget(now)
	e.users.forget(now)
}

// cells lets so many pass for each key in entryTime, and as many at once.
type cells struct {
	each time.Duration // what one owes
	paid map[banned]time.Time
}

func newCells(limit int) cells {
	return cells{each: max(entryTime/time.Duration(limit), 1), paid: map[banned]time.Time{}}
}

// wait returns how long it is until another one may pass; 0 or less: none.
func (c cells) wait(k banned, now time.Time) time.Duration {
	at, owes := c.paid[k]
	if !owes {
		return 0
	}
	return at.Add(c.each).Sub(now) - max(entryTime, c.each)
}

func (c cells) take(k banned, now time.Time) {
	from := c.paid[k]
	if from.Before(now) {
		from = now
	}
	c.paid[k] = from.Add(c.each)
}

func (c cells) forget(now time.Time) {
	for k, at := range c.paid {
		if !at.After(now) {
			delete(c.paid, k)
		}
	}
}
