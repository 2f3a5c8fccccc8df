package terms

import (
	"cmp"
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
}

// Check returns a bad_request for what no room can be like.
func (f RoomFilter) Check() error {
	if len(f.Prefix) > MaxRoomName {
		return Errorf(CodeBadRequest, "prefix", "a room's name has at most %d bytes, this beginning of one has %d", MaxRoomName, len(f.Prefix))
	}
	if f.Scene != "" && f.Scene != Call && f.Scene != Live {
		return Errorf(CodeBadRequest, "scene", "a scene is call or live, not %.32q", string(f.Scene))
	}
	return nil
}

// CheckList returns the bad_request that a list with this filter and page gets, or nil.
func CheckList(f RoomFilter, page Page) error { return cmp.Or(f.Check(), page.Check()) }
