package session

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parlor/session/terms"
)

// MaxBans is how many bans there are at a time on a node. Each takes up to 500 bytes; all are looked through
// every second.
const MaxBans = 100_000

// RemoveResult is what came of removing one user.
type RemoveResult struct {
	User    string
	Removed bool // false: it was not in the room
}

// RemoveUsers puts users out of a room, with a text that they are shown. With a ban they cannot enter the
// room again for that long, whether they were in or not. It returns when every one is out: no packet of or to
// it flows, others are told, and it is told itself or cannot be reached. The bans are kept by then, see
// Marks. Removing again does no harm, also while the first time is under way: both get the same answer.
// Results are in the order of users. Errors: bad_request, room_not_found, or ctx's, with what is known by
// then. The error is room_not_found, too, if users have been sent to another node.
func (r *Rooms) RemoveUsers(ctx context.Context, id terms.RoomID, users []string, text string, ban time.Duration) ([]RemoveResult, error) {
	if err := terms.CheckRemoval(id, users, text, ban); err != nil {
		return nil, err
	}
	rm := r.room(id)
	if rm == nil {
		return nil, errNoRoom()
	}
	kept, err := rm.ban(users, ban, text)
	if err != nil {
		return nil, err
	}
	removed, err := rm.removeUsers(ctx, users, text)
	results := make([]RemoveResult, len(users))
	for i, user := range users {
		results[i] = RemoveResult{User: user, Removed: removed[user]}
	}
	return results, cmp.Or(err, waitAll(ctx, kept))
}

// ban keeps users out for d. It has that kept before the room can be moved, and before others' marks can be
// heeded. Errors: room_not_found if the room has ended.
func (rm *room) ban(users []string, d time.Duration, text string) (kept []<-chan struct{}, err error) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	// Those who are still on the way out of a room that has ended can be removed.
	if !rm.existsLocked() && len(rm.members) == 0 {
		return nil, errNoRoom()
	}
	if rm.hasMovedLocked() {
		return nil, errHasMoved()
	}
	bans, err := rm.rooms.ban(rm.key, users, d, text)
	if err != nil {
		return nil, err
	}
	if len(bans) > 0 {
		kept = append(kept, rm.rooms.opts.Marks.Keep(rm.id, bans))
	}
	return kept, nil
}

// removeUsers puts users out and waits until they are. It returns the users that commands have removed: this
// one, or another that was under way.
func (rm *room) removeUsers(ctx context.Context, users []string, text string) (map[string]bool, error) {
	removed := map[string]bool{}
	var wait []<-chan struct{}
	var sent error // some of users go on at another node
	for {
		out, leaving := rm.beginRemoval(users, text)
		for _, p := range out {
			removed[p.user] = true
		}
		if len(out) > 0 {
			rm.depart(out)
		}
		users = nil
		for _, p := range leaving {
			// If p is being replaced, the session that comes has to go as well.
			if err := waitAll(ctx, []<-chan struct{}{p.left.told}); err != nil {
				return removed, err
			}
			switch cause, moved := rm.causeOf(p); {
			case cause == causeReplaced:
				users = append(users, p.user)
			case cause == causeRemoved:
				removed[p.user] = true
			case cause == causeShutdown && moved:
				sent = errHasMoved()
			}
			wait = append(wait, p.done.gone)
		}
		if len(users) == 0 {
			return removed, cmp.Or(waitAll(ctx, wait), sent)
		}
	}
}

// beginRemoval is step 1 for those of users who are in. leaving are those of them who were leaving already.
func (rm *room) beginRemoval(users []string, text string) (out, leaving []*participant) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for _, user := range users {
		switch m := rm.members[user]; {
		case m == nil || slices.Contains(out, m.p) || slices.Contains(leaving, m.p):
		case rm.beginLocked(m.p, causeRemoved, text):
			out = append(out, m.p)
		default:
			leaving = append(leaving, m.p)
		}
	}
	return out, leaving
}

// causeOf returns why p leaves, and whether the room has been given to another node.
func (rm *room) causeOf(p *participant) (c cause, moved bool) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return p.left.cause, rm.hasMovedLocked()
}

