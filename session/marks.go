package session

import (
	"context"
	"time"
)

// Mark is what a command has said of a user in a room: a ban where Until is set, or else a block. Of either kind a user has
// one in a room at most.
type Mark struct {
	User  string
	Until time.Time // the end of a ban
	Text  string    // that who is put out because of the ban is shown
	Block Block     // BlockNone: it was lifted
}

// Marks keep bans and blocks beyond this node: those of a room that is moved or placed anew, and bans beyond their room's
// end. What is in force on this node does not wait for them. Its methods may be called from any goroutine; Keep and EndBlocks
// are called with locks held, and do not block.
type Marks interface {
	// Keep keeps marks of a room that is this node's, each in place of the one before. The channel is closed when that is done
	// or, after a short while, when it has to be done later.
	Keep(room RoomID, marks []Mark) (done <-chan struct{})
	// Recall returns what is kept of a room that this node has claimed. Errors: node_draining where that cannot be said, or
	// ctx's.
	Recall(ctx context.Context, room RoomID) ([]Mark, error)
	// EndBlocks takes that a room has ended, and its blocks with it.
	EndBlocks(room RoomID)
}

// noMarks keep nothing.
type noMarks struct{}

var kept = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (noMarks) Keep(RoomID, []Mark) <-chan struct{}            { return kept }
func (noMarks) Recall(context.Context, RoomID) ([]Mark, error) { return nil, nil }
func (noMarks) EndBlocks(RoomID)                               {}

// claimed is a room's place on this node, with what is kept of the room.
type claimed struct {
	release func()
	marks   []Mark
}

// claim gets a room that is not here a place on this node.
func (r *Rooms) claim(ctx context.Context, q EnterRequest) (*claimed, error) {
	release, err := r.opts.Places.Claim(ctx, q.Room, q.Grant.Rights.Has(RightCreate))
	if err != nil {
		return nil, err
	}
	marks, err := r.opts.Marks.Recall(ctx, q.Room)
	if err != nil {
		release()
		return nil, err
	}
	return &claimed{release, marks}, nil
}

// recallLocked puts the bans in force that are kept of a room that is not here yet.
func (r *Rooms) recallLocked(room string, marks []Mark) {
	left, now := 0, r.opts.Now()
	for _, m := range marks {
		b := banned{room, m.User}
		_, known := r.bans[b]
		switch {
		case m.Until.IsZero():
		case known || len(r.bans) < MaxBans:
			r.bans[b] = ban{now.Add(m.Until.Sub(now)), m.Text} // from here on by the monotonic clock
		default:
			left++
		}
	}
	if left > 0 {
		r.opts.Log.Error().Str("room", room).Int("bans", left).Msg("the node has all the bans it keeps: some of a room that was taken up do not hold")
	}
}

// recall puts the blocks in force that are kept of a room that nobody has entered yet.
func (rm *room) recall(marks []Mark) {
	for _, m := range marks {
		if m.Until.IsZero() && blockedSources[m.Block] != 0 && len(rm.blocks) < maxBlocks {
			rm.noteBlockLocked(m.User, m.Block)
		}
	}
}

// endsBlocks reports whether there is something to forget when the room ends: where it was moved it lives on.
func (rm *room) endsBlocks() bool {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return rm.marked && !rm.moved
}

// Check returns a bad_request for what no command can have said.
func (m Mark) Check() error {
	if err := CheckUser(m.User); err != nil {
		return err
	}
	if _, ok := blockedSources[m.Block]; !ok && m.Until.IsZero() {
		return Errorf(CodeBadRequest, "block", "a block is none, both, audio or video, not %.32q", string(m.Block))
	}
	return checkText(m.Text)
}
