package session

import (
	"context"

	"parlor/session/terms"
)

// Marks keep bans and blocks beyond this node: those of a room that is moved or placed anew, and bans beyond
// their room's end. What is in force on this node does not wait for them. Its methods may be called from any
// goroutine. Keep and EndBlocks are called with locks held, and do not block.
type Marks interface {
	// Keep keeps marks of a room that is this node's, each in place of the one before. The channel is closed
	// when that is done or, after a short while, when it has to be done later.
	Keep(room terms.RoomID, marks []terms.Mark) (done <-chan struct{})
	// Recall returns what is kept of a room that this node has claimed. Errors: node_draining if that cannot
	// be said, or ctx's.
	Recall(ctx context.Context, room terms.RoomID) ([]terms.Mark, error)
	// EndBlocks is told that a room has ended, and its blocks with it.
	EndBlocks(room terms.RoomID)
}

// noMarks keep nothing.
type noMarks struct{}

var kept = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (noMarks) Keep(terms.RoomID, []terms.Mark) <-chan struct{}            { return kept }
func (noMarks) Recall(context.Context, terms.RoomID) ([]terms.Mark, error) { return nil, nil }
func (noMarks) EndBlocks(terms.RoomID)                                     {}

// claimed is a room that is this node's, with what is kept of it.
type claimed struct {
	release func()
	marks   []terms.Mark
}

// claim makes a room this node's that is not here yet.
func (r *Rooms) claim(ctx context.Context, q EnterRequest) (*claimed, error) {
	release, err := r.opts.Cluster.Claim(ctx, q.Room, q.Grant.Rights.Has(terms.RightCreate))
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
func (r *Rooms) recallLocked(room string, marks []terms.Mark) {
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

// Marks returns the bans and blocks that are in force on this node, by room. Bans are also those of rooms
// that are not here any more.
func (r *Rooms) Marks() map[terms.RoomID][]terms.Mark {
	all := map[terms.RoomID][]terms.Mark{}
	r.mu.Lock()
	now := r.opts.Now()
	for b, ban := range r.bans {
		if id, err := terms.ParseRoomKey(b.room); err == nil && ban.until.After(now) {
			all[id] = append(all[id], terms.Mark{User: b.user, Until: ban.until, Text: ban.text})
		}
	}
	r.mu.Unlock()
	for _, rm := range r.list() {
		rm.mu.Lock()
		for user, block := range rm.blocks.by {
			all[rm.id] = append(all[rm.id], terms.Mark{User: user, Block: block})
		}
		rm.mu.Unlock()
	}
	return all
}

// Heed puts marks in force that others have written of a room while this node was cut off. Users that are
// banned are put out, and what is blocked is not forwarded any more. It returns when that is true. Marks that
// are in force already change nothing. Nor do marks for which stands reports false: there is something newer.
// stands is called under the lock under which Marks.Keep is called.
func (r *Rooms) Heed(ctx context.Context, id terms.RoomID, marks []terms.Mark, stands func(terms.Mark) bool) error {
	rm := r.room(id)
	banned := r.heedBans(rm, id, marks, stands)
	if rm == nil {
		return nil
	}
	for _, m := range banned {
		if _, err := rm.removeUsers(ctx, []string{m.User}, m.Text); err != nil {
			return err
		}
	}
	for _, m := range marks {
		if p := rm.heed(m, stands); p != nil {
			if err := p.heedBlock(); err != nil {
				return err
			}
		}
	}
	return nil
}

// heedBans puts bans in force that others have written of a room, and returns them. rm is nil if the room is
// not here.
func (r *Rooms) heedBans(rm *room, id terms.RoomID, marks []terms.Mark, stands func(terms.Mark) bool) (banned []terms.Mark) {
	if rm != nil {
		rm.mu.Lock()
		defer rm.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Now()
	for _, m := range marks {
		if m.Until.After(now) && stands(m) {
			banned = append(banned, m)
		}
	}
	r.recallLocked(id.Key(), banned)
	return banned
}

// heed notes a block that others have written, and returns the session that it changes, or nil.
func (rm *room) heed(m terms.Mark, stands func(terms.Mark) bool) *participant {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if !m.Until.IsZero() || !stands(m) {
		return nil
	}
	before, full := rm.blocks.by[m.User], len(rm.blocks.by) >= maxBlocks
	if rm.closed || blockedSources[m.Block] == 0 || before == m.Block || before == "" && full {
		return nil
	}
	rm.blocks.note(m.User, m.Block)
	if member := rm.members[m.User]; member != nil {
		return member.p
	}
	return nil
}

// recall puts the blocks in force that are kept of a room that nobody has entered yet.
func (rm *room) recall(marks []terms.Mark) {
	for _, m := range marks {
		if m.Until.IsZero() && blockedSources[m.Block] != 0 && len(rm.blocks.by) < maxBlocks {
			rm.blocks.note(m.User, m.Block)
		}
	}
}

// endsBlocks reports whether there is something to forget when the room ends. If it was moved, it lives on
// elsewhere.
func (rm *room) endsBlocks() bool {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return rm.blocks.ever && (rm.move == nil || rm.move.instead != nil)
}
