package terms

import (
	"cmp"
	"math"
	"strings"
	"time"
)

// Bounds of commands.
const (
	MaxRemoveUsers = 10
	MaxReasonText  = 256                  // bytes
	MaxBan         = 365 * 24 * time.Hour // longest ban
	MaxPage        = 1000                 // entries of one page of a list
	DefaultPage    = 100                  // entries if a list does not say how many
)

// CheckRemoval returns the bad_request that session.Rooms.RemoveUsers answers such a request with.
func CheckRemoval(id RoomID, users []string, text string, ban time.Duration) error {
	if err := id.Check(); err != nil {
		return err
	}
	if len(users) < 1 || len(users) > MaxRemoveUsers {
		return Errorf(CodeBadRequest, "users", "1 to %d users can be removed at once, not %d", MaxRemoveUsers, len(users))
	}
	for _, u := range users {
		if err := CheckUser(u); err != nil {
			return Errorf(CodeBadRequest, "users", "%s", AsError(err).Text)
		}
	}
	if ban < 0 || ban > MaxBan {
		return Errorf(CodeBadRequest, "ban", "a ban lasts 0 to %d seconds", int(MaxBan.Seconds()))
	}
	return CheckReason(text)
}

// CheckReason returns a bad_request for a text that is not shown to anybody.
func CheckReason(text string) error {
	if len(text) > MaxReasonText {
		return Errorf(CodeBadRequest, "reason", "a reason has at most %d bytes, this one has %d", MaxReasonText, len(text))
	}
	return nil
}

// Page selects a part of a list, which is in the order of names.
type Page struct {
	After string // the Next of the page before; "": from the start
	Limit int    // at most as many entries; 0: 100; highest 1000
}

// Check returns a bad_request for a page that is too large, and sets the limit if none is given.
func (g *Page) Check() error {
	if g.Limit < 0 || g.Limit > MaxPage {
		return Errorf(CodeBadRequest, "limit", "a page has 1 to %d entries", MaxPage)
	}
	if g.Limit == 0 {
		g.Limit = DefaultPage
	}
	return nil
}

// RoomFilter selects rooms of a list. The zero RoomFilter selects all.
type RoomFilter struct {
	Prefix string // of the name, or of the number's digits
	Scene  Scene
	// Contains is what the name, or the number's digits, contain, in capital letters or small ones.
	Contains string
	Order    RoomOrder
}

// RoomOrder is the order of a list of rooms.
type RoomOrder string

// The orders. Rooms that are equal in it are in the order of their keys. The zero RoomOrder is that of keys
// alone.
const (
	MostUsers      RoomOrder = "users"      // first the rooms with the most users
	MostPublishers RoomOrder = "publishers" // first the rooms with the most users who publish
	MostPoor       RoomOrder = "poor"       // first the rooms with the most users on poor networks
	Newest         RoomOrder = "newest"     // first the rooms that were made last
)

// Position returns where a room is in a list: positions are ordered as strings. value is what the order goes
// by, of the room: a number, or for Newest when it was made in Unix time, in ms.
func (o RoomOrder) Position(key string, value int64) string {
	if o == "" {
		return key
	}
	rank := make([]byte, 0, 17+len(key))
	for left, at := uint64(math.MaxInt64-max(value, 0)), 60; at >= 0; at -= 4 {
		rank = append(rank, "0123456789abcdef"[left>>at&15])
	}
	return string(append(append(rank, ':'), key...))
}

// Check returns a bad_request for what no room can be like.
func (f RoomFilter) Check() error {
	if len(f.Prefix) > MaxRoomName {
		return Errorf(CodeBadRequest, "prefix", "a room's name has at most %d bytes, this beginning of one has %d", MaxRoomName, len(f.Prefix))
	}
	if len(f.Contains) > MaxRoomName {
		return Errorf(CodeBadRequest, "contains", "a room's name has at most %d bytes, this part of one has %d", MaxRoomName, len(f.Contains))
	}
	switch f.Order {
	case "", MostUsers, MostPublishers, MostPoor, Newest:
	default:
		return Errorf(CodeBadRequest, "order", "rooms are in the order of users, publishers, poor or newest, not %.32q", string(f.Order))
	}
	if f.Scene != "" && f.Scene != Call && f.Scene != Live {
		return Errorf(CodeBadRequest, "scene", "a scene is call or live, not %.32q", string(f.Scene))
	}
	return nil
}

// Match reports whether the filter lets a room of that scene through.
func (f RoomFilter) Match(room RoomID, scene Scene) bool {
	if f.Scene != "" && f.Scene != scene {
		return false
	}
	if f.Prefix == "" && f.Contains == "" {
		return true
	}
	name := room.String()
	return strings.HasPrefix(name, f.Prefix) &&
		(f.Contains == "" || strings.Contains(strings.ToLower(name), strings.ToLower(f.Contains)))
}

// CheckList returns the bad_request that a list with this filter and page gets, or nil.
func CheckList(f RoomFilter, page Page) error { return cmp.Or(f.Check(), page.Check()) }
