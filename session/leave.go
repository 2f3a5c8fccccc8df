package session

import (
	"time"

	"parlor/session/terms"
)

// cause is why a user leaves.
type cause uint8

const (
	causeExit cause = iota
	causeTimeout
	causeRemoved
	causeDismissed
	causeReplaced
	causeShutdown
	causeExpired
	causeGone // the client was gone before it could know that it is in
)

// effects is the table of leaving: for each cause, what everybody is told. silent: that side is told nothing.
// A user that has timed out is told only if its socket still stands.
var effects = [...]struct {
	name   string
	exited terms.ExitReason  // to the user
	left   terms.LeaveReason // to the others
	feed   terms.FeedReason
}{
	causeExit:      {"exit", terms.ExitedExit, terms.LeftExit, terms.FeedNormal},
	causeTimeout:   {"timeout", terms.ExitedTimeout, terms.LeftTimeout, terms.FeedTimeout},
	causeRemoved:   {"removed", terms.ExitedRemoved, terms.LeftRemoved, terms.FeedRemoved},
	causeDismissed: {"dismissed", terms.ExitedDismissed, silent, terms.FeedRemoved},
	causeReplaced:  {"replaced", terms.ExitedReplaced, silent, terms.FeedReplaced},
	causeShutdown:  {"shutdown", terms.ExitedShutdown, silent, terms.FeedShutdown},
	causeExpired:   {"expired", terms.ExitedExpired, terms.LeftRemoved, terms.FeedExpired},
	causeGone:      {"gone", silent, terms.LeftTimeout, terms.FeedTimeout},
}

const silent = -1

// departure is one leaving.
type departure struct {
	cause cause
	text  string
	next  string        // URL of the node to go on at; may be empty
	told  chan struct{} // closed when the others are told, or see the user's next session
}

// depart takes participants of one room, whose leaving has begun, out of it. It returns when the leaving is
// complete. Leaving has five steps: (1) beginLocked, before; (2) stop; (3) and (4) announceLocked; (4, to its
// end) and (5) finish.
func (rm *room) depart(ps []*participant) {
	for _, p := range ps {
		p.stop()
	}
	rm.mu.Lock()
	for _, p := range ps {
		rm.announceLocked(p)
	}
	ended := rm.closed && len(rm.members) == 0
	rm.mu.Unlock()
	rm.finish(ps)
	if ended {
		rm.end()
	}
}

// leave takes p out for the given cause. If p is leaving already, leave waits for that, and returns false.
func (p *participant) leave(c cause, text string) (did bool) {
	p.room.mu.Lock()
	did = p.room.beginLocked(p, c, text)
	p.room.mu.Unlock()
	if !did {
		<-p.done.gone
		return false
	}
	p.room.depart([]*participant{p})
	return true
}

// beginLocked is step 1: from here on nothing new is accepted from p. It returns false if p is leaving
// already.
func (rm *room) beginLocked(p *participant, c cause, text string) bool {
	if p.left != nil {
		return false
	}
	p.left = &departure{cause: c, text: text, told: make(chan struct{})}
	return true
}

// announceLocked is step 3 and the beginning of step 4: it tells the others, the user and the feed. It also
// decides whether the room ends.
func (rm *room) announceLocked(p *participant) {
	m, e := p.m, effects[p.left.cause]
	delete(rm.members, m.user)
	delete(rm.numbered, m.id)
	if e.left != silent && rm.visible(m) {
		rm.tellLocked(m, terms.Event{Type: terms.EventUserLeft, User: terms.UserState{User: m.user}, Left: e.left})
	}
	rm.farewellLocked(p)
	if m.present != 0 {
		rm.reseatLocked()
	}
	rm.endIfEmptyLocked(m, p.left.cause)
	rm.emptyLocked()
}

// farewellLocked tells the user itself and the feed, and lets the next session of the user in.
func (rm *room) farewellLocked(p *participant) {
	e := effects[p.left.cause]
	rm.feedLocked(terms.FeedUserLeft, func(f *terms.FeedEvent) { f.User, f.Reason, f.Text = p.user, e.feed, p.left.text })
	var last *terms.Event
	if e.exited != silent && (p.left.cause != causeTimeout || p.box.isAttached()) {
		last = &terms.Event{Type: terms.EventExited, Exited: e.exited, Text: p.left.text, Next: p.left.next}
	}
	p.report.end()
	p.box.close(last)
	delete(rm.auto, p)
	rm.unlistenLocked(p)
	close(p.left.told)
}

// endIfEmptyLocked applies the rules of how a room ends, after m has left. A room that was dismissed is
// closed already.
func (rm *room) endIfEmptyLocked(m *member, c cause) {
	if len(rm.members) > 0 || rm.closed {
		return
	}
	if rm.scene == terms.Live && m.role == terms.Audience && c != causeTimeout && c != causeGone {
		rm.emptySince = rm.rooms.opts.Now()
		return
	}
	rm.closeLocked(effects[c].feed, "")
}

// closeLocked ends the room: nobody can enter it any more.
func (rm *room) closeLocked(why terms.FeedReason, text string) {
	rm.closed = true
	rm.feedLocked(terms.FeedRoomDismissed, func(e *terms.FeedEvent) { e.Reason, e.Text = why, text })
	rm.emptyLocked()
}

// emptyLocked lets everything that waits for a closed room to be empty go on, once it is.
func (rm *room) emptyLocked() {
	if !rm.closed || len(rm.members) > 0 {
		return
	}
	select {
	case <-rm.empty:
	default:
		close(rm.empty)
	}
}

// finish is step 4 to its end and step 5. It waits until `exited` has been handed to each user's connection,
// but no longer than Timers.Tell for all of them. Then it closes transports and frees the sessions.
func (rm *room) finish(ps []*participant) {
	limit := time.NewTimer(rm.rooms.opts.Timers.Tell)
	defer limit.Stop()
wait:
	for _, p := range ps {
		select {
		case <-p.box.concluded:
		case <-limit.C:
			break wait
		}
	}
	for _, p := range ps {
		p.media.close()
		rm.rooms.forget(p)
		rm.rooms.counts.left[p.left.cause].Add(1)
		rm.rooms.freed(p)
		p.log().Info().Str("cause", effects[p.left.cause].name).Msg("user left")
	}
}

// end frees a room that is closed and empty.
func (rm *room) end() {
	rm.media.stop()
	rm.rooms.remove(rm)
	rm.mu.Lock()
	defer rm.mu.Unlock()
	select {
	case <-rm.over:
	default:
		close(rm.over)
	}
}

// background runs f on a goroutine of its own, or at once when the node has stopped.
func (r *Rooms) background(f func()) {
	r.mu.Lock()
	stopped := r.stopped
	if !stopped {
		r.spawned.Go(f)
	}
	r.mu.Unlock()
	if stopped {
		f()
	}
}
