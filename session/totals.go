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
	addValue(reflect.ValueOf(a).Elem(), reflect.ValueOf(b))
}

func addValue(to, from reflect.Value) {
	switch to.Kind() {
	case reflect.Struct:
		for i := range to.NumField() {
			addValue(to.Field(i), from.Field(i))
		}
	case reflect.Array:
		for i := range to.Len() {
			addValue(to.Index(i), from.Index(i))
		}
	default:
		to.SetUint(to.Uint() + from.Uint())
	}
}
