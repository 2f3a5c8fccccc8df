package session

import (
	"context"

	"parlor/session/terms"
)

// maxBlocks is how many users of one room can be blocked, those who have left included. An entry takes about
// 100 bytes.
const maxBlocks = 10_000

// blockedSources is what each block stops.
var blockedSources = map[terms.Block]sources{
	terms.BlockNone:  0,
	terms.BlockBoth:  1<<terms.Camera | 1<<terms.Screen | 1<<terms.Mic | 1<<terms.ScreenAudio,
	terms.BlockAudio: 1<<terms.Mic | 1<<terms.ScreenAudio,
	terms.BlockVideo: 1<<terms.Camera | 1<<terms.Screen,
}

// blocks are those of a room. Under room.mu.
type blocks struct {
	by   map[string]terms.Block // by user id, also of those who have left; without BlockNone
	ever bool                   // there were some
}

// SetUserBlocked stops the forwarding of a user's streams of a kind, or, with BlockNone, lets them flow
// again. It replaces the block before it. It returns when that is true: not one packet of what is blocked
// reaches anybody any more, and the others and the user are told. The block holds for every session of the
// user as long as the room lives. So it holds if the user leaves and comes back, and if the room is moved,
// see Marks. Repeating it does no harm. ctx is looked at before anything is done, and while the block is
// being kept.
//
// Errors: bad_request, room_not_found, or user_not_found if the user is not in the room and not blocked in
// it.
func (r *Rooms) SetUserBlocked(ctx context.Context, id terms.RoomID, user string, b terms.Block) error {
	if err := checkBlock(id, user, b); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	rm := r.room(id)
	if rm == nil {
		return errNoRoom()
	}
	p, kept, err := rm.block(user, b)
	if err != nil {
		return err
	}
	if p != nil {
		if err := p.heedBlock(); err != nil {
			return err
		}
	}
	return waitAll(ctx, kept)
}

func checkBlock(id terms.RoomID, user string, b terms.Block) error {
	if err := id.Check(); err != nil {
		return err
	}
	if err := terms.CheckUser(user); err != nil {
		return err
	}
	return b.Check()
}

// block notes what is blocked, for the present session, which it returns, and for those to come; nil: nobody
// is in. It has the block kept before the room can be moved.
func (rm *room) block(user string, b terms.Block) (p *participant, kept []<-chan struct{}, err error) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if !rm.existsLocked() {
		return nil, nil, errNoRoom()
	}
	m, known := rm.members[user], rm.blocks.by[user] != ""
	switch {
	case m == nil && !known:
		return nil, nil, terms.Errorf(terms.CodeUserNotFound, "user", "there is no such user in the room")
	case b == terms.BlockNone:
		delete(rm.blocks.by, user)
	case !known && len(rm.blocks.by) >= maxBlocks:
		return nil, nil, terms.Errorf(terms.CodeBadRequest, "user", "no more than %d users of a room can be blocked", maxBlocks)
	default:
		rm.blocks.note(user, b)
	}
	if known || b != terms.BlockNone {
		kept = append(kept, rm.rooms.opts.Marks.Keep(rm.id, []terms.Mark{{User: user, Block: b}}))
	}
	if m != nil {
		p = m.p
	}
	return p, kept, nil
}

// note keeps a block that is not BlockNone.
func (l *blocks) note(user string, b terms.Block) {
	if l.by == nil {
		l.by = map[string]terms.Block{}
	}
	l.by[user], l.ever = b, true
}

// of returns the user's block.
func (l *blocks) of(user string) terms.Block {
	if b := l.by[user]; b != "" {
		return b
	}
	return terms.BlockNone
}

// heedBlock has the router forward what is not blocked and nothing else. Then it tells everybody whom that
// concerns.
func (p *participant) heedBlock() error {
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed {
		return nil // nothing of it is forwarded, and a session that comes finds the block
	}
	if err := p.forwardAllLocked(p.blocked()); err != nil {
		return err
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.left == nil {
		p.room.showBlockLocked(p.m)
	}
	return nil
}

// blocked returns what is not to be forwarded of p.
func (p *participant) blocked() sources {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return blockedSources[p.room.blocks.of(p.user)]
}

// showBlockLocked lets everybody see the block of a member that is in force now.
func (rm *room) showBlockLocked(m *member) {
	b := rm.blocks.of(m.user)
	if b == m.block {
		return
	}
	seen, before := m.seen(), m.shown()
	m.block = b
	m.p.box.push(terms.Event{Type: terms.EventBlocked, Block: b})
	rm.feedChangeLocked(m, before)
	if m.seen() != seen {
		rm.tellStreamsLocked(m)
	}
}
