package feed

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"parlor/session/terms"
)

// remains is what a node's feed has left open: rooms without 102, users without 104. It is found by going
// through the node's events from the first that the stream still has. What has been closed takes no memory.
type remains struct {
	open  map[string]*opened // by what the room's event ids begin with
	order []*opened          // as they were first told of; closed ones too, until there are too many
}

// opened is a room, from its 101 until all has been told.
type opened struct {
	instance string
	room     terms.RoomID
	last     int      // the number of its last event
	users    []string // those inside, in the order of entering
	over     bool     // 102 was told
	closed   bool     // it is no longer among the open ones
}

// maxNumber is more events than a room ever has.
const maxNumber = 1 << 40

// apply takes the node's next event. Repeats change nothing.
func (r *remains) apply(e terms.FeedEvent) {
	instance, digits, _ := strings.Cut(e.ID, ".")
	number, err := strconv.Atoi(digits)
	if err != nil || number <= 0 || number > maxNumber {
		return // not an event of a node's
	}
	o := r.open[instance]
	switch {
	case o == nil && (e.Type == terms.FeedRoomDismissed || e.Type == terms.FeedUserLeft):
		return // a repeat, or the end of what the stream has lost the beginning of
	case o == nil:
		o = r.add(instance, e.Room)
	case number <= o.last:
		return
	}
	o.last = number
	at := slices.Index(o.users, e.User)
	switch e.Type {
	case terms.FeedUserEntered:
		if at < 0 {
			o.users = append(o.users, e.User)
		}
	case terms.FeedUserLeft:
		if at >= 0 {
			o.users = slices.Delete(o.users, at, at+1)
		}
	case terms.FeedRoomDismissed:
		o.over = true
	}
	if o.over && len(o.users) == 0 {
		o.closed = true
		delete(r.open, instance)
	}
}

func (r *remains) add(instance string, room terms.RoomID) *opened {
	if r.open == nil {
		r.open = map[string]*opened{}
	}
	if len(r.order) > 2*len(r.open)+64 {
		r.order = slices.DeleteFunc(r.order, func(o *opened) bool { return o.closed })
	}
	o := &opened{instance: instance, room: room}
	r.open[instance] = o
	r.order = append(r.order, o)
	return o
}

// ends returns what is to be told for all to be closed: of each room, 104 for everybody inside, and then 102.
// The ids go on from the last of the room's own. So two nodes that tell the same tell it under the same ids.
// So does what the dead node has sent last, if it still comes: the stream takes one of them.
func (r *remains) ends(node, by string, now time.Time) []terms.FeedEvent {
	var l []terms.FeedEvent
	for _, o := range r.order {
		if o.closed {
			continue
		}
		last := o.last
		tell := func(t terms.FeedType, user string) {
			last++
			l = append(l, terms.FeedEvent{
				ID: o.instance + "." + strconv.Itoa(last), Type: t, TimeMS: now.UnixMilli(), Node: node, Room: o.room, User: user,
				Reason: terms.FeedTimeout, By: by,
			})
		}
		for _, user := range o.users {
			tell(terms.FeedUserLeft, user)
		}
		if !o.over {
			tell(terms.FeedRoomDismissed, "")
		}
	}
	return l
}
