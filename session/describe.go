package session

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"parlor/router"
	"parlor/session/terms"
	"parlor/transport"
)

// Has reports whether the room is on this node.
func (r *Rooms) Has(id terms.RoomID) bool { return r.Inside(id, nil) }

// Inside reports whether one of users is in the room on this node. Without users it reports whether the room
// is there.
func (r *Rooms) Inside(id terms.RoomID, users []string) bool {
	rm := r.room(id)
	if rm == nil {
		return false
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if len(users) == 0 {
		return rm.existsLocked()
	}
	return slices.ContainsFunc(users, func(u string) bool { return rm.members[u] != nil })
}

// Moving returns a channel for a room that is being given to another node. It is closed when the room is
// over. nil: the room is not being given away.
func (r *Rooms) Moving(id terms.RoomID) <-chan struct{} {
	rm := r.room(id)
	if rm == nil {
		return nil
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.move == nil {
		return nil
	}
	return rm.over
}

// UserInfo describes a user in a room.
type UserInfo struct {
	terms.UserState
	Rights    terms.Rights
	Since     time.Time // first entered; entering again does not change it
	Session   string
	Connected bool // there is a signalling connection, or, for MediaOnly, media
	LastHeard time.Time
	Client    Client
	Way       transport.Way // of its media
	Up, Down  Direction     // its network: what it sends, and what it is sent
	Block     terms.Block
	Usage     Usage

	Undecodable []terms.Undecodable // what cannot be sent to the user, or is paused, by whose it is
	Detail      *Streams            // nil if a whole room is described
}

// Usage is the media traffic of a user since its media connection began.
type Usage struct{ router.Usage }

// Of returns what came of one source.
func (u Usage) Of(s terms.Source) router.SourceUsage { return u.Sources[routerSource(s)] }

// RoomDetail is a room with a page of its users.
type RoomDetail struct {
	RoomInfo
	List []UserInfo
	Next string
	Time time.Time // at which counters were read
}

// DescribeRoom returns a room with a page of its users in the order of their ids. Errors: bad_request,
// room_not_found.
func (r *Rooms) DescribeRoom(id terms.RoomID, page terms.Page) (RoomDetail, error) {
	if err := cmp.Or(id.Check(), page.Check()); err != nil {
		return RoomDetail{}, err
	}
	rm := r.room(id)
	if rm == nil {
		return RoomDetail{}, errNoRoom()
	}
	rm.mu.Lock()
	if !rm.existsLocked() {
		rm.mu.Unlock()
		return RoomDetail{}, errNoRoom()
	}
	d := RoomDetail{RoomInfo: rm.infoLocked(), Time: r.opts.Now()}
	members := rm.sortedLocked(func(m *member) bool { return m.user > page.After })
	slices.SortFunc(members, func(a, b *member) int { return strings.Compare(a.user, b.user) })
	if len(members) > page.Limit {
		members = members[:page.Limit]
		d.Next = members[page.Limit-1].user
	}
	all := make([]subject, 0, len(members))
	for _, m := range members {
		d.List = append(d.List, m.info())
		all = append(all, m.subject())
	}
	rm.mu.Unlock()
	rm.addUsage(d.List, all)
	return d, nil
}

// UserInRoom is a user in one of its rooms.
type UserInRoom struct {
	Room terms.RoomID
	Node string
	UserInfo
}

// UserDetail is a page of the rooms that a user is in. Next is empty after the last one.
type UserDetail struct {
	List []UserInRoom
	Next string
	Time time.Time // at which counters were read
}

// DescribeUser returns a user in a room. For the zero room it returns a page of all rooms of this node that
// the user is in, in the order of their keys. Errors: bad_request, room_not_found, or user_not_found if the
// user is in none.
func (r *Rooms) DescribeUser(id terms.RoomID, user string, page terms.Page) (UserDetail, error) {
	if err := cmp.Or(terms.CheckUser(user), page.Check()); err != nil {
		return UserDetail{}, err
	}
	rooms := r.list()
	if !id.IsZero() {
		if !r.Has(id) {
			return UserDetail{}, errNoRoom()
		}
		rooms = []*room{r.room(id)}
		page.After = ""
	}
	slices.SortFunc(rooms, func(a, b *room) int { return cmp.Compare(a.key, b.key) })
	d := UserDetail{Time: r.opts.Now()}
	found := false
	for _, rm := range rooms {
		if rm == nil {
			continue
		}
		u, ok := rm.describe(user)
		found = found || ok
		if !ok || rm.key <= page.After {
			continue
		}
		if len(d.List) == page.Limit {
			d.Next = d.List[len(d.List)-1].Room.Key()
			break
		}
		d.List = append(d.List, u)
	}
	if !found {
		return UserDetail{}, terms.Errorf(terms.CodeUserNotFound, "user", "there is no such user")
	}
	return d, nil
}

// describe describes a user who is in the room.
func (rm *room) describe(user string) (UserInRoom, bool) {
	rm.mu.Lock()
	m := rm.members[user]
	if m == nil {
		rm.mu.Unlock()
		return UserInRoom{}, false
	}
	list, of := []UserInfo{m.info()}, m.subject()
	rm.mu.Unlock()
	rm.addUsage(list, []subject{of})
	list[0].Detail = new(rm.detail(of.id))
	return UserInRoom{Room: rm.id, Node: rm.rooms.opts.Node, UserInfo: list[0]}, true
}

func (m *member) info() UserInfo {
	i := UserInfo{
		UserState: m.state(), Rights: m.p.granted().Rights, Since: m.since, Session: m.p.id,
		Connected: m.p.box.isAttached(), LastHeard: m.p.rooms.byWall(m.p.lastLife()), Block: m.block,
		Client: *m.p.client.Load(), Up: m.up, Down: m.down,
	}
	if i.MediaOnly {
		i.Connected = !m.p.media.lastHeard().IsZero()
	}
	return i
}

// byWall returns t such that the time since is right by the wall clock, too. That clock may have been set
// meanwhile.
func (r *Rooms) byWall(t time.Time) time.Time {
	now := r.opts.Now()
	return now.Add(t.Sub(now))
}

// addUsage fills in the traffic of users, which are those of of.
func (rm *room) addUsage(list []UserInfo, of []subject) {
	ids := make([]router.MemberID, len(of))
	for i, s := range of {
		ids[i], list[i].Way = s.id, s.way()
	}
	r := rm.media.running.Load()
	if r == nil {
		return // there never was media
	}
	all := r.Usage(ids...)
	undecodable := rm.undecodableOf(all)
	for i, id := range ids {
		list[i].Usage, list[i].Undecodable = Usage{all[id]}, undecodable[id]
	}
}
