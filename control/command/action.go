package command

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"parlor/session/terms"
)

// Action is the name of a command.
type Action string

// The commands. The ...ByStrRoomId forms take the string id in StrRoomId or in RoomId.
const (
	RemoveUser             Action = "RemoveUser"
	RemoveUserByStrRoomID  Action = "RemoveUserByStrRoomId"
	DismissRoom            Action = "DismissRoom"
	DismissRoomByStrRoomID Action = "DismissRoomByStrRoomId"
	SetUserBlocked         Action = "SetUserBlocked"
	UpdateUser             Action = "UpdateUser"
	SendMessage            Action = "SendMessage"
	ListRooms              Action = "ListRooms"
	DescribeRoom           Action = "DescribeRoom"
	DescribeUser           Action = "DescribeUser"
	DrainNode              Action = "DrainNode"
	DescribeNode           Action = "DescribeNode"
	DescribeHistory        Action = "DescribeHistory"
	ListEvents             Action = "ListEvents"
	ListRefusals           Action = "ListRefusals"
)

// Spec describes a command.
type Spec struct {
	Action            Action
	Summary           string       // one sentence, for people
	Request, Response reflect.Type // structs
}

// spec is how a command is read, and what it is for.
type spec struct {
	Spec
	read func(c *Commands, request []byte) (task, error)
}

// specs are all commands, by their names.
var specs = index(
	define(RemoveUser, "Put users out of a room.", removeUser),
	define(RemoveUserByStrRoomID, "Put users out of a room that is named by a string.", removeUserByStr),
	define(DismissRoom, "Put everybody out of a room and end it.", dismissRoom),
	define(DismissRoomByStrRoomID, "Put everybody out of a room that is named by a string, and end it.", dismissRoomByStr),
	define(SetUserBlocked, "Have a user's sound, pictures or both forwarded to nobody, or again.", setUserBlocked),
	define(UpdateUser, "Set what a user is called, and what is said of it.", updateUser),
	define(SendMessage, "Send a custom message to users of a room, or to all of them.", sendMessage),
	define(ListRooms, "List rooms, a page at a time.", listRooms),
	define(DescribeRoom, "Show a room and, a page at a time, who is in it.", describeRoom),
	define(DescribeUser, "Show a user in one room, or in every room that it is in.", describeUser),
	define(DrainNode, "Have a node take no new rooms, wait for those that it has, and end.", drainNode),
	define(DescribeNode, "Show what nodes have to do.", describeNode),
	define(DescribeHistory, "Show what nodes have had to do in the last quarter of an hour.", describeHistory),
	define(ListEvents, "List the latest events of rooms and users that nodes remember.", listEvents),
	define(ListRefusals, "List who was refused of late at the doors of nodes, and why.", listRefusals),
)

func index(l ...spec) map[Action]spec {
	m := make(map[Action]spec, len(l))
	for _, s := range l {
		m[s.Action] = s
	}
	return m
}

// job is a request of type Q that was read, as a task that answers with an A.
type job[A any] struct {
	here   func(ctx context.Context) (A, error)
	awaits awaiting // nil: the room
	room   terms.RoomID
	node   string
	all    func(ctx context.Context, request []byte) (A, error)
	owed   *owing
}

// define makes the spec of a command whose requests are of type Q.
func define[Q, A any](a Action, summary string, plan func(*Commands, Q) (job[A], error)) spec {
	return spec{
		Spec: Spec{Action: a, Summary: summary, Request: reflect.TypeFor[Q](), Response: reflect.TypeFor[A]()},
		read: func(c *Commands, request []byte) (task, error) {
			var q Q
			if err := decode(request, &q); err != nil {
				return task{}, err
			}
			j, err := plan(c, q)
			if err != nil {
				return task{}, err
			}
			t := task{room: j.room, node: j.node, owed: j.owed, awaits: j.awaits, here: func(ctx context.Context) (any, error) { return j.here(ctx) }}
			if t.awaits == nil {
				t.awaits = forUsers()
			}
			if j.all != nil {
				t.all = func(ctx context.Context, request []byte) (any, error) { return j.all(ctx, request) }
			}
			return t, nil
		},
	}
}

// All returns all commands in the order of their names.
func All() []Spec {
	l := make([]Spec, 0, len(specs))
	for _, s := range specs {
		l = append(l, s.Spec)
	}
	slices.SortFunc(l, func(a, b Spec) int { return cmp.Compare(a.Action, b.Action) })
	return l
}

// Known reports whether there is such a command.
func (a Action) Known() bool {
	_, ok := specs[a]
	return ok
}

// Unknown returns the error of a command that there is not.
func Unknown(a Action) error {
	return terms.Errorf(terms.CodeBadRequest, "Action", "there is no command %.32q", string(a))
}
