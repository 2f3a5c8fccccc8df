package refusal

import (
	"net/netip"
	"slices"
	"time"

	"parlor/session/remote"
	"parlor/session/terms"
)

const (
	// keep is how many refusals are kept. More show an operator more of the past, at 200 bytes each.
	keep = 100
	// keepPerSite is how many of them may be of one address, or /64 of IPv6, so that one does not push out all
	// others.
	keepPerSite = keep / 2
)

// Entry is a refusal that is kept. It holds nothing of what was shown but ids.
type Entry struct {
	Kind
	At    time.Time  // of the latest one
	Times uint64     // how often the same was refused
	From  netip.Addr // not valid: not known
	Room  terms.RoomID
	User  string
	Field string // of the request
	Why   string // empty for a bad request, whose text may quote what was shown
}

// entryOf is what may be told of a refusal.
func entryOf(r Refusal, e *terms.Error, reason string, now time.Time) Entry {
	x := Entry{Kind: Kind{r.Door, reason}, At: now, Times: 1, From: r.From, Field: e.Field}
	if room, err := terms.ParseRoomID(r.Room); err == nil {
		x.Room = room
	}
	if terms.CheckUser(r.User) == nil {
		x.User = r.User
	}
	if e.Code != terms.CodeBadRequest {
		x.Why = e.Text
	}
	return x
}

// same reports whether two refusals are told as one.
func (x Entry) same(y Entry) bool {
	return x.Kind == y.Kind && x.From == y.From && x.Room == y.Room && x.User == y.User && x.Field == y.Field
}

// latest are the latest refusals, oldest first.
type latest []Entry

// add keeps one more refusal. One that was refused the same before is told as the latest, with how often.
func (l *latest) add(x Entry) {
	at := slices.IndexFunc(*l, x.same)
	if at >= 0 {
		x.Times += (*l)[at].Times
	} else {
		at = l.surplus(x.From)
	}
	if at >= 0 {
		*l = slices.Delete(*l, at, at+1)
	}
	*l = append(*l, x)
}

// surplus returns which entry gives way to one of an address's site, or -1 if there is space.
func (l *latest) surplus(from netip.Addr) int {
	first, of, site := -1, 0, remote.Site(from)
	for i := range *l {
		if remote.Site((*l)[i].From) != site {
			continue
		}
		if of++; first < 0 {
			first = i
		}
	}
	switch {
	case of >= keepPerSite:
		return first
	case len(*l) >= keep:
		return 0
	}
	return -1
}

// Latest returns the latest refusals, newest first: 100 at most, of one site 50 at most. A nil *Log has
// none.
func (l *Log) Latest() []Entry {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.last)
	slices.Reverse(all)
	return all
}
