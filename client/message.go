package client

import (
	"encoding/json"
	"fmt"
)

// Source names what a stream shows or plays.
type Source string

// The sources of the protocol.
const (
	Camera      Source = "camera"
	Screen      Source = "screen"
	Mic         Source = "mic"
	ScreenAudio Source = "screen-audio"
)

// Audio reports whether the source is a sound.
func (s Source) Audio() bool { return s == Mic || s == ScreenAudio }

// Stream is one thing that a user publishes.
type Stream struct {
	Source Source `json:"source"`
	On     bool   `json:"on"`
}

// User is somebody in the room, as the node describes them.
type User struct {
	ID string `json:"user"`
	Profile
	Role    string   `json:"role"`
	Streams []Stream `json:"streams"`
}

// Timers are the node's times, in milliseconds.
type Timers struct {
	LostMs      int `json:"lostMs"`
	ReconnectMs int `json:"reconnectMs"`
	TimeoutMs   int `json:"timeoutMs"`
	PingMs      int `json:"pingMs"`
}

// Entered is the node's answer to entering and to resuming.
type Entered struct {
	Session string `json:"session"`
	Key     string `json:"key"` // secret: with it one can take over the session
	User    string `json:"user"`
	Profile
	Room   json.RawMessage `json:"room"`
	Role   string          `json:"role"`
	Scene  string          `json:"scene"`
	Rights []string        `json:"rights"`
	Users  []User          `json:"users"`
	Node   string          `json:"node"`
	Timers Timers          `json:"timers"`
	Nodes  []string        `json:"nodes"` // URLs of other nodes, for when this one is lost

	ICEServers []ICEServer `json:"iceServers"` // of this node, for this session
}

// ICEServer is a TURN server; Credential is secret.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

// The types of events.
const (
	UserEntered = "user_entered"
	UserLeft    = "user_left"
	UserUpdated = "user_updated"
	Streams     = "streams"
	RoleChanged = "role"
	MessageSent = "message"
	Exited      = "exited"
)

// Event is something that the node told without being asked.
type Event struct {
	Type string
	Seq  uint64

	User    string   // user_entered, user_left, user_updated, streams, message: who; a message without is of the server
	Info    *User    // user_entered
	Profile Profile  // user_updated
	Streams []Stream // streams: the whole list
	Role    string   // role: one's own
	Reason  int      // user_left, exited
	Text    string   // exited
	Next    string   // exited: URL of the node to go on at; may be empty

	CmdID int    // message
	Data  []byte // message

	Raw json.RawMessage // the message as it came
}

// SeatRequest says who sits in a seat. A zero User frees it; a zero Video or Audio leaves that section
// silent.
type SeatRequest struct {
	Seat    string
	User    string
	Video   Source
	Audio   Source
	Quality string // low, mid, high or empty
}

// Redirect is the answer of a node to entering a room that is on another one. Clients follow it by
// themselves.
type Redirect struct {
	Node string `json:"node"`
	URL  string `json:"url"` // as Options.URL
}

// Error implements error.
func (r *Redirect) Error() string { return "the room is on node " + r.Node + ", " + r.URL }

// Error is an error answer of the node.
type Error struct {
	Code    string `json:"code"` // one of docs/protocol.md, such as room_full
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s (%s): %s", e.Code, e.Field, e.Message)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Is makes errors.Is(err, &Error{Code: "room_full"}) true for every error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Field == "" || t.Field == e.Field)
}

// The wire forms. Requests get their type and id when they are sent.

type header struct {
	Type string `json:"type"`
	Re   *int64 `json:"re"`
	Seq  uint64 `json:"seq"`
}

type enterMsg struct {
	Room  any    `json:"room"`
	User  string `json:"user"`
	Token string `json:"token,omitempty"`
	Role  string `json:"role,omitempty"`
	Scene string `json:"scene,omitempty"`

	Name     string `json:"name,omitempty"`
	Metadata string `json:"metadata,omitempty"`
}

type resumeMsg struct {
	Session string `json:"session"`
	Key     string `json:"key"`
	LastSeq uint64 `json:"lastSeq"`
}

type offerSeat struct {
	ID    string `json:"id"`
	Video string `json:"video,omitempty"`
	Audio string `json:"audio,omitempty"`
}

type offerMsg struct {
	SDP     string            `json:"sdp"`
	Publish map[string]Source `json:"publish"`
	Seats   []offerSeat       `json:"seats"`
	Fresh   bool              `json:"fresh,omitempty"`
}

type answerMsg struct {
	SDP string `json:"sdp"`
}

type seatMsg struct {
	Seat    string  `json:"seat"`
	User    *string `json:"user"`
	Video   *Source `json:"video"`
	Audio   *Source `json:"audio"`
	Quality string  `json:"quality,omitempty"`
}

type publishMsg struct {
	Source Source `json:"source"`
	On     bool   `json:"on"`
}

type roleMsg struct {
	Role string `json:"role"`
}

type pingMsg struct {
	Ack uint64 `json:"ack"`
}

func (r SeatRequest) wire() seatMsg {
	m := seatMsg{Seat: r.Seat, Quality: r.Quality}
	if r.User != "" {
		m.User = &r.User
	}
	if r.Video != "" {
		m.Video = &r.Video
	}
	if r.Audio != "" {
		m.Audio = &r.Audio
	}
	return m
}

// encode adds type and id to the fields of body, which is a struct or nil.
func encode(typ string, id int64, body any) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", typ, err)
		}
		if err := json.Unmarshal(b, &fields); err != nil {
			return nil, fmt.Errorf("encode %s: %w", typ, err)
		}
	}
	fields["type"], _ = json.Marshal(typ)
	fields["id"], _ = json.Marshal(id)
	return json.Marshal(fields)
}

// parseEvent reads an event. Its `user` is a description in user_entered and an id elsewhere.
func parseEvent(raw []byte) (Event, error) {
	var m struct {
		Type    string          `json:"type"`
		Seq     uint64          `json:"seq"`
		User    json.RawMessage `json:"user"`
		Streams []Stream        `json:"streams"`
		Role    string          `json:"role"`
		Reason  int             `json:"reason"`
		Text    string          `json:"text"`
		Next    string          `json:"next"`
		CmdID   int             `json:"cmdId"`
		Data    []byte          `json:"data"`
		Profile
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return Event{}, fmt.Errorf("event: %w", err)
	}
	e := Event{Type: m.Type, Seq: m.Seq, Streams: m.Streams, Role: m.Role, Reason: m.Reason, Text: m.Text, Next: m.Next,
		CmdID: m.CmdID, Data: m.Data, Profile: m.Profile, Raw: raw}
	if len(m.User) == 0 {
		return e, nil
	}
	if m.User[0] == '"' {
		return e, json.Unmarshal(m.User, &e.User)
	}
	e.Info = new(User)
	if err := json.Unmarshal(m.User, e.Info); err != nil {
		return Event{}, fmt.Errorf("event %s: %w", m.Type, err)
	}
	e.User = e.Info.ID
	return e, nil
}
