package session

import (
	"encoding/json"
	"time"

	"parlor/router"
	"parlor/session/terms"
)

// listener is a user that wants to know who speaks. Under room.mu.
type listener struct {
	every int64 // ticks of router.VolumeInterval
	next  int64 // the tick with which it is told next
}

// SetVolumeInterval has the user told who speaks and how loud: every interval while somebody does, and at
// once when somebody else becomes the active speaker. 0 ends it; at first it is 0. Intervals are rounded up
// to whole router.VolumeIntervals. Errors: bad_request, not_allowed, user_not_found.
func (s *Session) SetVolumeInterval(d time.Duration) error {
	p := s.p
	if d != 0 && (d < MinVolumeInterval || d > MaxVolumeInterval) {
		return terms.Errorf(terms.CodeBadRequest, "intervalMs", "an interval is %d to %d ms, or 0 for none",
			MinVolumeInterval.Milliseconds(), MaxVolumeInterval.Milliseconds())
	}
	if d != 0 {
		if err := p.granted().Need(terms.RightRecvAudio, "intervalMs"); err != nil {
			return err
		}
	}
	rm := p.room
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if p.left != nil {
		return errGone()
	}
	rm.unlistenLocked(p)
	if d != 0 {
		rm.listeners[p] = &listener{every: int64((d + router.VolumeInterval - 1) / router.VolumeInterval)}
		rm.reports.listening.Add(1)
	}
	return nil
}

// unlistenLocked ends that p is told who speaks.
func (rm *room) unlistenLocked(p *participant) {
	if rm.listeners[p] != nil {
		delete(rm.listeners, p)
		rm.reports.listening.Add(-1)
	}
}

// userVolume is how loud a user is.
type userVolume struct {
	User   string `json:"user"`
	Volume int    `json:"volume"` // 1–100
}

// audioVolume is the report of who speaks.
type audioVolume struct {
	Type   string       `json:"type"`
	Users  []userVolume `json:"users"`
	Active *string      `json:"active"` // null: nobody
}

// tellVolumes tells the listeners whose turn it is. All get the same report, which is written once.
func (rm *room) tellVolumes(v *router.Volumes) {
	report := audioVolume{Type: "audio_volume", Users: []userVolume{}}
	rm.mu.Lock()
	for _, x := range v.Speaking {
		if m := rm.numbered[x.Member]; m != nil && rm.visible(m) {
			report.Users = append(report.Users, userVolume{m.user, x.Level})
		}
	}
	if m := rm.numbered[v.Active]; m != nil && rm.visible(m) {
		report.Active = &m.user
	}
	due := rm.takeDueLocked(v)
	rm.mu.Unlock()
	if len(due) == 0 {
		return
	}
	message, err := json.Marshal(report)
	if err != nil {
		rm.rooms.opts.Log.Error().Err(err).Str("room", rm.key).Msg("writing who speaks")
		return
	}
	for _, p := range due {
		p.report.tell(message)
	}
}

// takeDueLocked returns the users that the volumes are for, and notes when it is their turn again.
func (rm *room) takeDueLocked(v *router.Volumes) []*participant {
	var due []*participant
	for p, l := range rm.listeners {
		if v.Tick < l.next && !v.Changed || p.left != nil || !p.granted().Rights.Has(terms.RightRecvAudio) {
			continue
		}
		l.next = v.Tick + l.every
		due = append(due, p)
	}
	return due
}
