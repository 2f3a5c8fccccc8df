package command

import (
	"context"
	"slices"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

func removeUser(c *Commands, q RemoveUserRequest) (job[RemoveUserResponse], error) {
	return planRemoval(c, q, false)
}

func removeUserByStr(c *Commands, q RemoveUserRequest) (job[RemoveUserResponse], error) {
	return planRemoval(c, q, true)
}

func planRemoval(c *Commands, q RemoveUserRequest, stringForm bool) (j job[RemoveUserResponse], err error) {
	room, err := q.room(stringForm)
	if err == nil {
		err = q.check(c)
	}
	if err != nil {
		return j, err
	}
	if limit := int64(terms.MaxBan / time.Second); q.BanSeconds < 0 || q.BanSeconds > limit {
		return j, bad("BanSeconds", "a ban lasts 0 to %d seconds, not %d", limit, q.BanSeconds)
	}
	ban := time.Duration(q.BanSeconds) * time.Second
	if err := terms.CheckRemoval(room, q.UserIDs, q.Reason, ban); err != nil {
		return j, named(err, q.RoomRef)
	}
	j.room, j.owed = room, owedRemoval(q)
	r := removal{users: q.UserIDs, left: q.UserIDs, ban: ban, text: q.Reason}
	j.awaits = r.awaits
	j.here = func(ctx context.Context) (RemoveUserResponse, error) {
		err := r.goOn(ctx, c.o.Rooms, room)
		return r.answer(), named(err, q.RoomRef)
	}
	return j, nil
}

// removal is a RemoveUser that is carried out, in several goes if users come to the room late.
type removal struct {
	users []string
	left  []string // those of users that were not in the room
	ban   time.Duration
	text  string
	found bool // the room was here
}

// goOn removes the users that are left, if they are in the room.
func (r *removal) goOn(ctx context.Context, rooms *session.Rooms, room terms.RoomID) error {
	if len(r.left) == 0 {
		return nil
	}
	results, err := rooms.RemoveUsers(ctx, room, r.left, r.text, r.ban)
	for _, result := range results {
		if result.Removed {
			r.left = slices.DeleteFunc(slices.Clone(r.left), func(user string) bool { return user == result.User })
		}
	}
	if err == nil {
		r.found = true
	} else if r.found && notFound(err) { // it has ended with those who were in before
		err = nil
	}
	return err
}

func (r *removal) awaits(error) (users []string, more bool) { return r.left, len(r.left) > 0 }

func (r *removal) answer() (a RemoveUserResponse) {
	for _, user := range r.users {
		u := RemovedUser{UserID: user, Result: ResultRemoved}
		if slices.Contains(r.left, user) {
			u.Result = ResultNotInRoom
		}
		a.Users = append(a.Users, u)
	}
	return a
}

func dismissRoom(c *Commands, q DismissRoomRequest) (job[DismissRoomResponse], error) {
	return planDismissal(c, q, false)
}

func dismissRoomByStr(c *Commands, q DismissRoomRequest) (job[DismissRoomResponse], error) {
	return planDismissal(c, q, true)
}

func planDismissal(c *Commands, q DismissRoomRequest, stringForm bool) (j job[DismissRoomResponse], err error) {
	if j.room, err = q.room(stringForm); err == nil {
		err = q.check(c)
	}
	if err != nil {
		return j, err
	}
	if err := terms.CheckReason(q.Reason); err != nil {
		return j, named(err, q.RoomRef)
	}
	j.owed = &owing{request: q}
	users, was := 0, false
	j.here = func(ctx context.Context) (DismissRoomResponse, error) {
		n, err := c.o.Rooms.DismissRoom(ctx, j.room, q.Reason)
		if users += n; err == nil {
			was = true
		} else if was && notFound(err) { // it has ended with those who were in before
			err = nil
		}
		return DismissRoomResponse{Users: users}, named(err, q.RoomRef)
	}
	// As long as somebody may come, the room is made anew.
	j.awaits = func(error) ([]string, bool) { return nil, true }
	return j, nil
}

func setUserBlocked(c *Commands, q SetUserBlockedRequest) (j job[SetUserBlockedResponse], err error) {
	if err := q.check(c); err != nil {
		return j, err
	}
	j.room, err = q.room(false)
	j.awaits = forUsers(q.UserID)
	j.here = func(ctx context.Context) (SetUserBlockedResponse, error) {
		err := c.o.Rooms.SetUserBlocked(ctx, j.room, q.UserID, q.Block)
		return SetUserBlockedResponse{UserID: q.UserID, Block: q.Block}, named(err, q.RoomRef)
	}
	return j, err
}

func updateUser(c *Commands, q UpdateUserRequest) (j job[UpdateUserResponse], err error) {
	if q.Name == nil && q.Metadata == nil {
		return j, bad("Name", "Name, Metadata or both are given")
	}
	j.room, err = q.room(false)
	j.awaits = forUsers(q.UserID)
	j.here = func(ctx context.Context) (UpdateUserResponse, error) {
		p, err := c.o.Rooms.UpdateUser(ctx, j.room, q.UserID, terms.ProfileChange{Name: q.Name, Metadata: q.Metadata})
		return UpdateUserResponse{UserID: q.UserID, Name: p.Name, Metadata: p.Metadata}, named(err, q.RoomRef)
	}
	return j, err
}

func listRooms(c *Commands, q ListRoomsRequest) (j job[ListRoomsResponse], err error) {
	filter := terms.RoomFilter{Prefix: q.Prefix, Scene: q.Scene, Contains: q.Contains, Order: q.Order}
	page := terms.Page{After: q.After, Limit: q.Limit}
	if err := terms.CheckList(filter, page); err != nil {
		return j, named(err, RoomRef{})
	}
	j.here = func(context.Context) (ListRoomsResponse, error) {
		l, err := c.o.Rooms.ListRooms(filter, page)
		a := ListRoomsResponse{Rooms: []Room{}, Next: l.Next, Total: l.Total}
		for _, i := range l.Rooms {
			a.Rooms = append(a.Rooms, roomOf(i))
		}
		return a, named(err, RoomRef{})
	}
	j.all = func(ctx context.Context, request []byte) (ListRoomsResponse, error) {
		return everywhere(ctx, c, ListRooms, request, j.here, func(l []ListRoomsResponse) (a ListRoomsResponse) {
			var nexts []string
			for _, one := range l {
				nexts = append(nexts, one.Next)
				a.Rooms, a.Total = append(a.Rooms, one.Rooms...), a.Total+one.Total
			}
			a.Rooms, a.Next = mergePage(a.Rooms, nexts, q.Limit, func(r Room) string { return r.position(q.Order) })
			return a
		}, func(a *ListRoomsResponse, missing []string) { a.Missing = missing })
	}
	return j, nil
}

func describeRoom(c *Commands, q DescribeRoomRequest) (j job[DescribeRoomResponse], err error) {
	j.room, err = q.room(false)
	j.here = func(context.Context) (DescribeRoomResponse, error) {
		d, err := c.o.Rooms.DescribeRoom(j.room, terms.Page{After: q.After, Limit: q.Limit})
		if err != nil {
			return DescribeRoomResponse{}, named(err, q.RoomRef)
		}
		a := DescribeRoomResponse{Room: roomOf(d.RoomInfo), UserList: []User{}, Next: d.Next, TimeMS: d.Time.UnixMilli()}
		for _, u := range d.List {
			a.UserList = append(a.UserList, userOf(u))
		}
		return a, nil
	}
	return j, err
}

func describeUser(c *Commands, q DescribeUserRequest) (j job[DescribeUserResponse], err error) {
	var page terms.Page
	if err := terms.CheckUser(q.UserID); err != nil {
		return j, named(err, q.RoomRef)
	}
	if q.RoomRef.given() {
		if j.room, err = q.room(false); err != nil {
			return j, err
		}
	}
	j.awaits = forUsers(q.UserID)
	page = terms.Page{After: q.After, Limit: q.Limit}
	if err := terms.CheckList(terms.RoomFilter{}, page); err != nil {
		return j, named(err, q.RoomRef)
	}
	j.here = func(context.Context) (DescribeUserResponse, error) {
		d, err := c.o.Rooms.DescribeUser(j.room, q.UserID, page)
		if err != nil {
			return DescribeUserResponse{}, named(err, q.RoomRef)
		}
		a := DescribeUserResponse{Rooms: []UserInRoom{}, Next: d.Next, TimeMS: d.Time.UnixMilli()}
		for _, u := range d.List {
			a.Rooms = append(a.Rooms, userInRoom(u))
		}
		return a, nil
	}
	if j.room.IsZero() {
		j.all = func(ctx context.Context, request []byte) (DescribeUserResponse, error) {
			return everywhere(ctx, c, DescribeUser, request, j.here, func(l []DescribeUserResponse) (a DescribeUserResponse) {
				var nexts []string
				for _, one := range l {
					nexts, a.TimeMS = append(nexts, one.Next), max(a.TimeMS, one.TimeMS)
					a.Rooms = append(a.Rooms, one.Rooms...)
				}
				a.Rooms, a.Next = mergePage(a.Rooms, nexts, q.Limit, func(r UserInRoom) string { return keyOf(r.RoomRef) })
				return a
			}, func(a *DescribeUserResponse, missing []string) { a.Missing = missing })
		}
	}
	return j, nil
}
