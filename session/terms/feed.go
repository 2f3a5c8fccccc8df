package terms

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// FeedType is the number of an event of the feed, known to existing back ends.
type FeedType int

// The types of feed events.
const (
	FeedRoomCreated   FeedType = 101
	FeedRoomDismissed FeedType = 102 // the room has ended, by a command or because it was empty
	FeedUserEntered   FeedType = 103
	FeedUserLeft      FeedType = 104 // the user's 202, 204 and 206 are implied
	FeedRole          FeedType = 105
	FeedUserUpdated   FeedType = 106 // its display name has changed
	FeedVideoStarted  FeedType = 201
	FeedVideoStopped  FeedType = 202
	FeedAudioStarted  FeedType = 203
	FeedAudioStopped  FeedType = 204
	FeedScreenStarted FeedType = 205
	FeedScreenStopped FeedType = 206
)

// feedNames are the names of the types, for people.
var feedNames = map[FeedType]string{
	FeedRoomCreated: "room-created", FeedRoomDismissed: "room-dismissed",
	FeedUserEntered: "user-entered", FeedUserLeft: "user-left", FeedRole: "role-changed", FeedUserUpdated: "user-updated",
	FeedVideoStarted: "video-started", FeedVideoStopped: "video-stopped",
	FeedAudioStarted: "audio-started", FeedAudioStopped: "audio-stopped",
	FeedScreenStarted: "screen-started", FeedScreenStopped: "screen-stopped",
}

// FeedTypes returns all types, in the order of their numbers.
func FeedTypes() []FeedType { return slices.Sorted(maps.Keys(feedNames)) }

// Name returns the type's name for people, such as user-left. Of a type that is not known here it is the
// number.
func (t FeedType) Name() string { return cmp.Or(feedNames[t], strconv.Itoa(int(t))) }

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

var reasonNames = map[FeedReason]string{
	FeedNormal: "normal", FeedTimeout: "timeout", FeedRemoved: "removed", FeedReplaced: "replaced", FeedShutdown: "shutdown", FeedExpired: "expired",
}

// FeedReasons returns all reasons, in the order of their numbers.
func FeedReasons() []FeedReason { return slices.Sorted(maps.Keys(reasonNames)) }

// Name returns the reason's name for people. Of a reason that is not known here it is the number.
func (r FeedReason) Name() string { return cmp.Or(reasonNames[r], strconv.Itoa(int(r))) }

// FeedEvent is one event for the back end. Events of one room come in order.
type FeedEvent struct {
	ID     string     `json:"id"` // differs between any two events of any node; for dropping repeats
	Type   FeedType   `json:"type"`
	TimeMS int64      `json:"timeMs"` // Unix time
	Node   string     `json:"node"`
	Room   RoomID     `json:"room"`
	User   string     `json:"user,omitempty"`   // but for 101 and 102
	Name   string     `json:"name,omitempty"`   // 103, 106: display name; empty: none
	Role   Role       `json:"role,omitempty"`   // 103, 105
	Reason FeedReason `json:"reason,omitempty"` // 102, 103, 104
	Text   string     `json:"text,omitempty"`   // the reason that a command gave
	By     string     `json:"by,omitempty"`     // node that told it for a dead one, or for its earlier self
	Epoch  uint64     `json:"-"`                // that of session.Rooms.Retell when the room was told of
}
