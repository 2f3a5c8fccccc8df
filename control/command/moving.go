package command

import (
	"cmp"
	"context"
	"time"

	"parlor/session/terms"
)

// A room that is moved is in two pieces for a moment. Users that were told to go on at another node have left
// this one, and are not there yet. A command must miss nobody for that. So the node that has the room waits
// for those on their way, and a command that is under way meets each of them. The node that gives the room
// away says where it is only when it has let everybody go.

// arrivalLook is how often a command looks whether somebody has come. Higher leaves users that are to be put
// out inside for longer. Lower costs a lock each time.
const arrivalLook = 20 * time.Millisecond

// awaiting says, after a go at a command, whether more people that it concerns may be on their way, and
// which; no names: anybody.
type awaiting func(err error) (users []string, more bool)

// forUsers waits for users while there is none of them.
func forUsers(users ...string) awaiting {
	return func(err error) ([]string, bool) { return users, notFound(err) }
}

// patiently carries out a task on this node. It meets those on their way to the room, too, and none that are
// leaving it.
func (c *Commands) patiently(ctx context.Context, t task) (any, error) {
	if t.room.IsZero() || c.o.Elsewhere == nil {
		return t.here(ctx)
	}
	arriving := c.o.Elsewhere.Arriving(ctx, t.room) > 0
	for {
		answer, err := t.here(ctx)
		if over := c.o.Rooms.Moving(t.room); over != nil && notFound(err) {
			// A node that passes it on looks where the room is by then.
			return nil, cmp.Or(waitFor(ctx, over), err)
		}
		users, more := t.awaits(err)
		if !arriving || !more || err != nil && !notFound(err) {
			return answer, err
		}
		if arriving, err = c.awaitArrival(ctx, t.room, users); err != nil {
			return nil, err
		}
	}
}

func waitFor(ctx context.Context, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitArrival waits until one of users is in a room of this node, as long as some that were inside elsewhere
// may come. The error is ctx's.
func (c *Commands) awaitArrival(ctx context.Context, room terms.RoomID, users []string) (came bool, err error) {
	tick := time.NewTicker(arrivalLook)
	defer tick.Stop()
	for left := c.o.Elsewhere.Arriving(ctx, room); left > 0; left = c.o.Elsewhere.Arriving(ctx, room) {
		over := time.NewTimer(left)
		defer over.Stop()
		for waits := true; waits; {
			if c.o.Rooms.Inside(room, users) {
				return true, nil
			}
			select {
			case <-tick.C:
			case <-over.C:
				waits = false
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
	}
	return false, nil
}
