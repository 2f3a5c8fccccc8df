package session

import "parlor/session/terms"

// Retell tells the feed anew what there is, as if it had just begun. It tells 101 of every room, and 103 of
// everybody that is in, with what they have on, under ids of their own. From then on events carry the epoch,
// which is higher than any before. Events of an earlier epoch may still come meanwhile; they belong to what
// was told before. Retell is for a feed that others have brought to its end in this node's place. Rooms that
// are ending are not told again.
func (r *Rooms) Retell(epoch uint64) {
	r.mu.Lock()
	r.epoch = epoch
	rooms := make([]*room, 0, len(r.rooms))
	for _, rm := range r.rooms {
		rooms = append(rooms, rm)
	}
	r.mu.Unlock()
	for _, rm := range rooms {
		rm.retell(epoch)
	}
}

func (rm *room) retell(epoch uint64) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.closed || rm.feed.epoch >= epoch {
		return
	}
	rm.feed = roomFeed{instance: newID(), epoch: epoch}
	if rm.created.IsZero() {
		return
	}
	rm.feedLocked(terms.FeedRoomCreated, nil)
	for _, m := range rm.sortedLocked(everybody) {
		rm.feedLocked(terms.FeedUserEntered, func(e *terms.FeedEvent) {
			e.User, e.Name, e.Role, e.Reason = m.user, m.profile.Name, m.role, terms.FeedNormal
		})
		m.shown().each(func(s terms.Source) { rm.feedSourceLocked(m, s, true) })
	}
}
