package session

import (
	"sync"
	"sync/atomic"
	"time"

	"parlor/router"
)

// Reports tell how things are at the moment: who speaks, how good the network is. They are not events. They
// have no number and are not kept, and a client that is slow misses some.

// Reports has send called with each report to the user, JSON as docs/protocol.md has it, from now on. It ends
// with Detached, or once another connection has taken over. send is called with locks held: it must not
// block, nor call into this package. The message is shared by everybody, and only to be read.
func (s *Session) Reports(send func(message []byte)) { s.p.report.attach(s.attachment, send) }

// reporter is the way of reports to a user's signalling connection. The zero value has none.
type reporter struct {
	mu         sync.Mutex
	attachment uint64 // that send is of
	send       func(message []byte)
	over       bool // the user has left
}

func (r *reporter) attach(attachment uint64, send func([]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attachment >= r.attachment && !r.over {
		r.attachment, r.send = attachment, send
	}
}

// detach ends the attachment, if it is the present one. Once it has returned, the attachment's send is not
// called any more.
func (r *reporter) detach(attachment uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if attachment == r.attachment {
		r.send = nil
	}
}

// end lets no report out any more: what is being written when the user leaves does not follow its leave.
func (r *reporter) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send, r.over = nil, true
}

// open says whether a report would go anywhere.
func (r *reporter) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.send != nil
}

func (r *reporter) tell(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.send != nil {
		r.send(message)
	}
}

// reports is what a room's router has noticed and nobody was told yet. There is a goroutine only while there
// is something to tell.
type reports struct {
	listening atomic.Int32 // how many users want to know who speaks

	mu      sync.Mutex
	volumes *router.Volumes // the latest; nil: none
	samples []router.Sample
	running bool // deliver is under way

	undecodable map[undecodableKey]router.Undecodable // the latest of each section
	demands     map[router.TrackKey]router.Demand     // the latest of each track

	statistics statistics // of deliver, of which there is one at a time
}

// observer is a room as its router sees it.
type observer struct{ rm *room }

// Listening implements router.Observer.
func (o observer) Listening() bool { return o.rm.reports.listening.Load() > 0 }

// Volumes implements router.Observer.
func (o observer) Volumes(v router.Volumes) {
	r := &o.rm.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.volumes != nil {
		v.Changed = v.Changed || r.volumes.Changed
	}
	r.volumes = &v
	o.rm.startDelivering()
}

// startDelivering starts delivering. The router calls it; roomMedia.stop waits for the router, and for what
// this starts. reports.mu is held.
func (rm *room) startDelivering() {
	if !rm.reports.running {
		rm.reports.running = true
		rm.media.done.Go(rm.deliver)
	}
}

// deliver tells everybody what there is to tell.
func (rm *room) deliver() {
	r := &rm.reports
	for {
		r.mu.Lock()
		volumes, samples, undecodable, demands := r.volumes, r.samples, r.undecodable, r.demands
		r.volumes, r.samples, r.undecodable, r.demands = nil, nil, nil, nil
		if volumes == nil && samples == nil && undecodable == nil && demands == nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		rm.tellLayers(demands) // somebody waits for a picture
		if volumes != nil {
			rm.tellVolumes(volumes)
		}
		rm.tellUndecodable(undecodable)
		rm.tellStatistics(samples, &r.statistics)
	}
}

// The bounds of the interval of volumes.
const (
	MinVolumeInterval = 100 * time.Millisecond
	MaxVolumeInterval = 10 * time.Second
)
