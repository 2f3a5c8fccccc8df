package terms

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// EventType is the type of an Event, as docs/protocol.md names it.
type EventType string

// The types of events.
const (
	EventUserEntered   EventType = "user_entered"
	EventUserLeft      EventType = "user_left"
	EventUserUpdated   EventType = "user_updated"
	EventStreams       EventType = "streams"
	EventRole          EventType = "role"
	EventBlocked       EventType = "blocked"
	EventTokenExpiring EventType = "token_expiring"
	EventUndecodable   EventType = "undecodable"
	EventPaused        EventType = "paused"
	EventLayers        EventType = "layers"
	EventMessage       EventType = "message"
	EventExited        EventType = "exited"
)

// ExitReason tells a user why it is out. The numbers are part of the protocol.
type ExitReason int

// The reasons of `exited`.
const (
	ExitedExit      ExitReason = 0 // it asked to
	ExitedRemoved   ExitReason = 1
	ExitedDismissed ExitReason = 2
	ExitedReplaced  ExitReason = 3 // the same user has entered elsewhere
	ExitedShutdown  ExitReason = 4 // of the node
	ExitedExpired   ExitReason = 5 // its token has expired
	ExitedTimeout   ExitReason = 6 // it has shown no sign of life for too long
)

// LeaveReason tells the others why a user is gone. The numbers are part of the protocol.
type LeaveReason int

// The reasons of `user_left`.
const (
	LeftExit           LeaveReason = 0
	LeftTimeout        LeaveReason = 1
	LeftRemoved        LeaveReason = 2
	LeftBecameAudience LeaveReason = 3
)

// StreamState is one stream of a user. On is false while it is muted, stopped or blocked.
type StreamState struct {
	Source  Source `json:"source"`
	On      bool   `json:"on"`
	Blocked bool   `json:"blocked,omitempty"` // see session.Rooms.SetUserBlocked
}

// UserState is a user as others see it. Values are shared between mailboxes and read-only.
type UserState struct {
	User     string        `json:"user"`
	Name     string        `json:"name,omitempty"`     // display name
	Metadata string        `json:"metadata,omitempty"` // of the application
	Role     Role          `json:"role"`
	Streams  []StreamState `json:"streams"`
	// MediaOnly says that it is a WHIP or WHEP client, which may be no person at all.
	MediaOnly bool `json:"mediaOnly,omitempty"`
}

// Event is one message of the node to a client. It marshals to the JSON of docs/protocol.md.
type Event struct {
	Type      EventType
	Seq       uint64        // rises by one from event to event of a session, from 1
	User      UserState     // user_entered, user_updated, streams: all; user_left: id; message: sender's id
	Role      Role          // EventRole: one's own
	Left      LeaveReason   // EventUserLeft
	Exited    ExitReason    // EventExited
	Block     Block         // EventBlocked: one's own
	Remaining time.Duration // EventTokenExpiring: until the user is put out, when the event was made
	Text      string        // EventExited: why, for people; may be empty
	Next      string        // EventExited: URL of the node to go on at; may be empty

	Message *Message // EventMessage; shared and read-only

	Undecodable *Undecodable // EventUndecodable, EventPaused; shared and read-only
	On          bool         // likewise: it begins; else it is over

	Layers *Layers // EventLayers; shared and read-only

	body *eventBody // shared by all that are told the same; nil: not shared
}

// eventBody is an event's JSON without what differs between the users that are told.
type eventBody struct {
	once sync.Once
	json []byte
	err  error
}

// Shared returns the event for many to be told: what they are told alike is encoded once.
func (e Event) Shared() Event {
	e.body = new(eventBody)
	return e
}

// Alone returns the event as one that shares nothing, which may be changed.
func (e Event) Alone() Event {
	e.body = nil
	return e
}

// MarshalJSON writes the event as the protocol has it.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// AppendJSON appends what MarshalJSON returns. Of what many are told it encodes all but the number only once.
func (e Event) AppendJSON(b []byte) ([]byte, error) {
	body := e.body
	if body == nil {
		body = new(eventBody)
	}
	body.once.Do(func() { body.json, body.err = e.encode() })
	if body.err != nil {
		return b, fmt.Errorf("event %s: %w", e.Type, body.err)
	}
	b = append(append(b, `{"type":"`...), e.Type...)
	b = strconv.AppendUint(append(b, `","seq":`...), e.Seq, 10)
	if fields := body.json[1:]; len(fields) > 1 {
		return append(append(b, ','), fields...), nil
	}
	return append(b, '}'), nil
}