func waitAll(ctx context.Context, done []<-chan struct{}) error {
	for _, d := range done {
		select {
		case <-d:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ban keeps users out of a room for d. It bans all of them, or none if there are too many bans.
func (r *Rooms) ban(room string, users []string, d time.Duration, text string) ([]terms.Mark, error) {
	if d <= 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bans)+len(users) > MaxBans {
		return nil, terms.Errorf(terms.CodeBadRequest, "ban", "the node keeps at most %d bans at a time", MaxBans)
	}
	until := r.opts.Now().Add(d)
	marks := make([]terms.Mark, 0, len(users))
	for _, u := range users {
		r.bans[banned{room, u}] = ban{until, text}
		marks = append(marks, terms.Mark{User: u, Until: until, Text: text})
	}
	return marks, nil
}

// DismissRoom puts everybody out and ends the room. It returns how many that were, once they are out. If the
// room is being dismissed already, it waits for that and returns the same. A room that is being moved is
// dismissed instead, until those inside have been told where to go on. Errors: bad_request, or
// room_not_found, also if they have been told.
func (r *Rooms) DismissRoom(ctx context.Context, id terms.RoomID, text string) (int, error) {
	if err := id.Check(); err != nil {
		return 0, err
	}
	if err := terms.CheckReason(text); err != nil {
		return 0, err
	}
	rm := r.room(id)
	if rm == nil {
		return 0, errNoRoom()
	}
	return rm.dismiss(ctx, ending{cause: causeDismissed, text: text})
}

// ending is why a whole room is put out.
type ending struct {
	cause cause
	text  string
	// next is called once nobody can enter any more, and returns where everybody is to go on; nil: nowhere.
	next func(context.Context) string
}

// move is the moving of a room. Under room.mu.
type move struct {
	cancel  func()
	told    bool    // those inside are being told where to go
	instead *ending // a dismissal that came before
}

// dismissLocked has a room that is being moved dismissed instead. It reports false if those inside go
// elsewhere already.
func (m *move) dismissLocked(e ending) bool {
	if m.told {
		return m.instead != nil
	}
	if m.instead == nil {
		m.instead = &e
		m.cancel()
	}
	return true
}

// hasMovedLocked reports whether those inside have been told to go on elsewhere.
func (rm *room) hasMovedLocked() bool {
	return rm.move != nil && rm.move.told && rm.move.instead == nil
}

func errHasMoved() error {
	return terms.Errorf(terms.CodeRoomNotFound, "room", "there is no such room here: it has moved to another node")
}

// dismiss ends the room with everybody in it.
func (rm *room) dismiss(ctx context.Context, e ending) (int, error) {
	rm.mu.Lock()
	if rm.closed && rm.dismissed > 0 {
		n, ends := rm.dismissed, true
		if e.cause == causeDismissed && rm.move != nil {
			ends = rm.move.dismissLocked(e)
		}
		rm.mu.Unlock()
		err := waitAll(ctx, []<-chan struct{}{rm.over})
		if err == nil && !ends {
			return 0, errHasMoved()
		}
		return n, err
	}
	if !rm.existsLocked() {
		rm.closed = true
		rm.emptyLocked()
		rm.mu.Unlock()
		return 0, errNoRoom()
	}
	rm.closeLocked(effects[e.cause].feed, e.text)
	rm.dismissed = len(rm.members)
	var next string
	if e.next != nil {
		e, next = rm.awaitMove(ctx, e)
	}
	var out []*participant
	var wait []<-chan struct{}
	for _, m := range rm.sortedLocked(everybody) {
		if rm.beginLocked(m.p, e.cause, e.text) {
			m.p.left.next = next
			out = append(out, m.p)
		} else {
			wait = append(wait, m.p.done.gone)
		}
	}
	rm.dismissed = len(out)
	rm.mu.Unlock()
	rm.depart(out)
	return len(out), waitAll(ctx, wait)
}

// awaitMove has the room given to another node. It returns how the room ends here, and where everybody is to
// go on. rm.mu is held, but not while awaitMove waits.
func (rm *room) awaitMove(ctx context.Context, e ending) (_ ending, next string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rm.move = &move{cancel: cancel}
	rm.mu.Unlock()
	next = e.next(ctx)
	rm.mu.Lock()
	rm.move.told = true
	if rm.move.instead != nil {
		return *rm.move.instead, ""
	}
	return e, next
}

// Move puts everybody out of a room as a shutdown of the node does, and tells them where to go on. First the
// room is closed to everybody that wants to enter. Then next is called, in which the room can be given to
// another node. Then everybody is told `exited` 4 with the URL that next returns, or none. If the room is
// dismissed meanwhile, it is dismissed instead, and the context that next has ends. Move returns how many
// were put out, once they are. Errors: room_not_found, also if the room is ending already, or ctx's.
func (r *Rooms) Move(ctx context.Context, id terms.RoomID, text string, next func(context.Context) string) (int, error) {
	rm := r.room(id)
	if rm == nil {
		return 0, errNoRoom()
	}
	return rm.dismiss(ctx, ending{causeShutdown, text, next})
}

// RoomInfo describes a room.
type RoomInfo struct {
	Room       terms.RoomID
	Scene      terms.Scene
	Created    time.Time
	Users      int
	Anchors    int
	Viewers    int // the audience of a live room
	Publishers int // those that publish something that is on
	Node       string
	Poor       int    // those with a quality of QualityPoor or worse in either direction
	Shedding   string // what it leaves out as it does not keep up, see router.Room.Shedding; "": nothing
}

// RoomList is a page of rooms. Next is empty after the last one.
type RoomList struct {
	Rooms []RoomInfo
	Next  string
	Total int // rooms that the filter lets through
}

// By returns what of the room an order goes by, see terms.RoomOrder.Position.
func (i RoomInfo) By(o terms.RoomOrder) int64 {
	switch o {
	case terms.MostUsers:
		return int64(i.Users)
	case terms.MostPublishers:
		return int64(i.Publishers)
	case terms.MostPoor:
		return int64(i.Poor)
	}
	return i.Created.UnixMilli()
}

// ListRooms returns a page of those of the node's rooms that the filter lets through, in its order. Errors:
// bad_request.
func (r *Rooms) ListRooms(f terms.RoomFilter, page terms.Page) (RoomList, error) {
	if err := cmp.Or(f.Check(), page.Check()); err != nil {
		return RoomList{}, err
	}
	type placed struct {
		at string
		RoomInfo
	}
	var l RoomList
	var after []placed
	for _, rm := range r.list() {
		info, ok := rm.info()
		if !ok || !f.Match(rm.id, info.Scene) {
			continue
		}
		l.Total++
		if at := f.Order.Position(rm.key, info.By(f.Order)); at > page.After {
			after = append(after, placed{at, info})
		}
	}
	slices.SortFunc(after, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	if len(after) > page.Limit {
		after = after[:page.Limit]
		l.Next = after[page.Limit-1].at
	}
	for _, p := range after {
		l.Rooms = append(l.Rooms, p.RoomInfo)
	}
	return l, nil
}

func (rm *room) info() (RoomInfo, bool) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return rm.infoLocked(), rm.existsLocked()
}

func (rm *room) infoLocked() RoomInfo {
	shedding := ""
	if r := rm.media.running.Load(); r != nil {
		shedding = r.Shedding()
	}
	return RoomInfo{
		Room: rm.id, Shedding: shedding, Scene: rm.scene, Created: rm.created, Node: rm.rooms.opts.Node, Users: len(rm.members),
		Anchors:    rm.countLocked(func(m *member) bool { return m.role == terms.Anchor }),
		Viewers:    rm.countLocked(watches),
		Publishers: rm.countLocked(func(m *member) bool { return m.shown() != 0 }),
		Poor:       rm.countLocked(func(m *member) bool { return worse(m.up, m.down) >= QualityPoor }),
	}
}

// Stats are counts of the whole node.
type Stats struct {
	Rooms, Users, Publishers int
	Overloaded               int // rooms that leave media out as they do not keep up
}

// Stats returns how much is going on.
func (r *Rooms) Stats() Stats {
	var s Stats
	for _, rm := range r.list() {
		if i, ok := rm.info(); ok {
			s.Rooms++
			s.Users += i.Users
			s.Publishers += i.Publishers
			if i.Shedding != "" {
				s.Overloaded++
			}
		}
	}
	return s
}
