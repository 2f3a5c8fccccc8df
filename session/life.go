package session

import (
	"context"
	"time"

	"parlor/session/terms"
)

// lifetime is when a room began, and how it ends. Under room.mu.
type lifetime struct {
	created    time.Time     // when the first user was in; zero: nobody ever was
	closed     bool          // has ended, or never began; nobody enters any more
	dismissed  int           // how many a command has put out of it; 0 before
	empty      chan struct{} // closed when it is closed and nobody is in, not even on the way out
	over       chan struct{} // closed when it is freed
	emptySince time.Time     // live room that goes on without anybody
	move       *move         // it ends here because it is to go on elsewhere; nil: it does not
}

// existsLocked answers the question whether there is such a room: somebody has entered, and it has not ended.
func (l *lifetime) existsLocked() bool { return !l.closed && !l.created.IsZero() }

// errNoRoom is the answer to those who ask for a room that does not exist.
func errNoRoom() error { return terms.Errorf(terms.CodeRoomNotFound, "room", "there is no such room") }

// Run keeps the timers, and tells live rooms how many watch. Users without life are let go, and so are those whose tokens have ended. Live rooms
// without anybody end. Bans that are over are forgotten. Run returns when ctx is done. Shutdown is separate,
// and may come before or after.
func (r *Rooms) Run(ctx context.Context) error {
	// A tenth of the shortest timer is as exact as anybody notices.
	every := min(max(min(r.opts.Timers.Timeout, r.opts.Timers.Media, r.opts.Timers.EmptyLive, r.opts.Timers.TokenExpiring)/10, 10*time.Millisecond), time.Second)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.sweep(r.opts.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep does what is due at now.
func (r *Rooms) sweep(now time.Time) {
	r.lookAtCandidates()
	for _, rm := range r.list() {
		if out := rm.beginDue(now); len(out) > 0 {
			r.background(func() { rm.depart(out) })
		}
		rm.tellViewers(now)
		if rm.closeOutlived(now) {
			rm.end()
		}
	}
	r.entries.forget(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tombs.expire(now)
	for k, b := range r.bans {
		if !now.Before(b.until) {
			delete(r.bans, k)
		}
	}
}

// beginDue begins the leaving of users that have shown no life for too long, or whose grants have ended.
func (rm *room) beginDue(now time.Time) []*participant {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	var l []*participant
	for _, m := range rm.sortedLocked(everybody) {
		silent, out := now.Sub(m.p.lastLife()), false
		rm.noteQuietLocked(m, silent)
		switch {
		case m.p.doubtful(now):
			out = rm.beginLocked(m.p, causeGone, "")
		case silent >= m.p.patience():
			out = rm.beginLocked(m.p, causeTimeout, "")
		}
		if out || rm.expireLocked(m, now) {
			l = append(l, m.p)
		}
	}
	return l
}

// patience is for how long the user may show no life.
func (p *participant) patience() time.Duration {
	if p.mediaOnly {
		return p.rooms.opts.Timers.Media
	}
	return p.rooms.opts.Timers.Timeout
}

// quietAfter is for how long a publisher that has nothing but media may show no sign of life. After that it
// gives up its automatic seats to others that wait for one. Encoders send packets all the time. Lower shows
// an encoder's successor sooner. Higher bears longer gaps of a network.
const quietAfter = 3 * time.Second

// noteQuietLocked notes whether a member seems to be gone, though its time is not over.
func (rm *room) noteQuietLocked(m *member, silent time.Duration) {
	if quiet := m.p.mediaOnly && m.present != 0 && silent >= quietAfter; quiet != m.quiet {
		m.quiet = quiet
		rm.reseatLocked()
	}
}

// closeOutlived closes a live room that nobody has been in for long enough, and reports whether it did.
func (rm *room) closeOutlived(now time.Time) bool {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.closed || rm.emptySince.IsZero() || now.Sub(rm.emptySince) < rm.rooms.opts.Timers.EmptyLive {
		return false
	}
	rm.closeLocked(terms.FeedNormal, "")
	return true
}

// Shutdown refuses new users, tells everybody that the node is going away, and closes everything. It returns
// when that is done, or with ctx's error.
func (r *Rooms) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.draining = true
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.closeAll(ctx)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Rooms) closeAll(ctx context.Context) {
	for _, rm := range r.list() {
		r.background(func() { _, _ = rm.dismiss(ctx, ending{cause: causeShutdown, text: "the node is shutting down"}) })
	}
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.spawned.Wait()
}

// Drain makes no new rooms from here on: a user that would be the first of one gets node_draining. Rooms that
// there are go on, and take users, until they end. There is no way back.
func (r *Rooms) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noNewRooms = true
}

// Draining reports whether Shutdown was called.
func (r *Rooms) Draining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining
}
