package command

import (
	"context"
	"encoding/json"
	"time"

	"parlor/session/terms"
)

// Owed is a command that ends something, for a node that cannot be reached. A block ends nothing: a later
// command replaces it, and one that was kept might be carried out after that.
type Owed struct {
	Room    terms.RoomID
	Action  Action
	Request []byte
	ID      string // see WithID
	// Ban is not in the request: it holds from now on, for whichever node has the room.
	Ban Ban
}

// Ban bans users from entering a room, from now on; the zero value bans nobody.
type Ban struct {
	Users []string
	For   time.Duration
	Text  string
}

// owing is what is left to do of a command if the room's node cannot be reached.
type owing struct {
	request any
	ban     Ban
}

func owedRemoval(q RemoveUserRequest) *owing {
	var ban Ban
	if q.BanSeconds > 0 {
		ban = Ban{q.UserIDs, time.Duration(q.BanSeconds) * time.Second, q.Reason}
	}
	q.BanSeconds = 0
	return &owing{q, ban}
}

// owe has a command kept for the node of its room, which is lost for that reason, and returns what the caller
// is told.
func (c *Commands) owe(ctx context.Context, a Action, node string, t task, reason error) error {
	if t.owed == nil {
		return silent(a, node, reason)
	}
	request, err := json.Marshal(t.owed.request)
	if err != nil {
		return err
	}
	within, err := c.o.Elsewhere.Owe(ctx, node, Owed{t.room, a, request, IDOf(ctx), t.owed.ban})
	switch {
	case err != nil:
		return silent(a, node, reason)
	case len(t.owed.ban.Users) > 0:
		return terms.Errorf(terms.CodeInternal, "", "node %s does not answer (%v); the ban holds, "+
			"and the node carries the command out if it is back within %v", node, reason, within)
	}
	return terms.Errorf(terms.CodeInternal, "", "node %s does not answer (%v); it carries the command out if it is back within %v",
		node, reason, within)
}

// Obey carries out on this node what it owes of a room: a command of those that are kept (Elsewhere.Owe), and
// of no other room. If the command has reached the node otherwise, it is carried out already, which is an
// error.
func (c *Commands) Obey(ctx context.Context, o Owed) error {
	switch o.Action {
	case RemoveUser, RemoveUserByStrRoomID, DismissRoom, DismissRoomByStrRoomID:
	default:
		return bad("Action", "%.32q is no command that a node is left to carry out later", string(o.Action))
	}
	// Nobody enters meanwhile, so nobody is waited for.
	here := func(ctx context.Context, t task) (any, error) { return t.here(ctx) }
	_, err := c.Within(o.Room).doOnce(WithID(ctx, o.ID), o.Action, o.Request, here)
	return err
}
