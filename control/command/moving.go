package command

import (
	"cmp"
	"context"
	"time"

	"parlor/session/terms"
)

// A room that is moved is in two pieces for a moment: who was told to go on at another node has left this one, and is not there yet. A
// command must miss nobody for that. So the node that has the room waits for those who are on their way, and whoever comes is met
// by the command that is under way. The node that gives the room away says where it is only when it has let everybody go.

// arrivalLook is how often a command looks whether somebody has come. Raising it has who is to be put out be inside for longer, lowering
// it costs a lock each time.
const arrivalLook = 20 * time.Millisecond

// awaiting says, after a go at a command, whether there may be more people for it who are on their way, and who; no names: anybody.
type awaiting func(err error) (users []string, more bool)

// forUsers waits for users while there is none of them.
func forUsers(users ...string) awaiting {
	return func(err error) ([]string, bool) { return users, notFound(err) }
}

// patiently carries out a task on this node, also on those who are on their way to its room, and on none who are leaving it.
func (c *Commands) patiently(ctx context.Context, t task) (any, error) {
	if t.room.IsZero() || c.o.Elsewhere == nil {
		return t.here(ctx)
	}
	arriving := c.o.Elsewhere.Arriving(ctx, t.room) > 0
	for {
		answer, err := t.here(ctx)
		if over := c.o.Rooms.Moving(t.room); over != nil && notFound(err) {
			return nil, cmp.Or(waitFor(ctx, over), err) // whoever passes it on looks where the room is by then
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

// awaitArrival waits until one of users is in a room of this node, as long as some of those may come who were inside elsewhere. The error is
// ctx's.
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
