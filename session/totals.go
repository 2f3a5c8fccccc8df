package session

import (
	"reflect"
	"sync"

	"parlor/router"
)

// totals are the media counters of all rooms that there are and were.
type totals struct {
	mu    sync.Mutex // guards the fields below; nothing is called while it is held
	live  map[*router.Room]struct{}
	ended router.Totals
}

func (t *totals) begin(r *router.Room) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.live = map[*router.Room]struct{}{}
	}
	t.live[r] = struct{}{}
}

// end keeps the last counts of a room whose goroutine has ended.
func (t *totals) end(r *router.Room) {
	last := r.Totals()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, r)
	add(&t.ended, last)
}

// Media returns the media counters of the node since its start, ended rooms included: they never fall.
func (r *Rooms) Media() router.Totals {
	t := &r.totals
	t.mu.Lock()
	sum := t.ended
	rooms := make([]*router.Room, 0, len(t.live))
	for one := range t.live {
		rooms = append(rooms, one)
	}
	t.mu.Unlock()
	for _, one := range rooms {
		add(&sum, one.Totals()) // also of one that has ended meanwhile: then not yet in the sum
	}
	return sum
}

// add adds every counter of b to a.
func add(a *router.Totals, b router.Totals) {
	to, from := reflect.ValueOf(a).Elem(), reflect.ValueOf(b)
	for i := range to.NumField() {
		if to.Field(i).Kind() == reflect.Array {
			for k := range to.Field(i).Len() {
				n := to.Field(i).Index(k)
				n.SetUint(n.Uint() + from.Field(i).Index(k).Uint())
			}
			continue
		}
		to.Field(i).SetUint(to.Field(i).Uint() + from.Field(i).Uint())
	}
}
