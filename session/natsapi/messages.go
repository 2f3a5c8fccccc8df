package natsapi

import (
	"encoding/json"

	"parlor/session"
)

// Prefix begins the subjects of all commands and events.
const Prefix = "sfu.v1"

// Action is the name of a command; its subject is Prefix.Action.
type Action string

// The commands. The ...ByStrRoomId forms take the string id in StrRoomId or in RoomId.
const (
	RemoveUser             Action = "RemoveUser"
	RemoveUserByStrRoomID  Action = "RemoveUserByStrRoomId"
	DismissRoom            Action = "DismissRoom"
	DismissRoomByStrRoomID Action = "DismissRoomByStrRoomId"
	ListRooms              Action = "ListRooms"
	DescribeRoom           Action = "DescribeRoom"
)

// Subject returns where requests of the command go.
func (a Action) Subject() string { return Prefix + "." + string(a) }

// RoomRef names a room in a message: RoomId is an integer, StrRoomId a string; exactly one is given.
type RoomRef struct {
	RoomID    json.RawMessage `json:"RoomId,omitempty"`
	StrRoomID *string         `json:"StrRoomId,omitempty"`
}

// Ref returns the reference to a room.
func Ref(id session.RoomID) RoomRef {
	if _, ok := id.Number(); ok {
		return RoomRef{RoomID: json.RawMessage(id.String())}
	}
	return RoomRef{StrRoomID: new(id.String())}
}

// Room returns the room that is meant, or a bad_request.
func (r RoomRef) Room() (session.RoomID, error) { return r.room(false) }

// RemoveUserRequest puts users out of a room.
type RemoveUserRequest struct {
	RoomRef
	UserIDs    []string `json:"UserIds"`              // 1–10
	BanSeconds int64    `json:"BanSeconds,omitempty"` // for as long they cannot enter again
	Reason     string   `json:"Reason,omitempty"`     // passed to the users; at most 256 bytes
}

// RemoveUserResponse tells what came of it.
type RemoveUserResponse struct {
	Users []RemovedUser `json:"Users"`
}

// RemovedUser is the outcome for one user: "removed", or "not_in_room".
type RemovedUser struct {
	UserID string `json:"UserId"`
	Result string `json:"Result"`
}

// The outcomes of removing a user.
const (
	ResultRemoved   = "removed"
	ResultNotInRoom = "not_in_room"
)

// DismissRoomRequest puts everybody out and ends the room.
type DismissRoomRequest struct {
	RoomRef
	Reason string `json:"Reason,omitempty"` // passed to the users; at most 256 bytes
}

// DismissRoomResponse tells how many users were put out.
type DismissRoomResponse struct {
	Users int `json:"Users"`
}

// ListRoomsRequest asks for a page of rooms.
type ListRoomsRequest struct {
	After string `json:"After,omitempty"` // the Next of the page before
	Limit int    `json:"Limit,omitempty"` // 1–1000, default 100
}

// ListRoomsResponse is a page of rooms. Next is empty on the last one.
type ListRoomsResponse struct {
	Rooms []Room `json:"Rooms"`
	Next  string `json:"Next,omitempty"`
}

// Room describes a room.
type Room struct {
	RoomRef
	Scene      session.Scene `json:"Scene"`
	CreatedMS  int64         `json:"CreatedMs"` // Unix time
	Users      int           `json:"Users"`
	Anchors    int           `json:"Anchors"`
	Publishers int           `json:"Publishers"`
	Node       string        `json:"Node"`
}

// DescribeRoomRequest asks for a room with a page of its users.
type DescribeRoomRequest struct {
	RoomRef
	After string `json:"After,omitempty"` // the Next of the page before
	Limit int    `json:"Limit,omitempty"` // 1–1000, default 100
}

// DescribeRoomResponse is a room with a page of its users. Next is empty on the last page.
type DescribeRoomResponse struct {
	Room
	UserList []User `json:"UserList"`
	Next     string `json:"Next,omitempty"`
}

// User describes a user in a room.
type User struct {
	UserID      string                `json:"UserId"`
	Role        session.Role          `json:"Role"`
	Streams     []session.StreamState `json:"Streams"`
	SinceMS     int64                 `json:"SinceMs"`     // Unix time
	LastHeardMS int64                 `json:"LastHeardMs"` // Unix time of the last sign of life
	Connected   bool                  `json:"Connected"`
	MediaOnly   bool                  `json:"MediaOnly"` // WHIP or WHEP
	SessionID   string                `json:"SessionId"`
}

// ErrorBody is the body of an error answer.
type ErrorBody struct {
	Code    session.Code `json:"Code"`
	Field   string       `json:"Field,omitempty"` // as the request names it
	Message string       `json:"Message"`
}

func roomOf(i session.RoomInfo) Room {
	return Room{
		RoomRef: Ref(i.Room), Scene: i.Scene, CreatedMS: i.Created.UnixMilli(), Users: i.Users, Anchors: i.Anchors,
		Publishers: i.Publishers, Node: i.Node,
	}
}

func userOf(u session.UserInfo) User {
	return User{
		UserID: u.User, Role: u.Role, Streams: u.Streams, SinceMS: u.Since.UnixMilli(), LastHeardMS: u.LastHeard.UnixMilli(),
		Connected: u.Connected, MediaOnly: u.MediaOnly, SessionID: u.Session,
	}
}