// encode returns the fields but type and seq, as an object.
func (e Event) encode() ([]byte, error) {
	w := struct {
		User     any           `json:"user,omitempty"`
		Name     *string       `json:"name,omitempty"`
		Metadata *string       `json:"metadata,omitempty"`
		Streams  []StreamState `json:"streams,omitzero"`
		Role     Role          `json:"role,omitempty"`
		Reason   *int          `json:"reason,omitempty"`
		Block    Block         `json:"block,omitempty"`
		InMS     *int64        `json:"inMs,omitempty"`
		Text     string        `json:"text,omitempty"`
		CmdID    int           `json:"cmdId,omitempty"`
		Data     []byte        `json:"data,omitzero"` // base64
		Next     string        `json:"next,omitempty"`
		Seat     string        `json:"seat,omitempty"`
		Source   string        `json:"source,omitempty"`
		On       *bool         `json:"on,omitempty"`
		Codec    string        `json:"codec,omitempty"`

		RIDs map[string]bool `json:"rids,omitempty"`
	}{Text: e.Text, Next: e.Next}
	switch e.Type {
	case EventUserEntered:
		w.User = e.User
	case EventUserLeft:
		w.User, w.Reason = e.User.User, new(int(e.Left))
	case EventUserUpdated:
		w.User, w.Name, w.Metadata = e.User.User, &e.User.Name, &e.User.Metadata
	case EventStreams:
		w.User, w.Streams = e.User.User, e.User.Streams
	case EventRole:
		w.Role = e.Role
	case EventBlocked:
		w.Block = e.Block
	case EventTokenExpiring:
		w.InMS = new(e.Remaining.Milliseconds())
	case EventMessage:
		if e.User.User != "" {
			w.User = e.User.User
		}
		w.CmdID, w.Data = e.Message.CmdID, e.Message.Data
	case EventUndecodable, EventPaused:
		w.User, w.Seat, w.Source, w.On = e.Undecodable.User, e.Undecodable.Seat, e.Undecodable.Source.String(), &e.On
		if e.On {
			w.Codec = e.Undecodable.Sent
		}
	case EventLayers:
		w.Source, w.RIDs = e.Layers.Source.String(), e.Layers.RIDs
	case EventExited:
		w.Reason = new(int(e.Exited))
	}
	return json.Marshal(w)
}

// Entered is the answer to entering and resuming. It marshals to the fields that docs/protocol.md gives for
// `entered`.
type Entered struct {
	Session  string       `json:"session"`
	Key      string       `json:"key"` // a secret of client and node: whoever has it can resume the session
	User     string       `json:"user"`
	Name     string       `json:"name,omitempty"` // one's own display name and metadata, as others see them
	Metadata string       `json:"metadata,omitempty"`
	Room     RoomID       `json:"room"`
	Role     Role         `json:"role"`
	Scene    Scene        `json:"scene"`
	Rights   Rights       `json:"rights"`
	Users    []UserState  `json:"users"` // the others that it may see, in the order in which they entered
	Node     string       `json:"node"`
	Timers   ClientTimers `json:"timers"`
	// Candidates are the node's ICE candidates as in its answers, in the form of RTCIceCandidate.candidate.
	// Read-only.
	Candidates []string `json:"candidates"`
	// Nodes are URLs of a few other nodes, for when this one dies. Read-only.
	Nodes []string `json:"nodes,omitempty"`
	Block Block    `json:"block"` // what of one's own streams is not forwarded
	// Viewers is how many watch in a live room, as everybody was told last; nil in a call.
	Viewers *int `json:"viewers,omitempty"`
	// ExpiresInMS is how long the token still holds, in milliseconds; 0: for ever. Renew is for before.
	ExpiresInMS int64 `json:"expiresInMs,omitempty"`
	// ICEServers are those of the node, in the form of RTCConfiguration.iceServers. Their credentials are good for
	// ICEExpiresInMS milliseconds; what they are in use for goes on.
	ICEServers     []ICEServer `json:"iceServers,omitempty"`
	ICEExpiresInMS int64       `json:"iceExpiresInMs,omitempty"`
}

// ICEServer is a TURN server, in the form of RTCIceServer. Credential is a secret of client and node.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// ClientTimers tells a client the timers that it keeps itself, in milliseconds.
type ClientTimers struct {
	LostMS      int64 `json:"lostMs"`
	ReconnectMS int64 `json:"reconnectMs"`
	TimeoutMS   int64 `json:"timeoutMs"`
	PingMS      int64 `json:"pingMs"`
}

// Layers says which simulcast layers of a stream its own client is to send: those that somebody gets, or
// would.
type Layers struct {
	Source Source
	RIDs   map[string]bool // whether it is to be sent, of each layer
}

// Undecodable is a stream of which nothing can be sent to a user, since the user's client has offered no
// codec that decodes it.
type Undecodable struct {
	Seat    string // of the user; empty if it is not known any more
	User    string // that publishes the stream
	Source  Source
	Sent    string // the stream's codec and profile, such as "VP9 profile 2"
	Offered string // what the client has in its place, such as "VP8+H264"
	Paused  bool   // decodable, but the network to the client does not carry it; Sent and Offered are empty
}

// EventType returns the type of the event that tells of it.
func (x *Undecodable) EventType() EventType {
	if x.Paused {
		return EventPaused
	}
	return EventUndecodable
}
