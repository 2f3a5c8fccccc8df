package session

import "fmt"

// FeedType is the number of an event of the feed, known to existing back ends.
type FeedType int

// The types of feed events.
const (
	FeedRoomCreated   FeedType = 101
	FeedRoomDismissed FeedType = 102 // the room has ended, by a command or because it was empty
	FeedUserEntered   FeedType = 103
	FeedUserLeft      FeedType = 104 // the user's 202, 204 and 206 are implied
	FeedRole          FeedType = 105
	FeedVideoStarted  FeedType = 201
	FeedVideoStopped  FeedType = 202
	FeedAudioStarted  FeedType = 203
	FeedAudioStopped  FeedType = 204
	FeedScreenStarted FeedType = 205
	FeedScreenStopped FeedType = 206
)

// FeedReason is the reason of 102, 103 and 104.
type FeedReason int

// The reasons of the feed.
const (
	FeedNormal   FeedReason = 1
	FeedTimeout  FeedReason = 2
	FeedRemoved  FeedReason = 3 // by a command: removed, or the room was dismissed
	FeedReplaced FeedReason = 4
	FeedShutdown FeedReason = 5
	FeedExpired  FeedReason = 6 // the user's token
)

// FeedEvent is one event for the back end. Events of one room come in order.
type FeedEvent struct {
	ID     string     `json:"id"` // differs between any two events of any node; for dropping repeats
	Type   FeedType   `json:"type"`
	TimeMS int64      `json:"timeMs"` // Unix time
	Node   string     `json:"node"`
	Room   RoomID     `json:"room"`
	User   string     `json:"user,omitempty"`   // but for 101 and 102
	Role   Role       `json:"role,omitempty"`   // 103, 105
	Reason FeedReason `json:"reason,omitempty"` // 102, 103, 104
	Text   string     `json:"text,omitempty"`   // the reason that a command gave
	By     string     `json:"by,omitempty"`     // the node that told it in place of one that had died, also of an earlier one of the same name
	Epoch  uint64     `json:"-"`                // that of Rooms.Retell when the room was told of
}

// Events takes the feed. Publish is called with a room locked, so that a room's events come in order: it must not
// block, nor call into this package.
type Events interface {
	Publish(e FeedEvent)
}

// NoEvents is a feed that nobody reads.
type NoEvents struct{}

// Publish does nothing.
func (NoEvents) Publish(FeedEvent) {}

// started returns the feed event of a source that starts, or stops.
func started(s Source, on bool) FeedType {
	var t FeedType
	switch s {
	case Camera:
		t = FeedVideoStarted
	case Mic:
		t = FeedAudioStarted
	default:
		t = FeedScreenStarted
	}
	if !on {
		t++
	}
	return t
}

// feedLocked gives the feed an event of the room; fill sets what is not common to all, and may be nil.
func (rm *room) feedLocked(t FeedType, fill func(*FeedEvent)) {
	rm.feedSeq++
	e := FeedEvent{
		ID: fmt.Sprintf("%s.%d", rm.instance, rm.feedSeq), Type: t, TimeMS: rm.rooms.opts.Now().UnixMilli(),
		Node: rm.rooms.opts.Node, Room: rm.id, Epoch: rm.epoch,
	}
	if fill != nil {
		fill(&e)
	}
	rm.rooms.events.Publish(e)
}
