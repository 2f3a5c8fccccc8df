package session

import (
	"fmt"

	"parlor/session/terms"
)

// Events takes the feed. Publish is called with a room locked, so that a room's events come in order. It must
// not block, nor call into this package.
type Events interface {
	Publish(e terms.FeedEvent)
}

// NoEvents is a feed that nobody reads.
type NoEvents struct{}

// Publish does nothing.
func (NoEvents) Publish(terms.FeedEvent) {}

// started returns the feed event of a source that starts, or stops.
func started(s terms.Source, on bool) terms.FeedType {
	var t terms.FeedType
	switch s {
	case terms.Camera:
		t = terms.FeedVideoStarted
	case terms.Mic:
		t = terms.FeedAudioStarted
	default:
		t = terms.FeedScreenStarted
	}
	if !on {
		t++
	}
	return t
}

// roomFeed is where a room's events have got to. Under room.mu.
type roomFeed struct {
	instance string // in the ids of events; differs between any two rooms ever, also of one id
	last     uint64 // the number of the last event
	epoch    uint64 // see Rooms.Retell
}

// feedLocked gives the feed an event of the room; fill sets what is not common to all, and may be nil.
func (rm *room) feedLocked(t terms.FeedType, fill func(*terms.FeedEvent)) {
	rm.feed.last++
	e := terms.FeedEvent{
		ID: fmt.Sprintf("%s.%d", rm.feed.instance, rm.feed.last), Type: t,
		TimeMS: rm.rooms.opts.Now().UnixMilli(), Node: rm.rooms.opts.Node, Room: rm.id, Epoch: rm.feed.epoch,
	}
	if fill != nil {
		fill(&e)
	}
	rm.rooms.events.Publish(e)
}
