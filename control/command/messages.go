package command

import (
	"encoding/json"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// RoomRef names a room in a message: RoomId is an integer, StrRoomId a string; exactly one is given.
type RoomRef struct {
	RoomID    json.RawMessage `json:"RoomId,omitempty" jsonschema:"the room, where it has a number; exactly one of RoomId and StrRoomId is given"`
	StrRoomID *string         `json:"StrRoomId,omitempty" jsonschema:"the room, where it has a name; number 123 and name 123 are two rooms"`
}

// Ref returns the reference to a room.
func Ref(id terms.RoomID) RoomRef {
	if _, ok := id.Number(); ok {
		return RoomRef{RoomID: json.RawMessage(id.String())}
	}
	return RoomRef{StrRoomID: new(id.String())}
}

// Room returns the room that is meant, or a bad_request.
func (r RoomRef) Room() (terms.RoomID, error) { return r.room(false) }

// Application is the application that a request is for. It is checked, and changes nothing.
type Application struct {
	SDKAppID *uint32 `json:"SdkAppId,omitempty" jsonschema:"number of the application, which has to be among the node's keys; it can be left out"`
}

// RemoveUserRequest puts users out of a room.
type RemoveUserRequest struct {
	RoomRef
	Application
	UserIDs    []string `json:"UserIds" jsonschema:"1–10"`
	BanSeconds int64    `json:"BanSeconds,omitempty" jsonschema:"for as long they cannot enter again"`
	Reason     string   `json:"Reason,omitempty" jsonschema:"passed to the users; at most 256 bytes"`
}

// RemoveUserResponse tells what came of it.
type RemoveUserResponse struct {
	Users []RemovedUser `json:"Users"`
}

// RemovedUser is the outcome for one user: "removed", or "not_in_room".
type RemovedUser struct {
	UserID string `json:"UserId"`
	Result string `json:"Result" jsonschema:"removed, or not_in_room"`
}

// The outcomes of removing a user.
const (
	ResultRemoved   = "removed"
	ResultNotInRoom = "not_in_room"
)

// DismissRoomRequest puts everybody out and ends the room.
type DismissRoomRequest struct {
	RoomRef
	Application
	Reason string `json:"Reason,omitempty" jsonschema:"passed to the users; at most 256 bytes"`
}

// DismissRoomResponse tells how many users were put out.
type DismissRoomResponse struct {
	Users int `json:"Users" jsonschema:"how many were put out"`
}

// SetUserBlockedRequest says what of a user's streams is not forwarded.
type SetUserBlockedRequest struct {
	RoomRef
	Application
	UserID string      `json:"UserId"`
	Block  terms.Block `json:"Block" jsonschema:"none, both, audio or video; replaces the one before"`
}

// SetUserBlockedResponse says what is in force.
type SetUserBlockedResponse struct {
	UserID string      `json:"UserId"`
	Block  terms.Block `json:"Block"`
}

// UpdateUserRequest sets a user's display name, metadata or both.
type UpdateUserRequest struct {
	RoomRef
	UserID   string  `json:"UserId"`
	Name     *string `json:"Name,omitempty" jsonschema:"the display name, whatever the user and its token say; empty: they say it again; without it nothing changes"`
	Metadata *string `json:"Metadata,omitempty" jsonschema:"of the application, at most 2048 bytes; likewise"`
}

// UpdateUserResponse says what holds of the user.
type UpdateUserResponse struct {
	UserID   string `json:"UserId"`
	Name     string `json:"Name"`
	Metadata string `json:"Metadata"`
}

// ListRoomsRequest asks for a page of rooms.
type ListRoomsRequest struct {
	Prefix string      `json:"Prefix,omitempty" jsonschema:"of the name, or of the digits of the number"`
	Scene  terms.Scene `json:"Scene,omitempty" jsonschema:"only rooms of this scene"`
	// Contains and Order are for people who look for rooms.
	Contains string          `json:"Contains,omitempty" jsonschema:"a part of the name, or of the digits of the number, in capital letters or small ones"`
	Order    terms.RoomOrder `json:"Order,omitempty" jsonschema:"users, publishers or poor: rooms with the most of them first; newest: rooms that were made last first; without it by room keys"`
	After    string          `json:"After,omitempty" jsonschema:"the Next of the page before"`
	Limit    int             `json:"Limit,omitempty" jsonschema:"1–1000, default 100"`
}

// ListRoomsResponse is a page of rooms. Next is empty on the last one.
type ListRoomsResponse struct {
	Rooms   []Room   `json:"Rooms"`
	Total   int      `json:"Total" jsonschema:"rooms on all pages"`
	Next    string   `json:"Next,omitempty"`
	Missing []string `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered, whose rooms are missing"`
}

// Room describes a room.
type Room struct {
	RoomRef
	Scene      terms.Scene `json:"Scene"`
	CreatedMS  int64       `json:"CreatedMs" jsonschema:"Unix time"`
	Users      int         `json:"Users"`
	Anchors    int         `json:"Anchors"`
	Viewers    int         `json:"Viewers" jsonschema:"the audience of a live room"`
	Publishers int         `json:"Publishers" jsonschema:"users who publish something that is on"`
	Poor       int         `json:"Poor" jsonschema:"users whose network is poor or worse, in either direction"`
	Node       string      `json:"Node"`
	Shedding   string      `json:"Shedding,omitempty" jsonschema:"what the room leaves out at the moment as it does not keep up: top_layer, layers, mid_quality, low_quality, half, most or video"`
}

// DescribeRoomRequest asks for a room with a page of its users.
type DescribeRoomRequest struct {
	RoomRef
	After string `json:"After,omitempty" jsonschema:"the Next of the page before"`
	Limit int    `json:"Limit,omitempty" jsonschema:"1–1000, default 100"`
}

// DescribeRoomResponse is a room with a page of its users. Next is empty on the last page.
type DescribeRoomResponse struct {
	Room
	UserList []User `json:"UserList"`
	Next     string `json:"Next,omitempty"`
	TimeMS   int64  `json:"TimeMs" jsonschema:"Unix time at which the counters were read"`
}

// DescribeUserRequest asks for a user in one room, or, if none is named, in all: a page of them.
type DescribeUserRequest struct {
	RoomRef
	UserID string `json:"UserId"`
	After  string `json:"After,omitempty" jsonschema:"the Next of the page before"`
	Limit  int    `json:"Limit,omitempty" jsonschema:"1–1000, default 100"`
}

// DescribeUserResponse is a user in each of the rooms asked for. Next is empty on the last page.
type DescribeUserResponse struct {
	Rooms   []UserInRoom `json:"Rooms"`
	Next    string       `json:"Next,omitempty"`
	TimeMS  int64        `json:"TimeMs" jsonschema:"Unix time at which the counters were read"`
	Missing []string     `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered, whose rooms are missing"`
}

// UserInRoom is a user in a room.
type UserInRoom struct {
	RoomRef
	Node string `json:"Node"`
	User
	Layers []Layer `json:"Layers" jsonschema:"what it publishes, layer by layer"`
	Views  []View  `json:"Views" jsonschema:"what it is sent of others"`
}

// User describes a user in a room. Counters begin with its media connection.
type User struct {
	UserID      string        `json:"UserId"`
	Name        string        `json:"Name,omitempty" jsonschema:"what people call it; not unique"`
	Metadata    string        `json:"Metadata,omitempty" jsonschema:"of the application"`
	Role        terms.Role    `json:"Role"`
	Rights      []terms.Right `json:"Rights"`
	Block       terms.Block   `json:"Block" jsonschema:"none, both, audio or video"`
	Streams     []Stream      `json:"Streams" jsonschema:"what it publishes"`
	Received    Received      `json:"Received" jsonschema:"what was forwarded to it"`
	RTTMS       int64         `json:"RttMs" jsonschema:"rounded up; 0: not known"`
	SinceMS     int64         `json:"SinceMs" jsonschema:"Unix time"`
	LastHeardMS int64         `json:"LastHeardMs" jsonschema:"Unix time of the last sign of life"`
	Connected   bool          `json:"Connected"`
	MediaOnly   bool          `json:"MediaOnly" jsonschema:"WHIP or WHEP"`
	SessionID   string        `json:"SessionId"`
	Undecodable []Undecodable `json:"Undecodable,omitempty" jsonschema:"streams of which nothing can be sent to the user, as its client has offered no codec that decodes them"`
	Paused      []Paused      `json:"Paused,omitempty" jsonschema:"pictures that its network does not carry at present"`
	Network     Network       `json:"Network" jsonschema:"the one to the user"`
	Origin
}

// Paused is a picture of another user that is not sent to one for now.
type Paused struct {
	UserID string `json:"UserId" jsonschema:"whose picture"`
	Source string `json:"Source" jsonschema:"camera or screen"`
}

// Network is the network to a user.
type Network struct {
	LimitedBy    string  `json:"LimitedBy" jsonschema:"what keeps the user from larger pictures: none, delay, loss, publisher or application; unknown where it is to be sent none"`
	EstimateKbps uint64  `json:"EstimateKbps" jsonschema:"what it carries, as far as what is sent has shown; 0: not known"`
	QueueMS      float64 `json:"QueueMs" jsonschema:"for how long packets wait on the way"`
	Red          int     `json:"Red" jsonschema:"how many earlier frames go with each packet of sound"`
}

// Undecodable is a stream of another user that cannot be sent to one.
type Undecodable struct {
	UserID  string `json:"UserId" jsonschema:"whose stream"`
	Source  string `json:"Source"`
	Codec   string `json:"Codec" jsonschema:"codec and profile of the stream"`
	Offered string `json:"Offered" jsonschema:"what the receiving client has in its place: its profile of that codec, or the names of its codecs"`
}

// Stream is one stream of a user, as it arrives at the node.
type Stream struct {
	Source  string `json:"Source" jsonschema:"camera, screen, mic or screen-audio"`
	On      bool   `json:"On" jsonschema:"false: muted, stopped or blocked"`
	Blocked bool   `json:"Blocked,omitempty"`
	Codec   string `json:"Codec,omitempty"`
	Layers  int    `json:"Layers" jsonschema:"simulcast layers that bring packets at present"`
	Packets uint64 `json:"Packets"`
	Bytes   uint64 `json:"Bytes"`
	Lost    int64  `json:"Lost" jsonschema:"packets missing on the way to the node, repairs not counted; negative with duplicates"`
}

// Received is what was forwarded to a user, all streams together.
type Received struct {
	Packets uint64 `json:"Packets"`
	Bytes   uint64 `json:"Bytes" jsonschema:"of payload"`
	Resent  uint64 `json:"Resent" jsonschema:"packets sent again"`
	Lost    uint64 `json:"Lost" jsonschema:"packets that it reports as missing"`
}

// ErrorBody is the body of an error answer.
type ErrorBody struct {
	Code    terms.Code `json:"Code"`
	Field   string     `json:"Field,omitempty" jsonschema:"as the request names it"`
	Message string     `json:"Message"`
}

func roomOf(i session.RoomInfo) Room {
	return Room{
		RoomRef: Ref(i.Room), Scene: i.Scene, CreatedMS: i.Created.UnixMilli(), Users: i.Users, Anchors: i.Anchors, Viewers: i.Viewers,
		Publishers: i.Publishers, Poor: i.Poor, Node: i.Node, Shedding: i.Shedding,
	}
}

func networkOf(u session.Usage) Network {
	n := &u.Network
	return Network{LimitedBy: n.Limit.String(), EstimateKbps: n.Estimate / 1000, QueueMS: float64(n.Queue.Microseconds()/100) / 10, Red: n.Red}
}

func userOf(u session.UserInfo) User {
	v := User{
		UserID: u.User, Name: u.Name, Metadata: u.Metadata, Role: u.Role, Rights: u.Rights.List(), Block: u.Block, Streams: make([]Stream, len(u.Streams)), RTTMS: (u.Usage.RTT + time.Millisecond - 1).Milliseconds(),
		Received: Received{Packets: u.Usage.Packets, Bytes: u.Usage.Bytes, Resent: u.Usage.Resent, Lost: u.Usage.Lost},
		SinceMS:  u.Since.UnixMilli(), LastHeardMS: u.LastHeard.UnixMilli(),
		Connected: u.Connected, MediaOnly: u.MediaOnly, SessionID: u.Session,
	}
	v.Network, v.Origin = networkOf(u.Usage), originOf(u)
	for _, x := range u.Undecodable {
		if x.Paused {
			v.Paused = append(v.Paused, Paused{UserID: x.User, Source: x.Source.String()})
			continue
		}
		v.Undecodable = append(v.Undecodable, Undecodable{UserID: x.User, Source: x.Source.String(), Codec: x.Sent, Offered: x.Offered})
	}
	for i, s := range u.Streams {
		t := u.Usage.Of(s.Source)
		v.Streams[i] = Stream{Source: s.Source.String(), On: s.On, Blocked: s.Blocked, Codec: t.Codec, Layers: t.Layers, Packets: t.Packets, Bytes: t.Bytes, Lost: t.Lost}
	}
	return v
}
