package session

import (
	"strconv"
	"time"

	"parlor/session/terms"
)

// How often those in a live room are told how many watch: once a second, and less often if more are to be
// told than so many a second. Higher costs CPU in rooms with thousands that come and go. Lower tells them
// later.
const (
	viewersEvery   = time.Second
	viewersPerTime = 1000
)

// viewers is how many watch in a live room, as was told last. Under room.mu.
type viewers struct {
	count int
	next  time.Time // it is not told again before
}

// tellViewers tells everybody in a live room how many watch, if that has changed and it is time for it. All
// get the same report, which is written once.
func (rm *room) tellViewers(now time.Time) {
	count, to := rm.takeViewers(now)
	if len(to) == 0 {
		return
	}
	message := append(strconv.AppendInt([]byte(`{"type":"viewer_count","count":`), int64(count), 10), '}')
	for _, p := range to {
		p.report.tell(message)
	}
}

// takeViewers returns how many watch, and whom to tell.
func (rm *room) takeViewers(now time.Time) (count int, to []*participant) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.scene != terms.Live || now.Before(rm.viewers.next) {
		return 0, nil
	}
	if count = rm.countLocked(watches); count == rm.viewers.count {
		return 0, nil
	}
	to = rm.hearersLocked(everybody)
	rm.viewers = viewers{count, now.Add(viewersEvery * time.Duration(1+len(to)/viewersPerTime))}
	return count, to
}

// watches reports whether a member is one of the audience.
func watches(m *member) bool { return m.role == terms.Audience }

// viewersLocked is what somebody that enters is told of it; nil in a call.
func (rm *room) viewersLocked() *int {
	if rm.scene != terms.Live {
		return nil
	}
	return new(rm.viewers.count)
}
