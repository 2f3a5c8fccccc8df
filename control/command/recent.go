package command

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"parlor/session"
	"parlor/session/terms"
)

// maxRecent is how many events of a node are kept for ListEvents, at some 250 bytes each. More show more of
// the past.
const maxRecent = 2048

// Recent keeps the latest events of the feed and passes them on. It implements session.Events. Safe for
// concurrent use. A nil *Recent keeps none.
type Recent struct {
	next session.Events

	mu   sync.Mutex
	ring []terms.FeedEvent
	at   int // of the oldest, once the ring is full
}

// NewRecent returns one that has kept nothing, in front of next.
func NewRecent(next session.Events) *Recent { return &Recent{next: next} }

// Publish implements session.Events.
func (r *Recent) Publish(e terms.FeedEvent) {
	r.keep(e)
	r.next.Publish(e)
}

func (r *Recent) keep(e terms.FeedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, e)
		return
	}
	r.ring[r.at] = e
	r.at = (r.at + 1) % maxRecent
}

// latest returns up to limit of the events that which lets through, newest first.
func (r *Recent) latest(limit int, which func(*terms.FeedEvent) bool) []Event {
	l := []Event{}
	if r == nil {
		return l
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.ring) - 1; i >= 0 && len(l) < limit; i-- {
		if e := &r.ring[(r.at+i)%len(r.ring)]; which(e) {
			l = append(l, eventOf(e))
		}
	}
	return l
}

// ListEventsRequest asks for the latest events of the feed that nodes remember.
type ListEventsRequest struct {
	RoomRef
	UserID string `json:"UserId,omitempty" jsonschema:"only events of this user"`
	Limit  int    `json:"Limit,omitempty" jsonschema:"1–1000, default 100"`
}

// ListEventsResponse has the events, newest first.
type ListEventsResponse struct {
	Events  []Event  `json:"Events"`
	Missing []string `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered, whose events are missing"`
}

// Event is an event of the feed.
type Event struct {
	RoomRef
	ID     string           `json:"Id"`
	TimeMS int64            `json:"TimeMs" jsonschema:"Unix time"`
	Type   terms.FeedType   `json:"Type" jsonschema:"101 to 206, as of the feed of events"`
	Node   string           `json:"Node"`
	UserID string           `json:"UserId,omitempty"`
	Name   string           `json:"Name,omitempty" jsonschema:"display name, of 103 and 106"`
	Role   terms.Role       `json:"Role,omitempty"`
	Reason terms.FeedReason `json:"Reason,omitempty" jsonschema:"1 to 6, as of the feed of events"`
	Text   string           `json:"Text,omitempty" jsonschema:"the reason that a command gave"`
}

func eventOf(e *terms.FeedEvent) Event {
	return Event{
		RoomRef: Ref(e.Room), ID: e.ID, TimeMS: e.TimeMS, Type: e.Type, Node: e.Node, UserID: e.User, Name: e.Name, Role: e.Role,
		Reason: e.Reason, Text: e.Text,
	}
}

func listEvents(c *Commands, q ListEventsRequest) (j job[ListEventsResponse], err error) {
	if q.RoomRef.given() {
		if j.room, err = q.room(false); err != nil {
			return j, err
		}
	}
	if q.UserID != "" {
		if err := terms.CheckUser(q.UserID); err != nil {
			return j, named(err, q.RoomRef)
		}
	}
	page := terms.Page{Limit: q.Limit}
	if err := page.Check(); err != nil {
		return j, named(err, q.RoomRef)
	}
	j.here = func(context.Context) (ListEventsResponse, error) {
		return ListEventsResponse{Events: c.o.Recent.latest(page.Limit, func(e *terms.FeedEvent) bool {
			return (j.room.IsZero() || e.Room == j.room) && (q.UserID == "" || e.User == q.UserID)
		})}, nil
	}
	j.all = func(ctx context.Context, request []byte) (ListEventsResponse, error) {
		return everywhere(ctx, c, ListEvents, request, j.here, func(l []ListEventsResponse) (a ListEventsResponse) {
			a.Events = []Event{}
			for _, one := range l {
				a.Events = append(a.Events, one.Events...)
			}
			slices.SortStableFunc(a.Events, func(a, b Event) int { return cmp.Compare(b.TimeMS, a.TimeMS) })
			a.Events = a.Events[:min(len(a.Events), page.Limit)]
			return a
		}, func(a *ListEventsResponse, missing []string) { a.Missing = missing })
	}
	return j, nil
}
